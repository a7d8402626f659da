package measure_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"nearside/measure"
)

// collections returns the folder of the judged collections, or skips the test.
func collections(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("NEARSIDE_COLLECTIONS")
	if dir == "" {
		t.Skip("NEARSIDE_COLLECTIONS is not set: no judged collections to measure with")
	}
	return dir
}

// readVectors reads rows of 256 little-endian float32.
func readVectors(t *testing.T, path string) [][]float32 {
	t.Helper()
	const dimensions = 256
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows := make([][]float32, len(raw)/4/dimensions)
	for i := range rows {
		rows[i] = make([]float32, dimensions)
		for j := range rows[i] {
			rows[i][j] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*(i*dimensions+j):]))
		}
	}
	return rows
}

// TestPublishedFiguresOfCranfieldAreReproduced compares every document with
// every question by cosine; the three figures are published with the collection.
func TestPublishedFiguresOfCranfieldAreReproduced(t *testing.T) {
	dir := filepath.Join(collections(t), "cranfield")
	c, err := measure.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	documents := readVectors(t, filepath.Join(dir, "vectors", "docs.f32"))
	queries := map[measure.QueryID][]float32{}
	for i, v := range readVectors(t, filepath.Join(dir, "vectors", "queries.f32")) {
		queries[c.Queries[i].ID] = v
	}
	search := func(_ context.Context, q measure.Query) ([]measure.Hit, error) {
		hits := make([]measure.Hit, len(documents))
		for i, d := range documents {
			hits[i] = measure.Hit{Document: c.Documents[i].ID, Score: dot(d, queries[q.ID])}
		}
		return hits, nil
	}
	report, err := measure.Evaluate(t.Context(), c, search, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%d queries: nDCG@10 %.4f, MRR@10 %.4f, recall@100 %.4f", report.Queries, report.NDCG, report.MRR, report.Recall)
	if want := "225 queries: nDCG@10 0.4277, MRR@10 0.5670, recall@100 0.7866"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func dot(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func TestEveryCollectionCanBeRead(t *testing.T) {
	dir := collections(t)
	tests := []struct {
		name               string
		where              []measure.Where
		documents, queries int
	}{
		{"cranfield", nil, 1400, 225},
		{"medquad", nil, 16407, 60},
		{"xquad", nil, 2880, 14208},
		{"xquad", []measure.Where{{Property: "lang", Value: "en"}}, 240, 1187},
	}
	for _, test := range tests {
		c, err := measure.Open(filepath.Join(dir, test.name), test.where...)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if len(c.Documents) != test.documents || len(c.Queries) != test.queries {
			t.Errorf("%s %v: got %d documents and %d queries, want %d and %d",
				test.name, test.where, len(c.Documents), len(c.Queries), test.documents, test.queries)
		}
	}
}
