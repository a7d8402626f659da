package measure_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"nearside/embed"
	"nearside/index"
	"nearside/measure"
)

// recorded is an embedder that knows the vectors of some texts by heart.
type recorded map[string][]float32

func (recorded) Model() string                  { return "recorded" }
func (recorded) Fingerprint() embed.Fingerprint { return "recorded" }
func (recorded) Dimensions() int                { return 256 }
func (recorded) Window() int                    { return 1 << 20 }
func (r recorded) Embed(_ context.Context, texts []string) ([]embed.Embedding, error) {
	out := make([]embed.Embedding, len(texts))
	for i, text := range texts {
		values, ok := r[text]
		if !ok {
			return nil, fmt.Errorf("no vector of %.40q is recorded", text)
		}
		out[i].Values = values
	}
	return out, nil
}

// TestCranfieldsFiguresComeOutOfAnIndexToo goes the whole way of `nearside eval`:
// texts to vectors, vectors into an index, questions to rankings. Two documents
// are empty and have zero vectors, which no cosine index takes.
func TestCranfieldsFiguresComeOutOfAnIndexToo(t *testing.T) {
	dir := filepath.Join(collections(t), "cranfield")
	c, err := measure.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	e := recorded{}
	for i, v := range readVectors(t, filepath.Join(dir, "vectors", "docs.f32")) {
		e[c.Documents[i].Content()] = v
	}
	for i, v := range readVectors(t, filepath.Join(dir, "vectors", "queries.f32")) {
		e[c.Queries[i].Text] = v
	}
	engine := index.NewMemory(time.Now)
	ix, err := engine.Create(t.Context(), 1, index.Config{Dimensions: e.Dimensions(), Metric: index.Cosine})
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	if err := measure.Load(t.Context(), ix, c.Documents, e, func(done, _ int) { last = done }); err != nil {
		t.Fatal(err)
	}
	if last != len(c.Documents) {
		t.Errorf("progress ended at %d of %d", last, len(c.Documents))
	}
	if info, err := ix.Info(t.Context(), index.Read{}); err != nil || info.Count != len(c.Documents)-2 {
		t.Errorf("%d records, %v; want all but the two empty documents", info.Count, err)
	}
	report, err := measure.Evaluate(t.Context(), c, measure.Vectors(ix, e), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("nDCG@10 %.4f, MRR@10 %.4f, recall@100 %.4f", report.NDCG, report.MRR, report.Recall)
	if want := "nDCG@10 0.4277, MRR@10 0.5670, recall@100 0.7866"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDistancesRankFromTheSmallest(t *testing.T) {
	e := recorded{"near": make([]float32, 256), "far": make([]float32, 256), "?": make([]float32, 256)}
	e["near"][0], e["far"][0], e["?"][0] = 1, 2, 1
	ix, err := index.NewMemory(time.Now).Create(t.Context(), 1, index.Config{Dimensions: 256, Metric: index.Euclidean})
	if err != nil {
		t.Fatal(err)
	}
	documents := []measure.Document{{ID: "far", Text: "far"}, {ID: "near", Text: "near"}}
	if err := measure.Load(t.Context(), ix, documents, e, nil); err != nil {
		t.Fatal(err)
	}
	hits, err := measure.Vectors(ix, e)(t.Context(), measure.Query{ID: "q", Text: "?"})
	if err != nil {
		t.Fatal(err)
	}
	if got := measure.Order(hits); len(got) != 2 || got[0].Document != "near" {
		t.Errorf("got %v", got)
	}
}
