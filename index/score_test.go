package index_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"nearside/index"
)

func TestScoresAreInTheMetricsOwnDirection(t *testing.T) {
	for _, c := range []struct {
		metric index.Metric
		a, b   []float32
		want   float64
	}{
		{index.Cosine, []float32{1, 0}, []float32{7, 0}, 1},
		{index.Cosine, []float32{1, 0}, []float32{0, 3}, 0},
		{index.Cosine, []float32{1, 2}, []float32{-2, -4}, -1},
		{index.Cosine, []float32{3, 4}, []float32{4, 3}, 0.96},
		{index.Cosine, []float32{math.MaxFloat32, 0}, []float32{math.MaxFloat32, math.MaxFloat32}, 1 / math.Sqrt2},
		{index.Cosine, []float32{math.SmallestNonzeroFloat32, 0}, []float32{math.SmallestNonzeroFloat32, 0}, 1},
		{index.Euclidean, []float32{1, 2}, []float32{4, 6}, 5},
		{index.Euclidean, []float32{1, 2}, []float32{1, 2}, 0},
		{index.DotProduct, []float32{500, 500}, []float32{1, 1}, -1000},
		{index.DotProduct, []float32{-5, 0}, []float32{3, 0}, 15},
	} {
		if got := index.Score(c.metric, c.a, c.b); math.Abs(got-c.want) > 1e-15 {
			t.Errorf("%s of %v and %v is %v, want %v", c.metric, c.a, c.b, got, c.want)
		}
	}
	if got := index.Score(index.DotProduct, []float32{1, 0}, []float32{0, 1}); math.Signbit(got) {
		t.Error("the dot product of perpendicular vectors is scored -0")
	}
}

func TestCosineOfAVectorWithItselfIsExactlyOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for n := range 2000 {
		a := randomVector(rng, 1+n%100)
		if got := index.Score(index.Cosine, a, a); got != 1 {
			t.Fatalf("%v has the cosine %v with itself", a, got)
		}
	}
}

// TestScoresAreTheSameOnEveryMachine pins bits. An independent program (CPython) gives the same ones; a
// compiler that fused products with sums would change the second.
func TestScoresAreTheSameOnEveryMachine(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	a, b := randomVector(rng, 384), randomVector(rng, 384)
	for metric, want := range map[index.Metric]uint64{index.Cosine: goldenCosine, index.Euclidean: goldenEuclidean, index.DotProduct: goldenDotProduct} {
		if got := math.Float64bits(index.Score(metric, a, b)); got != want {
			t.Errorf("%s has the bits %#x, want %#x", metric, got, want)
		}
	}
}

const (
	goldenCosine     = 0x3f8f35c4ea42eb96
	goldenEuclidean  = 0x402acb7393a49fb6
	goldenDotProduct = 0xbff6379d63fb5a74
)

// randomVector uses integers only, so that it too is the same everywhere.
func randomVector(rng *rand.Rand, dimensions int) []float32 {
	v := make([]float32, dimensions)
	for i := range v {
		v[i] = float32(rng.IntN(1<<24)-1<<23) / 9_999_991
	}
	return v
}

func TestBetterPutsTheBestFirstAndBreaksTiesByID(t *testing.T) {
	match := func(id index.VectorID, score float64) index.Match {
		return index.Match{Record: index.Record{ID: id}, Score: score}
	}
	matches := []index.Match{match("b", 1), match("a", 1), match("c", 2), match("d", -1), match("B", 1)}
	for metric, want := range map[index.Metric]string{index.Cosine: "cBabd", index.Euclidean: "dBabc", index.DotProduct: "dBabc"} {
		slices.SortFunc(matches, func(a, b index.Match) int {
			if metric.Better(a, b) {
				return -1
			}
			return 1
		})
		got := ""
		for _, m := range matches {
			got += string(m.ID)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", metric, got, want)
		}
	}
}
