package chunk

import (
	"slices"
	"strings"
)

// heading is one that stands open, or at the outside the document's title.
type heading struct {
	above   *heading // nil = the outermost
	level   int      // 1 to 6; 0 = the title
	text    string   // in one line
	tokens  int
	context string // what chunks under it begin with
	paid    int    // tokens of context, with the blank line after it
}

// cost returns the tokens of the context of what stands under h, which may be nil.
func (h *heading) cost() int {
	if h == nil {
		return 0
	}
	return h.paid
}

// path returns h and what it stands under, outermost first.
func (h *heading) path() []*heading {
	var path []*heading
	for ; h != nil; h = h.above {
		path = append(path, h)
	}
	slices.Reverse(path)
	return path
}

// texts returns the path's texts.
func (h *heading) texts() []string {
	var texts []string
	for _, p := range h.path() {
		texts = append(texts, p.text)
	}
	return texts
}

// depth returns how many headings the path has.
func (h *heading) depth() int {
	n := 0
	for ; h != nil; h = h.above {
		n++
	}
	return n
}

// common returns the innermost heading that both stand under or are.
func common(a, b *heading) *heading {
	for d, e := a.depth(), b.depth(); a != b; {
		if d >= e {
			a, d = a.above, d-1
		} else {
			b, e = b.above, e-1
		}
	}
	return a
}

// What stands between two headings of a context, and after it.
const (
	between      = " > "
	afterContext = "\n\n"
)

// contextShare is which part of the window a context may take.
const contextShare = 4

// begin opens the document's title, if it has one.
func (r *reading) begin() error {
	r.above = r.cutter.open
	title := strings.Join(strings.Fields(r.doc.Title), " ")
	if r.doc.Part > 0 || title == "" {
		return nil
	}
	h, err := r.under(title, 0)
	r.above = h
	return err
}

// under returns a heading under the innermost that stands open. The first
// heading of a document often is its title once more, and takes its place.
func (r *reading) under(text string, level int) (*heading, error) {
	h := &heading{above: r.above, level: level, text: text}
	if h.above != nil && h.above.level == 0 && strings.EqualFold(h.above.text, text) {
		h.above = nil
	}
	if r.cutter.Bare {
		return h, nil
	}
	var err error
	if h.tokens, err = r.weigh(text + between); err != nil {
		return nil, err
	}
	h.context, h.paid = contextOf(h.path(), r.cutter.Window/contextShare)
	return h, nil
}

// contextOf joins the headings of a path in at most so many tokens. What is too much is left out from the second on: the
// outermost says what all is about, and the innermost what this is about. The last to go is the innermost.
func contextOf(path []*heading, most int) (string, int) {
	total := 0
	for _, h := range path {
		total += h.tokens
	}
	for total > most && len(path) > 0 {
		out := min(1, len(path)-1)
		if len(path) == 2 {
			out = 0
		}
		total -= path[out].tokens
		path = slices.Delete(path, out, out+1)
	}
	if len(path) == 0 {
		return "", 0
	}
	texts := make([]string, len(path))
	for i, h := range path {
		texts[i] = h.text
	}
	return strings.Join(texts, between) + afterContext, total
}
