package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"nearside/fault"
)

// Reasons of the faults of this package.
const (
	ReasonFilter   fault.Reason = "filter"            // a filter breaks a rule of the language
	ReasonProperty fault.Reason = "metadata_property" // a property path breaks a rule
)

// The limits of a filter (developers.cloudflare.com/vectorize/reference/metadata-filtering).
const (
	MaxFilterBytes        = 2047 // of the compact JSON: less than 2,048
	MaxPropertyCharacters = 512
)

// operators are the words of the language, in the order of the documentation.
const operators = "$eq, $ne, $in, $nin, $lt, $lte, $gt, $gte"

// object is a decoded JSON object in the order of its keys. The other decoded
// values are Value (a scalar, uncut; absent for null) and []any.
type object []field

type field struct {
	key   string
	value any
}

// Parse reads a filter: a JSON object that is not empty and has at most
// MaxFilterBytes in its compact form.
func Parse(raw []byte) (Filter, error) { return ParseUpTo(MaxFilterBytes, raw) }

// ParseUpTo is Parse with another limit on the compact form.
func ParseUpTo(maxBytes int, raw []byte) (Filter, error) {
	fields, err := decode(raw)
	if err != nil {
		return Filter{}, err
	}
	if n := len(appendJSON(nil, fields)); n > maxBytes {
		return Filter{}, fault.For(ReasonFilter, "filter has %d bytes as compact JSON; at most %d are allowed", n, maxBytes)
	}
	if len(fields) == 0 {
		return Filter{}, fault.For(ReasonFilter, `filter is empty; name at least one property, such as {"genre":"noir"}, or leave the filter out`)
	}
	var conditions all
	for _, f := range fields {
		if err := CheckProperty(f.key); err != nil {
			return Filter{}, fault.For(ReasonFilter, "filter: %s", err.Error())
		}
		e, err := condition(f.key, f.value)
		if err != nil {
			return Filter{}, err
		}
		conditions = append(conditions, e)
	}
	return Filter{sorted(conditions)}, nil
}

// sorted puts conditions in the order of their properties, so that the order of keys makes no difference.
func sorted(conditions all) all {
	property := func(e expr) (p string) {
		e.walk(func(q string) { p = q })
		return p
	}
	slices.SortStableFunc(conditions, func(a, b expr) int { return strings.Compare(property(a), property(b)) })
	return conditions
}

// CheckProperty reports why a path cannot name a metadata property.
func CheckProperty(path string) error {
	if n := utf8.RuneCountInString(path); n > MaxPropertyCharacters {
		return fault.For(ReasonProperty, "property %s has %d characters; at most %d are allowed", Quote(path), n, MaxPropertyCharacters)
	}
	if !utf8.ValidString(path) {
		return fault.For(ReasonProperty, "property %s is not valid UTF-8", Quote(path))
	}
	for segment := range strings.SplitSeq(path, ".") {
		switch {
		case segment == "":
			return fault.For(ReasonProperty, `property %s has an empty name; names between "." must not be empty`, Quote(path))
		case segment[0] == '$':
			return fault.For(ReasonProperty, `property %s: a name must not start with "$"; operators (%s) belong inside a property's object`, Quote(path), operators)
		case strings.Contains(segment, `"`):
			return fault.For(ReasonProperty, `property %s must not contain a quotation mark`, Quote(path))
		}
	}
	return nil
}

// condition turns the value under a property into a node.
func condition(property string, v any) (expr, error) {
	switch v := v.(type) {
	case Value:
		return newOneOf(property, []Value{v.cut()}, false), nil
	case object:
		if len(v) == 1 {
			if e, err := membership(property, v[0]); e != nil || err != nil {
				return e, err
			}
		}
		return between(property, v)
	default:
		return nil, fault.For(ReasonFilter, `filter on %s: %s is an array; list values with {"$in":[…]}`, Quote(property), showJSON(v))
	}
}

// membership reads $eq, $ne, $in or $nin; nil if it is another operator.
func membership(property string, f field) (expr, error) {
	negated := f.key == "$ne" || f.key == "$nin"
	switch f.key {
	case "$eq", "$ne":
		v, ok := f.value.(Value)
		if !ok {
			return nil, fault.For(ReasonFilter, "filter on %s: %s takes a string, number, boolean or null, not %s", Quote(property), f.key, showJSON(f.value))
		}
		return newOneOf(property, []Value{v.cut()}, negated), nil
	case "$in", "$nin":
		list, ok := f.value.([]any)
		if !ok {
			return nil, fault.For(ReasonFilter, "filter on %s: %s takes an array of strings, numbers, booleans or null, not %s", Quote(property), f.key, showJSON(f.value))
		}
		operands := make([]Value, len(list))
		for i, item := range list {
			v, ok := item.(Value)
			if !ok {
				return nil, fault.For(ReasonFilter, "filter on %s: item %d of %s is %s; only strings, numbers, booleans and null are allowed", Quote(property), i+1, f.key, showJSON(item))
			}
			operands[i] = v.cut()
		}
		return newOneOf(property, operands, negated), nil
	default:
		return nil, nil
	}
}

// between reads one lower bound, one upper bound, or one of each.
func between(property string, o object) (expr, error) {
	s := span{property: property}
	for _, f := range o {
		end := &s.low
		switch f.key {
		case "$gt", "$gte":
		case "$lt", "$lte":
			end = &s.high
		default:
			return nil, misplaced(property, f.key, o)
		}
		if !end.value.IsAbsent() {
			return nil, pairRefused(property, o)
		}
		v, ok := f.value.(Value)
		if !ok || v.typ != String && v.typ != Number {
			return nil, fault.For(ReasonFilter, "filter on %s: %s takes a string or a number, not %s", Quote(property), f.key, showJSON(f.value))
		}
		*end = bound{value: v.cut(), exclusive: f.key == "$gt" || f.key == "$lt"}
	}
	if len(o) == 0 {
		return nil, fault.For(ReasonFilter, "filter on %s has no operator; allowed are %s", Quote(property), operators)
	}
	return s, nil
}

// misplaced says what is wrong with a key that is no range operator.
func misplaced(property, key string, o object) error {
	switch {
	case slices.Contains(strings.Split(operators, ", "), key):
		return pairRefused(property, o)
	case strings.HasPrefix(key, "$"):
		return fault.For(ReasonFilter, "filter on %s: there is no operator %s; allowed are %s", Quote(property), Quote(key), operators)
	default:
		return fault.For(ReasonFilter, `filter on %s: %s is not an operator (%s); for a nested property write the path %s`, Quote(property), Quote(key), operators, Quote(property+"."+key))
	}
}

func pairRefused(property string, o object) error {
	keys := make([]string, len(o))
	for i, f := range o {
		keys[i] = f.key
	}
	return fault.For(ReasonFilter, "filter on %s combines %s; only one lower bound ($gt, $gte) with one upper bound ($lt, $lte) can be combined", Quote(property), strings.Join(keys, ", "))
}

// decode reads the whole of raw as one JSON object of at most three levels: properties, operators, lists.
func decode(raw []byte) (object, error) {
	if !utf8.Valid(raw) {
		return nil, fault.For(ReasonFilter, "filter is not valid UTF-8")
	}
	if at := loneSurrogate(raw); at >= 0 {
		return nil, fault.For(ReasonFilter, "filter has a lone surrogate, %s, at byte %d; write whole characters", raw[at:at+6], at)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	v, err := next(dec, 3)
	if err == nil {
		if _, trailing := dec.Token(); trailing != io.EOF {
			err = errors.New("there is more after its end")
		}
	}
	if f := fault.As(err); f != nil {
		return nil, f
	}
	if err != nil {
		return nil, fault.For(ReasonFilter, "filter is not valid JSON: %s", err.Error())
	}
	o, ok := v.(object)
	if !ok {
		return nil, fault.For(ReasonFilter, `filter is %s; it must be an object such as {"genre":"noir"}`, showJSON(v))
	}
	return o, nil
}

// next decodes one value with at most the given levels of arrays and objects.
func next(dec *json.Decoder, levels int) (any, error) {
	t, err := dec.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if levels == 0 {
			return nil, fault.For(ReasonFilter, "filter is nested deeper than 3 levels at byte %d; a filter is properties, operators and lists", dec.InputOffset())
		}
		if t == '[' {
			return nextArray(dec, levels-1)
		}
		return nextObject(dec, levels-1)
	case string:
		return Value{typ: String, text: t}, nil
	case bool:
		return BooleanOf(t), nil
	case json.Number:
		n, err := strconv.ParseFloat(t.String(), 64)
		if err != nil {
			return nil, fault.For(ReasonFilter, "filter: number %s does not fit a 64-bit float, whose largest is about 1.8e308", Quote(t.String()))
		}
		return NumberOf(n), nil
	default:
		return Value{}, nil
	}
}

func nextArray(dec *json.Decoder, levels int) (any, error) {
	list := []any{}
	for dec.More() {
		v, err := next(dec, levels)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := dec.Token()
	return list, err
}

func nextObject(dec *json.Decoder, levels int) (any, error) {
	o := object{}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, ok := t.(string)
		if !ok {
			return nil, fmt.Errorf("a key is %v instead of a string", t)
		}
		if seen[key] {
			return nil, fault.For(ReasonFilter, "filter has the key %s twice in one object; each key may appear once", Quote(key))
		}
		seen[key] = true
		v, err := next(dec, levels)
		if err != nil {
			return nil, err
		}
		o = append(o, field{key, v})
	}
	_, err := dec.Token()
	return o, err
}

// loneSurrogate returns where raw, JSON, escapes half of a surrogate pair; -1 if nowhere.
// encoding/json would put U+FFFD in its place.
func loneSurrogate(raw []byte) int {
	for i := 0; i+1 < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		switch half := surrogate(raw[i:]); {
		case half == low:
			return i
		case half == high && surrogate(raw[i+6:]) != low:
			return i
		case half == high:
			i += 11
		default:
			i++ // past the escaped character, which may be a backslash
		}
	}
	return -1
}

type half byte

const (
	none half = iota
	high
	low
)

// surrogate reports which half of a pair the escape at the start of b is.
func surrogate(b []byte) half {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return none
	}
	code, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	switch {
	case err != nil || code < 0xD800 || code > 0xDFFF:
		return none
	case code < 0xDC00:
		return high
	default:
		return low
	}
}

// cut returns the value as an index would see it.
func (v Value) cut() Value {
	v.text = cut(v.text)
	return v
}

// appendJSON appends a decoded value as compact JSON.
func appendJSON(to []byte, v any) []byte {
	switch v := v.(type) {
	case Value:
		return v.append(to)
	case []any:
		to = append(to, '[')
		for i, item := range v {
			if i > 0 {
				to = append(to, ',')
			}
			to = appendJSON(to, item)
		}
		return append(to, ']')
	case object:
		to = append(to, '{')
		for i, f := range v {
			if i > 0 {
				to = append(to, ',')
			}
			to = append(AppendString(to, f.key), ':')
			to = appendJSON(to, f.value)
		}
		return append(to, '}')
	default:
		panic(fmt.Sprintf("filter: %T in a decoded filter", v))
	}
}

// Quote quotes a string for a message; a long one is cut.
func Quote(s string) string {
	const most = 80
	if len(s) <= most {
		return strconv.Quote(s)
	}
	return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "…"
}

// showJSON writes a decoded value for a message; a long one is cut.
func showJSON(v any) string {
	const most = 80
	s := string(appendJSON(nil, v))
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
