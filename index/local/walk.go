package local

import (
	"context"
	"slices"
	"sync"

	"nearside/index"
	"nearside/index/local/hnsw"
)

// A walk answers a query from the graph and the tail. The graph says only which
// rows may be among the nearest: those, and all of the tail, are then scanned as
// any others are, so that scores, order and ties are the same as of an exact answer.
type walk struct {
	searcher hnsw.Searcher
	list     []slot // to be scanned
}

// walks are kept for the queries to come.
var walks = sync.Pool{New: func() any { return new(walk) }}

// keptWalk bounds the list of a walk that is kept, in slots.
const keptWalk = 1 << 18

func (w *walk) release() {
	if cap(w.list) <= keptWalk {
		walks.Put(w)
	}
}

// rescored is how many candidates of a walk are compared exactly for the k nearest
// of them: codes that are nearly as near may change places.
func rescored(k int) int { return k + max(8, k/4) }

// walk finds the nearest of all records that a view shows. It reports ok = false,
// and nothing else, where only a scan will do.
func (s *store) walk(ctx context.Context, v *view, vector []float32, q index.Query, e *index.Explain) (hits []hit, ok bool, err error) {
	c := s.builder.pin()
	if c == nil {
		return nil, false, nil
	}
	defer c.unpin()
	if !c.serves(v) {
		return nil, false, nil
	}
	upTo := c.upTo.Load() // before the walk: what it covers only grows
	w := walks.Get().(*walk)
	defer w.release()
	k := min(q.TopK, e.Matching)
	want := rescored(k)
	for ef := max(want, s.effort(q)); ; ef *= 2 {
		if ef >= c.graph.Nodes() {
			return nil, false, nil
		}
		w.take(c.graph.Search(&w.searcher, vector, ef), want, func(at slot) bool { return at < upTo && v.alive.Contains(at) })
		counts := w.searcher.Counts()
		e.Candidates += counts.Distances
		e.Hops += counts.Hops
		e.EF = ef
		found := len(w.list)
		w.addTail(v, upTo)
		e.Tail = len(w.list) - found
		if len(w.list) >= k {
			break
		}
	}
	e.Candidates += e.Tail
	e.Plan = index.PlanGraph
	e.Exhaustive = len(w.list) == e.Matching
	slices.Sort(w.list)
	hits, _, err = s.compare(ctx, v, scan{query: vector, k: k, list: w.list})
	return hits, true, err
}

// effort returns the ef of a query.
func (s *store) effort(q index.Query) int {
	if q.EF > 0 {
		return q.EF
	}
	if s.options.Graph.EF > 0 {
		return s.options.Graph.EF
	}
	return startEF
}

const startEF = 96

// take lists the nearest candidates that count, at most so many.
func (w *walk) take(found []hnsw.Candidate, most int, counts func(slot) bool) {
	w.list = w.list[:0]
	for _, f := range found {
		if len(w.list) == most {
			return
		}
		if counts(f.Slot) {
			w.list = append(w.list, f.Slot)
		}
	}
}

// addTail lists the slots from upTo on that a view shows.
func (w *walk) addTail(v *view, upTo slot) {
	if upTo >= v.slots {
		return
	}
	it := v.alive.Iterator()
	it.AdvanceIfNeeded(upTo)
	for it.HasNext() {
		w.list = append(w.list, it.Next())
	}
}
