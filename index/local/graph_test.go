package local_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"nearside/index"
	"nearside/index/local"
)

// clustered makes vectors in groups, as real ones are: n of them from a fixed seed.
func clustered(seed uint64, n, dimensions int) [][]float32 {
	rnd := rand.New(rand.NewPCG(seed, 7))
	centres := make([][]float32, 40)
	for i := range centres {
		centres[i] = make([]float32, dimensions)
		for d := range centres[i] {
			centres[i][d] = float32(rnd.NormFloat64())
		}
	}
	list := make([][]float32, n)
	for i := range list {
		centre := centres[rnd.IntN(len(centres))]
		list[i] = make([]float32, dimensions)
		for d := range list[i] {
			list[i][d] = centre[d] + float32(rnd.NormFloat64()*.7)
		}
	}
	return list
}

func recordsOf(vectors [][]float32, from int) []index.Record {
	list := make([]index.Record, len(vectors))
	for i, v := range vectors {
		list[i] = index.Record{ID: index.VectorID(fmt.Sprintf("v%06d", from+i)), Values: v, Metadata: []byte(fmt.Sprintf(`{"n":%d}`, (from+i)%10))}
	}
	return list
}

// graphHome has an engine whose indexes get a graph from 200 records on.
func graphHome(t testing.TB, change func(*home)) *home {
	return openHome(t, func(h *home) {
		h.options.Graph = local.Walking(local.GraphOptions{From: 200, EF: 100})
		if change != nil {
			change(h)
		}
	})
}

const graphDimensions = 24

// fillGraph makes index 1 with n clustered records, and waits for its graph.
func (h *home) fillGraph(t testing.TB, metric index.Metric, n int) index.Index {
	t.Helper()
	x, err := h.Create(t.Context(), 1, index.Config{Dimensions: graphDimensions, Metric: metric})
	if err != nil {
		t.Fatal(err)
	}
	upsert(t, x, recordsOf(clustered(1, n, graphDimensions), 0)...)
	h.settle(t)
	return x
}

// settle waits for the graph of index 1.
func (h *home) settle(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := h.Settle(ctx, 1); err != nil {
		t.Fatal(err)
	}
}

func ask(t testing.TB, x index.Index, q index.Query, r index.Read) index.Result {
	t.Helper()
	result, err := x.Query(context.Background(), q, r)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// recall asks queries approximately and exactly, and returns the share of the nearest
// that was found. It fails the test if an answer is short, or a score is not the exact one.
func recall(t testing.TB, x index.Index, queries [][]float32, q index.Query, r index.Read, plan index.Plan) float64 {
	t.Helper()
	found, all := 0, 0
	for _, q.Vector = range queries {
		q.Exact = false
		got := ask(t, x, q, r)
		q.Exact = true
		want := ask(t, x, q, r)
		if plan != "" && got.Explain.Plan != plan {
			t.Fatalf("plan %+v, want %s", got.Explain, plan)
		}
		if !want.Explain.Exhaustive || want.Explain.Plan != index.PlanScan && want.Explain.Plan != index.PlanCodes {
			t.Fatalf("an exact query is explained as %+v", want.Explain)
		}
		if len(got.Matches) != len(want.Matches) || got.Explain.Matching != want.Explain.Matching {
			t.Fatalf("%d of %d matches, want %d of %d", len(got.Matches), got.Explain.Matching, len(want.Matches), want.Explain.Matching)
		}
		scores := map[index.VectorID]float64{}
		for _, m := range want.Matches {
			scores[m.ID] = m.Score
		}
		for _, m := range got.Matches {
			if score, ok := scores[m.ID]; ok {
				found++
				if math.Float64bits(score) != math.Float64bits(m.Score) {
					t.Fatalf("%s scores %v, and exactly %v", m.ID, m.Score, score)
				}
			}
		}
		all += len(want.Matches)
	}
	return float64(found) / float64(all)
}

func TestGraphFindsTheNearestUnderEachMetric(t *testing.T) {
	t.Parallel()
	for _, metric := range []index.Metric{index.Cosine, index.Euclidean, index.DotProduct} {
		h := graphHome(t, nil)
		x := h.fillGraph(t, metric, 3000)
		q := index.Query{TopK: 10, EF: 200} // at 100 .998, 1 and, as the largest inner products lie far apart, .971
		if got := recall(t, x, clustered(2, 100, graphDimensions), q, index.Read{}, index.PlanGraph); got < .98 {
			t.Errorf("%s: recall %.3f", metric, got)
		}
	}
}

func TestMoreEffortFindsMore(t *testing.T) {
	t.Parallel()
	h := graphHome(t, nil)
	x := h.fillGraph(t, index.Cosine, 3000)
	queries := clustered(2, 100, graphDimensions)
	little := recall(t, x, queries, index.Query{TopK: 1, EF: 1}, index.Read{}, index.PlanGraph)
	much := recall(t, x, queries, index.Query{TopK: 1, EF: 500}, index.Read{}, index.PlanGraph)
	if much < .99 || much < little {
		t.Errorf("recall %.3f with little effort, %.3f with much", little, much)
	}
	if e := ask(t, x, index.Query{Vector: queries[0], TopK: 1, EF: 333}, index.Read{}).Explain; e.EF != 333 || e.Hops == 0 || e.Candidates == 0 || e.Exhaustive {
		t.Errorf("explained as %+v", e)
	}
}

func TestNewRecordsAreFoundBeforeTheGraphHasThem(t *testing.T) {
	t.Parallel()
	h := graphHome(t, func(h *home) { h.options.Graph.Tail = 1000 })
	x := h.fillGraph(t, index.Euclidean, 1000)
	late := clustered(3, 300, graphDimensions)
	for i, r := range recordsOf(late, 1000) {
		upsert(t, x, r)
		got := ask(t, x, index.Query{Vector: late[i], TopK: 3}, index.Read{})
		if got.Matches[0].ID != r.ID || got.Explain.Plan != index.PlanGraph || got.Explain.Tail != i+1 {
			t.Fatalf("record %s: %s first, explained as %+v", r.ID, got.Matches[0].ID, got.Explain)
		}
	}
	queries := clustered(2, 50, graphDimensions)
	mixed := recall(t, x, queries, index.Query{TopK: 10}, index.Read{}, index.PlanGraph)
	h.settle(t)
	settled := recall(t, x, queries, index.Query{TopK: 10}, index.Read{}, index.PlanGraph)
	if e := ask(t, x, index.Query{Vector: queries[0], TopK: 1}, index.Read{}).Explain; e.Tail != 0 {
		t.Errorf("a tail of %d after it was settled", e.Tail)
	}
	if mixed < .98 || settled < .98 {
		t.Errorf("recall %.3f with a tail, %.3f without", mixed, settled)
	}
}

func TestDeletedAndReplacedVersionsAreNeverFoundAndOlderReadsStillSeeThem(t *testing.T) {
	t.Parallel()
	h := graphHome(t, func(h *home) { h.options.MaxAge = time.Minute })
	x := h.fillGraph(t, index.Cosine, 1000)
	vectors := clustered(1, 1000, graphDimensions)
	h.clock.Advance(10 * time.Second)
	gone := map[index.VectorID]bool{}
	var ids []index.VectorID
	for i := 0; i < 1000; i += 2 {
		ids = append(ids, recordsOf(vectors[i:i+1], i)[0].ID)
		gone[ids[len(ids)-1]] = true
	}
	if _, err := x.Delete(t.Context(), ids, index.Scope{}); err != nil {
		t.Fatal(err)
	}
	moved := recordsOf(vectors[1:2], 999) // the last record, where the second is
	upsert(t, x, moved...)
	for _, settled := range []bool{false, true} {
		if settled {
			h.settle(t)
		}
		for i := range 100 {
			q := index.Query{Vector: vectors[i], TopK: 20}
			for _, m := range ask(t, x, q, index.Read{}).Matches {
				if gone[m.ID] {
					t.Fatalf("deleted record %s is found", m.ID)
				}
			}
			if m := ask(t, x, q, index.Read{Age: 5 * time.Second}).Matches[0]; m.ID != recordsOf(vectors[i:i+1], i)[0].ID {
				t.Fatalf("5 seconds ago record %d was there; found %s", i, m.ID)
			}
		}
		first := ask(t, x, index.Query{Vector: vectors[1], TopK: 2, Values: true}, index.Read{}).Matches
		if first[0].ID != "v000001" || first[1].ID != moved[0].ID || first[1].Score != first[0].Score {
			t.Fatalf("found %s and %s", first[0].ID, first[1].ID)
		}
	}
	queries := clustered(2, 50, graphDimensions)
	now := recall(t, x, queries, index.Query{TopK: 10}, index.Read{}, index.PlanGraph)
	then := recall(t, x, queries, index.Query{TopK: 10}, index.Read{Age: 5 * time.Second}, index.PlanGraph)
	if now < .95 || then < .95 {
		t.Errorf("recall %.3f now, %.3f as it was", now, then)
	}
}

func TestAnswersAreNeverShort(t *testing.T) {
	t.Parallel()
	h := graphHome(t, func(h *home) { h.options.Graph.EF = 1 })
	x := h.fillGraph(t, index.Cosine, 500)
	query := clustered(2, 1, graphDimensions)[0]
	for _, k := range []int{1, 10, 100, 250, 499, 500, 501, 1000} {
		if got := ask(t, x, index.Query{Vector: query, TopK: k}, index.Read{}); len(got.Matches) != min(k, 500) {
			t.Errorf("topK %d: %d matches, %+v", k, len(got.Matches), got.Explain)
		}
	}
	var ids []index.VectorID
	for _, r := range recordsOf(make([][]float32, 450), 0) {
		ids = append(ids, r.ID)
	}
	if _, err := x.Delete(t.Context(), ids, index.Scope{}); err != nil {
		t.Fatal(err)
	}
	for _, k := range []int{1, 10, 49, 50, 51} {
		if got := ask(t, x, index.Query{Vector: query, TopK: k}, index.Read{}); len(got.Matches) != min(k, 50) {
			t.Errorf("topK %d after deletes: %d matches, %+v", k, len(got.Matches), got.Explain)
		}
	}
}

func TestSmallIndexesAndThoseWithoutGraphsAnswerExactly(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*home){
		"small": func(h *home) { h.options.Graph.From = 1001 },
		"off":   func(h *home) { h.options.Graph.Off = true },
	} {
		h := graphHome(t, change)
		x := h.fillGraph(t, index.Cosine, 1000)
		e := ask(t, x, index.Query{Vector: clustered(2, 1, graphDimensions)[0], TopK: 10}, index.Read{}).Explain
		if e.Plan != index.PlanScan || !e.Exhaustive {
			t.Errorf("%s: explained as %+v", name, e)
		}
	}
}

func TestIndexIsParkedAndClosedWhileItsGraphIsBuilt(t *testing.T) {
	t.Parallel()
	h := graphHome(t, func(h *home) { h.options.MaxOpen = 1 })
	x, err := h.Create(t.Context(), 1, index.Config{Dimensions: 256, Metric: index.Cosine})
	if err != nil {
		t.Fatal(err)
	}
	upsert(t, x, recordsOf(clustered(1, 4000, 256), 0)...)
	h.create(t, 2) // parks the first
	if n := count(t, x); n != 4000 {
		t.Fatalf("%d records", n)
	}
	h.close(t)
	h.open(t)
	if n := count(t, h.openIndex(t, 1)); n != 4000 {
		t.Fatalf("%d records", n)
	}
}

func TestQueryAllocatesItsAnswerAndLittleElse(t *testing.T) {
	h := graphHome(t, nil)
	x := h.fillGraph(t, index.Cosine, 2000)
	q := index.Query{Vector: clustered(2, 1, graphDimensions)[0], TopK: 10}
	if plan := ask(t, x, q, index.Read{}).Explain.Plan; plan != index.PlanGraph {
		t.Fatal(plan)
	}
	allocations := testing.AllocsPerRun(200, func() {
		if _, err := x.Query(context.Background(), q, index.Read{}); err != nil {
			t.Fatal(err)
		}
	})
	// The matches, their ids, the hits, and how fill is told of them; one more where a pool was just emptied.
	if allocations > 5 && !underRace {
		t.Errorf("%v allocations a query", allocations)
	}
}

// logTo returns a log that is written to b, one goroutine at a time.
func logTo(b *bytes.Buffer) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }
