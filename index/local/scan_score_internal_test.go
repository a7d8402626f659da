package local

import (
	"math"
	"math/rand/v2"
	"testing"

	"nearside/index"
	"nearside/index/local/vek"
)

// The two know nothing of each other: package index defines scores, package vek computes them.
func TestTheKernelsScoreAsIndexScoreDoesBitForBit(t *testing.T) {
	t.Logf("kernels exercised: %v", vek.Kernels())
	defer vek.Use(string(vek.Using()))
	for _, k := range vek.Kernels() {
		if err := vek.Use(string(k)); err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(1, 2))
		for n := 1; n <= 1100; n++ {
			for _, m := range []index.Metric{index.Cosine, index.Euclidean, index.DotProduct} {
				compareScores(t, k, m, randomScored(r, n), randomScored(r, n))
			}
		}
	}
}

func compareScores(t *testing.T, k vek.Kernel, m index.Metric, a, b []float32) {
	t.Helper()
	by := newScorer(m, a)
	for name, vector := range map[string][]float32{"another": b, "itself": a} {
		got, want := by.score(vector), index.Score(m, a, vector)
		if math.Float64bits(got) != math.Float64bits(want) {
			t.Fatalf("%s, %s of %d numbers with %s: %v, want %v", k, m, len(a), name, got, want)
		}
		if m == index.Cosine && name == "itself" && got != 1 {
			t.Fatalf("%s: the cosine of %v with itself is %v", k, a, got)
		}
	}
}

// randomScored returns numbers over many magnitudes, zeros of both signs among them.
func randomScored(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(math.Ldexp(r.NormFloat64(), r.IntN(40)-20))
		if r.IntN(9) == 0 {
			v[i] = float32(math.Copysign(0, r.Float64()-.5))
		}
	}
	v[r.IntN(n)] = 1 // under cosine no vector is all zero
	return v
}
