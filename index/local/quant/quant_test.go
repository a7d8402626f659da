package quant_test

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"nearside/index"
	"nearside/index/local/vek"
)

var (
	seed = flag.Uint64("seed", uint64(time.Now().UnixNano()), "seed of the random tests")
	long = flag.Bool("long", false, "more of the random tests")
	sets = flag.String("sets", "", "folder of made data sets NAME.base.fbin, NAME.query.fbin: TestMeasure measures codes on them")
)

func TestMain(m *testing.M) {
	flag.Parse()
	fmt.Printf("kernels exercised: %v, seed %d\n", vek.Kernels(), *seed)
	os.Exit(m.Run())
}

var metrics = []index.Metric{index.Cosine, index.Euclidean, index.DotProduct}

func random() *rand.Rand { return seeded(*seed) }

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// normal returns n vectors of normally distributed numbers.
func normal(r *rand.Rand, n, dimensions int, mean, deviation float64) [][]float32 {
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = make([]float32, dimensions)
		for j := range vectors[i] {
			vectors[i][j] = float32(mean + deviation*r.NormFloat64())
		}
	}
	return vectors
}

func lengthOf(v []float32) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}
