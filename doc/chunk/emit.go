package chunk

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"unicode"

	"nearside/fault"
)

// emit makes a chunk of atoms start to hi-1, of which those before from are in the one before it too. Where
// the tokenizer counts more in the whole than in its parts, so that the window is too small, it makes several.
func (r *reading) emit(start, from, hi int) error {
	if from == hi {
		return nil
	}
	c := r.passage(r.atoms[start].start, r.atoms[hi-1].end)
	if start < from {
		c.Repeats = r.atoms[from].start - c.Start
	}
	context := r.context(start, c)
	fits, err := r.finish(&c, context)
	switch {
	case err != nil:
		return err
	case fits:
		c.Headings = r.headings(start, hi).texts()
		r.chunks = append(r.chunks, c)
		return nil
	case start < from:
		return r.emit(from, from, hi)
	case hi-from > 1:
		middle := (from + hi) / 2
		if err := r.emit(from, from, middle); err != nil {
			return err
		}
		return r.emit(middle, middle, hi)
	}
	return r.halve(c, context, r.atoms[from].under.texts())
}

// halve makes chunks of the halves of a passage that is one atom, and without its context if that does not help.
func (r *reading) halve(c Chunk, context string, headings []string) error {
	parts := cutAt(r.doc.Text[c.Start:c.End], letters)
	if len(parts) == 1 {
		parts = cutAt(r.doc.Text[c.Start:c.End], glued)
	}
	if len(parts) == 1 && context == "" {
		return fault.New(fault.Invalid, "the character %q alone has more tokens than the model's window of %d", r.doc.Text[c.Start:c.End], r.cutter.Window)
	}
	if len(parts) == 1 {
		context = ""
	}
	middle := c.Start
	for _, n := range parts[:(len(parts)+1)/2] {
		middle += n
	}
	for _, part := range []Chunk{r.passage(c.Start, middle), r.passage(middle, c.End)} {
		if part.Start >= part.End {
			continue
		}
		fits, err := r.finish(&part, context)
		if err != nil {
			return err
		}
		if fits {
			part.Headings = headings
			r.chunks = append(r.chunks, part)
		} else if err := r.halve(part, context, headings); err != nil {
			return err
		}
	}
	return nil
}

// passage returns a chunk of Text[start:end] without the white space at its end.
func (r *reading) passage(start, end int) Chunk {
	return Chunk{Start: start, End: start + len(strings.TrimRightFunc(r.doc.Text[start:end], unicode.IsSpace))}
}

// context returns what a chunk begins with whose first atom is given.
func (r *reading) context(first int, c Chunk) string {
	if r.cutter.Bare {
		return ""
	}
	a, context := r.atoms[first], ""
	if a.under != nil && !(first == 0 && hasPrefixFold(r.doc.Text[c.Start:c.End], a.under.text)) {
		context = a.under.context
	}
	if l, ok := r.leads[a.block]; ok && !a.first {
		context += l.text
	}
	return context
}

// hasPrefixFold reports whether text begins with prefix, in capitals or not.
func hasPrefixFold(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}

// headings returns what all of atoms lo to hi-1 stand under that are no headings themselves; of headings only, what the
// first stands under.
func (r *reading) headings(lo, hi int) *heading {
	all, found := r.atoms[lo].under, false
	for _, a := range r.atoms[lo:hi] {
		switch {
		case a.role == headline:
		case !found:
			all, found = a.under, true
		default:
			all = common(all, a.under)
		}
	}
	return all
}

// finish completes a chunk and reports whether it fits the window.
func (r *reading) finish(c *Chunk, context string) (fits bool, err error) {
	c.Text = context + r.doc.Text[c.Start:c.End]
	c.Tokens, err = r.cutter.Tokenizer.CountTokens(r.ctx, c.Text)
	if err != nil || c.Tokens > r.cutter.Window {
		return false, err
	}
	c.Place = r.doc.Locate(c.Start, c.End)
	c.ID = r.cutter.ids.next(r.cutter.Source, r.doc.Key, c.Text)
	return true, nil
}

// ids gives chunks their names, as Chunk.ID says: wherever in its document a passage now is, its id says that it need not be
// embedded again, and two equal passages stay two. An id is the first 160 bits of a SHA-256 in base 32: 32 bytes of
// the 64 that Vectorize allows.
type ids struct {
	seen map[uint64]uint32 // by the first 8 bytes of the hash
}

var base = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

func (n *ids) next(source, key, text string) string {
	sum := digest(source, key, text, 0)
	if n.seen == nil {
		n.seen = map[uint64]uint32{}
	}
	short := binary.BigEndian.Uint64(sum[:])
	count := n.seen[short]
	n.seen[short] = count + 1
	if count > 0 {
		sum = digest(source, key, text, count)
	}
	return base.EncodeToString(sum[:20])
}

// digest hashes what an id is of. Lengths stand before the texts, so that none runs into the next.
func digest(source, key, text string, count uint32) (sum [sha256.Size]byte) {
	h := sha256.New()
	var b []byte
	for _, s := range []string{source, key, text} {
		b = binary.AppendUvarint(b[:0], uint64(len(s)))
		h.Write(b) // a hash does not fail
		h.Write([]byte(s))
	}
	h.Write(binary.AppendUvarint(b[:0], uint64(count)))
	return [sha256.Size]byte(h.Sum(nil))
}
