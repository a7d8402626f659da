package quant

import (
	"math"

	"nearside/index"
)

// bounds is what Query.Bounds needs of a query. Lengths are in units of vectors;
// under cosine and dot-product, of the query scaled to length 1.
type bounds struct {
	of      ranking
	loss    float64 // upper bound of the distance between the query and what its code stands for
	squares float64 // the square of the length of what its code stands for
	key     float64 // what one unit of a key stands for: a product
	term    float64 // what one unit of the sum of the squares of a stored code stands for
	radius  float64 // dot-product: Codec.Radius
	longest float64 // a length that what a code stands for does not exceed; not under cosine
	coarse  bool    // euclidean: the query's scale is not the codec's
}

// ranking says which number bounds are of. It is what the metric says, in a form that is cheap to compare.
type ranking uint8

const (
	ofNothing ranking = iota // nothing is known
	ofDistance
	ofCosine
	ofProduct
)

// Bounds returns a lower and an upper bound of the number by which vectors are
// ranked, the nearest lowest: the squared distance under the Euclidean metric, else the
// negated cosine or dot product with the query scaled to length 1. They hold for the number
// that index.Score computes as for the true one. The vector is given by its key for
// the query, its term, and its loss. Where nothing can be said, as when something
// overflowed, and after SetCode, the bounds are infinite.
//
// Let q be the query and x the vector (both scaled to length 1 under cosine, q under
// dot-product), q' and x' what their codes stand for, and a >= |q-q'| and b >= |x-x'|
// what was lost. The triangle inequality bounds the distance by those of the codes,
//
//	|q'-x'| - a - b <= |q-x| <= |q'-x'| + a + b
//
// and from q.x - q'.x' = q.(x-x') + (q-q').x' Cauchy and Schwarz get
//
//	|q.x - q'.x'| <= |q|b + a|x'|.
//
// The first is used for the Euclidean metric, the second for dot-product. As
// q.x = 1 - |q-x|^2/2 for vectors of length 1, cosine has both, and takes the better
// where the distance is below 1; elsewhere that is the second. The sum of the squares of x' is the
// term; under dot-product it follows from the lift, whose rounding is allowed for.
func (q *Query) Bounds(key, term int32, loss float32) (lower, upper float64) {
	b, lost := &q.bounds, float64(loss)
	switch b.of {
	case ofDistance:
		twice := float64(term>>q.halved-key) * b.key
		lower, upper = apart(b.squares, float64(term)*b.term, twice, b.loss+lost)
		lower, upper = lower*lower*(1-rounding), upper*upper*(1+rounding)
	case ofCosine:
		product, e := -float64(key)*b.key, lost+b.loss*(1+lost)+rounding
		lower, upper = -product-e, -product+e
		if product > .5 { // few of the rows of a scan are that near
			near, far := apart(b.squares, float64(term)*b.term, 2*product, b.loss+lost)
			lower, upper = max(lower, near*near/2-1-rounding), min(upper, far*far/2-1+rounding)
		}
	case ofProduct:
		product, length := -float64(key)*b.key, b.lengthOf(term)
		e := lost + b.loss*length + (length+lost)*rounding
		lower, upper = -product-e, -product+e
	default:
		return math.Inf(-1), math.Inf(1)
	}
	if math.IsNaN(lower) || math.IsNaN(upper) {
		return math.Inf(-1), math.Inf(1)
	}
	return lower, upper
}

// KeyLimit returns a key with this promise: of a vector whose loss is at most the given one
// and whose key is higher, the lower bound is above the limit. It is the highest key there is
// where nothing can be said.
func (q *Query) KeyLimit(limit float64, loss float32) int32 {
	b, lost := &q.bounds, float64(loss)
	var most float64 // the key, in units of vectors
	switch {
	case b.of == ofCosine:
		most = limit + lost + b.loss*(1+lost) + 2*rounding
	case b.of == ofProduct && b.key > 0:
		most = limit + lost + b.loss*b.longest + (b.longest+lost+math.Abs(limit))*rounding
	case b.of == ofDistance && !b.coarse && limit >= 0:
		near := math.Sqrt(limit)*(1+rounding) + b.loss + lost
		most = near*near*(1+rounding) + (b.squares+b.longest*b.longest)*2*rounding - b.squares
	default:
		return math.MaxInt32
	}
	key := math.Ceil(most/b.key) + 1 // for what was rounded on the way
	if !(key < math.MaxInt32) {
		return math.MaxInt32
	}
	return int32(max(key, math.MinInt32))
}

// rounding is more than float64 arithmetic over index.MaxDimensions numbers can be wrong,
// here and in index.Score, for each unit of the lengths involved.
const rounding = 0x1p-40

// apart bounds the distance of two vectors, from the squares of the lengths of two others and twice
// their product, which together are no farther from them than lost. It has
// room for the rounding of its arguments.
func apart(a, b, twice, lost float64) (near, far float64) {
	square, e := a+b-twice, (a+b)*rounding
	near = max(0, math.Sqrt(max(0, square-e))-lost)
	far = math.Sqrt(max(0, square+e)) + lost
	return near, far
}

// lengthOf bounds the length of what a code stands for from above, by its lift.
func (b *bounds) lengthOf(lift int32) float64 {
	if lift == 0 {
		return b.longest
	}
	l := (float64(lift) - .5) / liftUnit
	return math.Sqrt(max(0, b.radius*b.radius-l*l)*b.term) * (1 + rounding)
}

// euclideanBounds is for a query whose code has the given sum of squares and lost so
// much, in units of its own, after the scale was halved a few times.
func euclideanBounds(c *Codec, squares, lost float64, halved uint) bounds {
	unit := 1 / float64(c.Scale)
	coarse := float64(uint64(1) << halved)
	return bounds{
		of:      ofDistance,
		loss:    lost * coarse * unit,
		squares: squares * coarse * coarse * unit * unit,
		key:     coarse * unit * unit,
		term:    unit * unit,
		longest: limit * math.Sqrt(float64(c.Dimensions)) * unit,
		coarse:  halved > 0,
	}
}

// productBounds is for a query whose code has the given sum of squares and lost so
// much, in units of its own, of which there are scale for the query's length.
func productBounds(c *Codec, squares, lost, scale float64) bounds {
	unit, of := 1/float64(c.Scale), ofProduct
	if c.Metric == index.Cosine {
		of = ofCosine
	}
	return bounds{
		of:      of,
		loss:    lost / scale,
		squares: squares / (scale * scale),
		key:     unit / scale,
		term:    unit * unit,
		radius:  float64(c.Radius),
		longest: max(limit*math.Sqrt(float64(c.Dimensions)), float64(c.Radius)) * unit * (1 + 2*rounding),
	}
}

// zeroBounds is for a query of length 0, whose product with everything is 0.
func zeroBounds(c *Codec) bounds {
	if c.Metric == index.Cosine {
		return bounds{}
	}
	return bounds{of: ofProduct}
}
