package pdf

import (
	"bytes"
	"strconv"
)

// The objects of a PDF (ISO 32000-2, 7.3) are these types and bool, int, float64 and nil. Numbers
// without a point are int, unless they are too long for one.
type (
	name   string
	str    string // a string's bytes, decrypted
	array  []any
	dict   map[name]any
	ref    struct{ num, gen int }
	word   string // of a content stream: an operator; elsewhere a keyword such as obj
	stream struct {
		dict     dict
		from, to int64 // its raw bytes in the file
		ref      ref
	}
)

// maxNesting is how deep arrays and dictionaries may stand in each other. Real files stay below 20.
const maxNesting = 100

// lexer reads objects out of bytes. What it cannot read it steps over: a reader of files from
// everywhere gets further by that than by refusing them.
type lexer struct {
	b    []byte
	pos  int
	open bool // the bytes ended within an object: with more of them it could read on
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0
}

func isDelimiter(c byte) bool {
	switch c {
	case '(', ')', '<', '>', '[', ']', '{', '}', '/', '%':
		return true
	}
	return false
}

// skip goes over white space and comments.
func (l *lexer) skip() {
	for l.pos < len(l.b) {
		c := l.b[l.pos]
		switch {
		case isSpace(c):
			l.pos++
		case c == '%':
			for l.pos < len(l.b) && l.b[l.pos] != '\n' && l.b[l.pos] != '\r' {
				l.pos++
			}
		default:
			return
		}
	}
}

// end is the word that stands for the end of the bytes; no token is empty.
const end = word("")

// next returns the next object, or a word. References are not put together; object does that.
func (l *lexer) next(depth int) any {
	l.skip()
	if l.pos >= len(l.b) {
		l.open = true
		return end
	}
	switch c := l.b[l.pos]; {
	case c == '/':
		return l.name()
	case c == '(':
		return l.literal()
	case c == '<' && l.pos+1 < len(l.b) && l.b[l.pos+1] == '<':
		l.pos += 2
		return l.dict(depth)
	case c == '<':
		return l.hex()
	case c == '[':
		l.pos++
		return l.array(depth)
	case c == '>' && l.pos+1 < len(l.b) && l.b[l.pos+1] == '>':
		l.pos += 2
		return word(">>")
	case isDelimiter(c):
		l.pos++
		return word([]byte{c})
	}
	return l.regular()
}

// regular reads a number or a word.
func (l *lexer) regular() any {
	start := l.pos
	for l.pos < len(l.b) && !isSpace(l.b[l.pos]) && !isDelimiter(l.b[l.pos]) {
		l.pos++
	}
	if l.pos == len(l.b) {
		l.open = true
	}
	token := l.b[start:l.pos]
	if c := token[0]; c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.' {
		return number(token)
	}
	switch string(token) {
	case "true":
		return true
	case "false":
		return false
	case "null":
		return nil
	}
	return word(token)
}

// number reads a number as lenient viewers do: 1.5-3 is 1.5, -- is -, what is none is 0.
func number(token []byte) any {
	for len(token) > 1 && (token[0] == '-' && token[1] == '-' || token[0] == '+') {
		token = token[1:]
	}
	if i := bytes.IndexByte(token[1:], '-'); i >= 0 {
		token = token[:i+1]
	}
	if n, err := strconv.Atoi(string(token)); err == nil {
		return n
	}
	x, err := strconv.ParseFloat(string(token), 64)
	if err != nil || x != x || x > 1e15 || x < -1e15 {
		return 0.0
	}
	return x
}

func (l *lexer) name() name {
	l.pos++
	var out []byte
	for l.pos < len(l.b) && !isSpace(l.b[l.pos]) && !isDelimiter(l.b[l.pos]) {
		c := l.b[l.pos]
		if c == '#' && l.pos+2 < len(l.b) && hexDigit(l.b[l.pos+1]) >= 0 && hexDigit(l.b[l.pos+2]) >= 0 {
			c = byte(hexDigit(l.b[l.pos+1])<<4 | hexDigit(l.b[l.pos+2]))
			l.pos += 2
		}
		out = append(out, c)
		l.pos++
	}
	l.open = l.open || l.pos == len(l.b)
	return name(out)
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func (l *lexer) hex() str {
	l.pos++
	var out []byte
	half := -1
	for l.pos < len(l.b) {
		c := l.b[l.pos]
		l.pos++
		if c == '>' {
			if half >= 0 {
				out = append(out, byte(half<<4))
			}
			return str(out)
		}
		d := hexDigit(c)
		switch {
		case d < 0:
		case half < 0:
			half = d
		default:
			out = append(out, byte(half<<4|d))
			half = -1
		}
	}
	l.open = true
	return str(out)
}

var escapes = map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', 'b': '\b', 'f': '\f'}

// literal reads a string in parentheses, which may hold balanced ones.
func (l *lexer) literal() str {
	l.pos++
	var out []byte
	for depth := 1; l.pos < len(l.b); {
		c := l.b[l.pos]
		l.pos++
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return str(out)
			}
		case '\r': // an end of line is \n, however it is written
			if l.pos < len(l.b) && l.b[l.pos] == '\n' {
				l.pos++
			}
			c = '\n'
		case '\\':
			out = l.escape(out)
			continue
		}
		out = append(out, c)
	}
	l.open = true
	return str(out)
}

// escape reads what follows a backslash.
func (l *lexer) escape(out []byte) []byte {
	if l.pos >= len(l.b) {
		return out
	}
	c := l.b[l.pos]
	l.pos++
	if plain, ok := escapes[c]; ok {
		return append(out, plain)
	}
	switch {
	case c >= '0' && c <= '7':
		n := int(c - '0')
		for i := 0; i < 2 && l.pos < len(l.b) && l.b[l.pos] >= '0' && l.b[l.pos] <= '7'; i++ {
			n = n<<3 | int(l.b[l.pos]-'0')
			l.pos++
		}
		return append(out, byte(n))
	case c == '\r': // the line goes on
		if l.pos < len(l.b) && l.b[l.pos] == '\n' {
			l.pos++
		}
		return out
	case c == '\n':
		return out
	}
	return append(out, c)
}

func (l *lexer) array(depth int) array {
	out := array{}
	for depth < maxNesting {
		switch v := l.next(depth + 1); v {
		case end, word("]"), word("endobj"), word(">>"):
			return out
		case word("R"):
			out = foldRef(out)
		default:
			out = append(out, v)
		}
	}
	return out
}

// foldRef makes a reference of the two numbers at the end.
func foldRef(list array) array {
	if n := len(list); n >= 2 {
		num, ok := list[n-2].(int)
		gen, too := list[n-1].(int)
		if ok && too {
			return append(list[:n-2], ref{num, gen})
		}
	}
	return list
}

func (l *lexer) dict(depth int) dict {
	var list array
	for depth < maxNesting {
		v := l.next(depth + 1)
		if v == word("R") {
			list = foldRef(list)
			continue
		}
		if v == word("endobj") || v == word("stream") { // >> is missing
			l.pos -= len(v.(word))
			break
		}
		if v == end || v == word(">>") {
			break
		}
		list = append(list, v)
	}
	out := dict{}
	for i := 0; i+1 < len(list); i++ {
		key, ok := list[i].(name)
		if !ok {
			continue
		}
		if _, twice := out[key]; !twice {
			out[key] = list[i+1]
		}
		i++
	}
	return out
}

// object reads an object that may be a reference.
func (l *lexer) object() any {
	v := l.next(0)
	num, ok := v.(int)
	if !ok {
		return v
	}
	after := l.pos
	if gen, ok := l.next(0).(int); ok && l.next(0) == word("R") {
		return ref{num, gen}
	}
	l.pos = after
	return v
}
