package local

import (
	"context"
	"math"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/index"
	"nearside/index/local/hnsw"
)

// A walk answers a query from the graph and the tail. The graph says only which
// rows may be among the nearest: those, and all of the tail, are then scanned as
// any others are, so that scores, order and ties are the same as of an exact answer.
type walk struct {
	searcher hnsw.Searcher
	near     []candidate // what a walk found, to be scored; the nearest by their codes first
	list     []slot      // to be scanned
	dense    []uint64    // a bit for each slot that matches
}

// walks are kept for the queries to come.
var walks = sync.Pool{New: func() any { return new(walk) }}

// keptWalk bounds the list of a walk that is kept, in slots.
const keptWalk = 1 << 18

func (w *walk) release() {
	w.searcher.Wanted = 0        // whoever has it next may measure
	if cap(w.list) <= keptWalk { // near is never longer
		walks.Put(w)
	}
}

// rescored is how many candidates of a walk are compared exactly for the k nearest
// of them: codes that are nearly as near may change places. Four more than ten leave out
// one in ten thousand of what codes alone would find (TestMeasure in package quant).
func rescored(k int) int { return k + max(4, k/10) }

// asking is a query while it is answered.
type asking struct {
	*store
	view     *view
	vector   []float32
	k        int             // how many records are wanted; no more than match
	effort   int             // ef that the query or the index asks for
	fixed    bool            // it is the query
	matching *roaring.Bitmap // the records that match; view.alive if all do
	explain  *index.Explain
}

// approximately finds the nearest records by way of the graph. It reports ok = false,
// and nothing else, where only a scan will do.
func (a *asking) approximately(ctx context.Context) (hits []hit, ok bool, err error) {
	c := a.builder.pin()
	if c == nil {
		return nil, false, nil
	}
	defer c.unpin()
	if !c.serves(a.view) {
		return nil, false, nil
	}
	w := walks.Get().(*walk)
	defer w.release()
	upTo := c.upTo.Load() // before the walk: what it covers only grows
	if ok, err = a.list(ctx, c, w, upTo); !ok || err != nil {
		return nil, ok, err
	}
	hits, err = a.score(ctx, w)
	return hits, true, err
}

// score scans what is listed. If most of that is what a walk found, it is not worth comparing first.
func (a *asking) score(ctx context.Context, w *walk) ([]hit, error) {
	sc := scan{query: a.vector, k: a.k}
	if len(w.near) > 0 && len(w.list) <= a.k/2+fewInTail {
		for _, at := range w.list {
			w.near = append(w.near, candidate{slot: at, lower: math.Inf(-1)})
		}
		sc.near = w.near
	} else {
		for _, c := range w.near {
			w.list = append(w.list, c.slot)
		}
		slices.Sort(w.list)
		sc.list = w.list
	}
	hits, _, err := a.compare(ctx, a.view, sc)
	return hits, err
}

// fewInTail is how many slots of the tail, beside half as many as are wanted, are scored at once.
const fewInTail = 8

// list lists what is to be scanned.
func (a *asking) list(ctx context.Context, c *cover, w *walk, upTo slot) (ok bool, err error) {
	plan, ef := a.plan(c, w)
	if plan == byScan {
		return false, nil
	}
	if plan == byWalk && a.listByWalk(c, w, upTo, ef) {
		return true, nil
	}
	return true, a.listByCodes(ctx, c, w, upTo)
}

// listByCodes lists the records whose codes say that they may be among the nearest.
func (a *asking) listByCodes(ctx context.Context, c *cover, w *walk, upTo slot) (err error) {
	all := listOf(a.matching)
	defer lists.Put(all)
	n, _ := slices.BinarySearch(*all, upTo)
	sc := scan{rows: a.rows, metric: a.config.Metric, query: a.vector, k: a.k, list: (*all)[:n], codes: c.graph, visible: a.view.shows}
	w.near = w.near[:0]
	if w.list, err = sc.narrow(ctx, a.engine.pool, w.list[:0]); err != nil {
		return err
	}
	w.list = append(w.list, (*all)[n:]...)
	e := a.explain
	e.Plan, e.Exhaustive, e.EF = index.PlanCodes, true, 0
	e.Candidates += n + len(w.list)
	e.Tail = len(*all) - n
	return nil
}

// listByWalk lists what a walk finds, and the tail. It reports false if that is too
// little, however far the walk goes.
func (a *asking) listByWalk(c *cover, w *walk, upTo slot, ef int) bool {
	var within []uint64 // all
	if a.explain.Matching < a.view.count {
		w.mark(a.matching)
		within = w.dense
	} else if known := a.builder.recall.state.Load(); known != nil {
		a.explain.Recall = known.Mean
	}
	e, want := a.explain, rescored(a.k)
	if a.fixed {
		want = min(want, ef)
	}
	e.Plan, e.EF = index.PlanGraph, max(want, ef)
	w.searcher.Wanted = want
	w.listTail(a.matching, upTo)
	e.Tail = len(w.list)
	for ; ; e.EF *= 2 {
		found := c.graph.SearchThrough(&w.searcher, a.vector, e.EF, within)
		a.count(w)
		w.take(found, want, upTo, a.view.shows)
		if listed := len(w.near) + len(w.list); listed >= a.k {
			e.Candidates += e.Tail
			e.Exhaustive = listed == e.Matching
			return true
		}
		if len(found) < e.EF {
			return false // it has been everywhere it can come to
		}
	}
}

// count adds what the last search did to what the query is explained by.
func (a *asking) count(w *walk) {
	done := w.searcher.Counts()
	a.explain.Hops += done.Hops
	a.explain.Candidates += done.Distances
}

// mark sets the bits of the slots that match.
func (w *walk) mark(matching *roaring.Bitmap) {
	n := int(matching.Maximum()/64) + 1
	w.dense = slices.Grow(w.dense[:0], n)[:n]
	clear(w.dense)
	matching.WriteDenseTo(w.dense)
}

// take lists the nearest candidates below upTo that count, at most so many.
func (w *walk) take(found []hnsw.Candidate, most int, upTo slot, counts func(slot) bool) {
	w.near = w.near[:0]
	for _, f := range found {
		if len(w.near) == most {
			return
		}
		if f.Slot < upTo && counts(f.Slot) {
			w.near = append(w.near, candidate{slot: f.Slot, lower: f.Lower})
		}
	}
}

// listTail lists the matching slots from upTo on.
func (w *walk) listTail(matching *roaring.Bitmap, upTo slot) {
	w.list = w.list[:0]
	if matching.Maximum() < upTo {
		return
	}
	it := matching.Iterator()
	it.AdvanceIfNeeded(upTo)
	for it.HasNext() {
		w.list = append(w.list, it.Next())
	}
}
