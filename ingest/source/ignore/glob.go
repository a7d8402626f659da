package ignore

import "strings"

// maxPattern is how long a line may be, in bytes: as long as a path. A longer one matches nothing.
const maxPattern = 4096

// glob is a compiled pattern.
type glob struct {
	literal string // what the path must be if there are no tokens, or after the star if there is only one
	tokens  []token
	ending  bool // it is a star and the literal
}

// token is one thing of a pattern: a byte, a set of bytes, or a star.
type token struct {
	kind  kind
	value byte
	set   *[256]bool
}

type kind uint8

const (
	exactly kind = iota // value
	oneOf               // of set
	star                // any bytes but "/"
	stars               // any bytes
	folders             // "**/": nothing, or any bytes and a "/"
)

// wild are the bytes that do not stand for themselves.
const wild = `*?[\`

// compile reads a pattern; it is false of one that no path can match.
func compile(pattern string) (glob, bool) {
	if len(pattern) > maxPattern {
		return glob{}, false
	}
	if !strings.ContainsAny(pattern, wild) {
		return glob{literal: pattern}, true
	}
	if after, ok := strings.CutPrefix(pattern, "*"); ok && !strings.ContainsAny(after, wild) {
		return glob{literal: after, ending: true}, true
	}
	var g glob
	for i := 0; i < len(pattern); {
		c := pattern[i]
		switch c {
		case '\\':
			if i+1 == len(pattern) {
				return glob{}, false
			}
			g.tokens = append(g.tokens, token{kind: exactly, value: pattern[i+1]})
			i += 2
		case '?':
			g.tokens = append(g.tokens, token{kind: oneOf, set: &anyByte})
			i++
		case '*':
			var t token
			t, i = compileStars(pattern, i)
			g.tokens = append(g.tokens, t)
		case '[':
			set, next := compileSet(pattern, i)
			if set == nil {
				return glob{}, false
			}
			g.tokens = append(g.tokens, token{kind: oneOf, set: set})
			i = next
		default:
			g.tokens = append(g.tokens, token{kind: exactly, value: c})
			i++
		}
	}
	return g, true
}

// anyByte is the set of "?".
var anyByte = func() (set [256]bool) {
	for c := range set {
		set[c] = c != '/'
	}
	return set
}()

// compileStars reads the stars at i. Two or more that fill the place between slashes cross folders. NOTE: as git has
// it, so do those that are the first wildcard of their pattern: "a**/b" matches "ax/y/b".
func compileStars(pattern string, i int) (token, int) {
	end := i
	for end < len(pattern) && pattern[end] == '*' {
		end++
	}
	rest := pattern[end:]
	alone := i == strings.IndexAny(pattern, wild) || pattern[i-1] == '/'
	switch {
	case end-i < 2 || !alone:
		return token{kind: star}, end
	case strings.HasPrefix(rest, "/"):
		return token{kind: folders}, end + 1
	case rest == "" || strings.HasPrefix(rest, `\/`):
		return token{kind: stars}, end
	}
	return token{kind: star}, end
}

// match reports whether the whole of a path matches.
func (g *glob) match(path string) bool {
	if g.ending {
		before, ok := strings.CutSuffix(path, g.literal)
		return ok && !strings.Contains(before, "/")
	}
	if g.tokens == nil {
		return path == g.literal
	}
	m := matcher{tokens: g.tokens, path: path}
	return m.from(0, 0)
}

// matcher matches one path. What failed once is not tried again, so that the time is bounded.
type matcher struct {
	tokens []token
	path   string
	failed []bool // by token and byte; nil until a star is met
}

// from reports whether the tokens from t match the path from p.
func (m *matcher) from(t, p int) bool {
	for ; t < len(m.tokens); t++ {
		switch k := m.tokens[t]; k.kind {
		case exactly:
			if p == len(m.path) || m.path[p] != k.value {
				return false
			}
		case oneOf:
			if p == len(m.path) || !k.set[m.path[p]] {
				return false
			}
		default:
			return m.fromStar(t, p)
		}
		p++
	}
	return p == len(m.path)
}

// fromStar reports whether the tokens from the star t match the path from p.
func (m *matcher) fromStar(t, p int) bool {
	if m.failed == nil {
		m.failed = make([]bool, len(m.tokens)*(len(m.path)+1))
	}
	failed := m.failed[t*(len(m.path)+1):]
	for kind := m.tokens[t].kind; !failed[p]; p++ {
		failed[p] = true // if it is not, nobody asks again
		if m.from(t+1, p) {
			return true
		}
		if kind == folders {
			next := strings.IndexByte(m.path[p:], '/')
			if next < 0 {
				return false
			}
			p += next
		}
		if p == len(m.path) || kind == star && m.path[p] == '/' {
			return false
		}
	}
	return false
}
