package keyword

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// script is what the letters of a word are, as far as a language's rules go by it.
type script uint8

const (
	otherScript script = iota
	latin
	cyrillic
	arabic
	devanagari
	scripts // how many there are
)

// pairScripts are written without spaces between words, or, as Korean, with words
// that carry their grammar behind them. Their terms are overlapping pairs of characters.
var pairScripts = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo,
	unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

// firstPairRune is the lowest character of pairScripts.
const firstPairRune = '\u0e01'

func isPair(r rune) bool {
	return r >= firstPairRune && (unicode.In(r, pairScripts...) || r == 'ー' || r == '々')
}

// isWord reports whether r belongs to a word. Combining marks do: without them
// words of Hindi fall into pieces.
func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)
}

// joins reports whether r, between two letters, is part of their word.
func joins(r rune) bool {
	switch r {
	case '\'', '’', '\u00ad', '\u200c', '\u200d': // apostrophes, soft hyphen, zero-width (non-)joiner
		return true
	}
	return false
}

func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '\u200b' }

func scriptOf(r rune) script {
	switch {
	case r < 0x250:
		return latin
	case unicode.Is(unicode.Cyrillic, r):
		return cyrillic
	case unicode.Is(unicode.Arabic, r):
		return arabic
	case unicode.Is(unicode.Devanagari, r):
		return devanagari
	case unicode.Is(unicode.Latin, r):
		return latin
	}
	return otherScript
}

// run is a stretch of a text: one word, or characters of pairScripts.
type run struct {
	start, end int // bytes
	pairs      bool
	script     script // of its first character
}

// runs yields the words of a text and its runs of pairScripts, in order.
func runs(text string) iter.Seq[run] {
	return func(yield func(run) bool) {
		for at := 0; at < len(text); {
			r, n := utf8.DecodeRuneInString(text[at:])
			var found run
			switch {
			case isPair(r):
				found = run{start: at, end: endOfPairs(text, at), pairs: true}
			case isWord(r):
				found = run{start: at, end: endOfWord(text, at), script: scriptOf(r)}
			default:
				at += n
				continue
			}
			if !yield(found) {
				return
			}
			at = found.end
		}
	}
}

func endOfPairs(text string, at int) int {
	for i, r := range text[at:] {
		if !isPair(r) && !unicode.IsMark(r) {
			return at + i
		}
	}
	return len(text)
}

func endOfWord(text string, at int) int {
	for at < len(text) {
		r, n := utf8.DecodeRuneInString(text[at:])
		if joins(r) {
			next, _ := utf8.DecodeRuneInString(text[at+n:])
			if !isWord(next) || isPair(next) {
				return at
			}
		} else if !isWord(r) || isPair(r) {
			return at
		}
		at += n
	}
	return at
}

// stretches yields where each stretch of a text without white space begins and ends.
func stretches(text string) iter.Seq2[int, int] {
	return func(yield func(start, end int) bool) {
		start := -1
		for i, r := range text {
			switch space := isSpace(r); {
			case !space && start < 0:
				start = i
			case space && start >= 0:
				if !yield(start, i) {
					return
				}
				start = -1
			}
		}
		if start >= 0 {
			yield(start, len(text))
		}
	}
}

// fold makes one spelling of those that mean the same: lower case, full and half
// width, composed and decomposed characters (Unicode's NFKC).
func fold(s string) string {
	plain := true
	for i := range len(s) {
		plain = plain && s[i] < utf8.RuneSelf
	}
	if !plain {
		s = norm.NFKC.String(s)
	}
	s = strings.ToLower(s)
	if plain {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r == '\u00ad' || r == '\u200c' || r == '\u200d' {
			return -1
		}
		return r
	}, s)
}
