package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"nearside/index/filter"
	"nearside/numjson"
)

// scanner walks over one JSON text and decodes only what it is asked for. It is
// for the two shapes that carry vectors: encoding/json takes many times as long
// for them, and would make a float64 of every number on the way.
//
// Its errors are words for the person behind the client; the caller says where.
type scanner struct {
	data []byte
	at   int
}

// space moves past white space.
func (s *scanner) space() {
	for s.at < len(s.data) && isSpace(s.data[s.at]) {
		s.at++
	}
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// take moves past white space and the byte b, if that is what comes.
func (s *scanner) take(b byte) bool {
	s.space()
	if s.at < len(s.data) && s.data[s.at] == b {
		s.at++
		return true
	}
	return false
}

// wrong says that something else was expected here.
func (s *scanner) wrong(expected string) error {
	if s.at >= len(s.data) {
		return fmt.Errorf("expected %s, but it ends at byte %d", expected, s.at)
	}
	return fmt.Errorf("expected %s at byte %d%s", expected, s.at, near(s.data, int64(s.at)+1))
}

// end checks that nothing but white space is left.
func (s *scanner) end() error {
	if s.space(); s.at < len(s.data) {
		return s.wrong("nothing more")
	}
	return nil
}

// fields walks over an object and calls field with each key; field moves past the
// value. A key may be part of data, and lasts no longer than it.
func (s *scanner) fields(field func(key string) error) error {
	if !s.take('{') {
		return s.wrong("an object")
	}
	if s.take('}') {
		return nil
	}
	for {
		key, err := s.key()
		if err != nil {
			return err
		}
		if !s.take(':') {
			return s.wrong("a colon")
		}
		if err := field(key); err != nil {
			return err
		}
		if s.take('}') {
			return nil
		}
		if !s.take(',') {
			return s.wrong("a comma or }")
		}
	}
}

// text reads a string.
func (s *scanner) text() (string, error) {
	raw, err := s.quoted()
	if err != nil {
		return "", err
	}
	return unquote(raw)
}

// key reads a string that the caller looks at and does not keep.
func (s *scanner) key() (string, error) {
	raw, err := s.quoted()
	if err != nil {
		return "", err
	}
	if inner := raw[1 : len(raw)-1]; len(inner) > 0 && isPlain(inner) {
		return unsafe.String(&inner[0], len(inner)), nil
	}
	return unquote(raw)
}

// quoted moves past a string and returns it with its quotes. Half characters and
// bytes that are not UTF-8 are refused.
func (s *scanner) quoted() ([]byte, error) {
	s.space()
	if s.at >= len(s.data) || s.data[s.at] != '"' {
		return nil, s.wrong("a string")
	}
	start := s.at
	end, err := checkString(s.data, start+1)
	if err != nil {
		return nil, bare(err)
	}
	if end >= len(s.data) {
		return nil, fmt.Errorf("the string that starts at byte %d has no end", start)
	}
	s.at = end + 1
	return s.data[start:s.at], nil
}

// unquote decodes a string; most have no escapes.
func unquote(raw []byte) (string, error) {
	if isPlain(raw) {
		return string(raw[1 : len(raw)-1]), nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", fmt.Errorf("the string %s is not valid: %w", quoteShort(string(raw)), err)
	}
	return text, nil
}

// isPlain reports whether a string stands for itself: it has no escapes, and
// nothing that must be one.
func isPlain(raw []byte) bool {
	for _, b := range raw {
		if b == '\\' || b < ' ' {
			return false
		}
	}
	return true
}

// null moves past null, if that is what comes.
func (s *scanner) null() bool {
	s.space()
	if bytes.HasPrefix(s.data[s.at:], []byte("null")) {
		s.at += len("null")
		return true
	}
	return false
}

// value moves past any value and returns it, checked.
func (s *scanner) value() ([]byte, error) {
	s.space()
	start := s.at
	if err := s.pass(); err != nil {
		return nil, err
	}
	raw := s.data[start:s.at]
	if err := checkJSON(raw); err != nil {
		return nil, bare(err)
	}
	if !json.Valid(raw) {
		return nil, fmt.Errorf("the value at byte %d is not valid JSON%s", start, near(s.data, int64(start)+1))
	}
	return raw, nil
}

// pass moves to the end of a value by its brackets and quotes.
func (s *scanner) pass() error {
	depth := 0
	for start := s.at; s.at < len(s.data); {
		switch b := s.data[s.at]; {
		case b == '"':
			if _, err := s.quoted(); err != nil {
				return err
			}
		case b == '{' || b == '[':
			depth++
			s.at++
			continue
		case b == '}' || b == ']':
			if depth == 0 {
				return s.wrong("a value")
			}
			depth--
			s.at++
		case depth > 0:
			s.at++
			continue
		default:
			for s.at < len(s.data) && !isSpace(s.data[s.at]) && bytes.IndexByte([]byte(`,:{}[]"`), s.data[s.at]) < 0 {
				s.at++
			}
			if s.at == start {
				return s.wrong("a value")
			}
		}
		if depth == 0 {
			return nil
		}
	}
	return s.wrong("the end of a value")
}

// floats reads an array of numbers and appends the first most of them to values,
// as float32. It returns how many there were.
func (s *scanner) floats(values []float32, most int) ([]float32, int, error) {
	s.space()
	if read, n, size, ok := numjson.Float32s(values, s.data[s.at:], most); ok {
		s.at += size
		return read, n, nil
	}
	return s.floatsSlowly(values, most)
}

// floatsSlowly is floats one number at a time. It takes what numjson takes, and says
// in words what is wrong with the rest.
func (s *scanner) floatsSlowly(values []float32, most int) ([]float32, int, error) {
	if !s.take('[') {
		return nil, 0, s.wrong("an array of numbers")
	}
	if s.take(']') {
		return values, 0, nil
	}
	for n := 0; ; {
		f, err := s.float(n)
		if err != nil {
			return nil, 0, err
		}
		if n < most {
			values = append(values, f)
		}
		n++
		if s.take(']') {
			return values, n, nil
		}
		if !s.take(',') {
			return nil, 0, s.wrong("a comma or ]")
		}
	}
}

// float reads one number; position is its place in the array, for the message.
func (s *scanner) float(position int) (float32, error) {
	s.space()
	start := s.at
	if !s.number() {
		s.at = start
		return 0, fmt.Errorf("position %d: %w (NaN and Infinity are not numbers in JSON)", position, s.wrong("a number"))
	}
	text := s.data[start:s.at]
	// ParseFloat keeps nothing of its argument but in its error, which is not passed on.
	f, err := strconv.ParseFloat(unsafe.String(&text[0], len(text)), 32)
	if err != nil {
		return 0, fmt.Errorf("position %d: %s does not fit a 32-bit float; the largest is about 3.4e38", position, quoteShort(string(text)))
	}
	return float32(f), nil
}

// number moves past a number, if that is what comes: JSON's grammar is narrower than Go's.
func (s *scanner) number() bool {
	if s.at < len(s.data) && s.data[s.at] == '-' {
		s.at++
	}
	if s.at < len(s.data) && s.data[s.at] == '0' {
		s.at++
	} else if !s.digits() {
		return false
	}
	if s.at < len(s.data) && s.data[s.at] == '.' {
		s.at++
		if !s.digits() {
			return false
		}
	}
	if s.at < len(s.data) && (s.data[s.at] == 'e' || s.data[s.at] == 'E') {
		s.at++
		if s.at < len(s.data) && (s.data[s.at] == '+' || s.data[s.at] == '-') {
			s.at++
		}
		return s.digits()
	}
	return true
}

func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.data) && s.data[s.at] >= '0' && s.data[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}

// bare takes from a fault of badJSON what the scanner's caller says in other words.
func bare(err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), badJSON("").Error()))
}

// compact appends valid JSON without white space and without needless escapes:
// the form whose length Cloudflare limits, whatever the client's encoder wrote.
func compact(to, raw []byte) []byte {
	s := scanner{data: raw}
	for s.at < len(raw) {
		switch b := raw[s.at]; {
		case isSpace(b):
			s.at++
		case b == '"':
			start := s.at
			text, err := s.text()
			if err != nil {
				panic(err) // the caller has checked that raw is valid
			}
			if bytes.IndexByte(raw[start:s.at], '\\') < 0 {
				to = append(to, raw[start:s.at]...)
			} else {
				to = filter.AppendString(to, text)
			}
		default:
			to = append(to, b)
			s.at++
		}
	}
	return to
}
