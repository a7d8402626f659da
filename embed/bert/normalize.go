package bert

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// longestWord is the number of characters, after normalizing, beyond which the
// reference reads a word as unknown.
const longestWord = 100

// ideographs are words of their own. They are the blocks that the reference
// names, which are not all there are.
var ideographs = &unicode.RangeTable{
	R16: []unicode.Range16{{0x3400, 0x4dbf, 1}, {0x4e00, 0x9fff, 1}, {0xf900, 0xfaff, 1}},
	R32: []unicode.Range32{{0x20000, 0x2a6df, 1}, {0x2a700, 0x2b73f, 1}, {0x2b740, 0x2b81f, 1}, {0x2b920, 0x2ceaf, 1}, {0x2f800, 0x2fa1f, 1}},
}

// word is a word being read: normalized characters up to the next space or
// punctuation. It holds no more than longestWord of them, however long it is.
type word struct {
	runes []rune
	over  bool // there were more than longestWord
	// block is where the characters after the last starter begin; canonical
	// order sorts those by their combining class.
	block   int
	classes []uint8 // combining classes of runes[block:]
}

func (w *word) reset() {
	w.runes, w.classes = w.runes[:0], w.classes[:0]
	w.over, w.block = false, 0
}

// add appends one decomposed, lower-case character of combining class 0.
func (w *word) add(r rune) {
	if len(w.runes) == longestWord {
		w.over = true
		return
	}
	w.runes = append(w.runes, r)
	w.endBlock()
}

func (w *word) endBlock() { w.block, w.classes = len(w.runes), w.classes[:0] }

// addMark inserts a character of a combining class above 0 in canonical order.
func (w *word) addMark(r rune, class uint8) {
	if len(w.runes) == longestWord {
		w.over = true
		return
	}
	at := len(w.classes)
	for at > 0 && w.classes[at-1] > class {
		at--
	}
	w.classes = slices.Insert(w.classes, at, class)
	w.runes = slices.Insert(w.runes, w.block+at, r)
}

// class is what becomes of a character of the text.
type class uint8

const (
	letter    class = iota // part of a word
	space                  // ends a word
	removed                // as if it were not there
	separator              // a word of its own: punctuation or an ideograph
)

// ascii holds the classes of the characters below 0x80.
var ascii = func() (t [utf8.RuneSelf]class) {
	for r := range rune(utf8.RuneSelf) {
		t[r] = classify(r)
	}
	return t
}()

// classify tells what becomes of a character before it is decomposed.
func classify(r rune) class {
	switch {
	case unicode.Is(controls, r):
		return removed
	case unicode.Is(spaces, r):
		return space
	case unicode.Is(punctuation, r) || unicode.Is(ideographs, r):
		return separator
	}
	return letter
}

// part is one character of a decomposition and its canonical combining class.
type part struct {
	r         rune
	combining uint8
}

// decompose appends r's canonical decomposition.
func decompose(parts []part, r rune) []part {
	if r >= hangulFirst && r <= hangulLast {
		return decomposeHangul(parts, r)
	}
	var buf [utf8.UTFMax]byte
	encoded := buf[:utf8.EncodeRune(buf[:], r)]
	d := norm.NFD.Properties(encoded).Decomposition()
	if d == nil {
		d = encoded
	}
	for len(d) > 0 {
		r, size := utf8.DecodeRune(d)
		parts = append(parts, part{r, norm.NFD.Properties(d).CCC()})
		d = d[size:]
	}
	return parts
}

// Hangul syllables decompose by arithmetic (The Unicode Standard, section 3.12).
const (
	hangulFirst, hangulLast = 0xac00, 0xd7a3
	leadFirst               = 0x1100
	vowelFirst, vowels      = 0x1161, 21
	tailFirst, tails        = 0x11a7, 28
)

func decomposeHangul(parts []part, r rune) []part {
	s := r - hangulFirst
	parts = append(parts, part{r: leadFirst + s/(vowels*tails)}, part{r: vowelFirst + s/tails%vowels})
	if t := s % tails; t > 0 {
		parts = append(parts, part{r: tailFirst + t})
	}
	return parts
}
