package filter

import (
	"cmp"
	"slices"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
)

// Facet is a value, and how many of some records have it.
type Facet struct {
	Value Value
	Count int
}

// Facets counts the values that the slots of a bitmap have: the most frequent
// first, at most limit, those of equal count in ascending order; and how many
// distinct ones there are in all. A set counts once for each of its elements.
func (c *Column) Facets(within *roaring.Bitmap, limit int) (facets []Facet, distinct int) {
	if c == nil {
		return nil, 0
	}
	top := &ranking{limit: limit}
	if c.typ == Number {
		c.mu.RLock()
		numbers := c.numbers.snapshot()
		c.mu.RUnlock()
		for n, count := range numbers.counts(c.present(within), byNumber, &c.size) {
			top.add(Facet{NumberOf(n), count})
		}
		return top.best(), top.seen
	}
	c.tally(within, func(word string, count int) { top.add(Facet{c.valueOf(word), count}) })
	return top.best(), top.seen
}

// tally calls visit once for every word that the slots of a bitmap have.
func (c *Column) tally(within *roaring.Bitmap, visit func(word string, count int)) {
	c.mu.RLock()
	scalars, sets := c.scalars.snapshot(), c.sets.snapshot()
	c.mu.RUnlock()
	singly, inSets := union([]posting{scalars.having}, within), union([]posting{sets.having}, within)
	switch {
	case inSets.IsEmpty():
		scalars.tally(singly, visit)
	case singly.IsEmpty():
		sets.tally(inSets, visit)
	default:
		counts := map[string]int{}
		add := func(word string, count int) { counts[word] += count }
		scalars.tally(singly, add)
		sets.tally(inSets, add)
		for word, count := range counts {
			visit(word, count)
		}
	}
}

// muchOf is from which part of the slots of a column on, one in so many, it is
// cheaper to count through what is there than to look up slot by slot.
const muchOf = 8

// tally calls visit once for every word that some slots have; all of them have one.
func (w *words) tally(slots *roaring.Bitmap, visit func(word string, count int)) {
	count := slots.GetCardinality()
	if w.lists != nil && count*muchOf >= w.having.count() {
		for code, list := range w.lists {
			if n := list.countIn(slots); n > 0 {
				visit(w.texts[code], n)
			}
		}
		return
	}
	if count*muchOf < uint64(len(w.texts)) {
		counts := map[uint32]int{}
		w.series.each(slots, func(_ uint32, code uint32) { counts[code]++ })
		for code, n := range counts {
			visit(w.texts[code], n)
		}
		return
	}
	counts := make([]uint32, len(w.texts))
	w.series.each(slots, func(_ uint32, code uint32) { counts[code]++ })
	for code, n := range counts {
		if n > 0 {
			visit(w.texts[code], int(n))
		}
	}
}

// counts returns how many of some slots have each key; all of them have one.
func (s *series[K]) counts(slots *roaring.Bitmap, by sorting[K], size *atomic.Int64) map[K]int {
	counts := map[K]int{}
	if int(slots.GetCardinality())*muchOf < len(s.sealed)*windowSlots {
		s.each(slots, func(_ uint32, key K) { counts[key]++ })
		return counts
	}
	bits := make([]uint64, (s.open.number+1)*windowWords)
	slots.WriteDenseTo(bits)
	for _, w := range s.sealed {
		within := bits[w.number*windowWords:][:windowWords]
		w.runs(within, w.sorted(by, size), func(key K, n int) { counts[key] += n })
	}
	last := bits[s.open.number*windowWords:]
	for i, key := range s.open.keys {
		if has(last, s.open.offsets[i]) {
			counts[key]++
		}
	}
	return counts
}

// runs calls visit for the keys of a window, in their order, with how many of the offsets in a bit set have each.
func (w *window[K]) runs(within []uint64, o *ordering, visit func(key K, count int)) {
	count := 0
	var key K
	for _, place := range o.places {
		if w.keys[place] != key {
			if count > 0 {
				visit(key, count)
			}
			key, count = w.keys[place], 0
		}
		if has(within, w.offsets[place]) {
			count++
		}
	}
	if count > 0 {
		visit(key, count)
	}
}

// valueOf undoes Value.word.
func (c *Column) valueOf(word string) Value {
	if c.typ == Boolean {
		return BooleanOf(word == "true")
	}
	return StringOf(word)
}

// ranking keeps the facets that come first.
type ranking struct {
	limit  int
	seen   int
	facets []Facet // among them the first of those added, up to limit
}

func (r *ranking) add(f Facet) {
	r.seen++
	if r.facets = append(r.facets, f); len(r.facets) >= 2*r.limit+64 {
		r.facets = r.best()
	}
}

func (r *ranking) best() []Facet {
	slices.SortFunc(r.facets, func(a, b Facet) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), compare(a.Value, b.Value))
	})
	return r.facets[:min(max(r.limit, 0), len(r.facets))]
}
