package filter

import (
	"slices"
	"sort"
	"unsafe"

	"github.com/RoaringBitmap/roaring/v2"
)

// series holds the keys of slots in the order of the slots: a key is a number, or
// the code of a word. A slot may have several.
//
// It is cut into windows of windowSlots slots each, as a roaring bitmap is. All but
// the newest are whole, and never change again. The newest is in pieces of
// pieceKeys keys, which do not change either, and an open rest.
// A snapshot of a series is one that nobody adds to.
type series[K comparable] struct {
	whole  []*window[K]
	pieces []*window[K]
	open   window[K]
}

const (
	windowSlots = 1 << 16
	windowWords = windowSlots / 64
	pieceKeys   = windowSlots / 16
)

// sorting says how keys compare. Keys are first compared by a number, which is
// enough for most, and where that is equal by the whole.
type sorting[K comparable] struct {
	number  func(K) uint64
	compare func(a, b K) int // nil where the number says all
}

// stretch is a range of keys: those neither below nor above it.
type stretch[K comparable] struct {
	below, above func(K) bool
	// pick appends the places of the keys in the range to into. It may be nil; where it is not,
	// it saves two calls a key.
	pick func(keys []K, into []int) []int
}

// add enters a key for a slot, not lower than those before, and returns by how many bytes the memory grew.
func (s *series[K]) add(slot uint32, key K) (grown int64) {
	number, offset := int(slot/windowSlots), uint16(slot%windowSlots)
	switch n := len(s.open.keys); {
	case number != s.open.number:
		grown = s.endWindow()
		s.open.number = number
	case n >= pieceKeys && s.open.offsets[n-1] != offset:
		grown = s.endPiece()
	}
	s.open.offsets = appendTo(s.open.offsets, offset, &grown)
	s.open.keys = appendTo(s.open.keys, key, &grown)
	return grown
}

// endPiece makes the open rest a piece. Readers may hold the memory of the rest, which the piece takes over.
func (s *series[K]) endPiece() (grown int64) {
	if len(s.open.keys) == 0 {
		return 0
	}
	before := s.open.sizeBytes()
	piece := &window[K]{number: s.open.number, offsets: s.open.offsets, keys: s.open.keys, order: &ordering{}}
	s.pieces = appendTo(s.pieces, piece, &grown)
	s.open = window[K]{number: s.open.number}
	return grown + piece.sizeBytes() - before
}

// endWindow puts the pieces of the newest window together.
func (s *series[K]) endWindow() (grown int64) {
	if grown = s.endPiece(); len(s.pieces) == 0 {
		return grown
	}
	count := 0
	for _, p := range s.pieces {
		count += len(p.keys)
		grown -= p.sizeBytes()
	}
	grown -= int64(unsafe.Sizeof(s.pieces[0])) * int64(cap(s.pieces))
	whole := &window[K]{number: s.open.number, offsets: make([]uint16, 0, count), keys: make([]K, 0, count), order: &ordering{}}
	for _, p := range s.pieces {
		whole.offsets = append(whole.offsets, p.offsets...)
		whole.keys = append(whole.keys, p.keys...)
	}
	s.whole = appendTo(s.whole, whole, &grown)
	s.pieces = nil
	return grown + whole.sizeBytes()
}

// appendTo is append that adds to grown by how many bytes the slice grew.
func appendTo[T any](s []T, v T, grown *int64) []T {
	before := cap(s)
	s = append(s, v)
	*grown += int64(unsafe.Sizeof(v)) * int64(cap(s)-before)
	return s
}

// snapshot returns what readers may look at while the writer goes on.
func (s *series[K]) snapshot() series[K] {
	return series[K]{s.whole, s.pieces, window[K]{number: s.open.number, offsets: s.open.offsets, keys: s.open.keys}}
}

// ordered returns the windows and pieces that have an order, ascending.
func (s *series[K]) ordered() []*window[K] { return slices.Concat(s.whole, s.pieces) }

// windows returns all windows and pieces, ascending.
func (s *series[K]) windows() []*window[K] { return append(s.ordered(), &s.open) }

// part is a part of a window's order.
type part[K comparable] struct {
	*window[K]
	order    *ordering
	from, to int
}

// within returns the slots of universe that have a key in one of some stretches,
// which are ascending and apart, in a bitmap of the caller's own.
func (s *series[K]) within(stretches []stretch[K], by sorting[K], universe *roaring.Bitmap) *roaring.Bitmap {
	if s.looksUp(universe) {
		return s.lookUp(stretches, universe)
	}
	var parts []part[K]
	count := 0
	for _, w := range s.ordered() {
		o := w.sorted(by)
		for _, st := range stretches {
			if from, to := w.find(o, st); from < to {
				parts = append(parts, part[K]{w, o, from, to})
				count += to - from
			}
		}
	}
	loose := s.open.holding(stretches)
	var found *roaring.Bitmap
	if highest := s.open.number * windowSlots; count*denseAt < highest {
		found = listed(parts, count, loose)
	} else {
		found = drawn(parts, s.open.number+1, loose)
	}
	found.And(universe)
	return found
}

// listed lists the slots of the parts.
func listed[K comparable](parts []part[K], count int, loose []uint32) *roaring.Bitmap {
	slots := make([]uint32, 0, count+len(loose))
	for _, p := range parts {
		for _, offset := range p.order.offsets[p.from:p.to] {
			slots = append(slots, uint32(p.number)*windowSlots+uint32(offset))
		}
	}
	return gather(append(slots, loose...))
}

// drawn sets the bits of the slots of the parts.
func drawn[K comparable](parts []part[K], windows int, loose []uint32) *roaring.Bitmap {
	words := make([]uint64, windows*windowWords)
	for i, p := range parts {
		into := words[p.number*windowWords:][:windowWords]
		p.order.draw(into, p.from, p.to, i > 0 && parts[i-1].number == p.number)
	}
	for _, slot := range loose {
		words[slot/64] |= 1 << (slot % 64)
	}
	return roaring.FromDense(words, true)
}

// holding returns the slots of a window without an order that have a key in one of some stretches.
func (w *window[K]) holding(stretches []stretch[K]) (slots []uint32) {
	var places []int
	for _, st := range stretches {
		if st.pick != nil {
			places = st.pick(w.keys, places)
			continue
		}
		for place, key := range w.keys {
			if !st.below(key) && !st.above(key) {
				places = append(places, place)
			}
		}
	}
	for _, place := range places {
		slots = append(slots, w.slot(place))
	}
	return slots
}

// holds reports whether a key lies in one of some stretches, which are ascending and apart.
func holds[K comparable](stretches []stretch[K], key K) bool {
	if len(stretches) == 1 {
		return !stretches[0].below(key) && !stretches[0].above(key)
	}
	i := sort.Search(len(stretches), func(i int) bool { return !stretches[i].above(key) })
	return i < len(stretches) && !stretches[i].below(key)
}

// looksUp reports whether it is cheaper to look up the key of each slot, at some 50 ns, than to
// answer for all, at some 3 µs for a window and 2 ns for a key of the open rest.
func (s *series[K]) looksUp(slots *roaring.Bitmap) bool {
	return int(slots.GetCardinality()) < 60*(len(s.whole)+len(s.pieces))+len(s.open.keys)/25
}

func (s *series[K]) lookUp(stretches []stretch[K], slots *roaring.Bitmap) *roaring.Bitmap {
	var found []uint32
	s.each(slots, func(slot uint32, key K) {
		if holds(stretches, key) {
			found = append(found, slot)
		}
	})
	return roaring.BitmapOf(found...)
}

// each calls visit for every key of some slots, ascending by slot.
func (s *series[K]) each(slots *roaring.Bitmap, visit func(slot uint32, key K)) {
	windows := slices.DeleteFunc(s.windows(), func(w *window[K]) bool { return len(w.keys) == 0 })
	var buffer [1024]uint32
	place := 0 // in windows[0]: all before it have lower slots
	it := slots.ManyIterator()
	for n := it.NextMany(buffer[:]); n > 0; n = it.NextMany(buffer[:]) {
		for _, slot := range buffer[:n] {
			for len(windows) > 0 && windows[0].slot(len(windows[0].keys)-1) < slot {
				windows, place = windows[1:], 0
			}
			if len(windows) == 0 {
				return
			}
			w, offset := windows[0], uint16(slot%windowSlots)
			if w.number != int(slot/windowSlots) {
				continue
			}
			place = advance(w.offsets, place, offset)
			for ; place < len(w.offsets) && w.offsets[place] == offset; place++ {
				visit(slot, w.keys[place])
			}
		}
	}
}

// advance returns the first place from a given one on where the offset is at least the wanted.
// It looks near first.
func advance(offsets []uint16, place int, wanted uint16) int {
	step := 1
	for place+step <= len(offsets) && offsets[place+step-1] < wanted {
		place += step
		step *= 2
	}
	n, _ := slices.BinarySearch(offsets[place:min(place+step, len(offsets))], wanted)
	return place + n
}
