package pdf

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"nearside/fault"
)

// entry says where an object is: at an offset, or in an object stream.
type entry struct {
	off int64
	gen int
	in  int // number of the object stream; 0 = none
}

const (
	maxObjects  = 1 << 20  // that a file may have; each costs some 60 bytes
	maxObject   = 16 << 20 // bytes of an object without its stream
	maxUnpacked = 32 << 20 // bytes of unpacked object streams that are kept
)

var errDamaged = errors.New("damaged")

// window returns up to n bytes at off.
func (f *File) window(off int64, n int) []byte {
	if off < 0 || off >= f.size || f.ctx.Err() != nil {
		return nil
	}
	b := make([]byte, min(int64(n), f.size-off))
	k, _ := f.src.ReadAt(b, off) // what cannot be read is missing
	return b[:k]
}

// findHeader looks for %PDF- in the first bytes, where viewers look for it.
func (f *File) findHeader() error {
	i := bytes.Index(f.window(0, 1024), []byte("%PDF-"))
	if i < 0 {
		return fault.New(fault.Invalid, "it is no PDF: %%PDF- is not among its first 1024 bytes")
	}
	f.base = int64(i)
	return nil
}

// readXref follows startxref and all tables before it.
func (f *File) readXref() error {
	f.xref, f.trailer = map[int]entry{}, dict{}
	tail := f.window(max(0, f.size-2048), 2048)
	i := bytes.LastIndex(tail, []byte("startxref"))
	if i < 0 {
		return errDamaged
	}
	off, ok := (&lexer{b: tail, pos: i + len("startxref")}).next(0).(int)
	if !ok {
		return errDamaged
	}
	seen := map[int]bool{}
	for queue := []int{off}; len(queue) > 0; queue = queue[1:] {
		if off := queue[0]; !seen[off] {
			seen[off] = true
			t, err := f.readSection(f.base + int64(off))
			if err != nil {
				return err
			}
			for _, key := range []name{"XRefStm", "Prev"} {
				if at, ok := t[key].(int); ok {
					queue = append(queue, at)
				}
			}
			f.addTrailer(t)
		}
	}
	if f.trailer["Root"] == nil {
		return errDamaged
	}
	return nil
}

// addTrailer keeps what newer trailers did not say.
func (f *File) addTrailer(t dict) {
	for k, v := range t {
		if _, ok := f.trailer[k]; !ok {
			f.trailer[k] = v
		}
	}
}

func (f *File) add(num int, e entry) error {
	if _, ok := f.xref[num]; ok || num <= 0 {
		return nil
	}
	if len(f.xref) >= maxObjects {
		return fault.New(fault.TooLarge, "it has more than %d objects, the limit", maxObjects)
	}
	f.xref[num] = e
	return nil
}

// readSection reads a table, or a stream, of references, and returns its trailer.
func (f *File) readSection(off int64) (dict, error) {
	if l := (&lexer{b: f.window(off, 64)}); l.next(0) == word("xref") {
		for n := 4096; ; n *= 4 {
			t, err := f.readTable(&lexer{b: f.window(off, n), pos: l.pos})
			if err == nil || off+int64(n) >= f.size || n > maxObject || fault.As(err) != nil {
				return t, err
			}
		}
	}
	_, obj, err := f.objectAt(off)
	if err != nil {
		return nil, err
	}
	s, ok := obj.(stream)
	if !ok {
		return nil, errDamaged
	}
	return s.dict, f.readXrefStream(s)
}

func (f *File) readTable(l *lexer) (dict, error) {
	for {
		switch v := l.next(0).(type) {
		case int:
			count, _ := l.next(0).(int)
			for i := 0; i < count; i++ {
				off, ok := l.next(0).(int)
				gen, too := l.next(0).(int)
				kind, three := l.next(0).(word)
				if !ok || !too || !three || l.open {
					return nil, errDamaged
				}
				if kind == "n" {
					if err := f.add(v+i, entry{off: f.base + int64(off), gen: gen}); err != nil {
						return nil, err
					}
				}
			}
		case word:
			t, ok := l.next(0).(dict)
			if v != "trailer" || !ok || l.open {
				return nil, errDamaged
			}
			return t, nil
		default:
			return nil, errDamaged
		}
	}
}

// readXrefStream reads a cross-reference stream (ISO 32000-2, 7.5.8).
func (f *File) readXrefStream(s stream) error {
	w, _ := s.dict["W"].(array)
	if len(w) < 3 {
		return errDamaged
	}
	var width [3]int
	total := 0
	for i := range width {
		width[i], _ = w[i].(int)
		if width[i] < 0 || width[i] > 8 {
			return errDamaged
		}
		total += width[i]
	}
	data, err := f.decode(s)
	if err != nil {
		return err
	}
	if total == 0 {
		return errDamaged
	}
	index, ok := s.dict["Index"].(array)
	if !ok {
		index = array{0, s.dict["Size"]}
	}
	for i := 0; i+1 < len(index); i += 2 {
		start, _ := index[i].(int)
		count, _ := index[i+1].(int)
		for n := 0; n < count && len(data) >= total; n++ {
			if err := f.addPacked(start+n, data[:total], width); err != nil {
				return err
			}
			data = data[total:]
		}
	}
	return nil
}

func (f *File) addPacked(num int, row []byte, width [3]int) error {
	field := [3]int64{1, 0, 0}
	for i, w := range width {
		if w > 0 {
			field[i] = 0
		}
		for _, c := range row[:w] {
			field[i] = field[i]<<8 | int64(c)
		}
		row = row[w:]
	}
	switch field[0] {
	case 1:
		return f.add(num, entry{off: f.base + field[1], gen: int(field[2])})
	case 2:
		return f.add(num, entry{in: int(field[1])})
	}
	return nil
}

// objectAt reads the object that begins at off with its number.
func (f *File) objectAt(off int64) (ref, any, error) {
	for n := 1024; ; n *= 4 {
		l := &lexer{b: f.window(off, n)}
		num, ok := l.next(0).(int)
		gen, too := l.next(0).(int)
		if !ok || !too || l.next(0) != word("obj") {
			return ref{}, nil, errDamaged
		}
		v := l.object()
		id := ref{num, gen}
		after := l.pos
		keyword := l.next(0)
		if l.open && off+int64(n) < f.size && n <= maxObject {
			continue
		}
		d, ok := v.(dict)
		if !ok || keyword != word("stream") {
			return id, v, f.ctx.Err()
		}
		from := off + int64(after+bytes.Index(l.b[after:], []byte("stream"))+len("stream"))
		return id, f.streamAt(id, d, from), f.ctx.Err()
	}
}

// streamAt finds where a stream ends: where its length says, if endstream is there, else at the next endstream.
func (f *File) streamAt(id ref, d dict, from int64) stream {
	switch eol := f.window(from, 2); {
	case len(eol) == 2 && eol[0] == '\r' && eol[1] == '\n':
		from += 2
	case len(eol) > 0 && (eol[0] == '\n' || eol[0] == '\r'):
		from++
	}
	s := stream{dict: d, from: from, ref: id}
	length, ok := f.resolve(d["Length"]).(int)
	if ok && length >= 0 {
		s.to = from + int64(length)
		if (&lexer{b: f.window(s.to, 32)}).next(0) == word("endstream") {
			return s
		}
	}
	s.to = f.index(from, "endstream")
	for range 2 { // the end of line before endstream
		if c := f.window(s.to-1, 1); s.to > from && len(c) == 1 && (c[0] == '\n' || c[0] == '\r') {
			s.to--
		}
	}
	return s
}

// index is where a keyword stands at or after off; the size of the file, if nowhere.
func (f *File) index(off int64, keyword string) int64 {
	const chunk = 64 << 10
	for ; off < f.size; off += chunk - int64(len(keyword)) {
		b := f.window(off, chunk)
		if i := bytes.Index(b, []byte(keyword)); i >= 0 {
			return off + int64(i)
		}
		if len(b) < chunk {
			break
		}
	}
	return f.size
}

// raw reads a stream's bytes from the file, decrypted.
func (f *File) raw(s stream) (io.Reader, error) {
	r := io.NewSectionReader(f.src, s.from, max(0, min(s.to, f.size)-s.from))
	if f.crypt == nil || s.dict["Type"] == name("XRef") || s.ref.num == 0 {
		return r, nil
	}
	return f.crypt.stream(s.ref, r), nil
}

// resolve follows a reference. What is missing, damaged or a loop is nil, as the standard has it.
func (f *File) resolve(v any) any {
	for range 32 {
		r, ok := v.(ref)
		if !ok {
			return v
		}
		v = f.load(r)
	}
	return nil
}

func (f *File) dict(v any) dict {
	switch v := f.resolve(v).(type) {
	case dict:
		return v
	case stream:
		return v.dict
	}
	return nil
}

func (f *File) load(r ref) any {
	e, ok := f.xref[r.num]
	if !ok || f.busy[r.num] || f.ctx.Err() != nil {
		return nil
	}
	f.busy[r.num] = true
	defer delete(f.busy, r.num)
	if e.in > 0 {
		return f.unpacked(e.in, r.num)
	}
	id, v, err := f.objectAt(e.off)
	if err != nil || id.num != r.num {
		if f.rebuilt || f.rebuild() != nil {
			return nil
		}
		if again, ok := f.xref[r.num]; ok && again != e {
			delete(f.busy, r.num)
			return f.load(r)
		}
		return nil
	}
	if f.crypt != nil {
		v = f.crypt.strings(id, v)
	}
	return v
}

// objectStream is an unpacked object stream (ISO 32000-2, 7.5.7).
type objectStream struct {
	data []byte
	at   map[int]int // object number → offset in data
}

// unpacked reads an object out of an object stream.
func (f *File) unpacked(in, num int) any {
	o, ok := f.packed[in]
	if !ok {
		if o = f.unpack(in); o == nil {
			return nil
		}
		if f.held += len(o.data); f.packed == nil || f.held > maxUnpacked {
			f.packed, f.held = map[int]*objectStream{}, len(o.data)
		}
		f.packed[in] = o
	}
	at, ok := o.at[num]
	if !ok || at >= len(o.data) {
		return nil
	}
	return (&lexer{b: o.data, pos: at}).object()
}

func (f *File) unpack(in int) *objectStream {
	if f.xref[in].in != 0 { // an object stream stands in no other
		return nil
	}
	s, ok := f.load(ref{num: in}).(stream)
	if !ok {
		return nil
	}
	data, err := f.decode(s)
	if err != nil {
		return nil
	}
	start, _ := f.resolve(s.dict["First"]).(int)
	count, _ := f.resolve(s.dict["N"]).(int)
	o := &objectStream{data: data, at: map[int]int{}}
	l := &lexer{b: data}
	for i := 0; i < count; i++ {
		num, ok := l.next(0).(int)
		off, too := l.next(0).(int)
		if !ok || !too || off < 0 || start < 0 {
			break
		}
		o.at[num] = start + off
	}
	return o
}

// rebuild makes the table of references anew: it looks for all objects, of which the last of a number holds.
func (f *File) rebuild() error {
	if f.rebuilt {
		return nil
	}
	f.rebuilt = true
	f.xref, f.trailer, f.packed = map[int]entry{}, dict{}, nil
	var streams []int
	const chunk, overlap = 1 << 20, 64
	for off := int64(0); off < f.size; off += chunk - overlap {
		if err := f.ctx.Err(); err != nil {
			return err
		}
		found, err := f.scan(off, f.window(off, chunk))
		if err != nil {
			return err
		}
		streams = append(streams, found...)
	}
	if f.trailer["Encrypt"] != nil && f.unlock() != nil {
		return nil // open says why
	}
	for _, in := range streams {
		if o := f.unpack(in); o != nil {
			for num := range o.at {
				if err := f.add(num, entry{in: in}); err != nil {
					return err
				}
			}
		}
	}
	return f.findRoot()
}

// scan adds the objects that begin in b, and returns the numbers of its object streams.
func (f *File) scan(off int64, b []byte) ([]int, error) {
	var streams []int
	for i := 0; ; i++ {
		k := bytes.IndexAny(b[i:], "jt")
		if k < 0 {
			return streams, nil
		}
		i += k
		if bytes.HasPrefix(b[i:], []byte("trailer")) {
			if t, ok := (&lexer{b: f.window(off+int64(i)+7, 4096)}).object().(dict); ok {
				f.renewTrailer(t)
			}
			continue
		}
		id, at := numbersBefore(b, i)
		if at < 0 {
			continue
		}
		if len(f.xref) >= maxObjects {
			return nil, fault.New(fault.TooLarge, "it has more than %d objects, the limit", maxObjects)
		}
		f.xref[id.num] = entry{off: off + int64(at), gen: id.gen}
		switch head := f.window(off+int64(i), 512); {
		case bytes.Contains(head, []byte("/ObjStm")):
			streams = append(streams, id.num)
		case bytes.Contains(head, []byte("/XRef")):
			if _, v, err := f.objectAt(off + int64(at)); err == nil {
				f.renewTrailer(f.dict(v))
			}
		}
	}
}

// renewTrailer takes what a later trailer says.
func (f *File) renewTrailer(t dict) {
	for _, k := range []name{"Root", "Info", "Encrypt", "ID"} {
		if v, ok := t[k]; ok {
			f.trailer[k] = v
		}
	}
}

// numbersBefore reads N G before the obj whose j stands at i; at is where N begins, or -1.
func numbersBefore(b []byte, i int) (id ref, at int) {
	if i < 5 || string(b[i-2:i+1]) != "obj" || (i+1 < len(b) && !isSpace(b[i+1]) && !isDelimiter(b[i+1])) {
		return ref{}, -1
	}
	i -= 2
	gen, i := numberBefore(b, i)
	num, i := numberBefore(b, i)
	if gen < 0 || num < 0 {
		return ref{}, -1
	}
	return ref{num, gen}, i
}

func numberBefore(b []byte, i int) (n, at int) {
	for i > 0 && isSpace(b[i-1]) {
		i--
	}
	last := i
	for i > 0 && b[i-1] >= '0' && b[i-1] <= '9' && last-i < 10 {
		i--
	}
	n, err := strconv.Atoi(string(b[i:last]))
	if err != nil {
		return -1, i
	}
	return n, i
}

// findRoot looks for the catalog where no trailer names it.
func (f *File) findRoot() error {
	if f.dict(f.trailer["Root"])["Pages"] != nil {
		return nil
	}
	for num := range f.xref {
		if d := f.dict(ref{num: num}); d["Type"] == name("Catalog") && d["Pages"] != nil {
			f.trailer["Root"] = ref{num: num}
			return nil
		}
	}
	return nil // open looks for stray pages
}
