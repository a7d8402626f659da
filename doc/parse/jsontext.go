package parse

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"nearside/doc"
)

// The functions here go over JSON that is known to be valid. They return offsets, which encoding/json
// does not.

// member is a member of an object, or an element of an array, whose key is its number.
type member struct {
	key        string
	start, end int // of the value
}

// members returns the members of the object, or the elements of the array, at an offset; nil for another value.
func members(text string, at int) []member {
	open := text[at]
	if open != '{' && open != '[' {
		return nil
	}
	all := []member{}
	for at = skipSpace(text, at+1); text[at] != '}' && text[at] != ']'; {
		key := strconv.Itoa(len(all))
		if open == '{' {
			end := skipString(text, at)
			key = unquote(text[at:end])
			at = skipSpace(text, skipSpace(text, end)+1)
		}
		end := skipValue(text, at)
		all = append(all, member{key, at, end})
		if at = skipSpace(text, end); text[at] == ',' {
			at = skipSpace(text, at+1)
		}
	}
	return all
}

func skipSpace(text string, at int) int {
	for at < len(text) && (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t') {
		at++
	}
	return at
}

// skipString returns where the string that begins at an offset ends.
func skipString(text string, at int) int {
	for at++; text[at] != '"'; at++ {
		if text[at] == '\\' {
			at++
		}
	}
	return at + 1
}

// skipValue returns where the value that begins at an offset ends.
func skipValue(text string, at int) int {
	depth := 0
	for at < len(text) {
		switch text[at] {
		case '"':
			if at = skipString(text, at); depth == 0 {
				return at
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return at + 1
			} else if depth < 0 {
				return at
			}
		case ',', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return at
			}
		}
		at++
	}
	return at
}

// depthOf returns how deep values are nested.
func depthOf(text string) int {
	depth, deepest := 0, 0
	for at := 0; at < len(text); at++ {
		switch text[at] {
		case '"':
			for at++; at < len(text) && text[at] != '"'; at++ {
				if text[at] == '\\' {
					at++
				}
			}
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		}
	}
	return deepest
}

// unquote returns what a string says.
func unquote(quoted string) string {
	var s string
	if json.Unmarshal([]byte(quoted), &s) != nil {
		return quoted
	}
	return s
}

// valueOf returns a value with its numbers as they were written.
func valueOf(raw string) any {
	d := json.NewDecoder(strings.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return raw
	}
	return v
}

// addString appends what the string at text[start:end] says. Its escapes stand for a character each.
func addString(b *doc.Builder, text *decoded, start, end int) {
	at := start + 1
	for at < end-1 {
		i := strings.IndexByte(text.text[at:end-1], '\\')
		if i < 0 {
			break
		}
		text.add(b, at, at+i)
		at += i
		said, length := escape(text.text[at : end-1])
		text.addAs(b, said, at, at+length)
		at += length
	}
	text.add(b, at, end-1)
}

// escape returns what the escape at the beginning of s says, and its length.
func escape(s string) (string, int) {
	switch s[1] {
	case 'n':
		return "\n", 2
	case 't':
		return "\t", 2
	case 'r':
		return "\r", 2
	case 'b':
		return "\b", 2
	case 'f':
		return "\f", 2
	case 'u':
		r, length := rune(hex4(s[2:])), 6
		if utf16.IsSurrogate(r) {
			if len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
				if both := utf16.DecodeRune(r, rune(hex4(s[8:]))); both != utf8.RuneError {
					return string(both), 12
				}
			}
			r = utf8.RuneError
		}
		return string(r), length
	}
	return s[1:2], 2
}

func hex4(s string) uint64 {
	n, _ := strconv.ParseUint(s[:4], 16, 32) // four hexadecimal digits, as the JSON is valid
	return n
}
