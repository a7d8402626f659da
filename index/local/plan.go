package local

import (
	"context"
	"math"
	"time"

	"nearside/index"
)

// A query may be answered in several ways. With n records in the graph, of which m match:
//
//	scan      compares m rows: exact, and the best for a handful
//	codes     compares m codes, a quarter of the rows, and those rows whose bounds
//	          leave it open whether they are among the nearest: exact too
//	walk      goes through the graph. It passes through what does not match: if a share
//	          q of the records near the query match, it goes 1/q as far as one without a filter
//
// The plan is the cheapest, by what each costs on this machine (costs). Whether
// matches are near the query a short walk finds out, if that can matter.
type planner struct {
	costs
	records  int     // n
	matching int     // m
	effort   int     // ef of a walk without a filter
	fixed    bool    // the query asks for that ef, whatever its filter
	near     float64 // q; NaN: not known
}

// costs are what the ways cost: nanoseconds, measured when a graph is ready.
type costs struct {
	code      float64 // of a code in a scan
	distance  float64 // of a code in a walk, with all that is done for it
	distances float64 // codes that a walk compares for each candidate it keeps
}

// The costs that are taken for true before they are measured: those of 768 dimensions on a CPU of 2023.
var unmeasured = costs{code: 30, distance: 60, distances: 16}

const (
	// scanBelow is the number of rows that are compared faster than their codes are looked up first.
	scanBelow = 128
	// probe is how many candidates the short walk keeps.
	probe = 32
)

// plans are the ways of answering by way of the graph.
type plans uint8

const (
	byScan plans = iota
	byCodes
	byWalk
)

// choose returns the cheapest plan, and the ef of its walk.
func (p planner) choose() (plans, int) {
	if p.matching <= scanBelow && p.code < math.Inf(1) {
		return byScan, 0
	}
	share := float64(p.matching) / float64(p.records)
	near := share
	if p.near > share { // where less matches near the query, a walk goes hardly farther than where as much does
		near = p.near
	}
	ef := p.filtered(share)
	if p.code*float64(p.matching) <= p.walk(float64(ef)/near) {
		return byCodes, 0
	}
	return byWalk, ef
}

// filtered is the ef of a walk that passes through all but a share of the records. To come by the
// ef nearest that match it sees their whole neighbourhood, so a lower ef finds as many of the nearest. On
// lid768, for a recall of .98: 100 where all match, 70 to 110 where half do, 30 to 40 at a tenth, 14 to 20 at a hundredth.
func (p planner) filtered(share float64) int {
	if p.fixed {
		return p.effort
	}
	return int(math.Ceil(float64(p.effort) * math.Pow(share, .4)))
}

// walk is the cost of a walk that keeps so many candidates.
func (p planner) walk(candidates float64) float64 {
	return p.distance * min(candidates*p.distances, float64(p.records))
}

// worthProbing reports whether a short walk could pay: it is the least that matches near the query would save.
func (p planner) worthProbing() bool {
	best, _ := p.choose()
	return best == byCodes && p.matching < p.records && p.code*float64(p.matching) > 4*p.walk(probe)
}

// effort returns the ef of a query, before what its filter adds.
func (s *store) effort(q index.Query) int {
	if q.EF > 0 {
		return q.EF
	}
	return s.builder.recall.ef()
}

// least is the lowest ef of a walk: what is rescored, or, where the query gives an ef, what is wanted.
func (a *asking) least() int {
	if a.fixed {
		return a.k
	}
	return rescored(a.k)
}

// plan chooses how a query is answered from a cover.
func (a *asking) plan(c *cover, w *walk) (plans, int) {
	p := planner{costs: unmeasured, records: max(a.view.count, a.explain.Matching), matching: a.explain.Matching,
		effort: max(a.effort, a.least()), fixed: a.fixed, near: math.NaN()}
	if measured := c.costs.Load(); measured != nil {
		p.costs = *measured
	}
	switch a.options.Graph.prefer {
	case byCodes:
		return byCodes, 0
	case byWalk:
		p.code = math.Inf(1)
	}
	if p.worthProbing() {
		p.near = a.nearby(c, w)
	}
	return p.choose()
}

// nearby returns the share of matches among the records nearest to the query that a short walk finds.
func (a *asking) nearby(c *cover, w *walk) float64 {
	found := c.graph.Search(&w.searcher, a.vector, probe)
	a.count(w)
	match := 0
	for _, f := range found {
		if a.matching.Contains(f.Slot) {
			match++
		}
	}
	return float64(match) / float64(max(1, len(found)))
}

// measure finds out the costs of a graph, in some ten milliseconds.
func (b *builder) measure(ctx context.Context, c *cover) {
	s := b.store
	v := s.views.pinNewest()
	defer v.unpin()
	var slots []slot // spread, as those that match a filter are
	upTo := c.upTo.Load()
	for at := slot(0); at < upTo; at += max(1, upTo/measuredCodes) {
		if v.alive.Contains(at) {
			slots = append(slots, at)
		}
	}
	if len(slots) < scanBelow {
		return
	}
	w := walks.Get().(*walk)
	defer w.release()
	var m costs
	for i := range measuredQueries {
		query, err := s.vector(ctx, slots[i*len(slots)/measuredQueries], nil)
		if err != nil {
			return // whoever asks next will be told
		}
		began := time.Now()
		c.graph.Compare(&w.searcher, query, slots, func(slot, float64, float64) float64 { return math.Inf(1) })
		m.code = least(m.code, float64(time.Since(began))/float64(len(slots)))
		began = time.Now()
		c.graph.Search(&w.searcher, query, measuredEF)
		counts := w.searcher.Counts()
		m.distance = least(m.distance, float64(time.Since(began))/float64(counts.Distances))
		m.distances = max(m.distances, float64(counts.Distances)/measuredEF)
	}
	c.costs.Store(&m)
}

const (
	measuredCodes   = 4096
	measuredQueries = 8
	measuredEF      = 96
)

// least returns the lower of two times: what disturbs a measurement makes it longer. 0 is none yet.
func least(before, now float64) float64 {
	if before == 0 {
		return now
	}
	return min(before, now)
}
