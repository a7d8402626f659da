package chunk

import (
	"context"
	"hash/fnv"
	"io"
	"strings"

	"nearside/doc"
)

// reading is the cutting of one document: its blocks are read into atoms, which are packed into chunks.
type reading struct {
	cutter *Cutter
	ctx    context.Context
	doc    *doc.Document
	above  *heading     // the innermost heading that stands open
	atoms  []atom       // they tile the text, up to white space before the first
	totals []int        // totals[i] is the weight of all atoms before i
	leads  map[int]lead // by block
	chunks []Chunk

	// The headings at the end of atoms, with nothing below them so far.
	row       int // how many atoms
	rowWeight int
}

// atom is what is not cut if it can be helped: a sentence, a row, a line of code, a heading.
type atom struct {
	start, end int // Text[start:end], with the white space after it
	weight     int // see weigh
	seam       seam
	role       role
	first      bool // of its block
	block      int
	under      *heading // what it stands under; nil = nothing
	mark       uint64   // of the words on both sides of its seam
}

type role uint8

const (
	other    role = iota
	sentence      // whole, so that an overlap may repeat it
	headline
)

// seam says how good a place is to be cut at: that before an atom. More is better.
type seam uint8

const (
	glued   seam = iota // after a heading
	letters             // the first four are within what is longer than the window
	words
	clauses
	lines
	sentences // and rows, and lines of code
	nested    // before an item of a list in a list
	items     // and after a blank line of code
	blocks
	sections // before a heading of level 6; that of level 1 is sections + 5
)

// lead is what is repeated where a chunk begins within a block: the header of a table, or what source
// code defines.
type lead struct {
	text   string
	tokens int
}

// read makes the atoms.
func (r *reading) read() error {
	if err := r.begin(); err != nil {
		return err
	}
	for i, b := range r.doc.Blocks {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		end := len(r.doc.Text)
		if i+1 < len(r.doc.Blocks) {
			end = r.doc.Blocks[i+1].Start
		}
		if err := r.block(i, b, end); err != nil {
			return err
		}
	}
	if first := len(r.atoms) - r.row; r.row > 0 && first > 0 {
		r.atoms[first].seam = glued // nothing stands below: it goes with what is before
	}
	r.totals = make([]int, len(r.atoms)+1)
	for i, a := range r.atoms {
		r.totals[i+1] = r.totals[i] + a.weight
	}
	return nil
}

// block reads one block, whose white space goes on up to end.
func (r *reading) block(i int, b doc.Block, end int) error {
	switch b.Kind {
	case doc.Heading:
		return r.heading(i, b, end)
	case doc.Table:
		return r.table(i, b, end)
	case doc.Code:
		return r.code(i, b, end)
	default:
		return r.prose(i, b, end)
	}
}

func (r *reading) heading(i int, b doc.Block, end int) error {
	text := strings.Join(strings.Fields(r.doc.Text[b.Start:b.End]), " ")
	for r.above != nil && r.above.level >= b.Level {
		r.above = r.above.above
	}
	a := atom{start: b.Start, end: end, seam: sections + seam(6-min(max(b.Level, 1), 6)), role: headline, first: true, block: i}
	if first := len(r.atoms) - r.row; r.row > 0 {
		if first == 0 || r.atoms[first].seam > a.seam {
			a.seam = glued // it stands under the one before, or that has nowhere else to go
		} else {
			r.atoms[first].seam = glued // nothing stands below: it goes with what is before
			r.row, r.rowWeight = 0, 0
		}
	}
	if err := r.add(a); err != nil {
		return err
	}
	under, err := r.under(text, b.Level)
	r.above = under
	return err
}

func (r *reading) prose(i int, b doc.Block, end int) error {
	text := r.doc.Text[b.Start:b.End]
	from, s := 0, r.seamBefore(i)
	for _, to := range sentenceEnds(text) {
		a := atom{start: b.Start + from, end: b.Start + to, seam: s, role: sentence, first: from == 0, block: i}
		if to == len(text) {
			a.end = end
		}
		if err := r.add(a); err != nil {
			return err
		}
		from, s = to, sentences
	}
	return nil
}

// table reads a table's rows. The first keeps the header with it.
func (r *reading) table(i int, b doc.Block, end int) error {
	head := b.Start
	for n := range 2 {
		to := lineEnd(r.doc.Text, head, b.End)
		if n == 0 || isRule(r.doc.Text[head:to]) {
			head = to
		}
	}
	header := strings.TrimRight(r.doc.Text[b.Start:head], "\n")
	if err := r.lead(i, header+"\n"); err != nil {
		return err
	}
	return r.byLine(i, b, end, func(n, from, _ int) seam {
		if n > 0 && from <= head {
			return glued
		}
		return sentences
	})
}

// isRule reports whether a line of a Markdown table stands between its header and its rows.
func isRule(line string) bool {
	return strings.Contains(line, "-") && strings.Trim(line, "|:- \t\r\n") == ""
}

// code reads lines of code. A blank line before one makes a good place to cut, a deeper indentation a bad one, and a line
// that only closes goes with what it closes.
func (r *reading) code(i int, b doc.Block, end int) error {
	if r.doc.Format == doc.FormatSource && b.Label != "" {
		if err := r.lead(i, b.Label+"\n"); err != nil {
			return err
		}
	}
	depth := indentation(r.doc.Text[b.Start:b.End])
	return r.byLine(i, b, end, func(_, from, to int) seam {
		text, before := r.doc.Text[from:to], depth
		depth = indentation(text)
		switch {
		case strings.Trim(text, ")]};, \t\r\n") == "":
			return glued
		case blank(r.doc.Text[lineStart(r.doc.Text, from-1):from]):
			return items
		case depth > before:
			return lines
		}
		return sentences
	})
}

// indentation returns how many spaces and tabs a text begins with.
func indentation(text string) int { return len(text) - len(strings.TrimLeft(text, " \t")) }

// byLine adds the lines of a block that are not blank, each with the blank ones after it. The place
// before line n, which is Text[from:to], is of the seam that is returned.
func (r *reading) byLine(i int, b doc.Block, end int, kind func(n, from, to int) seam) error {
	for n, from := 0, b.Start; from < b.End; n++ {
		to := lineEnd(r.doc.Text, from, b.End)
		s := r.seamBefore(i)
		if from > b.Start {
			s = kind(n, from, to)
		}
		for to < b.End {
			next := lineEnd(r.doc.Text, to, b.End)
			if !blank(r.doc.Text[to:next]) {
				break
			}
			to = next
		}
		a := atom{start: from, end: to, seam: s, first: n == 0, block: i}
		if to == b.End {
			a.end = end
		}
		if err := r.add(a); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// lineEnd returns where the line that begins at from ends, its line end included.
func lineEnd(text string, from, end int) int {
	if n := strings.IndexByte(text[from:end], '\n'); n >= 0 {
		return from + n + 1
	}
	return end
}

// lineStart returns where the line begins that holds the byte at i.
func lineStart(text string, i int) int { return strings.LastIndexByte(text[:i], '\n') + 1 }

// seamBefore returns the seam before a block that is no heading. What ends in a colon announces what comes.
func (r *reading) seamBefore(i int) seam {
	if i == 0 {
		return blocks
	}
	b, before := r.doc.Blocks[i], r.doc.Blocks[i-1]
	text := r.doc.Text[before.Start:before.End]
	switch {
	case before.Kind == doc.Item && b.Kind == doc.Item && b.Level > 1:
		return nested
	case before.Kind == doc.Item && b.Kind == doc.Item:
		return items
	case before.Kind == doc.Paragraph && (strings.HasSuffix(text, ":") || strings.HasSuffix(text, "：")):
		return sentences
	}
	return blocks
}

// add appends an atom, or the parts of one that is too long.
func (r *reading) add(a atom) error {
	a.under = r.above
	if a.role != headline && r.row > 0 {
		a.seam = glued
	}
	text := r.doc.Text[a.start:a.end]
	if blank(text) {
		r.extend(a.end)
		return nil
	}
	weight, err := r.weigh(text)
	if err != nil {
		return err
	}
	a.weight = weight
	taken := min(r.cutter.added+r.above.cost()+r.rowWeight, r.cutter.Window/2) // more only under enormous headings: force parts them
	switch {
	case weight > r.cutter.Size-taken && a.role == sentence && stopEnd(text) < len(text):
		return r.stops(a)
	case weight > r.cutter.Window-taken:
		return r.pieces(a, max(1, r.cutter.Size-taken), lines)
	}
	r.push(a)
	return nil
}

// stops adds the parts of a sentence between full stops that the annex takes for those of abbreviations.
func (r *reading) stops(a atom) error {
	from := a.start
	for _, size := range sizes(r.doc.Text[a.start:a.end], stopEnd) {
		p := a
		p.start, p.end = from, from+size
		if from > a.start {
			p.seam, p.first = sentences, false
		}
		if err := r.add(p); err != nil {
			return err
		}
		from = p.end
	}
	return nil
}

// extend gives the last atom, if there is one, the white space up to end.
func (r *reading) extend(end int) {
	if n := len(r.atoms); n > 0 {
		r.atoms[n-1].end = end
	}
}

// push appends an atom as it is.
func (r *reading) push(a atom) {
	a.mark = mark(r.doc.Text, a.start)
	r.atoms = append(r.atoms, a)
	if a.role == headline {
		r.row, r.rowWeight = r.row+1, r.rowWeight+a.weight
	} else {
		r.row, r.rowWeight = 0, 0
	}
}

// markBytes is how much of the text on each side of a place says which place it is.
const markBytes = 48

// mark returns a number for the words around a place. It does not depend on where in the document they are.
func mark(text string, at int) uint64 {
	h := fnv.New64a()
	io.WriteString(h, text[max(0, at-markBytes):min(len(text), at+markBytes)]) // a hash does not fail
	return h.Sum64()
}

// lead notes what a block's continuation repeats, if it is short enough to be worth its place.
func (r *reading) lead(block int, text string) error {
	if r.cutter.Bare {
		return nil
	}
	tokens, err := r.weigh(text)
	if err != nil || tokens > r.cutter.Size/4 {
		return err
	}
	if r.leads == nil {
		r.leads = map[int]lead{}
	}
	r.leads[block] = lead{text, tokens}
	return nil
}
