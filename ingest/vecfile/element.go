package vecfile

import (
	"encoding/binary"
	"math"
)

// element is how a file writes a number.
type element struct {
	size int // bytes
	// decode appends the numbers in raw, whose length is a multiple of size.
	decode func(to []float32, raw []byte) []float32
}

// elements returns the kinds of numbers that an array may have, by NumPy's names without the byte order.
func elements(order binary.ByteOrder) map[string]element {
	return map[string]element{
		"f2": of(2, func(b []byte) float32 { return half(order.Uint16(b)) }),
		"f4": of(4, func(b []byte) float32 { return math.Float32frombits(order.Uint32(b)) }),
		"f8": of(8, func(b []byte) float32 { return float32(math.Float64frombits(order.Uint64(b))) }),
		"i1": of(1, func(b []byte) float32 { return float32(int8(b[0])) }),
		"u1": of(1, func(b []byte) float32 { return float32(b[0]) }),
		"i2": of(2, func(b []byte) float32 { return float32(int16(order.Uint16(b))) }),
		"u2": of(2, func(b []byte) float32 { return float32(order.Uint16(b)) }),
	}
}

// of makes an element of a function that decodes one number.
func of(size int, one func([]byte) float32) element {
	return element{size, func(to []float32, raw []byte) []float32 {
		for ; len(raw) > 0; raw = raw[size:] {
			to = append(to, one(raw[:size]))
		}
		return to
	}}
}

// half returns what a float16 stands for.
func half(bits uint16) float32 {
	sign, exponent, fraction := uint32(bits>>15)<<31, uint32(bits>>10&0x1f), uint32(bits&0x3ff)
	switch exponent {
	case 0: // subnormal: fraction × 2^-24, exact in float32
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)/(1<<24)))
	case 0x1f: // an infinity, or NaN
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}
