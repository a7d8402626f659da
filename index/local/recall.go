package local

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"nearside/index"
)

// A gauge of recall asks real queries of late again, exactly, and compares: so the
// recall of an index is a number, and ef follows it. One exact answer judges all
// rungs of a ladder of efs at once, as walks cost little beside it.
//
// The queries are those without a filter, of the newest state, one in sampleEvery at
// most; the newest 64 of them count. The ef in use goes up as soon as too little is
// found with it, and down only where clearly enough would be found with less, so
// that it does not go to and fro.
type recallGauge struct {
	ladder []int                             // of efs, ascending
	target float64                           // recall
	rung   atomic.Int32                      // the one in use
	taken  atomic.Int64                      // when the last sample was taken, in nanoseconds since 1970
	state  atomic.Pointer[index.GraphRecall] // what was found; nil: nothing yet

	mu      sync.Mutex // guards the fields below; no query is asked under it
	samples [64]sample
	count   int // samples ever taken
}

// A sample is a query of late, and how it was answered when it was asked again.
type sample struct {
	vector []float32
	k      int
	judged *judgement // nil: not yet
}

// A judgement says how many of the nearest each rung found.
type judgement struct {
	of    int   // the nearest that there were
	found []int // by rung
	cover *cover
	upTo  slot
	dead  int
}

const (
	sampleEvery = 100 * time.Millisecond
	// fewestJudged is how many queries must have been judged before ef follows them.
	fewestJudged = 8
	// mostSampled is the largest topK of a sample.
	mostSampled = 100
)

// ladder are the efs to choose from: each a third or a half above the one before.
var ladder = []int{16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048}

// startRung is the rung in use while nothing is known: ef 96.
const startRung = 5

func newRecallGauge(o GraphOptions) *recallGauge {
	g := &recallGauge{ladder: ladder, target: o.TargetRecall}
	if o.EF > 0 {
		g.ladder = []int{o.EF}
		return g
	}
	g.rung.Store(startRung)
	return g
}

// ef returns the ef in use.
func (g *recallGauge) ef() int { return g.ladder[g.rung.Load()] }

// offer takes a query as a sample if it is time for one, and reports whether it did.
func (g *recallGauge) offer(now time.Time, vector []float32, k int) bool {
	last := g.taken.Load()
	if now.UnixNano()-last < int64(sampleEvery) || k > mostSampled || !g.taken.CompareAndSwap(last, now.UnixNano()) {
		return false
	}
	copied := append([]float32(nil), vector...)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.samples[g.count%len(g.samples)] = sample{vector: copied, k: k}
	g.count++
	return true
}

// next returns a sample that is to be judged, the place where it stands, and whether there is one.
func (g *recallGauge) next(c *cover) (s sample, at int, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, s := range g.samples[:min(g.count, len(g.samples))] {
		if s.judged.outdated(c) {
			return s, i, true
		}
	}
	return sample{}, 0, false
}

// outdated reports whether the graph has changed so much since that the query should be asked again.
func (j *judgement) outdated(c *cover) bool {
	if j == nil || j.cover != c {
		return true
	}
	changed := int(c.upTo.Load()-j.upTo) + max(c.graph.Dead()-j.dead, j.dead-c.graph.Dead())
	return changed > c.graph.Nodes()/16
}

// judge enters a judgement of the sample that stood at a place, and adjusts ef.
func (g *recallGauge) judge(s sample, at int, j *judgement) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if &g.samples[at].vector[0] != &s.vector[0] {
		return // a newer query has taken its place
	}
	g.samples[at].judged = j
	judged, of := 0, 0
	found := make([]int, len(g.ladder))
	for i := range g.samples[:min(g.count, len(g.samples))] {
		if j := g.samples[i].judged; j != nil {
			judged, of = judged+1, of+j.of
			for rung, n := range j.found {
				found[rung] += n
			}
		}
	}
	if judged >= fewestJudged {
		g.rung.Store(int32(g.choose(found, of)))
	}
	rung := g.rung.Load()
	low, high := wilson(found[rung], of)
	g.state.Store(&index.GraphRecall{EF: g.ladder[rung], Mean: share(found[rung], of), Low: low, High: high, Queries: judged})
}

// choose returns the rung to use, of which some were found of all the nearest.
func (g *recallGauge) choose(found []int, of int) int {
	rung := int(g.rung.Load())
	enough := g.target
	if share(found[rung], of) >= g.target {
		enough += (1 - g.target) / 4 // to go down, there must be something to spare
	}
	for lower := range rung {
		if share(found[lower], of) >= enough {
			return lower
		}
	}
	for rung < len(g.ladder)-1 && share(found[rung], of) < g.target {
		rung++
	}
	return rung
}

func share(found, of int) float64 { return float64(found) / float64(max(1, of)) }

// wilson returns the 95 % interval of a share (E. B. Wilson, "Probable inference, the
// law of succession, and statistical inference", JASA 1927).
func wilson(found, of int) (low, high float64) {
	if of == 0 {
		return 0, 1
	}
	const z = 1.96
	n, p := float64(of), share(found, of)
	middle := p + z*z/(2*n)
	spread := z * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, (middle-spread)/(1+z*z/n)), min(1, (middle+spread)/(1+z*z/n))
}

// audit judges one sample, if there is one to be judged.
func (b *builder) audit(ctx context.Context, c *cover) (done bool, err error) {
	s, at, ok := b.recall.next(c)
	if !ok {
		return false, nil
	}
	v := b.store.views.pinNewest()
	defer v.unpin()
	a := asking{store: b.store, view: v, vector: s.vector, k: min(s.k, v.count), matching: v.alive, explain: &index.Explain{Matching: v.count}}
	if a.k == 0 {
		return false, nil
	}
	exact, err := b.store.scan(ctx, v, s.vector, a.k, v.alive, &index.Explain{Matching: v.count})
	if err != nil {
		return false, err
	}
	j := &judgement{of: len(exact), cover: c, upTo: c.upTo.Load(), dead: c.graph.Dead()}
	w := walks.Get().(*walk)
	defer w.release()
	for _, ef := range b.recall.ladder {
		found := 0
		if a.listByWalk(c, w, j.upTo, ef) {
			hits, err := a.score(ctx, w)
			if err != nil {
				return false, err
			}
			found = b.store.asGood(hits, exact)
		} else {
			found = len(exact) // a walk that comes up short is followed by a scan
		}
		j.found = append(j.found, found)
	}
	b.recall.judge(s, at, j)
	return true, nil
}

// asGood returns how many of the hits are as good as the exact ones: as good as the last of them.
func (s *store) asGood(hits, exact []hit) int {
	n, last := 0, exact[len(exact)-1].score
	for _, h := range hits {
		if h.score == last || (h.score < last) == s.config.Metric.Ascending() {
			n++
		}
	}
	return n
}
