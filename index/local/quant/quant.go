// Package quant turns vectors of float32 into codes of one byte a dimension, and
// says how far a comparison of codes can be from the truth.
//
// A Codec belongs to one index. It has one scale and one offset for all
// dimensions: a value x becomes the whole number nearest to (x-Offset)*Scale,
// clipped to -127…127, and is stored with 128 added (see vek.Int8). Train chooses
// both from a sample. Under the metric cosine vectors are scaled to length 1 first.
//
// Beside each code stand two numbers: its term, which its keys need, and its loss,
// an upper bound of the distance between the vector and what the code stands for.
//
// A Query compares one vector with many codes. Its Keys are int32, the lowest of
// the nearest. With d the dot product of two codes they are
//
//	cosine        -d
//	euclidean     term - 2d, where term is the sum of the squares of the code
//	dot-product   -d for a query, and between two stored vectors -(d + lift*lift')
//
// A query under cosine or dot-product is scaled to fill its bytes, whatever its
// length, as only the order of its keys counts. A Euclidean query has the codec's
// scale; one that lies far outside of what the codec holds has that scale halved a few
// times, and its keys with it. The lift of a stored vector is the coordinate that
// gives all of them the same length, Codec.Radius: their dot products then order
// them as their distances do, as a graph's links want it (Bachrach et al., "Speeding
// up the Xbox recommender system using a Euclidean transformation for inner-product
// spaces", RecSys 2014).
//
// What the package promises:
//
//   - One vector and one codec give the same code, term, loss and keys on every CPU.
//   - No key overflows for dimensions up to index.MaxDimensions.
//   - Query.Bounds hold always: with them a scan of codes is exact.
//   - Encode, Query and Gauge allocate nothing once they have grown to their needs.
//
// What it does not do: it keeps no codes, and knows no slots and no files.
package quant

import (
	"math"

	"nearside/index"
	"nearside/index/local/vek"
)

// limit is the largest number of a code. -128 is left out, so that codes can be negated.
const limit = 127

// zero is the byte of the number 0.
const zero = 128

// Codec says how the vectors of one index become codes. The zero value is none; Train
// and Parse return one. It never changes, and may be used from any goroutine.
type Codec struct {
	Metric     index.Metric
	Dimensions int
	Offset     float32 // what a code of zeros stands for; 0 unless the metric is euclidean
	Scale      float32 // units of a code for one unit of a vector
	Radius     float32 // dot-product: the length of the longest code in training, in units of a code; else 0
	Error      float32 // the mean squared error of a value in training, in squared units of a code
}

// The range of scales: what float32 can hold with room. Values that span all of
// float32 have the least; of those that are all below 2^-113 the greatest makes small codes.
const (
	minScale = 0x1p-122
	maxScale = 0x1p120
)

// maxStride is the longest code: index.MaxDimensions, in whole lines of the cache.
const maxStride = (index.MaxDimensions + vek.Line - 1) / vek.Line * vek.Line

// Stride is how many bytes a code has: the dimensions, filled up to whole lines of the cache.
func (c *Codec) Stride() int { return (c.Dimensions + vek.Line - 1) / vek.Line * vek.Line }

// Encode writes the code of a vector, packed as a row of vek, to the first Stride bytes of row. The
// vector has Dimensions finite numbers. The term is what keys need beside the code:
// the sum of its squares, or under dot-product its lift in parts of 1/256. The loss is
// an upper bound of the distance between the vector (under cosine, the vector
// scaled to length 1) and what the code stands for; it is infinite if that overflows.
func (c *Codec) Encode(vector []float32, row []byte) (term int32, loss float32) {
	var room [maxStride]byte
	vector, code := vector[:c.Dimensions], room[:c.Stride()]
	factor := float64(c.Scale)
	if c.Metric == index.Cosine {
		squares, _ := measure(vector)
		if squares == 0 {
			fill(code)
			vek.Pack(row, code)
			return 0, float32(math.Inf(1)) // no direction
		}
		factor /= math.Sqrt(squares)
	}
	squares, lost := encode(vector, c.Offset, factor, code)
	vek.Pack(row, code)
	return c.term(squares), upward(lost / float64(c.Scale))
}

// term returns the term of a code from the sum of its squares.
func (c *Codec) term(squares int32) int32 {
	if c.Metric == index.DotProduct {
		return c.lift(squares)
	}
	return squares
}

// liftUnit is how many parts a lift has of a unit of a code.
const liftUnit = 256

// lift is what makes a code as long as Radius. A longer one has none.
func (c *Codec) lift(squares int32) int32 {
	r := float64(c.Radius)
	return int32(math.Sqrt(max(0, r*r-float64(squares)))*liftUnit + .5)
}

// squaresOf returns the sum of the squares of a code from its lift; of one longer than Radius, that of Radius.
func (c *Codec) squaresOf(lift int32) float64 {
	l := float64(lift) / liftUnit
	return max(0, float64(c.Radius)*float64(c.Radius)-l*l)
}

// upward rounds a number that is not negative to a float32 above it.
func upward(x float64) float32 {
	f := float32(x)
	if math.IsInf(float64(f), 1) {
		return f
	}
	return math.Float32frombits(math.Float32bits(f) + 1) // NaN stays NaN
}
