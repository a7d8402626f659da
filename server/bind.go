package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"nearside/fault"
)

// Reasons a JSON body is refused before its fields are looked at.
const (
	reasonJSON  fault.Reason = "json"
	reasonQuery fault.Reason = "query_parameter"
)

// maxDepth is how deep JSON may nest. Nothing Cloudflare documents needs ten levels.
const maxDepth = 128

// bind decodes the body, one JSON value, into v. Unknown fields are passed over,
// as Cloudflare does; a field of the wrong type is named.
func (c *call) bind(v any) error {
	data, err := c.readBody()
	if err != nil {
		return err
	}
	return decodeJSON(data, v)
}

// bindExactly is bind for a body whose every field must be understood: a limit
// of a key that is misspelt and passed over would be a key without the limit.
func (c *call) bindExactly(v any) error {
	data, err := c.readBody()
	if err != nil {
		return err
	}
	if err := decodeJSON(data, v); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return badJSON(strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// decodeJSON decodes one JSON value into v and says in words what is wrong with it.
func decodeJSON(data []byte, v any) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return badJSON("the body is empty; a JSON object is expected")
	}
	if err := checkJSON(data); err != nil {
		return err
	}
	err := json.Unmarshal(data, v)
	var wrongType *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrongType):
		field := wrongType.Field
		if field == "" {
			field = "the body"
		}
		return badJSON(field + ": expected " + typeName(wrongType) + ", got " + wrongType.Value)
	case errors.As(err, &syntax):
		return badJSON(syntax.Error() + " at byte " + strconv.FormatInt(syntax.Offset, 10) + near(data, syntax.Offset))
	case fault.As(err) != nil:
		return fault.As(err)
	}
	return badJSON(err.Error())
}

func badJSON(why string) error {
	return fault.For(reasonJSON, "Failed to parse the request body as JSON: %s", why)
}

// typeName says what was expected in JSON's words.
func typeName(e *json.UnmarshalTypeError) string {
	switch e.Type.Kind().String() {
	case "string":
		return "a string"
	case "bool":
		return "true or false"
	case "slice", "array":
		return "an array"
	case "struct", "map":
		return "an object"
	case "float32":
		return "a number that fits 32-bit floating point"
	case "float64":
		return "a number"
	}
	return "a whole number"
}

// near quotes what stands where the syntax breaks.
func near(data []byte, offset int64) string {
	start := max(0, min(int(offset)-1, len(data)))
	piece := data[start:min(start+16, len(data))]
	if len(piece) == 0 {
		return ""
	}
	return ", near " + strconv.Quote(string(piece))
}

// checkJSON refuses what encoding/json would let pass or choke on: nesting
// deeper than maxDepth, text that is not UTF-8, and escapes of half a character
// (a lone surrogate), which it would silently replace. It checks no syntax.
func checkJSON(data []byte) error {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			if depth++; depth > maxDepth {
				return badJSON("it nests deeper than " + strconv.Itoa(maxDepth) + " levels at byte " + strconv.Itoa(i))
			}
		case '}', ']':
			depth--
		case '"':
			end, err := checkString(data, i+1)
			if err != nil {
				return err
			}
			i = end
		}
	}
	return nil
}

// checkString checks the string whose first byte is at i and returns where its closing quote is.
func checkString(data []byte, i int) (int, error) {
	for start := i; i < len(data); i++ {
		switch b := data[i]; {
		case b == '"':
			return i, nil
		case b == '\\':
			if i+1 < len(data) && data[i+1] == 'u' {
				n, ok := checkEscape(data[i:])
				if !ok {
					return 0, badJSON("the escape " + string(data[i:min(i+6, len(data))]) + " at byte " + strconv.Itoa(i) + " is half a character (a lone surrogate)")
				}
				i += n - 1
			} else {
				i++
			}
		case b >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && size == 1 {
				return 0, badJSON("byte " + strconv.Itoa(i) + " is not UTF-8, in the string that starts at byte " + strconv.Itoa(start))
			}
			i += size - 1
		}
	}
	return i, nil // unterminated: the decoder says so
}

// checkEscape checks a \u escape and returns the length it takes up, its second half included.
func checkEscape(data []byte) (length int, ok bool) {
	first, valid := hex4(data)
	switch {
	case !valid:
		return 2, true // the decoder says what is wrong with it
	case first < 0xd800 || first > 0xdfff:
		return 6, true
	case first > 0xdbff:
		return 0, false
	}
	second, valid := hex4(data[6:])
	if !valid || second < 0xdc00 || second > 0xdfff {
		return 0, false
	}
	return 12, true
}

// hex4 reads the four digits of a \u escape at the start of data.
func hex4(data []byte) (uint64, bool) {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(string(data[2:6]), 16, 32)
	return v, err == nil
}
