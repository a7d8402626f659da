package ann_test

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nearside/index"
	"nearside/measure/ann"
)

// line is a set of points on a line: several at each place, so that there are ties.
func line() *ann.Set {
	s := &ann.Set{Name: "line", Metric: index.Euclidean, Base: ann.NewMatrix(40, 1), Queries: ann.NewMatrix(1, 1)}
	for i := range s.Base.Rows {
		s.Base.Row(i)[0] = float32(i / 4) // four rows at each of ten places
	}
	return s
}

func TestTiesCostNobodyRecall(t *testing.T) {
	s := line()
	truth, err := ann.Exact(t.Context(), s, 10, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := []uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}; !slices.Equal(truth.Row(0), want) {
		t.Errorf("the exact answer is %v, want %v", truth.Row(0), want)
	}
	for _, c := range []struct {
		what  string
		found []uint32
		want  float64
	}{
		{"the answer itself", []uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 1},
		{"the other two of the last place", []uint32{0, 1, 2, 3, 4, 5, 6, 7, 10, 11}, 1},
		{"in another order", []uint32{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, 1},
		{"one that is farther", []uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 12}, .9},
		{"one twice", []uint32{0, 0, 2, 3, 4, 5, 6, 7, 8, 9}, .9},
		{"too few", []uint32{0, 1, 2}, .3},
		{"none", nil, 0},
		{"more than asked for", []uint32{39, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, .9},
	} {
		if got := s.Recall(truth, 0, 10, c.found); got != c.want {
			t.Errorf("%s: recall %v, want %v", c.what, got, c.want)
		}
	}
}

func TestExactAnswersAreThoseOfScores(t *testing.T) {
	for _, metric := range []index.Metric{index.Cosine, index.Euclidean, index.DotProduct} {
		s, _ := smallSet(t, "gmm128", 400, 12)
		s.Metric = metric
		var odd []uint32
		for i := range s.Base.Rows / 2 {
			odd = append(odd, uint32(2*i+1))
		}
		truth, err := ann.Exact(t.Context(), s, 25, odd, nil)
		if err != nil {
			t.Fatal(err)
		}
		for q := range s.Queries.Rows {
			rows := slices.Clone(odd)
			slices.SortStableFunc(rows, func(a, b uint32) int {
				x, y := index.Score(metric, s.Queries.Row(q), s.Base.Row(int(a))), index.Score(metric, s.Queries.Row(q), s.Base.Row(int(b)))
				if !metric.Ascending() {
					x, y = y, x
				}
				return cmp.Compare(x, y)
			})
			if !slices.Equal(truth.Row(q), rows[:25]) {
				t.Fatalf("%s, query %d: %v, want %v", metric, q, truth.Row(q), rows[:25])
			}
		}
	}
}

func TestAnswersAreKeptAndADamagedFileIsMadeAnew(t *testing.T) {
	s, want := smallSet(t, "gmm128", 300, 10)
	dir := t.TempDir()
	known := func() *ann.Truth {
		t.Helper()
		truth, err := ann.Known(t.Context(), dir, s, 100, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(truth.Rows, want.Rows) || !slices.Equal(truth.Distances, want.Distances) {
			t.Fatal("other answers")
		}
		return truth
	}
	known()
	files, err := filepath.Glob(filepath.Join(dir, "gmm128-*.gt"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(whole); at += 997 {
		damaged := slices.Clone(whole)
		damaged[at] ^= 4
		if err := os.WriteFile(files[0], damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		known()
		if again, err := os.ReadFile(files[0]); err != nil || !slices.Equal(again, whole) {
			t.Fatalf("byte %d: the file was not made anew: %v", at, err)
		}
	}
	s.Queries.Row(0)[0]++
	if truth, err := ann.Known(t.Context(), dir, s, 100, nil); err != nil || slices.Equal(truth.Distances, want.Distances) {
		t.Errorf("another set has the same answers: %v", err)
	}
}
