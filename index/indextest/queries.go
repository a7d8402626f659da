package indextest

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
)

var queryTests = []test{
	{"cosine is highest first, 1 for itself", func(r *rig) {
		x := r.create(2, index.Cosine)
		r.upsert(x, rec("east", 2, 0), rec("north", 0, 3), rec("west", -4, 0), rec("northeast", 1, 1))
		r.scores(x, index.Query{Vector: []float32{5, 0}, TopK: 9}, "east", 1.0, "northeast", 5/math.Sqrt(50), "north", 0.0, "west", -1.0)
	}},
	{"euclidean is the distance, lowest first", func(r *rig) {
		x := r.create(2, index.Euclidean)
		r.upsert(x, rec("far", 30, 40), rec("here", 0, 0), rec("near", 3, -4))
		r.scores(x, index.Query{Vector: []float32{0, 0}, TopK: 9}, "here", 0.0, "near", 5.0, "far", 50.0)
	}},
	{"dot-product is negated, lowest first", func(r *rig) {
		x := r.create(2, index.DotProduct)
		r.upsert(x, rec("small", 1, 1), rec("large", 500, 500), rec("against", -7, 0), rec("across", 1, -1))
		r.scores(x, index.Query{Vector: []float32{1, 1}, TopK: 9}, "large", -1000.0, "small", -2.0, "across", 0.0, "against", 7.0)
	}},
	{"equal scores are ordered by the bytes of the id", func(r *rig) {
		for _, m := range []index.Metric{index.Cosine, index.Euclidean, index.DotProduct} {
			x := r.create(2, m)
			r.upsert(x, rec("b", 1, 0), rec("a10", 1, 0), rec("Z", 1, 0), rec("a9", 1, 0), rec("ä", 1, 0))
			r.upsert(x, rec("a", 1, 0))
			r.ids(matched(r.query(x, index.Query{Vector: []float32{1, 0}, TopK: 9}, index.Read{})), "Z", "a", "a10", "a9", "b", "ä")
			r.ids(matched(r.query(x, index.Query{Vector: []float32{1, 0}, TopK: 3}, index.Read{})), "Z", "a", "a10")
		}
	}},
	{"scores are those of index.Score bit by bit", exactScores},
	{"topK is met exactly or by all there are", func(r *rig) {
		x := r.create(1, index.Euclidean)
		for i := range 50 {
			r.upsert(x, rec(index.VectorID(fmt.Sprintf("%02d", i)), float32(i)))
		}
		for _, k := range []int{1, 2, 49, 50, 51, 100_000} {
			got := r.query(x, index.Query{Vector: []float32{0}, TopK: k}, index.Read{})
			if len(got.Matches) != min(k, 50) || got.Explain.Matching != 50 {
				r.Errorf("topK %d: %d matches of %d", k, len(got.Matches), got.Explain.Matching)
			}
		}
	}},
	{"a query by id starts from the stored vector and finds it too", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.upsert(x, in("eu", rec("a", 1)), rec("b", 2), rec("c", 5))
		r.ids(matched(r.query(x, index.Query{ID: "b", TopK: 9}, index.Read{})), "b", "a", "c")
		r.ids(matched(r.query(x, index.Query{ID: "c", TopK: 9, Namespace: "eu"}, index.Read{})), "a")
		r.upsert(x, rec("b", 9))
		r.ids(matched(r.query(x, index.Query{ID: "b", TopK: 2}, index.Read{})), "b", "c")
	}},
	{"a query by unknown id has no matches", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.upsert(x, rec("a", 1), rec("b", 2))
		r.remove(x, "b")
		for _, id := range []index.VectorID{"nobody", "b"} {
			r.nothing(r.query(x, index.Query{ID: id, TopK: 5}, index.Read{}), 3-1)
		}
	}},
	{"an empty index has no matches", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.nothing(r.query(x, index.Query{Vector: []float32{1}, TopK: 5}, index.Read{}), 0)
	}},
	{"a namespace narrows a query", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.upsert(x, in("eu", rec("a", 1)), in("us", rec("b", 2)), rec("c", 3))
		r.ids(matched(r.query(x, index.Query{Vector: []float32{0}, TopK: 9, Namespace: "us"}, index.Read{})), "b")
		r.ids(matched(r.query(x, index.Query{Vector: []float32{0}, TopK: 9}, index.Read{})), "a", "b", "c")
		r.nothing(r.query(x, index.Query{Vector: []float32{0}, TopK: 9, Namespace: "e"}, index.Read{}), 1)
		r.upsert(x, in("us", rec("a", 1)))
		r.nothing(r.query(x, index.Query{Vector: []float32{0}, TopK: 9, Namespace: "eu"}, index.Read{}), 2)
		if got := r.info(x, index.Read{}).Namespaces; got != 1 {
			r.Errorf("%d namespaces, want 1", got)
		}
	}},
	{"an answer has what was asked for and nothing else", answerParts},
	{"deleted and replaced records are never found", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.upsert(x, rec("a", 1), rec("b", 2), rec("c", 3))
		r.remove(x, "a")
		r.upsert(x, rec("c", 0))
		r.scores(x, index.Query{Vector: []float32{0}, TopK: 9}, "c", 0.0, "b", 2.0)
	}},
	{"a query says how its answer was made", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.upsert(x, rec("a", 1), in("eu", rec("b", 2)), in("eu", rec("c", 3)))
		got := r.query(x, index.Query{Vector: []float32{0}, TopK: 1, Namespace: "eu"}, index.Read{}).Explain
		want := index.Explain{Plan: index.PlanScan, Candidates: 2, Matching: 2, Exhaustive: true, Sequence: 1}
		r.same(differentExplain(got, want))
	}},
	{"bad queries are refused", badQueries},
}

// scores fails the test unless the query answers with these ids and scores in turn.
func (r *rig) scores(x index.Index, q index.Query, want ...any) {
	r.Helper()
	var got []any
	for _, m := range r.query(x, q, index.Read{}).Matches {
		got = append(got, string(m.ID), m.Score)
	}
	if !slices.Equal(got, want) {
		r.Fatalf("got %v, want %v", got, want)
	}
}

// nothing fails the test unless a result has no matches and says so.
func (r *rig) nothing(got index.Result, at index.Sequence) {
	r.Helper()
	r.same(differentResults(got, index.Result{Unindexed: got.Unindexed, Explain: index.Explain{Plan: index.PlanEmpty, Exhaustive: true, Sequence: at}}))
}

func exactScores(r *rig) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, m := range []index.Metric{index.Cosine, index.Euclidean, index.DotProduct} {
		for _, dimensions := range []int{1, 7, 8, 31, 384, index.MaxDimensions} {
			x := r.create(dimensions, m)
			stored := map[index.VectorID][]float32{}
			var batch []index.Record
			for i := range 40 {
				values := make([]float32, dimensions)
				for j := range values {
					values[j] = float32(rng.NormFloat64() * math.Pow(10, float64(i%9-4)))
				}
				id := index.VectorID(fmt.Sprint(i))
				stored[id] = values
				batch = append(batch, rec(id, values...))
			}
			r.upsert(x, batch...)
			for id, vector := range stored {
				last := index.Match{Record: index.Record{ID: ""}}
				for i, match := range r.query(x, index.Query{Vector: vector, TopK: len(stored)}, index.Read{}).Matches {
					if want := index.Score(m, vector, stored[match.ID]); math.Float64bits(match.Score) != math.Float64bits(want) {
						r.Fatalf("%s, %d dimensions, %q with %q: score %v, want %v", m, dimensions, id, match.ID, match.Score, want)
					}
					if i > 0 && !m.Better(last, match) {
						r.Fatalf("%s, %d dimensions: %q (%v) stands before %q (%v)", m, dimensions, last.ID, last.Score, match.ID, match.Score)
					}
					last = match
				}
			}
		}
	}
}

func answerParts(r *rig) {
	x := r.create(1, index.Euclidean)
	long := "0123456789012345678901234567890123456789012345678901234567890123456789"
	full := with(in("eu", rec("a", 1)), `{"title":"`+long+`","year":1999,"deep":{"er":{"flag":true,"x":1},"y":2},"other":"o","tags":["a"]}`)
	full.Title, full.Text = "T", "passage"
	bare := rec("b", 2)
	r.upsert(x, full, bare)
	r.indexMetadata(x, "title", filter.String, false)
	r.indexMetadata(x, "deep.er.flag", filter.Boolean, false)
	r.indexMetadata(x, "year", filter.Number, false)
	r.indexMetadata(x, "tags", filter.String, false)
	r.indexMetadata(x, "absent.path", filter.String, false)
	cases := []struct {
		ask  index.Query
		want index.Record
	}{
		{index.Query{}, index.Record{ID: "a", Namespace: "eu"}},
		{index.Query{Values: true}, index.Record{ID: "a", Namespace: "eu", Values: full.Values}},
		{index.Query{Metadata: index.AllMetadata}, index.Record{ID: "a", Namespace: "eu", Metadata: full.Metadata}},
		{index.Query{Metadata: index.IndexedMetadata}, index.Record{ID: "a", Namespace: "eu", Metadata: json.RawMessage(`{"title":"` + long[:64] + `","deep":{"er":{"flag":true}},"year":1999}`)}},
		{index.Query{Text: true}, index.Record{ID: "a", Namespace: "eu", Title: "T", Text: "passage"}},
	}
	for _, c := range cases {
		q := c.ask
		q.Vector, q.TopK = []float32{0}, 9
		matches := r.query(x, q, index.Read{}).Matches
		if len(matches) != 2 {
			r.Fatalf("%d matches, want 2", len(matches))
		}
		r.same(differentRecord(matches[0].Record, c.want))
		if !q.Values {
			bare.Values = nil
		} else {
			bare.Values = []float32{2}
		}
		r.same(differentRecord(matches[1].Record, bare))
	}
}

func badQueries(r *rig) {
	x := r.create(2, index.Cosine)
	r.upsert(x, rec("a", 1, 1))
	nan := float32(math.NaN())
	cases := []struct {
		q      index.Query
		reason fault.Reason
		words  []string
	}{
		{index.Query{TopK: 1}, index.ReasonQueryVector, []string{"expected 2 dimensions", "got 0 dimensions"}},
		{index.Query{Vector: []float32{1}, TopK: 1}, index.ReasonQueryVector, []string{"got 1 dimensions"}},
		{index.Query{Vector: []float32{}, TopK: 1}, index.ReasonQueryVector, []string{"got 0 dimensions"}},
		{index.Query{Vector: []float32{1, 2, 3}, TopK: 1}, index.ReasonQueryVector, []string{"got 3 dimensions"}},
		{index.Query{Vector: []float32{1, nan}, TopK: 1}, index.ReasonValue, []string{"value 1", "NaN"}},
		{index.Query{Vector: []float32{float32(math.Inf(1)), 0}, TopK: 1}, index.ReasonValue, []string{"value 0", "Inf"}},
		{index.Query{Vector: []float32{0, 0}, TopK: 1}, index.ReasonValue, []string{"zero", "cosine"}},
		{index.Query{Vector: []float32{1, 1}, TopK: 0}, "", []string{"topK", "0"}},
		{index.Query{Vector: []float32{1, 1}, TopK: -3}, "", []string{"topK", "-3"}},
		{index.Query{ID: "a", TopK: 0}, "", []string{"topK"}},
	}
	for _, c := range cases {
		_, err := x.Query(r.Context(), c.q, index.Read{})
		r.refused(err, fault.Invalid, c.reason, c.words...)
	}
}
