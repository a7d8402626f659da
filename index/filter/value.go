package filter

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Type is the type of a metadata index, in Cloudflare's words.
type Type string

// The types.
const (
	String  Type = "string"
	Number  Type = "number"
	Boolean Type = "boolean"
)

// Valid reports whether t is one of the three types.
func (t Type) Valid() bool { return t == String || t == Number || t == Boolean }

// MaxStringBytes is how much of a string a metadata index sees
// (developers.cloudflare.com/vectorize/platform/limits).
const MaxStringBytes = 64

// Value is a metadata value as an index sees it. The zero value is absent.
// Values are equal under == when every filter takes them for equal.
type Value struct {
	typ    Type    // "" = absent, or a set
	text   string  // of a set, its elements in ascending order, each behind a byte that has its length
	number float64 // a boolean is 0 or 1
}

// StringOf returns the value of a string, cut to 64 bytes at the end of a character.
func StringOf(s string) Value { return Value{typ: String, text: cut(s)} }

// NumberOf returns the value of a number that is not NaN.
func NumberOf(n float64) Value {
	if n == 0 {
		n = 0 // -0 is the same number, and prints the same
	}
	return Value{typ: Number, number: n}
}

// BooleanOf returns the value of a boolean.
func BooleanOf(b bool) Value {
	if b {
		return Value{typ: Boolean, number: 1}
	}
	return Value{typ: Boolean}
}

// SetOf returns the value of an array of strings: each cut to 64 bytes, in
// ascending order, once. Of no strings it is absent.
func SetOf(texts ...string) Value {
	elements := make([]string, len(texts))
	for i, s := range texts {
		elements[i] = cut(s)
	}
	slices.Sort(elements)
	var packed []byte
	for _, s := range slices.Compact(elements) {
		packed = append(append(packed, byte(len(s))), s...)
	}
	return Value{text: string(packed)}
}

// IsAbsent reports whether there is no value, as Cloudflare's language has it: a set is absent, too.
func (v Value) IsAbsent() bool { return v.typ == "" }

// isSet reports whether v is what SetOf makes of some strings.
func (v Value) isSet() bool { return v.typ == "" && v.text != "" }

// Type returns the type of the value, "" if it is absent or a set.
func (v Value) Type() Type { return v.typ }

// Elements returns the strings of a set, in ascending order; none if v is not a set.
func (v Value) Elements() []string {
	if !v.isSet() {
		return nil
	}
	var elements []string
	for rest := v.text; rest != ""; {
		end := 1 + int(rest[0])
		elements = append(elements, rest[1:end])
		rest = rest[end:]
	}
	return elements
}

// JSON returns the value as JSON; a set is an array, and absent is null.
func (v Value) JSON() json.RawMessage { return v.append(nil) }

func (v Value) append(to []byte) []byte {
	switch v.typ {
	case String:
		return AppendString(to, v.text)
	case Number:
		return AppendNumber(to, v.number)
	case Boolean:
		return strconv.AppendBool(to, v.number != 0)
	}
	elements := v.Elements()
	if elements == nil {
		return append(to, "null"...)
	}
	values := make([]Value, len(elements))
	for i, s := range elements {
		values[i] = StringOf(s)
	}
	return appendList(to, values)
}

// compare orders values: absent first, then by type, then by value. It is zero where == holds.
func compare(a, b Value) int {
	if c := strings.Compare(string(a.typ), string(b.typ)); c != 0 {
		return c
	}
	if c := strings.Compare(a.text, b.text); c != 0 {
		return c
	}
	return cmp.Compare(a.number, b.number)
}

// cut returns the longest prefix of s that has at most 64 bytes and does not split a character.
func cut(s string) string {
	if len(s) <= MaxStringBytes {
		return s
	}
	end := MaxStringBytes
	for end > MaxStringBytes-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// AppendString appends s as a JSON string with no more escapes than needed, as JSON.stringify does.
func AppendString(to []byte, s string) []byte {
	const hex = "0123456789abcdef"
	to = append(to, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			to = append(to, '\\', c)
		case c == '\n':
			to = append(to, '\\', 'n')
		case c == '\r':
			to = append(to, '\\', 'r')
		case c == '\t':
			to = append(to, '\\', 't')
		case c == '\b':
			to = append(to, '\\', 'b')
		case c == '\f':
			to = append(to, '\\', 'f')
		case c < ' ':
			to = append(to, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			to = append(to, c)
		}
	}
	return append(to, '"')
}

// AppendNumber appends a finite number in the form JSON.stringify gives it.
func AppendNumber(to []byte, n float64) []byte {
	if n == 0 {
		return append(to, '0') // also for -0, which equals it
	}
	if size := math.Abs(n); size >= 1e-6 && size < 1e21 {
		return strconv.AppendFloat(to, n, 'f', -1, 64)
	}
	to = strconv.AppendFloat(to, n, 'e', -1, 64)
	if end := len(to) - 2; to[end-1] == '-' && to[end] == '0' { // 1e-07: Go writes two digits at least
		to = append(to[:end], to[end+1])
	}
	return to
}
