package layout

import (
	"cmp"
	"math"
	"slices"
)

// Columns are found by their gutter: a strip from top to bottom of a part of the page that no word
// reaches into, with lines on both sides of it. Words that cross the strip, such as a title over
// all columns, cut the page into parts above and below them.

const (
	gutterWidth   = 0.9  // of the size of the type; TeX leaves 1 between columns, and words of one line stand closer than that
	columnLines   = 4    // that both sides of a gutter must have
	columnWidth   = 9.0  // of the size of the type: a line of a column of prose is at least so wide in the mean
	maxColumnWord = 8000 // words of a page above which columns are not looked for
	maxCuts       = 12   // gutters within one another
)

// columns cuts words of one direction into parts in reading order.
func columns(words []word) [][]word {
	if len(words) == 0 {
		return nil
	}
	if len(words) > maxColumnWord {
		return [][]word{words}
	}
	return cutColumns(words, 0)
}

func cutColumns(words []word, depth int) [][]word {
	g, ok := bestGutter(words)
	if !ok || depth >= maxCuts {
		return [][]word{words}
	}
	var above, left, right, below []word
	for _, w := range words {
		switch mid := w.base + 0.25*w.size; {
		case mid > g.top:
			above = append(above, w)
		case mid < g.bottom:
			below = append(below, w)
		case w.left < g.x:
			left = append(left, w)
		default:
			right = append(right, w)
		}
	}
	var out [][]word
	for _, part := range [][]word{above, left, right, below} {
		if len(part) > 0 {
			out = append(out, cutColumns(part, depth+1)...)
		}
	}
	return out
}

// gutter is a strip around x from top to bottom.
type gutter struct {
	x, top, bottom float64
	lines          int // on the side that has fewer
}

// bestGutter returns the strip with the most lines beside it.
func bestGutter(words []word) (gutter, bool) {
	if len(words) < 4*columnLines {
		return gutter{}, false
	}
	left, right, size := math.Inf(1), math.Inf(-1), medianSize(words)
	for _, w := range words {
		left, right = min(left, w.left), max(right, w.right)
	}
	half := gutterWidth * size / 2
	sorted := slices.Clone(words)
	slices.SortFunc(sorted, func(a, b word) int { return cmp.Or(downwards(a.base, b.base), a.order-b.order) })
	var best gutter
	if !(size > 0) || (right-left)/size > 1000 {
		return best, false
	}
	for x := left + 4*size; x < right-4*size; x += size / 4 {
		for _, g := range strips(sorted, x, half) {
			if g.lines > best.lines {
				best = g
			}
		}
	}
	return best, best.lines >= columnLines
}

func medianSize(words []word) float64 {
	sizes := make([]float64, len(words))
	for i, w := range words {
		sizes[i] = w.size
	}
	slices.Sort(sizes)
	return sizes[len(sizes)/2]
}

// strips returns the parts of the page, from one crossing word to the next, in which both sides of x are columns.
func strips(sorted []word, x, half float64) []gutter {
	var out []gutter
	start := 0
	for i := 0; i <= len(sorted); i++ {
		if i < len(sorted) && (sorted[i].right < x-half || sorted[i].left > x+half) {
			continue
		}
		if g, ok := columnsBeside(uncrossed(sorted, start, i, x, half), x); ok {
			out = append(out, g)
		}
		start = i + 1
	}
	return out
}

// uncrossed is sorted[start:end] without what stands on the lines of the crossing words at both ends.
func uncrossed(sorted []word, start, end int, x, half float64) []word {
	part := sorted[start:end]
	if start > 0 {
		c := sorted[start-1]
		for len(part) > 0 && part[0].base > c.base-0.5*c.size {
			part = part[1:]
		}
	}
	if end < len(sorted) {
		c := sorted[end]
		for len(part) > 0 && part[len(part)-1].base < c.base+0.5*c.size {
			part = part[:len(part)-1]
		}
	}
	return part
}

// side is what stands on one side of a gutter.
type side struct {
	lines       int
	width       float64 // of all lines, in sizes
	last        float64 // base of the last line
	left, right float64 // of the last line
	top, bottom float64
}

func (s *side) add(w word) {
	if s.lines == 0 || s.last-w.base > 0.6*w.size {
		s.endLine(w.size)
		s.lines, s.last, s.left, s.right = s.lines+1, w.base, w.left, w.right
	}
	s.left, s.right = min(s.left, w.left), max(s.right, w.right)
	s.top, s.bottom = max(s.top, w.base+w.size), min(s.bottom, w.base-0.3*w.size)
}

func (s *side) endLine(size float64) {
	if s.lines > 0 && size > 0 {
		s.width += (s.right - s.left) / size
	}
}

// columnsBeside decides whether what stands left and right of x are columns that are read one after the other, or
// cells of rows. Columns are painted one after the other, or are as wide as prose.
func columnsBeside(words []word, x float64) (gutter, bool) {
	sides := [2]side{{top: math.Inf(-1), bottom: math.Inf(1)}, {top: math.Inf(-1), bottom: math.Inf(1)}}
	for _, w := range words {
		sides[sideOf(w, x)].add(w)
	}
	lines := min(sides[0].lines, sides[1].lines)
	if lines < columnLines {
		return gutter{}, false
	}
	byOrder := slices.Clone(words)
	slices.SortFunc(byOrder, func(a, b word) int { return a.order - b.order })
	switches := 0
	for i := 1; i < len(byOrder); i++ {
		if sideOf(byOrder[i], x) != sideOf(byOrder[i-1], x) {
			switches++
		}
	}
	for i := range sides {
		sides[i].endLine(words[0].size)
	}
	prose := sides[0].width/float64(sides[0].lines) >= columnWidth && sides[1].width/float64(sides[1].lines) >= columnWidth
	inTurn := switches*5 <= lines
	if !inTurn && (!prose || switches*3 > 2*lines && !balanced(sides)) {
		return gutter{}, false
	}
	return gutter{
		x: x, lines: lines,
		top:    min(sides[0].top, sides[1].top) + 0.01, // a short line above both columns is in none
		bottom: min(sides[0].bottom, sides[1].bottom) - 0.01,
	}, true
}

// balanced reports whether both sides have about as many lines, as columns do that are painted across.
func balanced(s [2]side) bool {
	few, many := min(s[0].lines, s[1].lines), max(s[0].lines, s[1].lines)
	return few*4 >= many*3
}

func sideOf(w word, x float64) int {
	if w.left < x {
		return 0
	}
	return 1
}
