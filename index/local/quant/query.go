package quant

import (
	"math"

	"nearside/index"
	"nearside/index/local/vek"
)

// Query is one vector made ready to be compared with the codes of a codec. The
// zero value can be Set, again and again, and then uses the same memory. It must not
// be set while another goroutine uses it.
type Query struct {
	values vek.Int8
	code   []byte // of the vector that was given to Set
	how    how
	halved uint  // euclidean: how many times the codec's scale was halved
	lift   int32 // dot-product: of the stored vector, in parts of 1/liftUnit
	self   int32
	bounds bounds

	squares float64 // of the numbers of its code
}

// how says what makes a key of a dot product.
type how uint8

const (
	asIs     how = iota // the query's code is negated: the dot product is the key
	negated             // cosine, from a stored code
	lifted              // dot-product, from a stored code
	distance            // euclidean
)

// Set makes q stand for a vector of finite numbers.
func (q *Query) Set(c *Codec, vector []float32) {
	vector = vector[:c.Dimensions]
	q.grow(c.Stride())
	q.halved, q.self = 0, 0
	if c.Metric == index.Euclidean {
		q.how = distance
		q.setNear(c, vector)
	} else {
		q.how = asIs
		q.setDirection(c, vector)
	}
	q.values.SetCode(q.code)
}

// SetCode makes q stand for a stored vector, by its code and term. Bounds say nothing then.
func (q *Query) SetCode(c *Codec, code []byte, term int32) {
	q.values.SetRow(code[:c.Stride()])
	q.halved, q.self, q.bounds = 0, 0, bounds{}
	q.squares = float64(term)
	switch c.Metric {
	case index.Cosine:
		q.how = negated
	case index.DotProduct:
		q.how, q.lift = lifted, term
		q.squares = c.squaresOf(term)
	default:
		q.how, q.self = distance, term
	}
}

func (q *Query) grow(stride int) {
	if cap(q.code) < stride {
		q.code = make([]byte, stride)
	}
	q.code = q.code[:stride]
}

// mostHalved is how often a scale is halved at most: the terms count for nothing by then.
const mostHalved = 26

// setNear makes a code of a Euclidean query in the scale of the codec, or, if the query
// lies so far outside of what the codec holds that clipping loses more than
// rounding would, in that scale halved as often as it takes.
func (q *Query) setNear(c *Codec, vector []float32) {
	factor := float64(c.Scale)
	squares, lost := encode(vector, c.Offset, factor, q.code)
	for q.halved < mostHalved && factor > minScale && clips(lost, len(vector)) {
		coarser, more := encode(vector, c.Offset, factor/2, q.code)
		if more*2 > lost {
			encode(vector, c.Offset, factor, q.code)
			break
		}
		q.halved++
		squares, lost, factor = coarser, more, factor/2
	}
	q.self, q.squares = squares, float64(squares)
	q.bounds = euclideanBounds(c, float64(squares), lost, q.halved)
}

// clips reports whether a code of n numbers lost more than rounding can explain.
func clips(lost float64, n int) bool { return lost > .51*math.Sqrt(float64(n)) }

// setDirection makes a code of a query of which only the direction counts: negated,
// so that dot products are keys, and as large as fits.
func (q *Query) setDirection(c *Codec, vector []float32) {
	squares, largest := measure(vector)
	if squares == 0 {
		fill(q.code)
		q.squares, q.bounds = 0, zeroBounds(c)
		return
	}
	factor := limit / float64(largest)
	sum, lost := encode(vector, 0, -factor, q.code)
	q.squares = float64(sum)
	q.bounds = productBounds(c, float64(sum), lost, factor*math.Sqrt(squares))
}

// Self is what makes the keys of two queries comparable: keys from SetCode plus
// Self order pairs of stored vectors by their distance, whichever of them is the query.
func (q *Query) Self() int32 { return q.self }

// Keys sets out[i] to the key of the code that begins at codes[at[i]*stride], for
// every i; its term is terms[at[i]]. If at is longer than out, rows that it
// numbers beyond may be prefetched.
func (q *Query) Keys(codes []byte, stride int, terms []int32, at []uint32, out []int32) {
	vek.DotCodesAt(&q.values, codes, stride, at, out)
	q.toKeys(terms, at[:len(out)], out)
}

// toKeys makes keys of dot products.
func (q *Query) toKeys(terms []int32, at []uint32, out []int32) {
	switch q.how {
	case negated:
		for i, d := range out {
			out[i] = -d
		}
	case lifted:
		for i, d := range out {
			out[i] = -d - int32(int64(q.lift)*int64(terms[at[i]])/(liftUnit*liftUnit))
		}
	case distance:
		for i, d := range out {
			out[i] = terms[at[i]]>>q.halved - 2*d
		}
	}
}
