package chat

import (
	"strings"
	"unicode/utf8"
)

// runes makes whole characters of text that arrives cut anywhere. Bytes that are
// no UTF-8 become U+FFFD, one each, wherever the text was cut: so pieces together
// are what the whole would be.
type runes struct{ held string }

// add returns what is whole now. At most three bytes are held back.
func (r *runes) add(s string) string {
	if r.held != "" {
		s, r.held = r.held+s, ""
	}
	for i := len(s) - 1; i >= max(0, len(s)-utf8.UTFMax+1); i-- {
		if utf8.RuneStart(s[i]) {
			if !utf8.FullRuneInString(s[i:]) {
				s, r.held = s[:i], s[i:]
			}
			break
		}
	}
	return valid(s)
}

// end returns what was held back and will not become whole.
func (r *runes) end() string {
	s := valid(r.held)
	r.held = ""
	return s
}

// valid replaces each byte that is no UTF-8.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var out strings.Builder
	for _, c := range s { // a byte that is no UTF-8 comes as U+FFFD
		out.WriteRune(c)
	}
	return out.String()
}
