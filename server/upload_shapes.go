package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// holdsVectors reports whether what r stands before is one object around all
// records rather than the first record: whether a key "vectors", with an array,
// comes before any key of a record. It looks no further than r's buffer.
func holdsVectors(r *bufio.Reader) bool {
	ahead, err := r.Peek(uploadBuffer)
	if err != nil && err != io.EOF {
		return false
	}
	around, record := errors.New("around"), errors.New("record")
	s := scanner{data: ahead}
	return s.fields(func(key string) error {
		switch key {
		case "vectors":
			if s.take('[') {
				return around
			}
			return record
		case "id", "values":
			return record
		}
		s.space()
		return s.pass()
	}) == around
}

// object decodes {"vectors": […]} and passes over its other keys.
func (u *upload) object(r *bufio.Reader) error {
	v := values{r: r}
	if err := v.expect('{'); err != nil {
		return u.unreadable("%v", err)
	}
	for {
		key, err := v.next()
		if err == nil {
			err = v.expect(':')
		}
		if err == nil && string(key) == `"vectors"` {
			if err := u.array(&v); err != nil {
				return err
			}
		} else if err == nil {
			_, err = v.next()
		}
		more := false
		if err == nil {
			more, err = v.more('}')
		}
		if err == nil && !more {
			err = v.end()
		}
		if err != nil {
			return u.unreadable(`the object around "vectors": %v`, err)
		}
		if !more {
			return nil
		}
	}
}

// array decodes the records of an array.
func (u *upload) array(v *values) error {
	if err := v.expect('['); err != nil {
		return u.unreadable(`"vectors": %v`, err)
	}
	if b, err := v.peek(); err == nil && b == ']' {
		return v.expect(']')
	}
	for position := 0; ; position++ {
		text, err := v.next()
		if err != nil {
			return u.unreadable("vectors[%d]: %v", position, err)
		}
		// The text is reused for the next record: v.text grows to the longest.
		if err := u.add(text, "item", position+1); err != nil {
			return err
		}
		more, err := v.more(']')
		if err != nil {
			return u.unreadable("vectors[%d]: %v", position, err)
		}
		if !more {
			return nil
		}
	}
}

// values cuts JSON values out of a stream, by their brackets and quotes.
// Whether what is in them is JSON is for the caller to find out.
type values struct {
	r    *bufio.Reader
	text []byte // of the value last returned
}

// peek moves past white space and returns the byte that comes.
func (v *values) peek() (byte, error) {
	for {
		b, err := v.r.ReadByte()
		if err == io.EOF {
			return 0, io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, err
		}
		if !isSpace(b) {
			return b, v.r.UnreadByte()
		}
	}
}

// expect moves past the byte b, or fails.
func (v *values) expect(b byte) error {
	got, err := v.peek()
	if err != nil {
		return err
	}
	if got != b {
		return fmt.Errorf("expected %q, got %q", b, got)
	}
	_, err = v.r.Discard(1)
	return err
}

// more moves past a comma, or the bracket that ends the list.
func (v *values) more(bracket byte) (bool, error) {
	got, err := v.peek()
	if err != nil {
		return false, err
	}
	if got != ',' && got != bracket {
		return false, fmt.Errorf("expected a comma or %q, got %q", bracket, got)
	}
	_, err = v.r.Discard(1)
	return got == ',', err
}

// end checks that nothing but white space is left.
func (v *values) end() error {
	b, err := v.peek()
	if err == io.ErrUnexpectedEOF {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("expected nothing after its end, got %q", b)
}

// next returns the next value; it is valid until the call after.
func (v *values) next() ([]byte, error) {
	if _, err := v.peek(); err != nil {
		return nil, err
	}
	v.text = v.text[:0]
	depth, inString, escaped := 0, false, false
	for {
		b, err := v.r.ReadByte()
		if err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		if depth == 0 && !inString && (b == ',' || b == '}' || b == ']' || b == ':' || isSpace(b)) { // the end of a bare word
			if len(v.text) == 0 {
				return nil, fmt.Errorf("expected a value, got %q", b)
			}
			return v.text, v.r.UnreadByte()
		}
		if v.text = append(v.text, b); len(v.text) > maxLine {
			return nil, fmt.Errorf("it is longer than %d bytes", maxLine)
		}
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped = b == '\\'
			if b == '"' {
				inString = false
			}
		case b == '"':
			inString = true
		case b == '{' || b == '[':
			depth++
		case b == '}' || b == ']':
			depth--
		}
		if depth == 0 && !inString && (b == '"' || b == '}' || b == ']') {
			return v.text, nil
		}
	}
}

// literal reads what a JSON string stands for, piece by piece. The opening
// quote has been read; after the closing one there may be only white space.
type literal struct {
	r    *bufio.Reader
	rest []byte // of a decoded escape
	room [utf8.UTFMax]byte
	err  error // how it ended
}

// Read implements io.Reader.
func (l *literal) Read(p []byte) (int, error) {
	for len(p) > 0 && len(l.rest) == 0 && l.err == nil {
		var n int
		if n, l.err = l.plain(p); n > 0 {
			return n, nil
		}
		if l.err == nil {
			l.err = l.special()
		}
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	return 0, l.err
}

var errNoEnd = errors.New("the string has no end")

// plain copies what stands for itself.
func (l *literal) plain(p []byte) (int, error) {
	if _, err := l.r.Peek(1); err == io.EOF {
		return 0, errNoEnd
	} else if err != nil {
		return 0, err
	}
	ahead, err := l.r.Peek(min(len(p), l.r.Buffered()))
	if err != nil {
		return 0, err
	}
	if i := slices.IndexFunc(ahead, func(b byte) bool { return b == '"' || b == '\\' || b < ' ' }); i >= 0 {
		ahead = ahead[:i]
	}
	return l.r.Discard(copy(p, ahead))
}

// special reads the closing quote, which ends the text with io.EOF, or an escape into rest.
func (l *literal) special() error {
	ahead, err := l.r.Peek(12) // the longest escape; less at the end
	if err != nil && err != io.EOF {
		return err
	}
	switch {
	case ahead[0] == '"':
		if _, err := l.r.Discard(1); err != nil {
			return err
		}
		if err := (&values{r: l.r}).end(); err != nil {
			return err
		}
		return io.EOF
	case ahead[0] != '\\':
		return fmt.Errorf("the byte %#02x must be escaped in a JSON string", ahead[0])
	case len(ahead) < 2:
		return errNoEnd
	}
	char, size, err := unescapeJSON(ahead)
	if err != nil {
		return err
	}
	l.rest = utf8.AppendRune(l.room[:0], char)
	_, err = l.r.Discard(size)
	return err
}

// plainEscapes are the escapes of one letter and what they stand for.
const plainEscapes = "\"\"\\\\//b\bf\fn\nr\rt\t"

// unescapeJSON decodes the escape at the start of data and says how long it is.
func unescapeJSON(data []byte) (char rune, size int, err error) {
	if data[1] != 'u' {
		for i := 0; i < len(plainEscapes); i += 2 {
			if plainEscapes[i] == data[1] {
				return rune(plainEscapes[i+1]), 2, nil
			}
		}
		return 0, 0, fmt.Errorf("%q is no escape of a JSON string", data[:2])
	}
	size, whole := checkEscape(data)
	if !whole {
		return 0, 0, fmt.Errorf("the escape %.6s is half a character (a lone surrogate)", data)
	}
	first, ok := hex4(data)
	if !ok {
		return 0, 0, fmt.Errorf("%q is no escape of a JSON string", data[:min(6, len(data))])
	}
	if size == 6 {
		return rune(first), size, nil
	}
	second, _ := hex4(data[6:]) // checkEscape has seen it
	return utf16.DecodeRune(rune(first), rune(second)), size, nil
}
