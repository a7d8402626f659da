package bert

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// seeded returns a source of randomness whose seed is printed.
func seeded(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, seed))
}

func randoms(n int, scale float64, rng *rand.Rand) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64() * scale)
	}
	return v
}

const guard = 12345.5 // what must not be overwritten

func TestProductsAreThoseOfPlainArithmetic(t *testing.T) {
	rng := seeded(t)
	for _, k := range sets {
		for _, depth := range []int{4, 8, 32, 36, 384, depthBlock, depthBlock + 4, 2 * depthBlock} {
			for _, width := range []int{32, 96} {
				for _, rows := range []int{1, 3, 4, 5, 8, 11, 12, 16, 20, 28, rowBlock - 1, rowBlock, rowBlock + 5} {
					if (depth > 36 && rows > 12 || depth > 384 && width > 32) && !*long {
						continue
					}
					if err := checkProduct(k, rows, depth, width, rng); err != nil {
						t.Fatalf("%s, %dx%dx%d: %v", k.name, rows, depth, width, err)
					}
				}
			}
		}
	}
}

// checkProduct compares one product with sums in float64, with strides larger than the rows.
func checkProduct(k *kernels, rows, depth, width int, rng *rand.Rand) error {
	room := roundUp(rows, rowStep)
	a := matrix{randoms(room*(depth+3), 1, rng), depth + 3}
	weights := randoms(depth*width, 1, rng)
	w := newPanels(depth, width)
	w.pack(0, weights)
	c := matrix{make([]float32, room*(width+5)), width + 5}
	for i := range c.values {
		c.values[i] = guard
	}
	base := matrix{values: randoms(width, 1, rng)}
	if rng.IntN(2) == 0 {
		base = matrix{randoms(room*width, 1, rng), width}
	}
	k.multiply(rows, a, w, base, c)
	for r := range room {
		for n := range width + 5 {
			got := c.values[r*c.stride+n]
			if n >= width {
				if got != guard {
					return fmt.Errorf("row %d: column %d was overwritten", r, n)
				}
				continue
			}
			want := float64(base.values[r*base.stride+n])
			size := math.Abs(want)
			for i := range depth {
				p := float64(a.values[r*a.stride+i]) * float64(weights[n*depth+i])
				want += p
				size += math.Abs(p)
			}
			if r < rows && !(math.Abs(float64(got)-want) <= 1e-6*size) {
				return fmt.Errorf("row %d, column %d: %g; %g is right", r, n, got, want)
			}
		}
	}
	return nil
}

func TestRowFunctionsAreThoseOfPlainGo(t *testing.T) {
	rng := seeded(t)
	for _, k := range sets {
		for _, n := range []int{16, 32, 48, 64, 96, 256, 384, 1536} {
			for _, scale := range []float64{1e-6, 0.1, 1, 5, 30} {
				x := randoms(n, scale, rng)
				compareRows(t, k.name+" gelu", x, k.gelu, generic.gelu, 1e-6*max(1, scale))
				compareRows(t, k.name+" softmax", x, func(x []float32) { k.softmax(x, 0.17) }, func(x []float32) { generic.softmax(x, 0.17) }, 2e-6)
				bias, s := randoms(n, scale, rng), scaling{randoms(n, 1, rng), randoms(n, 1, rng)}
				compareRows(t, k.name+" normalize", x, func(x []float32) { k.normalize(x, bias, s, 1e-12) }, func(x []float32) { generic.normalize(x, bias, s, 1e-12) }, 2e-5)
			}
		}
	}
}

// compareRows runs two functions on copies of x and compares what comes out.
func compareRows(t *testing.T, what string, x []float32, got, want func([]float32), tolerance float64) {
	t.Helper()
	a, b := append(append([]float32{}, x...), guard), append([]float32{}, x...)
	got(a[:len(x)])
	want(b)
	for i := range b {
		if d := math.Abs(float64(a[i] - b[i])); !(d <= tolerance*max(1, math.Abs(float64(b[i])))) {
			t.Fatalf("%s of %d numbers: number %d (%g) becomes %g; %g is right", what, len(x), i, x[i], a[i], b[i])
		}
	}
	if a[len(x)] != guard {
		t.Fatalf("%s of %d numbers writes beyond them", what, len(x))
	}
}

func TestSoftmaxBearsExtremes(t *testing.T) {
	for _, k := range sets {
		for name, c := range map[string]struct {
			x    func(i int) float64
			want func(i int) float64
		}{
			"one stands out":      {func(i int) float64 { return []float64{1e30, -1e30}[min(i, 1)] }, func(i int) float64 { return []float64{1, 0}[min(i, 1)] }},
			"all equal and large": {func(int) float64 { return 3e38 }, func(int) float64 { return 1.0 / 16 }},
			"padding":             {func(i int) float64 { return []float64{0, math.Inf(-1)}[i/8] }, func(i int) float64 { return []float64{1.0 / 8, 0}[i/8] }},
		} {
			x := make([]float32, 16)
			for i := range x {
				x[i] = float32(c.x(i))
			}
			k.softmax(x, 0.17)
			for i, v := range x {
				if !(math.Abs(float64(v)-c.want(i)) < 1e-6) {
					t.Errorf("%s, %s: share %d is %g", k.name, name, i, v)
				}
				if v != 0 && v < 0x1p-126 {
					t.Errorf("%s, %s: share %d is denormal, which is slow", k.name, name, i)
				}
			}
		}
	}
}
