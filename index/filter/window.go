package filter

import (
	"slices"
	"sort"
	"sync"
	"unsafe"
)

// window is keys of at most windowSlots slots: of a whole window, a piece of one, or the open rest.
type window[K comparable] struct {
	number  int       // its slots begin at number * windowSlots
	offsets []uint16  // of slots that have a key, ascending
	keys    []K       // beside
	order   *ordering // nil if keys may still be added
}

// ordering is the order of a window's keys, made when it is first asked for.
//
// A range is a part of the order from one place to another. Bit sets of the first
// stepKeys, of the first two times as many, and so on, spare the way through it: the
// difference of two of them is right but for a part of a step at either end.
type ordering struct {
	once    sync.Once
	places  []uint16               // in the window's keys, ascending by key
	offsets []uint16               // of the places
	firsts  []*[windowWords]uint64 // firsts[i] has the first i*stepKeys offsets
}

// stepKeys is how many keys a bit set has more than the one before. A window that
// has less than twice as many has no bit sets; a full one has 2 bytes a key.
const stepKeys = windowSlots / 16

// sizeBytes is the memory of a window with its order, whether or not that was made already.
func (w *window[K]) sizeBytes() int64 {
	var key K
	size := 2*int64(cap(w.offsets)) + int64(unsafe.Sizeof(key))*int64(cap(w.keys))
	if w.order == nil {
		return size
	}
	size += int64(unsafe.Sizeof(*w)+unsafe.Sizeof(*w.order)) + 4*int64(len(w.keys))
	return size + int64(bitSets(len(w.keys)))*(windowSlots/8)
}

// bitSets returns how many bit sets an order of some keys has.
func bitSets(keys int) int {
	if keys < 2*stepKeys {
		return 0
	}
	return keys/stepKeys + 1
}

// slot returns the slot of a place.
func (w *window[K]) slot(place int) uint32 {
	return uint32(w.number)*windowSlots + uint32(w.offsets[place])
}

// sorted returns the order of the keys.
func (w *window[K]) sorted(by sorting[K]) *ordering {
	if w.order == nil {
		return w.newOrdering(by)
	}
	w.order.once.Do(func() {
		o := w.newOrdering(by)
		w.order.places, w.order.offsets, w.order.firsts = o.places, o.offsets, firsts(o.offsets)
	})
	return w.order
}

// newOrdering returns an order without bit sets.
func (w *window[K]) newOrdering(by sorting[K]) *ordering {
	o := &ordering{places: w.places(by), offsets: make([]uint16, len(w.keys))}
	for i, place := range o.places {
		o.offsets[i] = w.offsets[place]
	}
	return o
}

// firsts returns the bit sets of an order of offsets.
func firsts(offsets []uint16) []*[windowWords]uint64 {
	sets := make([]*[windowWords]uint64, bitSets(len(offsets)))
	var words [windowWords]uint64
	for i := range sets {
		kept := words
		sets[i] = &kept
		for _, offset := range offsets[i*stepKeys : min((i+1)*stepKeys, len(offsets))] {
			set(words[:], offset)
		}
	}
	return sets
}

// places returns the places of the keys, ascending by key.
func (w *window[K]) places(by sorting[K]) []uint16 {
	items := make([]item, len(w.keys))
	for i, key := range w.keys {
		items[i] = item{by.number(key), uint16(i)}
	}
	items = sortByNumber(items)
	places := make([]uint16, len(items))
	for i, it := range items {
		places[i] = it.place
	}
	if by.compare == nil {
		return places
	}
	for from, to := 0, 0; from < len(items); from = to {
		for to = from + 1; to < len(items) && items[to].number == items[from].number; to++ {
		}
		slices.SortStableFunc(places[from:to], func(a, b uint16) int { return by.compare(w.keys[a], w.keys[b]) })
	}
	return places
}

// find returns which part of an order a stretch is.
func (w *window[K]) find(o *ordering, s stretch[K]) (from, to int) {
	from = sort.Search(len(o.places), func(i int) bool { return !s.below(w.keys[o.places[i]]) })
	to = from + sort.Search(len(o.places)-from, func(i int) bool { return s.above(w.keys[o.places[from+i]]) })
	return from, to
}

// draw sets the bits of the offsets in a part of an order. Unless others were
// drawn before, words are all zero.
func (o *ordering) draw(words []uint64, from, to int, others bool) {
	low, high := nearest(from, len(o.firsts)), nearest(to, len(o.firsts))
	if low >= high {
		for _, offset := range o.offsets[from:to] {
			set(words, offset)
		}
		return
	}
	if others {
		var scratch [windowWords]uint64
		o.draw(scratch[:], from, to, false)
		for i, word := range scratch {
			words[i] |= word
		}
		return
	}
	less, more := o.firsts[low], o.firsts[high]
	for i := range less {
		words[i] = more[i] &^ less[i]
	}
	o.shift(words, from, low*stepKeys)
	o.shift(words, high*stepKeys, to)
}

// shift moves an end of a part: it sets the bits of the offsets from one place to
// the other, and clears them if the other comes first.
func (o *ordering) shift(words []uint64, from, to int) {
	for i := from; i < to; i++ {
		set(words, o.offsets[i])
	}
	for i := to; i < from; i++ {
		at := o.offsets[i]
		words[at/64] &^= 1 << (at % 64)
	}
}

// nearest returns which of some bit sets ends nearest to a place.
func nearest(place, sets int) int { return min((place+stepKeys/2)/stepKeys, sets-1) }

func has(words []uint64, offset uint16) bool { return words[offset/64]>>(offset%64)&1 != 0 }

func set(words []uint64, offset uint16) { words[offset/64] |= 1 << (offset % 64) }
