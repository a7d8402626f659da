package layout

import (
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"

	"nearside/doc/parse/pdf"
)

// word is glyphs of one line without a space between them. Its place is in the direction that it is read in: left and
// right along the line, base across it, growing upwards, whichever way the line runs on the page.
type word struct {
	text        string
	left, right float64
	base, size  float64
	turn        int
	from        int // index in the page's sources
	order       int // of painting
	chars       int
	bold, mono  bool
}

// The gap between two glyphs, in sizes of the font, from which on there is a space between them. Kerning stays below 0.1 and TeX, which
// paints no spaces, shrinks them to no less than 0.2. Where spaces are painted, a gap without one may be wide
// kerning, as troff sets it.
const (
	wordGap        = 0.13
	wordGapSpaced  = 0.22
	spacesOfSpaced = 20 // one glyph in so many is a space where spaces are painted; in most languages one in six is
)

// wordMaker puts glyphs together to words, in the order in which they are painted.
type wordMaker struct {
	words  []word
	glyphs []turned // of the word that is open
	gap    float64  // wordGap or wordGapSpaced
	spaced bool     // a space was painted since the last glyph
	seen   map[stamp][]place
}

// turned is a glyph in the direction in which it is read.
type turned struct {
	pdf.Glyph
	left, right, base float64
}

// stamp is a glyph and roughly its place, in halves of its size: what is painted where, to be looked up.
type stamp struct {
	text    string
	x, y, s int32
}

// place is where a glyph begins.
type place struct{ x, y float64 }

// nearly is how far apart, in sizes, the two may be of what is painted twice for bold or a shadow.
const nearly = 0.12

func wordsIn(glyphs []pdf.Glyph) []word {
	m := &wordMaker{seen: map[stamp][]place{}, gap: wordGap}
	painted := 0
	for _, g := range glyphs {
		if g.Text == " " {
			painted++
		}
	}
	if painted*spacesOfSpaced > len(glyphs) {
		m.gap = wordGapSpaced
	}
	for _, g := range glyphs {
		if g.Extra || g.Size <= 0 {
			continue
		}
		if g.Text = chars(g.Text); g.Text != "" {
			m.add(turn(g))
		}
	}
	m.finish()
	return m.words
}

// chars is a glyph's text as it is written elsewhere: ligatures and Arabic forms as letters, no control or private characters.
func chars(s string) string {
	if len(s) == 1 && s[0] >= ' ' && s[0] < 0x7f {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == 0xf0b7 || r == 0xf0a7: // bullets of Symbol and Wingdings
			return '•'
		case r == '\t' || r == '\n' || r == '\r' || unicode.Is(unicode.Zs, r):
			return ' '
		case unicode.IsControl(r) || r == utf8.RuneError || unicode.Is(unicode.Co, r):
			return -1
		}
		return r
	}, composed(s))
}

func composed(s string) string {
	for _, r := range s {
		if r >= 0xfb00 && r <= 0xfdff || r >= 0xfe70 && r <= 0xfefc {
			return norm.NFKC.String(s)
		}
	}
	return s
}

func turn(g pdf.Glyph) turned {
	t := turned{Glyph: g, left: g.X, base: g.Y}
	switch g.Turn {
	case 1:
		t.left, t.base = g.Y, -g.X
	case 2:
		t.left, t.base = -g.X, -g.Y
	case 3:
		t.left, t.base = -g.Y, g.X
	}
	t.right = t.left + g.Width
	return t
}

func (m *wordMaker) add(g turned) {
	if strings.TrimSpace(g.Text) == "" {
		if m.spaced = g.Width > 0.05*g.Size; !m.spaced {
			m.finish()
		}
		return
	}
	if m.again(g) {
		return
	}
	if n := len(m.glyphs); n > 0 {
		last := m.glyphs[n-1]
		if accent, ok := overstruck(last, g); ok {
			m.glyphs[n-1] = accent
			return
		}
		if !m.follows(last, g) {
			m.finish()
		}
		m.spaced = false
	}
	m.glyphs = append(m.glyphs, g)
}

// again reports whether a glyph was painted in its place before, and notes it if not. A neighbour is
// not in its place: two l are closer than what is nearly the same for wide letters.
func (m *wordMaker) again(g turned) bool {
	along := min(nearly, max(g.Width/g.Size/2, nearly/3))
	cell := func(v float64) int32 { return int32(min(max(math.Floor(2*v), -1<<30), 1<<30)) }
	x, y := g.left/g.Size, g.base/g.Size
	for cx := cell(x - along); cx <= cell(x+along); cx++ {
		for cy := cell(y - nearly); cy <= cell(y+nearly); cy++ {
			for _, p := range m.seen[stamp{g.Text, cx, cy, int32(g.Size)}] {
				if math.Abs(p.x-x) < along && math.Abs(p.y-y) < nearly {
					return true
				}
			}
		}
	}
	at := stamp{g.Text, cell(x), cell(y), int32(g.Size)}
	m.seen[at] = append(m.seen[at], place{x, y})
	return false
}

// follows reports whether g goes on where last ended. A space that was painted and taken back by moving left is none;
// troff kerns so.
func (m *wordMaker) follows(last, g turned) bool {
	size := max(last.Size, g.Size)
	gap := g.left - last.right
	if m.spaced && gap > 0.05*size {
		return false
	}
	return g.Turn == last.Turn && math.Abs(g.base-last.base) < 0.5*size && gap < m.gap*size && gap > -0.6*size
}

// marks are the combining characters of accents that TeX paints beside or over a letter.
var marks = map[string]string{"´": "\u0301", "`": "\u0300", "¨": "\u0308", "ˆ": "\u0302", "˜": "\u0303", "¯": "\u0304",
	"˘": "\u0306", "˙": "\u0307", "˚": "\u030a", "˝": "\u030b", "ˇ": "\u030c", "¸": "\u0327", "˛": "\u0328"}

// overstruck makes one glyph of a letter and an accent that stand over each other.
func overstruck(a, b turned) (turned, bool) {
	letter, mark := b, marks[a.Text]
	if mark == "" {
		letter, mark = a, marks[b.Text]
	}
	first, _ := utf8.DecodeRuneInString(letter.Text)
	if mark == "" || !unicode.IsLetter(first) || a.Turn != b.Turn || math.Abs(a.base-b.base) > max(a.Size, b.Size) {
		return a, false
	}
	if overlap := min(a.right, b.right) - max(a.left, b.left); overlap < 0.4*min(a.Width, b.Width) {
		return a, false
	}
	if first == 'ı' {
		letter.Text = "i" + letter.Text[len("ı"):]
	}
	letter.Text = norm.NFC.String(letter.Text + mark)
	return letter, true
}

func (m *wordMaker) finish() {
	if len(m.glyphs) == 0 {
		return
	}
	w := word{left: math.Inf(1), right: math.Inf(-1), turn: m.glyphs[0].Turn, from: m.glyphs[0].From, order: len(m.words), bold: true, mono: true}
	largest := 0
	for i, g := range m.glyphs {
		w.left, w.right = min(w.left, g.left), max(w.right, g.right)
		w.bold, w.mono = w.bold && g.Bold, w.mono && g.Mono
		w.chars += utf8.RuneCountInString(g.Text)
		if g.Size > m.glyphs[largest].Size {
			largest = i
		}
	}
	w.base, w.size = m.glyphs[largest].base, m.glyphs[largest].Size
	w.text = wordText(m.glyphs)
	m.words = append(m.words, w)
	m.glyphs = m.glyphs[:0]
}

// wordText joins glyphs. Those of scripts that run from right to left are painted in the order that they are seen in.
func wordText(glyphs []turned) string {
	var b strings.Builder
	rtl := false
	for _, g := range glyphs {
		rtl = rtl || rightToLeft(g.Text)
	}
	// A writer may paint from right to left; then the order is that of reading.
	if rtl && glyphs[0].left <= glyphs[len(glyphs)-1].left {
		glyphs = slices.Clone(glyphs)
		slices.Reverse(glyphs)
		unreverseNumbers(glyphs)
	}
	for _, g := range glyphs {
		b.WriteString(g.Text)
	}
	return b.String()
}

// unreverseNumbers puts digits back in order: they run from left to right everywhere.
func unreverseNumbers(glyphs []turned) {
	for i := 0; i < len(glyphs); i++ {
		k := i
		for k < len(glyphs) && isNumber(glyphs[k].Text) {
			k++
		}
		if k > i {
			slices.Reverse(glyphs[i:k])
			i = k
		}
	}
}

func isNumber(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsDigit(r)
}

// rightToLeft reports whether s has a letter that is read from right to left.
func rightToLeft(s string) bool {
	for _, r := range s {
		if r < 0x590 {
			continue
		}
		p, _ := bidi.LookupRune(r)
		if c := p.Class(); c == bidi.R || c == bidi.AL {
			return true
		}
	}
	return false
}
