package local_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"nearside/index"
	"nearside/index/filter"
	"nearside/index/local"
)

// fillFiltered makes index 1 of n clustered records with metadata: "n" is a number from
// 0 to 999 at random, "near" says whether the first number of the vector is positive.
func (h *home) fillFiltered(t testing.TB, n int) index.Index {
	t.Helper()
	x, err := h.Create(t.Context(), 1, index.Config{Dimensions: graphDimensions, Metric: index.Euclidean})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []index.MetadataIndex{{Property: "n", Type: filter.Number}, {Property: "positive", Type: filter.Boolean}} {
		if _, err := x.CreateMetadataIndex(t.Context(), m, false); err != nil {
			t.Fatal(err)
		}
	}
	rnd := rand.New(rand.NewPCG(5, 5))
	list := recordsOf(clustered(1, n, graphDimensions), 0)
	for i := range list {
		list[i].Namespace = []string{"", "a", "b"}[i%3]
		list[i].Metadata = json.RawMessage(fmt.Sprintf(`{"n":%d,"positive":%v}`, rnd.IntN(1000), list[i].Values[0] > 0))
	}
	upsert(t, x, list...)
	h.settle(t)
	return x
}

func TestFilteredAnswersAreWholeAndNearlyExact(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*home){
		"cheapest":      func(h *home) { h.options.Graph = local.GraphOptions{} },
		"walking":       nil,
		"with a tail":   func(h *home) { h.options.Graph.Tail = 1000 },
		"little effort": func(h *home) { h.options.Graph.EF = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := graphHome(t, change)
			x := h.fillFiltered(t, 4000)
			upsert(t, x, recordsOf(clustered(3, 200, graphDimensions), 3900)...) // half of them replace others
			floor := .96
			if h.options.Graph.EF == 1 {
				floor = .5
			}
			checkFiltered(t, x, floor)
		})
	}
}

func checkFiltered(t *testing.T, x index.Index, floor float64) {
	queries := clustered(2, 200, graphDimensions)
	var positive, negative [][]float32
	for _, q := range queries {
		if q[0] > 0 {
			positive = append(positive, q)
		} else {
			negative = append(negative, q)
		}
	}
	plans := map[index.Plan]int{}
	for _, c := range []struct {
		filter    string
		namespace string
		queries   [][]float32
	}{
		{"", "a", queries},
		{`{"n":{"$lt":500}}`, "", queries},
		{`{"n":{"$lt":100}}`, "", queries},
		{`{"n":{"$lt":100}}`, "b", queries},
		{`{"n":{"$lt":10}}`, "", queries},
		{`{"n":{"$lt":1}}`, "", queries},
		{`{"n":{"$lt":-1}}`, "", queries},
		{`{"positive":true}`, "", positive},
		{`{"positive":true}`, "", negative}, // what matches is not near
		{`{"positive":true,"n":{"$lt":200}}`, "", negative},
	} {
		var f filter.Filter
		if c.filter != "" {
			var err error
			if f, err = filter.Parse([]byte(c.filter)); err != nil {
				t.Fatal(err)
			}
		}
		q := index.Query{TopK: 10, Filter: f, Namespace: c.namespace, Metadata: index.AllMetadata}
		if got := recallWithin(t, x, c.queries, q); got < floor {
			t.Errorf("%s in %q: recall %.3f", c.filter, c.namespace, got)
		}
		q.Vector = c.queries[0]
		plans[ask(t, x, q, index.Read{}).Explain.Plan]++
	}
	t.Logf("plans %v", plans)
}

// recallWithin is recall, and checks that every match passes the filter.
func recallWithin(t *testing.T, x index.Index, queries [][]float32, q index.Query) float64 {
	t.Helper()
	for _, vector := range queries[:20] {
		q.Vector = vector
		for _, m := range ask(t, x, q, index.Read{}).Matches {
			passes := q.Filter.Match(func(property string) filter.Value {
				kind := filter.Number
				if property == "positive" {
					kind = filter.Boolean
				}
				return filter.Extract(m.Metadata, property, kind)
			})
			if !passes || q.Namespace != "" && m.Namespace != q.Namespace {
				t.Fatalf("%s of namespace %q with %s does not match", m.ID, m.Namespace, m.Metadata)
			}
		}
	}
	q.Metadata = index.NoMetadata
	expected := 0
	for _, vector := range queries[:1] {
		q.Vector, q.Exact = vector, true
		expected = len(ask(t, x, q, index.Read{}).Matches)
	}
	if expected == 0 {
		return 1 // nothing can match
	}
	q.Exact = false
	return recall(t, x, queries, q, index.Read{}, "")
}

func TestScanOfCodesGivesTheExactAnswer(t *testing.T) {
	t.Parallel()
	change := func(h *home) { h.options.Graph = local.GraphOptions{From: 200, Tail: 100} }
	for _, metric := range []index.Metric{index.Cosine, index.Euclidean, index.DotProduct} {
		h := graphHome(t, change)
		x := h.fillGraph(t, metric, 1000)
		// Copies of one vector, whose order only their ids decide, and some in the tail.
		copies := clustered(1, 40, graphDimensions)
		for i := range copies {
			copies[i] = copies[0]
		}
		upsert(t, x, recordsOf(copies, 5000)...)
		if _, err := x.CreateMetadataIndex(t.Context(), index.MetadataIndex{Property: "n", Type: filter.Number}, true); err != nil {
			t.Fatal(err)
		}
		f, err := filter.Parse([]byte(`{"n":{"$lt":2}}`))
		if err != nil {
			t.Fatal(err)
		}
		for _, vector := range append(clustered(2, 30, graphDimensions), copies[0]) {
			for _, k := range []int{1, 7, 50} {
				q := index.Query{Vector: vector, TopK: k, Filter: f}
				got := ask(t, x, q, index.Read{})
				q.Exact = true
				want := ask(t, x, q, index.Read{})
				if got.Explain.Plan != index.PlanCodes || !got.Explain.Exhaustive {
					t.Fatalf("%s, topK %d: explained as %+v", metric, k, got.Explain)
				}
				for i, m := range want.Matches {
					if got.Matches[i].ID != m.ID || got.Matches[i].Score != m.Score {
						t.Fatalf("%s, topK %d: match %d is %s with %v, want %s with %v", metric, k, i, got.Matches[i].ID, got.Matches[i].Score, m.ID, m.Score)
					}
				}
			}
		}
	}
}
