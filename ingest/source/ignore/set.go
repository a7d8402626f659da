package ignore

import "strings"

// compileSet reads the set of bytes at i, which is its "[", and returns where the pattern goes on. It is nil if the set does
// not end, or names a class that there is not.
func compileSet(pattern string, i int) (*[256]bool, int) {
	i++
	negated := i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^')
	if negated {
		i++
	}
	var set [256]bool
	before := -1 // the byte before, from which a range may go
	for first := true; ; first = false {
		if i >= len(pattern) {
			return nil, 0
		}
		c := pattern[i]
		switch {
		case c == ']' && !first:
			return finish(&set, negated), i + 1
		case c == '-' && before >= 0 && i+1 < len(pattern) && pattern[i+1] != ']':
			to, next, ok := literal(pattern, i+1)
			if !ok {
				return nil, 0
			}
			for b := before; b <= int(to); b++ {
				set[b] = true
			}
			before, i = -1, next
		case strings.HasPrefix(pattern[i:], "[:"):
			next, ok := addClass(&set, pattern, i)
			if !ok {
				return nil, 0
			}
			before = -1
			if next == i { // no class after all, but a bracket
				set['['], before, next = true, '[', i+1
			}
			i = next
		default:
			b, next, ok := literal(pattern, i)
			if !ok {
				return nil, 0
			}
			set[b], before, i = true, int(b), next
		}
	}
}

// literal reads a byte that a backslash may stand before.
func literal(pattern string, i int) (b byte, next int, ok bool) {
	if pattern[i] == '\\' {
		i++
	}
	if i >= len(pattern) {
		return 0, 0, false
	}
	return pattern[i], i + 1, true
}

// finish returns the set, or what is not in it. A "/" is in neither.
func finish(set *[256]bool, negated bool) *[256]bool {
	for c := range set {
		set[c] = set[c] != negated && c != '/'
	}
	return set
}

// addClass adds the class at i, such as [:alpha:]. It returns i itself if there is none.
func addClass(set *[256]bool, pattern string, i int) (next int, ok bool) {
	end := strings.IndexByte(pattern[i+2:], ']')
	if end < 0 {
		return 0, false
	}
	name, closed := strings.CutSuffix(pattern[i+2:i+2+end], ":")
	if !closed {
		return i, true
	}
	in := classes[name]
	if in == nil {
		return 0, false
	}
	for c := range 128 {
		set[c] = set[c] || in(byte(c))
	}
	return i + 2 + end + 1, true
}

// classes are those of POSIX, of ASCII.
var classes = map[string]func(byte) bool{
	"alnum":  func(c byte) bool { return letter(c) || digit(c) },
	"alpha":  letter,
	"blank":  func(c byte) bool { return c == ' ' || c == '\t' },
	"cntrl":  func(c byte) bool { return c < ' ' || c == 0x7f },
	"digit":  digit,
	"graph":  func(c byte) bool { return c > ' ' && c < 0x7f },
	"lower":  func(c byte) bool { return 'a' <= c && c <= 'z' },
	"print":  func(c byte) bool { return c >= ' ' && c < 0x7f },
	"punct":  func(c byte) bool { return c > ' ' && c < 0x7f && !letter(c) && !digit(c) },
	"space":  func(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' },
	"upper":  func(c byte) bool { return 'A' <= c && c <= 'Z' },
	"xdigit": func(c byte) bool { return digit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' },
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func digit(c byte) bool { return '0' <= c && c <= '9' }
