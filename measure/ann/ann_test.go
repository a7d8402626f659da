package ann_test

import (
	"context"
	"testing"

	"nearside/measure/ann"
)

// smallSet is made in well under a second.
func smallSet(t *testing.T, name string, vectors, queries int) (*ann.Set, *ann.Truth) {
	t.Helper()
	s, err := ann.Make(name, "", vectors, queries)
	if err != nil {
		t.Fatal(err)
	}
	truth, err := ann.Exact(context.Background(), s, 100, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, truth
}

var small = ann.Options{M: 8, EFConstruction: 60, Workers: 2}

func TestEnginesFindTheNearest(t *testing.T) {
	s, truth := smallSet(t, "gmm128", 3000, 50)
	small := small
	small.Dir = t.TempDir()
	for _, engine := range ann.Engines() {
		name := engine[0]
		t.Run(name, func(t *testing.T) {
			e, built, err := ann.Build(t.Context(), name, s, small)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			p, err := ann.Turn(t.Context(), s, truth, 10, ann.Named{Name: name, Engine: e}, 200)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v %+v", built, p)
			if least := map[string]float64{"exact": 1, "coder-hnsw": 0}[name]; p.Recall < least || name != "coder-hnsw" && p.Recall < .95 {
				t.Errorf("recall %v", p.Recall)
			}
			if p.QPS <= 0 || p.P99 < p.P50 || built.Seconds <= 0 {
				t.Errorf("times of nothing: %+v, %+v", built, p)
			}
			if name != "coder-hnsw" && (p.Distances == 0 || p.Bytes == 0) {
				t.Errorf("no counts: %+v", p)
			}
		})
	}
}
