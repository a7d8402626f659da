package vek

import "unsafe"

func wideDot(a, b *float32, n int) float64 {
	if active.Load() != useNEON {
		return wideDotGeneric(a, b, n)
	}
	var t wideTail
	return wideDotNEON(a, b, n/16, t.of(a, b, n))
}

func wideDots(a, b *float32, n int) (ab, bb float64) {
	if active.Load() != useNEON {
		return wideDotsGeneric(a, b, n)
	}
	var t wideTail
	return wideDotsNEON(a, b, n/16, t.of(a, b, n))
}

func wideSquaredL2(a, b *float32, n int) float64 {
	if active.Load() != useNEON {
		return wideSquaredL2Generic(a, b, n)
	}
	var t wideTail
	return wideSquaredL2NEON(a, b, n/16, t.of(a, b, n))
}

// A wideTail is what two vectors have beyond blocks of sixteen numbers, and zeros.
type wideTail [2][16]float32

// of returns t with the tail of a and b, which have n numbers; nil if there is none.
func (t *wideTail) of(a, b *float32, n int) *wideTail {
	whole := n &^ 15
	if whole == n {
		return nil
	}
	copy(t[0][:], unsafe.Slice(a, n)[whole:])
	copy(t[1][:], unsafe.Slice(b, n)[whole:])
	return t
}

// The kernels take blocks of sixteen numbers, and then the tail unless it is nil.

//go:noescape
func wideDotNEON(a, b *float32, blocks int, tail *wideTail) float64

//go:noescape
func wideDotsNEON(a, b *float32, blocks int, tail *wideTail) (ab, bb float64)

//go:noescape
func wideSquaredL2NEON(a, b *float32, blocks int, tail *wideTail) float64
