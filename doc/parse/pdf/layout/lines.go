package layout

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode"

	"nearside/doc/parse/pdf"
)

// line is a line of text on a page, in a column if there are some.
type line struct {
	text        string
	sources     []source
	page        int // from 1
	region      int // of the page: lines of one column, in reading order
	left, right float64
	base, size  float64
	turn        int
	bold, mono  bool
	row         bool // there is room between its words as between the cells of a table
	edge        int  // 1 to 3 for the first lines at the top of the page, -1 to -3 for the last at its foot, else 0
	running     bool
}

// source says that a line's text up to end comes from a content stream.
type source struct {
	end  int
	span pdf.Span
}

// linesOf makes lines of a page's words, in reading order.
func linesOf(page *pdf.Page, number int) []line {
	var lines []line
	words := wordsIn(page.Glyphs)
	region := 0
	for _, turn := range turnsOf(words) {
		var turned []word
		for _, w := range words {
			if w.turn == turn {
				turned = append(turned, w)
			}
		}
		for _, column := range columns(turned) {
			for _, group := range groupLines(column) {
				line := makeLine(group, page.Sources)
				line.page, line.region, line.turn = number, region, turn
				lines = append(lines, line)
			}
			region++
		}
	}
	markEdges(lines)
	return lines
}

// turnsOf returns the directions of the words, that of most of them first.
func turnsOf(words []word) []int {
	var count [4]int
	for _, w := range words {
		count[w.turn] += w.chars
	}
	turns := []int{0, 1, 2, 3}
	slices.SortStableFunc(turns, func(a, b int) int { return count[b] - count[a] })
	for len(turns) > 0 && count[turns[len(turns)-1]] == 0 {
		turns = turns[:len(turns)-1]
	}
	return turns
}

// downwards compares the base lines of what is to be sorted from the top of a page down.
func downwards(a, b float64) int { return cmp.Compare(b, a) }

// groupLines puts words that stand beside each other into lines, from the top down.
func groupLines(words []word) [][]word {
	sorted := slices.Clone(words)
	slices.SortStableFunc(sorted, func(a, b word) int { return downwards(a.base, b.base) })
	var lines []lineGroup
	for _, w := range sorted {
		i := len(lines) - 1
		for i >= 0 && i >= len(lines)-4 && !lines[i].takes(w) {
			i--
		}
		if i < 0 || i < len(lines)-4 {
			lines = append(lines, lineGroup{low: w.base - 0.2*w.size, high: w.base + 0.7*w.size})
			i = len(lines) - 1
		}
		lines[i].add(w)
	}
	slices.SortStableFunc(lines, func(a, b lineGroup) int { return downwards(a.base, b.base) })
	out := make([][]word, len(lines))
	for i, l := range lines {
		slices.SortStableFunc(l.words, byLeft)
		out[i] = l.words
	}
	return out
}

func byLeft(a, b word) int {
	switch {
	case a.left < b.left:
		return -1
	case a.left > b.left:
		return 1
	}
	return a.order - b.order
}

// lineGroup is words of a line, and how high its largest word reaches.
type lineGroup struct {
	words      []word
	low, high  float64
	base, size float64
}

// takes reports whether w stands on this line: more than half of the smaller one's height is common, as it
// is with an exponent or an index, but not with a line below.
func (l *lineGroup) takes(w word) bool {
	low, high := w.base-0.2*w.size, w.base+0.7*w.size
	common := min(high, l.high) - max(low, l.low)
	return common > 0.55*min(high-low, l.high-l.low)
}

func (l *lineGroup) add(w word) {
	if w.size > l.size {
		l.size, l.base = w.size, w.base
		l.low, l.high = w.base-0.2*w.size, w.base+0.7*w.size
	}
	l.words = append(l.words, w)
}

// cellGap is the room between two words, in sizes, by which they are of different cells. Justified lines stay below it.
const cellGap = 1.6

func makeLine(words []word, spans []pdf.Span) line {
	line := line{left: math.Inf(1), right: math.Inf(-1), bold: true}
	var b strings.Builder
	chars, mono := 0, 0
	sizes := map[float64]int{}
	for _, w := range words {
		line.left, line.right = min(line.left, w.left), max(line.right, w.right)
		line.bold = line.bold && (w.bold || !hasLetter(w.text))
		chars += w.chars
		if w.mono {
			mono += w.chars
		}
		sizes[w.size] += w.chars
	}
	line.mono = mono*10 >= chars*9
	line.size = mostly(sizes)
	for _, w := range words {
		if w.size == line.size {
			line.base = w.base
		}
	}
	words = logical(words)
	for i, w := range words {
		if i > 0 {
			line.row = line.row || !line.mono && w.left-words[i-1].right > cellGap*w.size
			b.WriteString(strings.Repeat(" ", spaces(words[i-1], w, line.mono)))
		}
		b.WriteString(w.text)
		line.source(b.Len(), spans[min(w.from, len(spans)-1)])
	}
	line.text = b.String()
	return line
}

func hasLetter(s string) bool {
	return strings.IndexFunc(s, unicode.IsLetter) >= 0
}

// mostly is the size of most characters.
func mostly(sizes map[float64]int) float64 {
	best, most := 0.0, -1
	for size, n := range sizes {
		if n > most || n == most && size > best {
			best, most = size, n
		}
	}
	return best
}

// spaces is how many spaces stand between two words: one, but in a monospaced line as many as have room.
func spaces(a, b word, mono bool) int {
	if gap := b.left - a.right; mono && a.chars > 0 && gap > 0 {
		return min(max(int(math.Round(gap/((a.right-a.left)/float64(a.chars)))), 1), 80)
	} else if gap > -0.05*b.size && gap < 0.02*b.size {
		return touching(a, b)
	}
	return 1
}

// touching is for words that were painted apart, but stand side by side: an index, a capital drawn larger.
func touching(a, b word) int {
	if b.order != a.order+1 {
		return 0
	}
	return 1
}

// logical puts the words of a line in the order in which they are read, where some run from right to left.
func logical(words []word) []word {
	rtl, ltr := 0, 0
	for _, w := range words {
		if rightToLeft(w.text) {
			rtl += w.chars
		} else if hasLetter(w.text) {
			ltr += w.chars
		}
	}
	if rtl == 0 {
		return words
	}
	words = slices.Clone(words)
	other := func(w word) bool { return rightToLeft(w.text) }
	if rtl > ltr {
		slices.Reverse(words)
		other = func(w word) bool { return !rightToLeft(w.text) && hasLetter(w.text) }
	}
	for i := 0; i < len(words); i++ { // stretches of the other direction
		k := i
		for k < len(words) && other(words[k]) {
			k++
		}
		if k > i {
			slices.Reverse(words[i:k])
			i = k
		}
	}
	return words
}

func (l *line) source(end int, span pdf.Span) {
	if n := len(l.sources); n > 0 && l.sources[n-1].span == span {
		l.sources[n-1].end = end
		return
	}
	l.sources = append(l.sources, source{end, span})
}

// edgeLines is how many lines at the top and the foot of a page may be running ones.
const edgeLines = 3

// markEdges finds the outermost lines of a page, among which running headers and footers are.
func markEdges(lines []line) {
	var order []int
	for i := range lines {
		if lines[i].turn == lines[0].turn {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case lines[a].base > lines[b].base+1:
			return -1
		case lines[a].base < lines[b].base-1:
			return 1
		}
		return 0
	})
	top := make([]int, len(order)) // which line from the top, from 1
	for k := range order {
		if top[k] = 1; k > 0 {
			top[k] = top[k-1]
			if lines[order[k-1]].base-lines[order[k]].base > 1 {
				top[k]++
			}
		}
	}
	for k, i := range order {
		foot := top[len(top)-1] - top[k] + 1
		switch {
		case top[k] <= foot && top[k] <= edgeLines:
			lines[i].edge = top[k]
		case foot < top[k] && foot <= edgeLines:
			lines[i].edge = -foot
		}
	}
}
