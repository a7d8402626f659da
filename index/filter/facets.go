package filter

import (
	"cmp"
	"math"
	"slices"

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
	top := ranking{limit: min(max(limit, 0), math.MaxInt32)}
	if c.typ == Number {
		c.mu.RLock()
		having, numbers := c.having, c.numbers.snapshot()
		c.mu.RUnlock()
		for _, t := range numbers.tallies(union(within, having), byNumber) {
			top.add(Facet{NumberOf(t.key), t.count})
		}
	} else {
		c.tallyWords(within, func(word string, count int) { top.add(Facet{c.valueOf(word), count}) })
	}
	return top.best(), top.seen
}

// tallyWords calls visit once for every word that the slots of a bitmap have.
func (c *Column) tallyWords(within *roaring.Bitmap, visit func(word string, count int)) {
	c.mu.RLock()
	scalars, sets := c.scalars.snapshot(), c.sets.snapshot()
	c.mu.RUnlock()
	singly, inSets := union(within, scalars.having), union(within, sets.having)
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

// valueOf undoes Value.word.
func (c *Column) valueOf(word string) Value {
	if c.typ == Boolean {
		return BooleanOf(word == "true")
	}
	return StringOf(word)
}

// muchOf is from which part of the slots of a column on, one in so many, it is
// cheaper to count through all that is there than to look up slot by slot.
const muchOf = 8

// tally calls visit once for every word that some slots have; all of them have one.
func (w *words) tally(slots *roaring.Bitmap, visit func(word string, count int)) {
	count := slots.GetCardinality()
	switch {
	case w.lists != nil && count*muchOf >= w.having.count():
		for code, list := range w.lists {
			if n := list.countIn(slots); n > 0 {
				visit(w.texts[code], n)
			}
		}
	case count*muchOf < uint64(len(w.texts)):
		for _, t := range w.series.lookUpTallies(slots) {
			visit(w.texts[t.key], t.count)
		}
	default:
		counts := make([]int, len(w.texts))
		w.series.each(slots, func(_, code uint32) { counts[code]++ })
		for code, n := range counts {
			if n > 0 {
				visit(w.texts[code], n)
			}
		}
	}
}

// tally is a key, and how many of some slots have it.
type tally[K comparable] struct {
	key   K
	count int
}

// tallies counts the keys of some slots, each of which has one. They come in any order.
func (s *series[K]) tallies(slots *roaring.Bitmap, by sorting[K]) []tally[K] {
	windows := s.windows()
	if int(slots.GetCardinality())*muchOf < len(windows)*pieceKeys {
		return s.lookUpTallies(slots)
	}
	bits := make([]uint64, (s.open.number+1)*windowWords)
	slots.WriteDenseTo(bits)
	runs := make([][]tally[K], len(windows))
	for i, w := range windows {
		runs[i] = w.tallies(bits[w.number*windowWords:][:windowWords], w.sorted(by))
	}
	for len(runs) > 1 {
		for i := range len(runs) / 2 {
			runs[i] = merge(runs[2*i], runs[2*i+1], by)
		}
		if half := len(runs) / 2; len(runs)%2 == 1 {
			runs[half] = runs[len(runs)-1]
		}
		runs = runs[:(len(runs)+1)/2]
	}
	return runs[0]
}

// lookUpTallies counts the keys of some slots, slot by slot.
func (s *series[K]) lookUpTallies(slots *roaring.Bitmap) []tally[K] {
	counts := map[K]int{}
	s.each(slots, func(_ uint32, key K) { counts[key]++ })
	var tallies []tally[K]
	for key, count := range counts {
		tallies = append(tallies, tally[K]{key, count})
	}
	return tallies
}

// tallies counts the keys of the offsets in a bit set, ascending by key.
func (w *window[K]) tallies(within []uint64, o *ordering) []tally[K] {
	var tallies []tally[K]
	for i, place := range o.places {
		if !has(within, o.offsets[i]) {
			continue
		}
		key := w.keys[place]
		if n := len(tallies); n > 0 && tallies[n-1].key == key {
			tallies[n-1].count++
		} else {
			tallies = append(tallies, tally[K]{key, 1})
		}
	}
	return tallies
}

// merge joins two lists of tallies that ascend by the numbers of their keys, which say all.
func merge[K comparable](a, b []tally[K], by sorting[K]) []tally[K] {
	merged := make([]tally[K], 0, max(len(a), len(b)))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].key == b[0].key:
			merged = append(merged, tally[K]{a[0].key, a[0].count + b[0].count})
			a, b = a[1:], b[1:]
		case by.number(a[0].key) < by.number(b[0].key):
			merged, a = append(merged, a[0]), a[1:]
		default:
			merged, b = append(merged, b[0]), b[1:]
		}
	}
	return append(append(merged, a...), b...)
}

// ranking keeps the facets that come first.
type ranking struct {
	limit  int
	seen   int
	facets []Facet // among them the first of those added, up to limit
	full   bool    // limit facets have been found that come before, or are, worst
	worst  Facet
}

func (r *ranking) add(f Facet) {
	r.seen++
	if r.limit == 0 || r.full && before(r.worst, f) < 0 {
		return
	}
	if r.facets = append(r.facets, f); len(r.facets) >= 2*r.limit+64 {
		r.facets = r.best()
		r.full, r.worst = true, r.facets[r.limit-1]
	}
}

// best returns the facets that come first, in order.
func (r *ranking) best() []Facet {
	slices.SortFunc(r.facets, before)
	return r.facets[:min(r.limit, len(r.facets))]
}

// before compares facets: the more frequent come first, and of those as frequent the lower values.
func before(a, b Facet) int {
	return cmp.Or(cmp.Compare(b.Count, a.Count), compare(a.Value, b.Value))
}
