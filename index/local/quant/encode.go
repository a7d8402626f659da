package quant

import "math"

// The kernels make a code of a vector, and measure one. Each kernel gives the
// very bits of its plain Go version: float32 sums are kept in lanes, one for each
// remainder of a dimension divided by lanes, and every operation rounds by itself
// (the conversions float32(…) forbid the compiler to fuse two).

const lanes = 8

// sums are what a kernel adds up while it makes a code.
type sums struct {
	errors  [lanes]float32 // the squares of what rounding and clipping changed
	squares int32          // the squares of the numbers of the code
}

// magic is added to a float32 of at most 2^22 to round it to a whole number, the even
// one of two that are equally near: its low byte is then that number's, as two's complement.
const magic = 3 << 22

// encodeGeneric makes the code of x, whose first number belongs to lane 0.
func encodeGeneric(x []float32, offset, factor float32, code []byte, s *sums) {
	for i, value := range x {
		v := float32(float32(value-offset) * factor)
		clipped := v
		if !(clipped < limit) {
			clipped = limit
		}
		if !(clipped > -limit) {
			clipped = -limit
		}
		rounded := float32(clipped + magic)
		whole := int32(int8(math.Float32bits(rounded)))
		code[i] = byte(whole + zero)
		s.squares += whole * whole
		e := float32(v - float32(rounded-magic))
		s.errors[i%lanes] += float32(e * e)
	}
}

// encode writes the numbers (x-offset)*factor, rounded and clipped, to the first
// len(x) bytes of code, and zeros to the others. It returns the sum of the squares
// of the code, and an upper bound of the distance between the code and those
// numbers as they are before any rounding. If the factor is beyond the range
// of float32, offset must be 0.
//
// The bound: with e the sum of the squares of v-c, where v is what float32
// arithmetic gives and c the code, the distance of v and c is sqrt(e). Rounding made e
// at most 2^-15 too small, with room: each of the up to len(x)/8+16 additions takes
// 2^-24 of it. The numbers v are a difference and a product with a factor that is
// rounded too, so within 3*2^-24 of themselves, and the length of all of them is at most
// |c| + sqrt(e). What is too small for float32 is below 2^-40 altogether.
func encode(x []float32, offset float32, factor float64, code []byte) (squares int32, lost float64) {
	var s sums
	if f := math.Abs(factor); f > 0x1p120 || f < 0x1p-125 {
		encodeFar(x, factor, code, &s)
	} else {
		encodeLanes(x, offset, float32(factor), code, &s)
	}
	fill(code[len(x):])
	e := math.Sqrt(float64(s.total()))
	most := float64((e + math.Sqrt(float64(s.squares))) * 0x1p-22)
	return s.squares, float64(e*(1+0x1p-15)) + most + 0x1p-40
}

func (s *sums) total() float32 {
	e := &s.errors
	return ((e[0] + e[1]) + (e[2] + e[3])) + ((e[4] + e[5]) + (e[6] + e[7]))
}

// encodeFar is for vectors so short or so long that the factor is no float32. It
// scales them by a power of two first, a piece at a time.
func encodeFar(x []float32, factor float64, code []byte, s *sums) {
	fraction, exponent := math.Frexp(factor)
	near := math.Ldexp(1, exponent)
	var piece [8 * lanes]float32
	for len(x) > 0 {
		n := min(len(x), len(piece))
		for i, v := range x[:n] {
			piece[i] = float32(float64(v) * near)
		}
		encodeLanes(piece[:n], 0, float32(fraction), code, s)
		x, code = x[n:], code[n:]
	}
}

// fill writes the code of zeros.
func fill(code []byte) {
	for i := range code {
		code[i] = zero
	}
}

// measured is what a kernel finds out about a vector.
type measured struct {
	squares [lanes]float64
	largest float32 // magnitude
}

// measureGeneric measures x, whose first number belongs to lane 0. The square of a
// float32 is exact in float64, so that nothing changes if it is fused with the sum.
func measureGeneric(x []float32, m *measured) {
	largest := math.Float32bits(m.largest) // magnitudes are ordered as their bits are
	for i, v := range x {
		m.squares[i%lanes] += float64(v) * float64(v)
		largest = max(largest, math.Float32bits(v)&^(1<<31))
	}
	m.largest = math.Float32frombits(largest)
}

// measure returns the sum of the squares of x, and its largest magnitude.
func measure(x []float32) (squares float64, largest float32) {
	var m measured
	measureLanes(x, &m)
	s := &m.squares
	return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])), m.largest
}
