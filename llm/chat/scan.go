package chat

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// What is here takes valid JSON apart. A body is checked once as a whole, and
// then no level of it is parsed again to get at the next: of a body with a
// picture of megabytes, encoding/json would read them at every level, twice.

// members returns the keys of a valid object with their values. The last one of
// equal keys holds, as everywhere.
func members(raw json.RawMessage) map[string]json.RawMessage {
	fields := map[string]json.RawMessage{}
	for at := opened(raw); raw[at] != '}'; {
		end := skip(raw, at)
		key := unquote(raw[at:end])
		at = gap(raw, gap(raw, end)+1) // behind the colon
		end = skip(raw, at)
		fields[key] = raw[at:end:end]
		at = following(raw, end)
	}
	return fields
}

// elements returns the elements of a valid array.
func elements(raw json.RawMessage) []json.RawMessage {
	list := []json.RawMessage{}
	for at := opened(raw); raw[at] != ']'; {
		end := skip(raw, at)
		list = append(list, raw[at:end:end])
		at = following(raw, end)
	}
	return list
}

// opened is where the first member or element of an object or array is, or its end.
func opened(raw json.RawMessage) int { return gap(raw, gap(raw, 0)+1) }

// following is where the next member or element is after one that ends there, or
// the end of the whole.
func following(raw json.RawMessage, end int) int {
	at := gap(raw, end)
	if raw[at] == ',' {
		at = gap(raw, at+1)
	}
	return at
}

// gap skips white space.
func gap(raw json.RawMessage, at int) int {
	for raw[at] == ' ' || raw[at] == '\n' || raw[at] == '\t' || raw[at] == '\r' {
		at++
	}
	return at
}

// skip returns the end of the value that begins there.
func skip(raw json.RawMessage, at int) int {
	switch raw[at] {
	case '"':
		return skipString(raw, at)
	case '{', '[':
		for depth := 0; ; at++ {
			switch raw[at] {
			case '"':
				at = skipString(raw, at) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return at + 1
				}
			}
		}
	default: // a number, true, false or null
		if n := bytes.IndexAny(raw[at:], ",]} \t\r\n"); n >= 0 {
			return at + n
		}
		return len(raw)
	}
}

// skipString returns the end of the string that begins there: behind a quote with
// an even number of backslashes before it.
func skipString(raw json.RawMessage, at int) int {
	for from := at + 1; ; {
		quote := from + bytes.IndexByte(raw[from:], '"')
		slashes := quote
		for slashes > from && raw[slashes-1] == '\\' {
			slashes--
		}
		if from = quote + 1; (quote-slashes)%2 == 0 {
			return from
		}
	}
}

// unquote returns a valid string. Bytes that are no UTF-8, and halves of
// surrogate pairs, become U+FFFD.
func unquote(raw json.RawMessage) string {
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		panic(err) // raw is a valid string
	}
	return s
}

// floatOf returns a valid number; beyond all floats it is infinite.
func floatOf(raw json.RawMessage) float64 {
	x, _ := strconv.ParseFloat(string(raw), 64) // the only error of a valid number is its range, and x says that
	return x
}
