package keyword

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
)

// The parameters of BM25 that a query has if it names none: those of the collections'
// own reference figures (1.2 and 0.75), with which cranfield and medquad are answered
// better than with 0.9 and 0.4; TestFigures shows others.
const (
	DefaultK1 = 1.2
	DefaultB  = 0.75
)

// corpus is what BM25 has to know of the documents that may be found.
type corpus struct {
	documents uint64
	length    float64 // of all of them, each field times its boost
}

// idf is how much a clause says that so many documents have: ln(1 + (N-n+½)/(n+½)).
func (c corpus) idf(holders uint64) float64 {
	n, N := float64(holders), float64(c.documents)
	return math.Log1p((N - n + 0.5) / (n + 0.5))
}

// score adds the documents of a segment that answer a query to a ranking, and returns how
// many they are.
//
// The score of a document is the sum, over the clauses it has, of
//
//	weight · idf · tf·(k1+1) / (tf + k1·(1-b + b·length/mean length))
//
// where tf is how often it has the clause, an occurrence in a field counting as the
// field's boost, and the lengths are those of all fields times their boosts: BM25F with
// one b. Sums are taken in the order of the clauses, so that they do not depend on how
// the index is cut into segments.
func (s *opened) score(set settings, clauses []clause, holders []uint64, c corpus, best *ranking) (int, error) {
	candidates := s.candidates(set.all)
	if candidates.IsEmpty() {
		return 0, nil
	}
	sums, counts := takeNumbers(len(s.slots)), takeNumbers(len(s.slots))
	within := s.in
	if set.all {
		within = candidates
	}
	norm := s.norms(set, c)
	for i, p := range s.clauses {
		if p.documents.IsEmpty() {
			continue
		}
		idf := clauses[i].weight * c.idf(holders[i])
		err := p.count(within, counts.of, func(d uint32, tf float64) {
			sums.of[d] += idf * tf * (set.k1 + 1) / (tf + norm(d))
		})
		if err != nil {
			return 0, err
		}
	}
	for i := candidates.Iterator(); i.HasNext(); {
		d := i.Next()
		best.offer(s.slots[d], sums.of[d])
		sums.of[d] = 0
	}
	spare.Put(sums) // all zero again; after an error they are left to the collector
	spare.Put(counts)
	return int(candidates.GetCardinality()), nil
}

// candidates returns the documents that have all clauses, or any.
func (s *opened) candidates(all bool) *roaring.Bitmap {
	each := make([]*roaring.Bitmap, len(s.clauses))
	for i, p := range s.clauses {
		each[i] = p.documents
	}
	if all {
		return roaring.FastAnd(each...)
	}
	return roaring.FastOr(each...)
}

// norms returns the part of the formula that depends on a document's length alone.
func (s *opened) norms(set settings, c corpus) func(d uint32) float64 {
	base, slope := set.k1*(1-set.b), 0.0
	if c.length > 0 {
		slope = set.k1 * set.b * float64(c.documents) / c.length
	}
	return func(d uint32) float64 {
		length := 0.0
		for f, boost := range set.boosts {
			if boost != 0 {
				length += boost * float64(s.lengths[f][d])
			}
		}
		return base + slope*length
	}
}

// numbers is memory for one number a document, all zero.
type numbers struct{ of []float64 }

var spare = sync.Pool{New: func() any { return new(numbers) }}

func takeNumbers(n int) *numbers {
	v := spare.Get().(*numbers)
	if cap(v.of) < n {
		v.of = make([]float64, n)
	}
	v.of = v.of[:n]
	return v
}

// ranking keeps the best hits that it is offered.
type ranking struct {
	limit int
	hits  []Hit
	floor float64 // what does not reach it has no place
}

func (r *ranking) offer(slot uint32, score float64) {
	if score < r.floor {
		return
	}
	r.hits = append(r.hits, Hit{Slot: slot, Score: score})
	if len(r.hits) >= 2*r.limit+64 {
		r.cut()
	}
}

// cut drops what has no place.
func (r *ranking) cut() {
	slices.SortFunc(r.hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Slot, b.Slot))
	})
	if len(r.hits) >= r.limit {
		r.hits = r.hits[:r.limit]
		r.floor = r.hits[r.limit-1].Score
	}
}

// sorted returns the best hits, best first.
func (r *ranking) sorted() []Hit {
	r.cut()
	return slices.Clip(r.hits)
}
