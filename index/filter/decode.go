package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"nearside/fault"
)

// decoder reads the JSON of a filter.
type decoder struct {
	*json.Decoder
	dialect
}

// decode reads the whole of raw as one JSON object that is not deeper than the dialect allows.
func (d dialect) decode(raw []byte) (object, error) {
	if !utf8.Valid(raw) {
		return nil, fault.For(ReasonFilter, "filter is not valid UTF-8")
	}
	if at := loneSurrogate(raw); at >= 0 {
		return nil, fault.For(ReasonFilter, "filter has a lone surrogate, %s, at byte %d; write whole characters", raw[at:at+6], at)
	}
	dec := decoder{json.NewDecoder(bytes.NewReader(raw)), d}
	dec.UseNumber()
	v, err := dec.next(d.levels)
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
func (d decoder) next(levels int) (any, error) {
	t, err := d.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if levels == 0 {
			return nil, fault.For(ReasonFilter, "filter is nested deeper than %d levels at byte %d; a filter is %s", d.dialect.levels, d.InputOffset(), d.shape)
		}
		if t == '[' {
			return d.nextArray(levels - 1)
		}
		return d.nextObject(levels - 1)
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

func (d decoder) nextArray(levels int) (any, error) {
	list := []any{}
	for d.More() {
		v, err := d.next(levels)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := d.Token()
	return list, err
}

func (d decoder) nextObject(levels int) (any, error) {
	o := object{}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
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
		v, err := d.next(levels)
		if err != nil {
			return nil, err
		}
		o = append(o, field{key, v})
	}
	_, err := d.Token()
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
