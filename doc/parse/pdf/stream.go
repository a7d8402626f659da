package pdf

import (
	"bufio"
	"compress/flate"
	"encoding/ascii85"
	"io"

	"nearside/fault"
)

// decode returns what a stream says, its filters undone. A stream that breaks off says what came
// before. What it unpacks to, after each filter, counts against the file's limit.
func (f *File) decode(s stream) ([]byte, error) {
	r, err := f.raw(s)
	if err != nil {
		return nil, err
	}
	filters, params := f.filters(s.dict)
	if len(filters) > maxFilters {
		return nil, fault.New(fault.Invalid, "a stream has %d filters; at most %d are undone", len(filters), maxFilters)
	}
	for i, filter := range filters {
		if i > 0 {
			r = &meter{f, r}
		}
		if r, err = undo(filter, params[i], r); err != nil {
			return nil, err
		}
	}
	data, err := io.ReadAll(&meter{f, r})
	if ctxErr := f.ctx.Err(); ctxErr != nil {
		return nil, ctxErr
	}
	if f.spent > f.limits.Expanded {
		return nil, f.tooMuch()
	}
	if len(data) == 0 && fault.As(err) != nil {
		return nil, err
	}
	return data, nil
}

func (f *File) tooMuch() error {
	return fault.New(fault.TooLarge, "it unpacks to more than %d bytes, the limit; raise the limit if you trust it", f.limits.Expanded)
}

// meter counts what is read against the limit, and stops with the context of the file.
type meter struct {
	f *File
	r io.Reader
}

func (m *meter) Read(p []byte) (int, error) {
	if err := m.f.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.r.Read(p)
	if m.f.spent += int64(n); m.f.spent > m.f.limits.Expanded {
		return 0, m.f.tooMuch()
	}
	return n, err
}

// filters returns the filters of a stream in the order in which they are undone, each with its parameters.
func (f *File) filters(d dict) ([]name, []dict) {
	list := f.list(first(d, "Filter", "F"))
	parms := f.list(first(d, "DecodeParms", "DP"))
	var names []name
	var params []dict
	for i, v := range list {
		filter, _ := f.resolve(v).(name)
		var p dict
		if i < len(parms) {
			p = f.dict(parms[i])
		}
		resolved := dict{}
		for k, v := range p {
			resolved[k] = f.resolve(v)
		}
		names, params = append(names, filter), append(params, resolved)
	}
	return names, params
}

// list is v's elements, or v alone.
func (f *File) list(v any) array {
	switch v := f.resolve(v).(type) {
	case nil:
		return nil
	case array:
		return v
	default:
		return array{v}
	}
}

func first(d dict, keys ...name) any {
	for _, k := range keys {
		if v, ok := d[k]; ok {
			return v
		}
	}
	return nil
}

// maxFilters is how many filters may stand on each other; each is a reader on the next.
const maxFilters = 10

func undo(filter name, p dict, r io.Reader) (io.Reader, error) {
	switch filter {
	case "FlateDecode", "Fl":
		return predict(p, inflate(r))
	case "LZWDecode", "LZW":
		early := true
		if n, ok := p["EarlyChange"].(int); ok {
			early = n != 0
		}
		return predict(p, newLZW(r, early))
	case "ASCII85Decode", "A85":
		return ascii85.NewDecoder(&a85Trim{r: bufio.NewReader(r)}), nil
	case "ASCIIHexDecode", "AHx":
		return &hexReader{r: bufio.NewReader(r)}, nil
	case "RunLengthDecode", "RL":
		return &runLength{r: bufio.NewReader(r)}, nil
	case "Crypt":
		return r, nil
	}
	return nil, fault.New(fault.Unsupported, "the filter %s makes no text", filter)
}

// inflate reads zlib's format as lenient viewers do: without its checksum, and without its header if that is missing.
func inflate(r io.Reader) io.Reader {
	b := bufio.NewReader(r)
	for range 4 { // white space before the data, by writers that count wrong
		c, err := b.Peek(2)
		if err != nil || !isSpace(c[0]) {
			break
		}
		b.Discard(1) // it was peeked
	}
	if h, err := b.Peek(2); err == nil && h[0]&0x0f == 8 && (int(h[0])<<8|int(h[1]))%31 == 0 {
		b.Discard(2)
	}
	return flate.NewReader(b)
}

// hexReader undoes ASCIIHexDecode: digits up to >, whatever stands between them.
type hexReader struct {
	r    *bufio.Reader
	done bool
}

func (h *hexReader) Read(p []byte) (int, error) {
	for i := range p {
		high, low := h.digit(), h.digit()
		if high < 0 {
			if i == 0 {
				return 0, io.EOF
			}
			return i, nil
		}
		p[i] = byte(high<<4 | max(low, 0))
	}
	return len(p), nil
}

func (h *hexReader) digit() int {
	for !h.done {
		c, err := h.r.ReadByte()
		if err != nil || c == '>' {
			h.done = true
			break
		}
		if d := hexDigit(c); d >= 0 {
			return d
		}
	}
	return -1
}

// a85Trim ends before ~> and leaves <~ at the start out.
type a85Trim struct {
	r       *bufio.Reader
	started bool
	done    bool
}

func (a *a85Trim) Read(p []byte) (int, error) {
	if !a.started {
		a.started = true
		if h, err := a.r.Peek(2); err == nil && string(h) == "<~" {
			a.r.Discard(2)
		}
	}
	for i := range p {
		c, err := a.r.ReadByte()
		if err != nil || c == '~' || a.done {
			a.done = true
			if i == 0 {
				return 0, io.EOF
			}
			return i, nil
		}
		p[i] = c
	}
	return len(p), nil
}

// runLength undoes RunLengthDecode (ISO 32000-2, 7.4.5).
type runLength struct {
	r   *bufio.Reader
	out []byte
	buf [128]byte
}

func (l *runLength) Read(p []byte) (int, error) {
	for len(l.out) == 0 {
		n, err := l.r.ReadByte()
		switch {
		case err != nil || n == 128:
			return 0, io.EOF
		case n < 128:
			k, err := io.ReadFull(l.r, l.buf[:int(n)+1])
			if k == 0 {
				return 0, err
			}
			l.out = l.buf[:k]
		default:
			c, err := l.r.ReadByte()
			if err != nil {
				return 0, err
			}
			k := 257 - int(n)
			for i := range k {
				l.buf[i] = c
			}
			l.out = l.buf[:k]
		}
	}
	k := copy(p, l.out)
	l.out = l.out[k:]
	return k, nil
}

// lzw undoes LZWDecode (ISO 32000-2, 7.4.4); compress/lzw cannot, as codes grow one entry early here.
type lzw struct {
	r      *bufio.Reader
	early  int
	bits   uint32
	nbits  uint
	width  uint
	size   int // entries of the table
	last   int // the code before, or -1
	prefix [4097]int16
	suffix [4097]byte
	length [4097]int16
	out    []byte
	buf    [4097]byte
}

func newLZW(r io.Reader, early bool) io.Reader {
	l := &lzw{r: bufio.NewReader(r)}
	if early {
		l.early = 1
	}
	for i := range 256 {
		l.suffix[i], l.length[i] = byte(i), 1
	}
	l.clear()
	return l
}

func (l *lzw) clear() { l.width, l.size, l.last = 9, 258, -1 }

func (l *lzw) Read(p []byte) (int, error) {
	for len(l.out) == 0 {
		for l.nbits < l.width {
			c, err := l.r.ReadByte()
			if err != nil {
				return 0, io.EOF
			}
			l.bits = l.bits<<8 | uint32(c)
			l.nbits += 8
		}
		code := int(l.bits >> (l.nbits - l.width) & (1<<l.width - 1))
		l.nbits -= l.width
		switch {
		case code == 256:
			l.clear()
		case code == 257 || code > l.size || code == l.size && l.last < 0:
			return 0, io.EOF
		default:
			l.expand(code)
		}
	}
	n := copy(p, l.out)
	l.out = l.out[n:]
	return n, nil
}

// expand puts what a code stands for into out, and adds an entry to the table.
func (l *lzw) expand(code int) {
	if l.last >= 0 && l.size < 4096 {
		head := code
		if code == l.size {
			head = l.last
		}
		for l.length[head] > 1 {
			head = int(l.prefix[head])
		}
		l.prefix[l.size], l.suffix[l.size], l.length[l.size] = int16(l.last), l.suffix[head], l.length[l.last]+1
		l.size++
		if l.size+l.early >= 1<<l.width && l.width < 12 {
			l.width++
		}
	}
	n := int(l.length[code])
	at := code
	for i := n - 1; i >= 0; i-- {
		l.buf[i] = l.suffix[at]
		at = int(l.prefix[at])
	}
	l.out = l.buf[:n]
	l.last = code
}

// predict undoes a predictor (ISO 32000-2, 7.4.4.4).
func predict(p dict, r io.Reader) (io.Reader, error) {
	kind, _ := p["Predictor"].(int)
	if kind <= 1 {
		return r, nil
	}
	colors, bits, columns := positive(p["Colors"], 1), positive(p["BitsPerComponent"], 8), positive(p["Columns"], 1)
	if colors > 32 || bits > 16 || columns > 1<<20 {
		return nil, fault.New(fault.Invalid, "a predictor for rows of %d times %d times %d bits; at most 2^20 columns of 32 colours of 16 bits are read", columns, colors, bits)
	}
	return &predictor{
		r: bufio.NewReader(r), tiff: kind == 2,
		step: max(1, colors*bits/8), row: make([]byte, (columns*colors*bits+7)/8), up: make([]byte, (columns*colors*bits+7)/8),
	}, nil
}

func positive(v any, otherwise int) int {
	if n, ok := v.(int); ok && n > 0 {
		return n
	}
	return otherwise
}

type predictor struct {
	r       *bufio.Reader
	tiff    bool
	step    int    // bytes from a sample to the one left of it
	row, up []byte // this row, and the one above
	out     []byte
}

func (p *predictor) Read(b []byte) (int, error) {
	for len(p.out) == 0 {
		var kind byte
		if !p.tiff {
			var err error
			if kind, err = p.r.ReadByte(); err != nil {
				return 0, err
			}
		}
		p.row, p.up = p.up, p.row
		n, err := io.ReadFull(p.r, p.row)
		if n == 0 {
			return 0, err
		}
		clear(p.row[n:])
		p.undo(kind)
		p.out = p.row[:n]
	}
	n := copy(b, p.out)
	p.out = p.out[n:]
	return n, nil
}

func (p *predictor) undo(kind byte) {
	if p.tiff {
		kind = 1
	}
	for i := range p.row {
		var left, corner byte
		if i >= p.step {
			left, corner = p.row[i-p.step], p.up[i-p.step]
		}
		switch kind {
		case 1:
			p.row[i] += left
		case 2:
			p.row[i] += p.up[i]
		case 3:
			p.row[i] += byte((int(left) + int(p.up[i])) / 2)
		case 4:
			p.row[i] += paeth(left, p.up[i], corner)
		}
	}
}

func paeth(a, b, c byte) byte {
	p := int(a) + int(b) - int(c)
	pa, pb, pc := abs(p-int(a)), abs(p-int(b)), abs(p-int(c))
	switch {
	case pa <= pb && pa <= pc:
		return a
	case pb <= pc:
		return b
	}
	return c
}

func abs(n int) int { return max(n, -n) }
