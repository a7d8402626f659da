package filter

import (
	"encoding/binary"
	"slices"
	"strings"
	"unsafe"

	"github.com/RoaringBitmap/roaring/v2"
)

// words is the strings of slots: a list of slots for each distinct one, and the
// codes of the strings in the order of the slots.
type words struct {
	codes  map[string]uint32
	texts  []string  // by code
	lists  []posting // by code
	having posting   // slots with a string
	series series[uint32]
}

// cellBytes is what a distinct string costs beside its text: a cell of a Go map
// from string to uint32, at its usual load, the text's header and the list's.
const cellBytes = 40 + int64(unsafe.Sizeof("")) + int64(unsafe.Sizeof(posting{}))

// add gives a slot, the highest so far, some strings, each once, and returns by
// how many bytes the memory grew.
func (w *words) add(slot uint32, texts ...string) (grown int64) {
	grown = w.having.add(slot)
	for _, text := range texts {
		code, known := w.codes[text]
		if !known {
			if w.codes == nil {
				w.codes = map[string]uint32{}
			}
			code = uint32(len(w.texts))
			w.codes[text] = code
			w.texts = append(w.texts, text)
			w.lists = append(w.lists, posting{})
			grown += cellBytes + int64(len(text))
		}
		grown += w.lists[code].add(slot) + w.series.add(slot, code)
	}
	return grown
}

// listsOf returns the lists of some values, as far as there are any.
func (w *words) listsOf(values []Value, t Type) []posting {
	lists := make([]posting, 0, len(values))
	for _, v := range values {
		if code, ok := w.codes[v.word()]; ok && v.typ == t {
			lists = append(lists, w.lists[code])
		}
	}
	return lists
}

// fewTexts is how many lists a snapshot has at most.
const fewTexts = 64

// snapshot returns what readers may look at while the writer goes on. It has the
// lists only if there are few, and nobody can add to it.
func (w *words) snapshot() words {
	s := words{texts: w.texts, having: w.having, series: w.series.snapshot()}
	if len(w.lists) <= fewTexts {
		s.lists = slices.Clone(w.lists)
	}
	return s
}

// within returns the slots of universe whose string lies in a span, in a bitmap of
// the caller's own. Of words, it looks at a snapshot only.
func (w *words) within(s span, universe *roaring.Bitmap) *roaring.Bitmap {
	texts := w.texts
	one := stretch[uint32]{
		below: func(code uint32) bool { return s.isAbove(texts[code]) },
		above: func(code uint32) bool { return s.isBelow(texts[code]) },
	}
	by := sorting[uint32]{
		number:  func(code uint32) uint64 { return beginning(texts[code]) },
		compare: func(a, b uint32) int { return strings.Compare(texts[a], texts[b]) },
	}
	return w.series.within([]stretch[uint32]{one}, by, universe)
}

// beginning returns the first eight bytes of a string as a number, which compare as the bytes do.
func beginning(text string) uint64 {
	var b [8]byte
	copy(b[:], text)
	return binary.BigEndian.Uint64(b[:])
}

// isAbove reports whether a span lies above a string.
func (s span) isAbove(text string) bool {
	low := s.low.value
	return !low.IsAbsent() && (text < low.text || s.low.exclusive && text == low.text)
}

// isBelow reports whether a span lies below a string.
func (s span) isBelow(text string) bool {
	high := s.high.value
	return !high.IsAbsent() && (text > high.text || s.high.exclusive && text == high.text)
}
