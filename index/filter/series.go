package filter

import (
	"cmp"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/RoaringBitmap/roaring/v2"
)

// series holds the keys of slots in the order of the slots: a key is a number, or
// the code of a word. It is cut into windows of windowSlots slots each, as a
// roaring bitmap is. All windows but the last are sealed: they never change again.
// A slot may have several keys. A copy of a series is a snapshot of it.
type series[K comparable] struct {
	sealed []*window[K]
	open   window[K]
}

const (
	windowSlots = 1 << 16
	windowWords = windowSlots / 64
)

// window is the keys of at most windowSlots slots.
type window[K comparable] struct {
	number  int       // its slots begin at number * windowSlots
	offsets []uint16  // of slots that have a key, ascending
	keys    []K       // beside
	order   *ordering // nil if the window is not sealed
}

// ordering is the order of a window's keys, made when a range is first asked for.
//
// A range is a part of the order from one place to another. Bit sets of the first
// stepKeys, of the first two times as many, and so on, spare the way through it: the
// difference of two of them is right but for the part of a step at either end.
type ordering struct {
	once   sync.Once
	places []uint16               // in the window's keys, ascending by key
	firsts []*[windowWords]uint64 // firsts[i] has the offsets of the lowest i*stepKeys places; firsts[0] is empty
}

// stepKeys is how many keys a bit set of a window has more than the one before. With 16 of
// them a full window has 2 bytes a key in bit sets.
const stepKeys = windowSlots / 16

// sorting says how keys compare. Keys are first compared by a number, which is
// enough for most, and where that is equal by the whole.
type sorting[K comparable] struct {
	number  func(K) uint64
	compare func(a, b K) int // nil where the number says all
}

// stretch is a range of keys: those neither below nor above it.
type stretch[K comparable] struct {
	below, above func(K) bool
}

// add enters a key for a slot, not lower than those before, and returns by how many bytes the memory grew.
func (s *series[K]) add(slot uint32, key K) (grown int64) {
	number := int(slot / windowSlots)
	if number != s.open.number && len(s.open.keys) > 0 {
		before := s.open.sizeBytes()
		full := &window[K]{number: s.open.number, offsets: slices.Clone(s.open.offsets), keys: slices.Clone(s.open.keys), order: &ordering{}}
		s.sealed = appendTo(s.sealed, full, &grown)
		s.open.offsets, s.open.keys = nil, nil // readers may hold the old ones
		grown += full.sizeBytes() - before
	}
	s.open.number = number
	s.open.offsets = appendTo(s.open.offsets, uint16(slot%windowSlots), &grown)
	s.open.keys = appendTo(s.open.keys, key, &grown)
	return grown
}

func (w *window[K]) sizeBytes() int64 {
	var key K
	return 2*int64(cap(w.offsets)) + int64(unsafe.Sizeof(key))*int64(cap(w.keys))
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
	return series[K]{sealed: s.sealed, open: window[K]{number: s.open.number, offsets: s.open.offsets, keys: s.open.keys}}
}

// windows returns all windows, ascending.
func (s *series[K]) windows() []*window[K] { return append(slices.Clip(s.sealed), &s.open) }

// sorted returns the order of a sealed window. It counts the memory when it makes it.
func (w *window[K]) sorted(by sorting[K], size *atomic.Int64) *ordering {
	w.order.once.Do(func() {
		w.order.places = w.places(by)
		first := new([windowWords]uint64)
		for i, place := range w.order.places {
			if i%stepKeys == 0 {
				w.order.firsts = append(w.order.firsts, first)
				next := *first
				first = &next
			}
			set(first[:], w.offsets[place])
		}
		if len(w.keys)%stepKeys == 0 {
			w.order.firsts = append(w.order.firsts, first)
		}
		size.Add(2*int64(len(w.order.places)) + int64(len(w.order.firsts))*windowSlots/8)
	})
	return w.order
}

// places returns the places of the keys, ascending by key.
func (w *window[K]) places(by sorting[K]) []uint16 {
	type item struct {
		number uint64
		place  uint16
	}
	items := make([]item, len(w.keys))
	for i, key := range w.keys {
		items[i] = item{by.number(key), uint16(i)}
	}
	slices.SortFunc(items, func(a, b item) int {
		c := cmp.Compare(a.number, b.number)
		if c == 0 && by.compare != nil {
			c = by.compare(w.keys[a.place], w.keys[b.place])
		}
		return c
	})
	places := make([]uint16, len(items))
	for i, it := range items {
		places[i] = it.place
	}
	return places
}

// find returns which part of an order a stretch is.
func (w *window[K]) find(o *ordering, s stretch[K]) (from, to int) {
	from = sort.Search(len(o.places), func(i int) bool { return !s.below(w.keys[o.places[i]]) })
	to = from + sort.Search(len(o.places)-from, func(i int) bool { return s.above(w.keys[o.places[from+i]]) })
	return from, to
}

// fill sets the bits of the offsets that a part of an order has, in words that are all zero.
func (w *window[K]) fill(words []uint64, o *ordering, from, to int) {
	low, high := nearest(from, len(o.firsts)), nearest(to, len(o.firsts))
	if low >= high {
		for _, place := range o.places[from:to] {
			set(words, w.offsets[place])
		}
		return
	}
	less, more := o.firsts[low], o.firsts[high]
	for i := range less {
		words[i] = more[i] &^ less[i]
	}
	w.shift(words, o.places, from, low*stepKeys)
	w.shift(words, o.places, high*stepKeys, to)
}

// shift moves an end of a part: it sets the bits of places from one to the other,
// and clears them if the other comes first.
func (w *window[K]) shift(words []uint64, places []uint16, from, to int) {
	for i := from; i < to; i++ {
		set(words, w.offsets[places[i]])
	}
	for i := to; i < from; i++ {
		at := w.offsets[places[i]]
		words[at/64] &^= 1 << (at % 64)
	}
}

// nearest returns which of the bit sets ends nearest to a place.
func nearest(place, sets int) int { return min((place+stepKeys/2)/stepKeys, sets-1) }

func has(words []uint64, offset uint16) bool { return words[offset/64]>>(offset%64)&1 != 0 }

func set(words []uint64, offset uint16) { words[offset/64] |= 1 << (offset % 64) }

// part is a piece of the answer to a range: a part of a window's order, or, of the
// open window, which has none, the places of the keys.
type part[K comparable] struct {
	*window[K]
	from, to int
	order    *ordering
}

// within returns the slots of universe that have a key in one of some stretches,
// which are ascending and apart, in a bitmap of the caller's own.
func (s *series[K]) within(stretches []stretch[K], by sorting[K], universe *roaring.Bitmap, size *atomic.Int64) *roaring.Bitmap {
	if s.looksUp(universe) {
		return s.lookUp(stretches, universe)
	}
	var parts []part[K]
	var loose []uint32 // of the open window
	count := 0
	for _, w := range s.sealed {
		o := w.sorted(by, size)
		for _, st := range stretches {
			from, to := w.find(o, st)
			if from < to {
				parts = append(parts, part[K]{w, from, to, o})
				count += to - from
			}
		}
	}
	for i, key := range s.open.keys {
		if holds(stretches, key) {
			loose = append(loose, s.open.slot(i))
		}
	}
	var found *roaring.Bitmap
	if highest := s.open.number * windowSlots; count*denseAt < highest {
		found = sparse(parts, count, loose)
	} else {
		found = dense(parts, s.open.number+1, loose)
	}
	found.And(universe)
	return found
}

func (w *window[K]) slot(place int) uint32 {
	return uint32(w.number)*windowSlots + uint32(w.offsets[place])
}

// sparse lists the slots of the parts.
func sparse[K comparable](parts []part[K], count int, loose []uint32) *roaring.Bitmap {
	slots := make([]uint32, 0, count+len(loose))
	for _, p := range parts {
		for _, place := range p.order.places[p.from:p.to] {
			slots = append(slots, p.slot(int(place)))
		}
	}
	return gather(append(slots, loose...))
}

// dense sets the bits of the slots of the parts.
func dense[K comparable](parts []part[K], windows int, loose []uint32) *roaring.Bitmap {
	words := make([]uint64, windows*windowWords)
	var scratch [windowWords]uint64
	for i, p := range parts {
		into := words[p.number*windowWords:][:windowWords]
		if i == 0 || parts[i-1].number != p.number {
			p.fill(into, p.order, p.from, p.to)
			continue
		}
		clear(scratch[:]) // a further part of a window
		p.fill(scratch[:], p.order, p.from, p.to)
		for j, word := range scratch {
			into[j] |= word
		}
	}
	for _, slot := range loose {
		words[slot/64] |= 1 << (slot % 64)
	}
	return roaring.FromDense(words, true)
}

// holds reports whether a key lies in one of some stretches, which are ascending and apart.
func holds[K comparable](stretches []stretch[K], key K) bool {
	if len(stretches) == 1 {
		return !stretches[0].below(key) && !stretches[0].above(key)
	}
	i := sort.Search(len(stretches), func(i int) bool { return !stretches[i].above(key) })
	return i < len(stretches) && !stretches[i].below(key)
}

// looksUp reports whether it is cheaper to look up the key of each slot than to
// answer for all: BenchmarkBitmap has some 50 ns for a slot, 3 µs for a sealed
// window and 1 ns for a key of the open one.
func (s *series[K]) looksUp(slots *roaring.Bitmap) bool {
	return int(slots.GetCardinality()) < 60*len(s.sealed)+len(s.open.keys)/50
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
	windows := s.windows()
	var buffer [1024]uint32
	place := 0 // in windows[0]: all before it have lower slots
	for it := slots.ManyIterator(); ; {
		n := it.NextMany(buffer[:])
		if n == 0 {
			return
		}
		for _, slot := range buffer[:n] {
			number, offset := int(slot/windowSlots), uint16(slot%windowSlots)
			for windows[0].number < number {
				if windows, place = windows[1:], 0; len(windows) == 0 {
					return
				}
			}
			if w := windows[0]; w.number == number {
				place = advance(w.offsets, place, offset)
				for ; place < len(w.offsets) && w.offsets[place] == offset; place++ {
					visit(slot, w.keys[place])
				}
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
