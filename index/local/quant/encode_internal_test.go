package quant

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// lengths are those around which the assembly changes what it does, and the usual ones.
var lengths = []int{0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 95, 96, 97, 127, 128, 129, 384, 768, 784, 1000, 1024, 1535, 1536}

func randomly(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 3))
}

// awkward fills x with numbers of all magnitudes, many of them where rounding and clipping decide.
func awkward(r *rand.Rand, x []float32) {
	for i := range x {
		switch r.IntN(6) {
		case 0:
			x[i] = float32(r.IntN(520)-260) / 2
		case 1:
			x[i] = math.Float32frombits(r.Uint32() &^ (1 << 30)) // below 2, with denormals
		case 2:
			x[i] = float32(r.NormFloat64() * math.Exp2(float64(r.IntN(250)-125)))
		default:
			x[i] = float32(60 * r.NormFloat64())
		}
	}
}

func TestKernelsGiveTheBitsOfPlainGo(t *testing.T) {
	r := randomly(t)
	for _, n := range lengths {
		for range 20 {
			from := r.IntN(8) // alignment
			x := make([]float32, from+n)[from:]
			awkward(r, x)
			offset, factor := float32(0), float32(1)
			if r.IntN(2) == 0 {
				offset, factor = float32(r.NormFloat64()*50), float32(r.NormFloat64()*3)
			}
			sameCode(t, x, offset, factor)
			sameMeasures(t, x)
		}
	}
}

func sameCode(t *testing.T, x []float32, offset, factor float32) {
	t.Helper()
	got, want := make([]byte, len(x)+1), make([]byte, len(x)+1)
	started := sums{squares: 7, errors: [lanes]float32{1, 2, 3, 4, 5, 6, 7, 8}}
	s, o := started, started
	encodeLanes(x, offset, factor, got, &s)
	encodeGeneric(x, offset, factor, want, &o)
	if s != o {
		t.Errorf("%d numbers from %v by %v: sums %v, want %v", len(x), offset, factor, s, o)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%d numbers from %v by %v: byte %d of %v is %d, want %d", len(x), offset, factor, i, x[i], got[i], want[i])
		}
	}
}

func sameMeasures(t *testing.T, x []float32) {
	t.Helper()
	started := measured{largest: 1e-3, squares: [lanes]float64{1, 2, 3, 4, 5, 6, 7, 8}}
	m, o := started, started
	measureLanes(x, &m)
	measureGeneric(x, &o)
	if m != o {
		t.Errorf("%d numbers measured: %v, want %v", len(x), m, o)
	}
}

// Plain Go itself, against arithmetic that needs no trick.
func TestCodesAreTheNearestWholeNumbers(t *testing.T) {
	r := randomly(t)
	x, code := make([]float32, 1000), make([]byte, 1024)
	awkward(r, x)
	squares, lost := encode(x, 0, 1, code)
	sum, errors := 0.0, 0.0
	for i, v := range x {
		want := max(-limit, min(limit, math.RoundToEven(float64(v))))
		if got := float64(code[i]) - 128; got != want {
			t.Fatalf("%v became %v, want %v", v, got, want)
		}
		sum += want * want
		errors += (float64(v) - want) * (float64(v) - want)
	}
	for _, b := range code[len(x):] {
		if b != 128 {
			t.Fatalf("a byte of the padding is %d", b)
		}
	}
	if float64(squares) != sum {
		t.Errorf("squares %d, want %v", squares, sum)
	}
	if !(lost >= math.Sqrt(errors)) {
		t.Errorf("lost %v, which is below %v", lost, math.Sqrt(errors))
	}
}
