package local_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"nearside/fault"
	"nearside/index"
	"nearside/index/local"
)

func TestRecallIsMeasuredOnRealQueriesAndEFFollowsIt(t *testing.T) {
	t.Parallel()
	h := graphHome(t, func(h *home) {
		h.options.Graph.EF = 0
		h.options.Graph.TargetRecall = .9
		h.options.Graph.Share = 1
	})
	x := h.fillGraph(t, index.Euclidean, 3000)
	if e := ask(t, x, index.Query{Vector: clustered(5, 1, graphDimensions)[0], TopK: 10}, index.Read{}).Explain; e.EF != 96 || e.Recall != 0 {
		t.Fatalf("before anything is known: %+v", e)
	}
	for _, q := range clustered(2, 70, graphDimensions) {
		h.clock.Advance(time.Second)
		ask(t, x, index.Query{Vector: q, TopK: 10}, index.Read{})
	}
	local.AuditAll(t.Context(), x)
	info, err := x.Info(t.Context(), index.Read{})
	if err != nil {
		t.Fatal(err)
	}
	g := info.Graph
	if r := g.Recall; r.Queries != 64 || r.Mean < .9 || r.Low >= r.Mean || r.High < r.Mean || r.EF >= 96 {
		t.Errorf("the recall is %+v", r)
	}
	if g.Covered != 3000 || g.Tail != 0 || g.Building || g.Bytes < 3000*graphDimensions {
		t.Errorf("the graph is %+v", g)
	}
	e := ask(t, x, index.Query{Vector: clustered(5, 1, graphDimensions)[0], TopK: 10}, index.Read{}).Explain
	if e.Recall != g.Recall.Mean || e.EF != max(g.Recall.EF, 18) {
		t.Errorf("explained as %+v with %+v known", e, g.Recall)
	}
	if got := recall(t, x, clustered(2, 70, graphDimensions)[6:], index.Query{TopK: 10}, index.Read{}, index.PlanGraph); got < g.Recall.Mean-.001 {
		t.Errorf("recall %.3f, where the index says %.3f", got, g.Recall.Mean)
	}
}

func TestRecallStaysWhileRecordsComeAndGo(t *testing.T) {
	t.Parallel()
	h := graphHome(t, nil)
	const n = 1500
	x := h.fillGraph(t, index.Cosine, n)
	queries := clustered(2, 50, graphDimensions)
	fresh := recall(t, x, queries, index.Query{TopK: 10}, index.Read{}, index.PlanGraph)
	// Half of it goes.
	var ids []index.VectorID
	for i := 0; i < n; i += 2 {
		ids = append(ids, index.VectorID(fmt.Sprintf("v%06d", i)))
	}
	if _, err := x.Delete(t.Context(), ids, index.Scope{}); err != nil {
		t.Fatal(err)
	}
	h.settle(t)
	if info, err := x.Info(t.Context(), index.Read{}); err != nil || info.Graph.Covered != n/2 {
		t.Fatalf("the graph is %+v, %v", info.Graph, err)
	}
	if got := recall(t, x, queries, index.Query{TopK: 10}, index.Read{}, index.PlanGraph); got < fresh-.01 {
		t.Errorf("recall %.3f after half was deleted, %.3f before", got, fresh)
	}
	// All that is left is replaced, again and again.
	for round := range uint64(4) {
		upsert(t, x, recordsOf(clustered(10+round, n, graphDimensions), 0)...)
		h.settle(t)
	}
	if got := recall(t, x, queries, index.Query{TopK: 10}, index.Read{}, index.PlanGraph); got < fresh-.01 {
		t.Errorf("recall %.3f after all was replaced, %.3f before", got, fresh)
	}
	if nodes, dead := local.Nodes(t.Context(), x); nodes > 3*n || dead > n/10 {
		t.Errorf("%d nodes, %d of them dead, for %d records", nodes, dead, n)
	}
}

func TestGraphIsBuiltAnewWhenItsCodecFitsNoMore(t *testing.T) {
	t.Parallel()
	h := graphHome(t, nil)
	x := h.fillGraph(t, index.Euclidean, 400)
	before := local.Scale(t.Context(), x)
	large := clustered(3, 2000, graphDimensions)
	for _, v := range large {
		for d := range v {
			v[d] *= 50
		}
	}
	upsert(t, x, recordsOf(large, 1000)...)
	h.settle(t)
	h.settle(t) // the second graph is in use a turn later
	if after := local.Scale(t.Context(), x); after > before/10 {
		t.Errorf("the scale of the codes is %v, as of the small vectors %v", after, before)
	}
	if got := recall(t, x, large[:50], index.Query{TopK: 10}, index.Read{}, index.PlanGraph); got < .95 {
		t.Errorf("recall %.3f", got)
	}
}

func TestWritersWaitForTheBuilderAndAreThenToldToComeAgain(t *testing.T) {
	t.Parallel()
	h := graphHome(t, func(h *home) { h.options.Graph.TailBytes = 100 * 128 })
	x := h.fillGraph(t, index.Cosine, 300)
	vectors := clustered(4, 1000, graphDimensions)
	for i := range 5 { // slower than the builder: nobody is refused
		upsert(t, x, recordsOf(vectors[i*100:][:100], 1000+i*100)...)
		h.settle(t)
	}
	resume := local.HoldBuilders(h.Engine)
	var err error
	written := 0
	for i := 0; i < 5 && err == nil; i++ {
		if _, err = x.Upsert(context.Background(), recordsOf(vectors[500+i*100:][:100], 2000+i*100), index.Scope{}); err == nil {
			written += 100
		}
	}
	if !fault.Is(err, fault.Busy) || fault.As(err).RetryAfter == 0 || written < 100 {
		t.Errorf("after %d records: %v", written, err)
	}
	if got := count(t, x); got != 800+written {
		t.Errorf("%d records", got)
	}
	resume()
	h.settle(t)
	upsert(t, x, recordsOf(vectors[:100], 5000)...)
}
