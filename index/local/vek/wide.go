package vek

import (
	"fmt"
	"unsafe"
)

// Wide sums are taken in float64, in one order that is the same for all kernels
// and on every CPU, so that so are their bits. There are sixteen running sums:
// sum j takes the terms whose place is j modulo 16. Then the upper eight are
// added to the lower eight, the upper four of those to the lower four, and so on.
// This is how package index defines scores; it and this package do not know each
// other, and tests of package local compare them.
//
// The product of two float32 numbers is exact in float64. So a fused
// multiply-add, which skips the rounding of the product, changes nothing there.
// The square of a difference is not exact: it is rounded, then added.

// WideDot returns the dot product of two vectors of the same length, in float64.
func WideDot(a, b []float32) float64 {
	if wideLen(a, b) == 0 {
		return 0
	}
	return wideDot(&a[0], &b[0], len(a))
}

// WideDots returns the dot products of a and b and of b and b: for a cosine, in one pass.
func WideDots(a, b []float32) (ab, bb float64) {
	if wideLen(a, b) == 0 {
		return 0, 0
	}
	return wideDots(&a[0], &b[0], len(a))
}

// WideSquaredL2 returns the squared Euclidean distance of two vectors of the same length, in float64.
func WideSquaredL2(a, b []float32) float64 {
	if wideLen(a, b) == 0 {
		return 0
	}
	return wideSquaredL2(&a[0], &b[0], len(a))
}

func wideLen(a, b []float32) int {
	if len(a) != len(b) {
		panic(fmt.Sprintf("vek: vectors of %d and %d numbers", len(a), len(b)))
	}
	return len(a)
}

// wideSums are the running sums.
type wideSums [16]float64

func (s *wideSums) total() float64 {
	for half := len(s) / 2; half > 0; half /= 2 {
		for j := range half {
			s[j] += s[j+half]
		}
	}
	return s[0]
}

// The conversions float64(x*y) forbid the compiler to fuse the product with the sum.

func wideDotGeneric(a, b *float32, n int) float64 {
	var s wideSums
	x, y := unsafe.Slice(a, n), unsafe.Slice(b, n)
	for len(x) >= len(s) && len(y) >= len(s) {
		for j := range s {
			s[j] += float64(float64(x[j]) * float64(y[j]))
		}
		x, y = x[len(s):], y[len(s):]
	}
	for j := range x {
		s[j] += float64(float64(x[j]) * float64(y[j]))
	}
	return s.total()
}

func wideDotsGeneric(a, b *float32, n int) (ab, bb float64) {
	return wideDotGeneric(a, b, n), wideDotGeneric(b, b, n)
}

func wideSquaredL2Generic(a, b *float32, n int) float64 {
	var s wideSums
	x, y := unsafe.Slice(a, n), unsafe.Slice(b, n)
	for len(x) >= len(s) && len(y) >= len(s) {
		for j := range s {
			d := float64(x[j]) - float64(y[j])
			s[j] += float64(d * d)
		}
		x, y = x[len(s):], y[len(s):]
	}
	for j := range x {
		d := float64(x[j]) - float64(y[j])
		s[j] += float64(d * d)
	}
	return s.total()
}
