package parse

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sort"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/transform"

	"nearside/doc"
)

// decoded is a file of text, or a stretch of one, as UTF-8 each byte of which knows where it was in the file.
type decoded struct {
	text  string
	base  int64  // where the text begins in the file
	line  int    // the line of its first byte
	end   int64  // where it ends in the file
	spans []span // nil = the text is the file's bytes
	lines []int  // where the text's second and later lines begin
	note  string // for people: what had to be guessed
}

// span is a stretch of decoded text up to the start of the next one.
type span struct {
	start    uint32 // in the text
	from     uint32 // in the file, from base
	verbatim bool   // the same bytes; otherwise it is one character
}

// charset is an encoding of text. The zero value is UTF-8.
type charset struct {
	name  string
	mark  int              // bytes of a byte order mark
	order binary.ByteOrder // of UTF-16; nil = another encoding
	other encoding.Encoding
}

var windows1252 = charset{name: "windows-1252", other: charmap.Windows1252}

// marked returns the encoding that a byte order mark names, nil if there is none.
func marked(head []byte) *charset {
	switch {
	case bytes.HasPrefix(head, []byte("\xEF\xBB\xBF")):
		return &charset{name: "utf-8", mark: 3}
	case bytes.HasPrefix(head, []byte("\xFF\xFE")):
		return &charset{name: "utf-16le", mark: 2, order: binary.LittleEndian}
	case bytes.HasPrefix(head, []byte("\xFE\xFF")):
		return &charset{name: "utf-16be", mark: 2, order: binary.BigEndian}
	}
	return nil
}

// guess returns the encoding of bytes that nothing names. Text in another encoding is hardly ever valid
// UTF-8 by chance; a few bad bytes among many good sequences are damage, and without any good one it is
// Windows-1252, of which Latin-1 is a part.
func guess(data []byte) charset {
	if utf8.Valid(data) {
		return charset{}
	}
	good, bad := 0, 0
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			bad++
		} else if n > 1 {
			good++
		}
		i += n
	}
	if good > bad {
		return charset{}
	}
	return windows1252
}

// decode makes text of bytes that begin at base, which is on the given line of the file.
func decode(data []byte, c charset, base int64, line int) *decoded {
	d := &decoded{base: base, line: line, end: base + int64(len(data))}
	switch {
	case c.order != nil:
		d.decodeUTF16(data, c.order)
	case c.other != nil:
		d.decodeOther(data, c.other)
	case utf8.Valid(data):
		d.text = string(data)
	default:
		d.note = "bytes that are not UTF-8 were replaced"
		d.decodeOther(data, nil)
	}
	if c.other != nil || c.order != nil {
		d.note = fmt.Sprintf("it was read as %s, and made UTF-8", c.name)
	}
	for at := lineEnd(d.text, 0, len(d.text)); at < len(d.text); at = lineEnd(d.text, at, len(d.text)) {
		d.lines = append(d.lines, at)
	}
	return d
}

func (d *decoded) decodeUTF16(data []byte, order binary.ByteOrder) {
	var text []byte
	for i := 0; i < len(data); {
		d.spans = append(d.spans, span{start: uint32(len(text)), from: uint32(i)})
		if i+1 == len(data) {
			text = utf8.AppendRune(text, utf8.RuneError)
			break
		}
		r := rune(order.Uint16(data[i:]))
		i += 2
		if utf16.IsSurrogate(r) {
			r2 := utf8.RuneError
			if i+1 < len(data) {
				r2 = utf16.DecodeRune(r, rune(order.Uint16(data[i:])))
			}
			if r = r2; r != utf8.RuneError {
				i += 2
			}
		}
		text = utf8.AppendRune(text, r)
	}
	d.text = string(text)
}

// decodeOther makes text of bytes in an encoding of which ASCII is a part; nil is UTF-8 with errors.
func (d *decoded) decodeOther(data []byte, e encoding.Encoding) {
	text := make([]byte, 0, len(data)+len(data)/8)
	var decoder transform.Transformer
	if e != nil {
		decoder = e.NewDecoder()
	}
	for i := 0; i < len(data); {
		start, from := len(text), i
		for i < len(data) && data[i] < utf8.RuneSelf && e != japanese.ISO2022JP {
			i++
		}
		if i > from {
			text = append(text, data[from:i]...)
			d.spans = append(d.spans, span{uint32(start), uint32(from), true})
			continue
		}
		r, n := decodeOne(data[i:], decoder)
		d.spans = append(d.spans, span{uint32(start), uint32(from), false})
		text, i = append(text, r...), i+n
	}
	d.text = string(text)
}

// decodeOne returns the first character of data, and how many bytes it took.
func decodeOne(data []byte, decoder transform.Transformer) ([]byte, int) {
	if decoder == nil {
		r, n := utf8.DecodeRune(data)
		return utf8.AppendRune(nil, r), n
	}
	var out [16]byte
	for n := 1; n <= min(len(data), 8); n++ {
		written, read, _ := decoder.Transform(out[:], data[:n], n == len(data))
		if written > 0 && read > 0 && utf8.Valid(out[:written]) {
			return out[:written], read
		}
	}
	return []byte("\uFFFD"), 1
}

// lineAt returns the line that the text at an offset is on.
func (d *decoded) lineAt(at int) int {
	return d.line + sort.Search(len(d.lines), func(i int) bool { return d.lines[i] > at })
}

// spanAt returns the index of the span that holds an offset of the text, if there are spans.
func (d *decoded) spanAt(at int) int {
	return sort.Search(len(d.spans), func(i int) bool { return int(d.spans[i].start) > at }) - 1
}

// fileAt returns the byte of the file at which the character at an offset of the text begins.
func (d *decoded) fileAt(at int) int64 {
	switch {
	case at >= len(d.text):
		return d.end
	case d.spans == nil:
		return d.base + int64(at)
	}
	s := d.spans[d.spanAt(at)]
	if s.verbatim {
		return d.base + int64(s.from) + int64(at) - int64(s.start)
	}
	return d.base + int64(s.from)
}

// place returns the origin of text[start:end] as a whole.
func (d *decoded) place(start, end int) doc.Origin {
	return doc.Origin{From: d.fileAt(start), To: d.fileAt(end), Line: d.lineAt(start)}
}

// add appends text[start:end] to the open block of b.
func (d *decoded) add(b *doc.Builder, start, end int) {
	if d.spans == nil {
		if end > start {
			o := d.place(start, end)
			o.Verbatim = true
			b.Add(d.text[start:end], o)
		}
		return
	}
	for at := start; at < end; {
		stop, verbatim := d.stretch(at, end)
		o := d.place(at, stop)
		o.Verbatim = verbatim
		b.Add(d.text[at:stop], o)
		at = stop
	}
}

// stretch returns where the stretch of text at an offset ends that one origin can stand for: what is verbatim, or a
// word that is not. An origin for each character would take many times the memory of the text.
func (d *decoded) stretch(at, end int) (stop int, verbatim bool) {
	first := d.spanAt(at)
	for i := first; i < len(d.spans); i++ {
		if d.spans[i].verbatim != d.spans[first].verbatim {
			return min(int(d.spans[i].start), end), d.spans[first].verbatim
		}
		if r, _ := utf8.DecodeRuneInString(d.text[d.spans[i].start:]); !d.spans[i].verbatim && unicode.IsSpace(r) {
			if i > first {
				return min(int(d.spans[i].start), end), false
			}
			return min(int(d.spans[i].start)+utf8.RuneLen(r), end), false
		}
	}
	return end, d.spans[first].verbatim
}

// addAs appends text that stands for text[start:end] as a whole, such as a character for its entity.
func (d *decoded) addAs(b *doc.Builder, text string, start, end int) {
	b.Add(text, d.place(start, end))
}

// imply appends text that the file does not have, at an offset.
func (d *decoded) imply(b *doc.Builder, text string, at int) {
	b.Add(text, d.place(at, at))
}
