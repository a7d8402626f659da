package vek_test

import (
	"math"
	"testing"

	"nearside/index/local/vek"
)

// exactWide is the definition of wide sums, term by term.
func exactWide(n int, term func(i int) float64) float64 {
	var s [16]float64
	for i := range n {
		s[i%16] += term(i)
	}
	for _, half := range []int{8, 4, 2, 1} {
		for j := range half {
			s[j] += s[j+half]
		}
	}
	return s[0]
}

func sameBits(x, y float64) bool {
	return math.Float64bits(x) == math.Float64bits(y) || math.IsNaN(x) && math.IsNaN(y)
}

// checkWide compares the kernels in use with the definition, bit for bit.
func checkWide(t *testing.T, a, b []float32) {
	t.Helper()
	product := func(i int) float64 { return float64(float64(a[i]) * float64(b[i])) }
	norm := func(i int) float64 { return float64(float64(b[i]) * float64(b[i])) }
	squared := func(i int) float64 {
		d := float64(a[i]) - float64(b[i])
		return float64(d * d)
	}
	ab, bb := vek.WideDots(a, b)
	for _, c := range []struct {
		name string
		got  float64
		term func(i int) float64
	}{
		{"WideDot", vek.WideDot(a, b), product},
		{"first of WideDots", ab, product},
		{"second of WideDots", bb, norm},
		{"WideSquaredL2", vek.WideSquaredL2(a, b), squared},
	} {
		if want := exactWide(len(a), c.term); !sameBits(c.got, want) {
			t.Fatalf("%s, %s of %d numbers: %g (%#x), want %g (%#x)", vek.Using(), c.name, len(a),
				c.got, math.Float64bits(c.got), want, math.Float64bits(want))
		}
	}
}

func TestWideSumsOfEveryLengthHaveTheDefinedBits(t *testing.T) {
	withEach(t, func(t *testing.T) {
		r := random()
		store := make([]float32, 2*1100+64)
		for n := range 1101 {
			fill(r, store)
			for i := range store {
				if r.IntN(50) == 0 {
					store[i] = float32(math.Copysign(0, -1))
				}
			}
			at := r.IntN(16)
			checkWide(t, store[at:][:n], store[at+n+r.IntN(16):][:n])
		}
	})
}

func TestWideSumsOfExtremeNumbersHaveTheDefinedBits(t *testing.T) {
	extremes := []float32{0, float32(math.Copysign(0, -1)), math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32,
		-math.SmallestNonzeroFloat32, 1, -1, 1 + 0x1p-23, 1 - 0x1p-24, 0x1p-126, float32(math.Inf(1)), float32(math.NaN())}
	withEach(t, func(t *testing.T) {
		r := random()
		for n := range 70 {
			for _, finite := range []int{2, 0} {
				a, b := make([]float32, n), make([]float32, n)
				for i := range n {
					a[i] = extremes[r.IntN(len(extremes)-finite)]
					b[i] = extremes[r.IntN(len(extremes)-finite)]
				}
				checkWide(t, a, b)
			}
		}
	})
}
