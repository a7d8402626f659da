package chunk

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
	annex "github.com/clipperhouse/uax29/v2/words"
)

// pieces adds the parts of an atom that is longer than the window: its lines, where one of them is longer than limit
// its clauses, where one of those is its words, and so on down to a character.
func (r *reading) pieces(a atom, limit int, at seam) error {
	from, first := a.start, true
	for _, size := range cutAt(r.doc.Text[a.start:a.end], at) {
		p := a
		p.start, p.end = from, from+size
		from = p.end
		if blank(r.doc.Text[p.start:p.end]) {
			if !first {
				r.extend(p.end)
			}
			continue
		}
		if p.role == sentence {
			p.role = other // an overlap repeats whole sentences
		}
		if !first {
			p.seam, p.first = at, false
		}
		first = false
		weight, err := r.weigh(r.doc.Text[p.start:p.end])
		if err != nil {
			return err
		}
		if p.weight = weight; weight <= limit || at == glued {
			r.push(p)
		} else if err := r.pieces(p, limit, at-1); err != nil {
			return err
		}
	}
	return nil
}

// cutAt returns the sizes of the parts of a text at one kind of seam; glued stands for single characters of UTF-8.
func cutAt(text string, at seam) []int {
	switch at {
	case lines:
		return sizes(text, func(rest string) int { return lineEnd(rest, 0, len(rest)) })
	case clauses:
		return sizes(text, clauseEnd)
	case words:
		return wordSizes(text)
	case letters:
		return letterSizes(text)
	}
	return sizes(text, func(rest string) int { _, n := utf8.DecodeRuneInString(rest); return n })
}

// sizes cuts text by a function that returns how long the first part of the rest is.
func sizes(text string, first func(rest string) int) (out []int) {
	for len(text) > 0 {
		n := first(text)
		out, text = append(out, n), text[n:]
	}
	return out
}

// clausePunctuation ends a clause: where a space follows, or if it is no ASCII.
const clausePunctuation = ",;:|、，；：،؛՝·—–…»”’」』）】"

// clauseEnd returns where the first clause of a text ends, the white space after it included. In scripts that put spaces
// between clauses and not between words a space ends one.
func clauseEnd(text string) int {
	var before rune
	for i, r := range text {
		if i > 0 && !unicode.IsSpace(r) && endsClause(text[:i], before) {
			return i
		}
		before = r
	}
	return len(text)
}

func endsClause(text string, last rune) bool {
	if !unicode.IsSpace(last) {
		return last >= utf8.RuneSelf && strings.ContainsRune(clausePunctuation, last)
	}
	// The white space is looked at again for each character of it at most once: what follows it ends the search or begins a word.
	word, _ := utf8.DecodeLastRuneInString(strings.TrimRightFunc(text, unicode.IsSpace))
	return strings.ContainsRune(clausePunctuation, word) || unicode.In(word, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// lump is how many bytes several words, or letters without words, are cut off together: so that an enormous sentence is no enormous
// number of atoms, and each is read a few times only.
const lump = 48

// wordSizes cuts a text into lumps of words, each with the white space and punctuation after it. Every fourth word or so begins a
// lump wherever it stands, so that an edit does not move all that come after it.
func wordSizes(text string) (out []int) {
	size := 0
	for it := annex.FromString(text); it.Next(); {
		word := it.Value()
		r, _ := utf8.DecodeRuneInString(word)
		begins := unicode.IsLetter(r) || unicode.IsNumber(r)
		full := size+len(word) > lump || size >= lump/2 && mark(word, 0)%4 == 0
		if size > 0 && (full && begins || size+len(word) > 2*lump) {
			out, size = append(out, size), 0
		}
		size += len(word)
	}
	return append(out, size)
}

// letterSizes cuts a text into lumps of characters as people see them. A short text is cut into single ones.
func letterSizes(text string) (out []int) {
	most := lump
	if len(text) <= 2*lump {
		most = 1
	}
	size := 0
	for it := graphemes.FromString(text); it.Next(); {
		n := len(it.Value())
		if size > 0 && size+n > most {
			out, size = append(out, size), 0
		}
		size += n
	}
	return append(out, size)
}
