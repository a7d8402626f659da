package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"nearside/fault"
)

// badInput is the fault of an input that breaks the model's schema.
func badInput(format string, args ...any) *fault.Error {
	return fault.For(ReasonInput, "AiError: Bad input: Error: "+format, args...)
}

// reader reads a body, which is valid JSON. It keeps the first fault and reads on, so that what a
// body has can be written down as a list; whoever began looks at fault in the end.
type reader struct{ fault *fault.Error }

// err returns the first fault as an error.
func (r *reader) err() error {
	if r.fault == nil {
		return nil
	}
	return r.fault
}

// refuse notes a fault, unless there was one before.
func (r *reader) refuse(format string, args ...any) {
	if r.fault == nil {
		r.fault = badInput(format, args...)
	}
}

// mismatch notes that a value has the wrong type.
func (r *reader) mismatch(path string, raw json.RawMessage, want string) {
	r.refuse("Type mismatch of '%s', '%s' not in '%s'", path, TypeOf(raw), want)
}

// object is a JSON object at a path of the body. Keys whose value is null count as absent.
type object struct {
	*reader
	path   string // "" for the body itself
	fields map[string]json.RawMessage
}

// readBody returns a body as an object.
func readBody(body []byte) object {
	r := &reader{}
	if !json.Valid(body) {
		r.refuse("the body is not JSON")
		return object{reader: r}
	}
	return r.object("", bytes.TrimSpace(body))
}

// object returns a value as an object, which is empty if it is none.
func (r *reader) object(path string, raw json.RawMessage) object {
	if TypeOf(raw) != "object" {
		r.mismatch(shown(path), raw, "object")
		return object{reader: r, path: path}
	}
	return object{r, path, members(raw)}
}

// shown is the path as messages have it: the body itself is '/'.
func shown(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

// at is the path of a key.
func (o object) at(key string) string { return o.path + "/" + key }

// raw returns the value of a key, or nil.
func (o object) raw(key string) json.RawMessage {
	raw := o.fields[key]
	if TypeOf(raw) == "null" {
		return nil
	}
	return raw
}

// has reports whether a key is there.
func (o object) has(key string) bool { return o.raw(key) != nil }

// need notes a fault unless all keys are there.
func (o object) need(keys ...string) {
	for _, key := range keys {
		if !o.has(key) {
			o.refuse("required properties at '%s' are '%s'", shown(o.path), strings.Join(keys, "', '"))
		}
	}
}

// text returns a string; "" if it is not there.
func (o object) text(key string) string {
	raw := o.raw(key)
	if raw == nil {
		return ""
	}
	return o.textAt(o.at(key), raw)
}

// textAt returns a value as a string.
func (r *reader) textAt(path string, raw json.RawMessage) string {
	if TypeOf(raw) != "string" {
		r.mismatch(path, raw, "string")
		return ""
	}
	return unquote(raw)
}

// name returns a string that must be there and say something.
func (o object) name(key string) string {
	o.need(key)
	s := o.text(key)
	if s == "" {
		o.refuse("Length of '%s' must be >= 1", o.at(key))
	}
	return s
}

// choice returns a string that is one of those allowed; "" if it is not there.
func (o object) choice(key string, allowed ...string) string {
	s := o.text(key)
	for _, a := range allowed {
		if s == a {
			return s
		}
	}
	if o.has(key) {
		o.refuse("'%s' must be one of '%s', and is %s", o.at(key), strings.Join(allowed, "', '"), Short(o.raw(key)))
	}
	return ""
}

// flag returns a boolean, or nil.
func (o object) flag(key string) *bool {
	raw := o.raw(key)
	if raw == nil {
		return nil
	}
	if TypeOf(raw) != "boolean" {
		o.mismatch(o.at(key), raw, "boolean")
		return nil
	}
	b := raw[0] == 't'
	return &b
}

// on reports whether a boolean is there and true.
func (o object) on(key string) bool {
	b := o.flag(key)
	return b != nil && *b
}

// number returns a number from least to most, or nil.
func (o object) number(key string, least, most float64) *float64 {
	raw := o.raw(key)
	if raw == nil {
		return nil
	}
	if TypeOf(raw) != "number" {
		o.mismatch(o.at(key), raw, "number")
		return nil
	}
	x := floatOf(raw)
	switch {
	case x < least:
		o.refuse("'%s' must be >= %s, and is %s", o.at(key), decimal(least), Short(raw))
	case x > most:
		o.refuse("'%s' must be <= %s, and is %s", o.at(key), decimal(most), Short(raw))
	}
	return &x
}

// integer returns a whole number from least to most, or nil. 256.0 is one.
func (o object) integer(key string, least, most int64) *int64 {
	raw := o.raw(key)
	if raw == nil {
		return nil
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil { // it has a point or an exponent, or is no number
		n = o.rounded(key)
	}
	switch {
	case n < least:
		o.refuse("'%s' must be >= %d, and is %s", o.at(key), least, Short(raw))
	case n > most:
		o.refuse("'%s' must be <= %d, and is %s", o.at(key), most, Short(raw))
	}
	return &n
}

// rounded returns a whole number that is not written as one. Beyond 64 bits it is the bound.
func (o object) rounded(key string) int64 {
	x := o.number(key, math.Inf(-1), math.Inf(1))
	switch {
	case x == nil:
		return 0
	case *x != math.Trunc(*x):
		o.refuse("Type mismatch of '%s', 'number' not in 'integer'", o.at(key))
		return 0
	case *x >= 1<<63:
		return math.MaxInt64
	case *x < -1<<63:
		return math.MinInt64
	}
	return int64(*x)
}

// tokens returns a number of tokens; 0 if it is not there.
func (o object) tokens(key string) int {
	n := o.integer(key, 1, math.MaxInt32)
	if n == nil {
		return 0
	}
	return int(*n)
}

// part returns an object below a key; ok is false if it is not there.
func (o object) part(key string) (_ object, ok bool) {
	raw := o.raw(key)
	if raw == nil {
		return object{reader: o.reader, path: o.at(key)}, false
	}
	return o.reader.object(o.at(key), raw), true
}

// list returns the elements of an array, or nil.
func (o object) list(key string) []json.RawMessage {
	raw := o.raw(key)
	if raw == nil {
		return nil
	}
	return o.listAt(o.at(key), raw)
}

// listAt returns the elements of a value that is an array.
func (r *reader) listAt(path string, raw json.RawMessage) []json.RawMessage {
	if TypeOf(raw) != "array" {
		r.mismatch(path, raw, "array")
		return nil
	}
	return elements(raw)
}

// element is the path of an element of an array.
func element(path string, i int) string { return fmt.Sprintf("%s/%d", path, i) }

// TypeOf names the JSON type of a valid value, or nothing.
func TypeOf(raw json.RawMessage) string {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	default:
		return "number"
	}
}

// Short quotes the beginning of a value for a message.
func Short(raw json.RawMessage) string {
	const most = 40
	if len(raw) <= most {
		return string(raw)
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(raw[cut]) {
		cut--
	}
	return string(raw[:cut]) + "…"
}

// decimal writes a bound as the schemas do: 0.001, 5, -2.
func decimal(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
