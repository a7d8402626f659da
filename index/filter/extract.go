package filter

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// Extract returns what an index on property sees of a record's metadata, a JSON
// object. A "." in property separates levels of nesting. Of equal keys the last
// counts, as in JSON.parse. Metadata that is not JSON has no values.
func Extract(metadata []byte, property string, t Type) Value {
	raw := metadata
	for nested := true; nested; {
		var key string
		key, property, nested = strings.Cut(property, ".")
		if raw = member(raw, key); raw == nil {
			return Value{}
		}
	}
	return valueOf(raw, t)
}

// valueOf reads one JSON value as type t; absent if it has another type.
func valueOf(raw []byte, t Type) Value {
	switch c := raw[0]; {
	case t == String && c == '"':
		if s, ok := unquote(raw); ok {
			return StringOf(s)
		}
	case t == String && c == '[':
		return setOf(raw)
	case t == Number && (c == '-' || c >= '0' && c <= '9'):
		if n, err := strconv.ParseFloat(string(raw), 64); err == nil {
			return NumberOf(n)
		}
	case t == Boolean && string(raw) == "true":
		return BooleanOf(true)
	case t == Boolean && string(raw) == "false":
		return BooleanOf(false)
	}
	return Value{}
}

// setOf reads a JSON array as the set of the strings in it.
func setOf(raw []byte) Value {
	var texts []string
	for i := 1; ; i++ {
		i = space(raw, i)
		end := skip(raw, i)
		if end < 0 {
			return SetOf(texts...)
		}
		if raw[i] == '"' {
			if s, ok := unquote(raw[i:end]); ok {
				texts = append(texts, s)
			}
		}
		if i = space(raw, end); i == len(raw) || raw[i] != ',' {
			return SetOf(texts...)
		}
	}
}

// unquote returns the string that a JSON string stands for. Few have escapes.
func unquote(raw []byte) (string, bool) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return strings.ToValidUTF8(string(raw[1:len(raw)-1]), "\uFFFD"), true
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// member returns the value under key in the JSON object at the start of b, or nil.
//
// It walks the bytes without decoding what it passes: records are written at
// tens of thousands a second, and each metadata index looks into each of them.
func member(b []byte, key string) []byte {
	i := space(b, 0)
	if i == len(b) || b[i] != '{' {
		return nil
	}
	var found []byte
	for i++; ; i++ {
		name := space(b, i)
		colon := skip(b, name)
		if name == len(b) || b[name] != '"' || colon < 0 {
			return found
		}
		start := space(b, colon)
		if start == len(b) || b[start] != ':' {
			return found
		}
		start = space(b, start+1)
		end := skip(b, start)
		if end < 0 {
			return found
		}
		if isKey(b[name:colon], key) {
			found = b[start:end]
		}
		if i = space(b, end); i == len(b) || b[i] != ',' {
			return found
		}
	}
}

// isKey reports whether a JSON string stands for key.
func isKey(raw []byte, key string) bool {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1:len(raw)-1]) == key
	}
	s, ok := unquote(raw)
	return ok && s == key
}

// space returns the index of the first byte of b from i on that is not white space.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skip returns the end of the JSON value that starts at i, or -1 if it has none.
func skip(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	depth := 0
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			if i = endOfString(b, i); i < 0 {
				return -1
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth--; depth < 0 {
				return -1
			}
		default:
			if depth > 0 {
				continue
			}
			return endOfWord(b, i)
		}
		if depth == 0 {
			return i + 1
		}
	}
	return -1
}

// endOfString returns the index of the quote that ends the string starting at i, or -1.
func endOfString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// endOfWord returns the end of the number, true, false or null starting at i; -1 if there is none.
func endOfWord(b []byte, i int) int {
	start := i
	for i < len(b) && bytes.IndexByte([]byte(",:]} \n\t\r\"[{"), b[i]) < 0 {
		i++
	}
	if i == start {
		return -1
	}
	return i
}
