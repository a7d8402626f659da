package quant

import (
	"math"

	"nearside/index/local/vek"
)

// A Blur says how far keys of the upper halves of codes can be from the keys of whole
// codes, which take twice as much memory to be read. It is measured on pairs of stored
// codes that are near to each other, as those are that a walk must not pass over by mistake. The
// zero value says nothing: no key can be told from the upper half.
//
// What the lower halves add to a dot product is the sum of q[i]*l[i] with l from 0
// to 15. It is taken for Mean times the sum of q; what is left behaves like noise of
// a standard deviation in proportion to the length of q.
type Blur struct {
	Mean  float64 // of a lower half
	Sigma float64 // of the noise, for each unit of the query's length
}

// Known reports whether b says anything.
func (b *Blur) Known() bool { return b.Sigma > 0 }

// Blurring measures a Blur. The zero value has seen nothing.
type Blurring struct {
	pairs    int
	sumSum   float64 // of the squares of the sums of queries
	sumLower float64 // of those sums and what the lower halves added
	lower    []float64
	sums     []float64
	lengths  []float64
}

// Add tells b of a query set from a stored code, and of the stored codes near it.
func (b *Blurring) Add(q *Query, codes []byte, stride int, at []uint32) {
	upper, whole := make([]int32, len(at)), make([]int32, len(at))
	vek.UppersAt(&q.values, codes, stride, at, upper)
	vek.DotCodesAt(&q.values, codes, stride, at, whole)
	sum, length := float64(q.values.Sum()), math.Sqrt(q.squares)
	if length == 0 {
		return
	}
	for i, u := range upper {
		lower := float64(whole[i]) + bias*sum - 16*float64(u)
		b.sumSum += sum * sum
		b.sumLower += sum * lower
		b.lower, b.sums, b.lengths = append(b.lower, lower), append(b.sums, sum), append(b.lengths, length)
	}
	b.pairs += len(at)
}

// bias is what is added to a number of a code to make a byte of it.
const bias = 128

// minPairs is how many pairs are needed to say anything.
const minPairs = 256

// Blur returns what was measured.
func (b *Blurring) Blur() Blur {
	if b.pairs < minPairs {
		return Blur{}
	}
	blur := Blur{Mean: 7.5}
	if b.sumSum > 0 {
		blur.Mean = min(max(b.sumLower/b.sumSum, 0), 15)
	}
	squares := 0.0
	for i, lower := range b.lower {
		e := (lower - blur.Mean*b.sums[i]) / b.lengths[i]
		squares += e * e
	}
	blur.Sigma = math.Sqrt(squares/float64(len(b.lower))) + 1e-9
	return blur
}

// sharpness is how many standard deviations of noise a key may be off. With three, one
// in a thousand of those that should be looked at is passed over.
const sharpness = 3

// Coarse compares q with the upper halves of codes. It sets out[i] to a lower bound of the key,
// most probably, of the code that begins at codes[at[i]*stride], and uppers[i] to what Fine wants to know.
// The blur must say something.
func (q *Query) Coarse(b *Blur, codes []byte, stride int, terms []int32, at []uint32, uppers, out []int32) {
	out = out[:len(uppers)]
	vek.UppersAt(&q.values, codes, stride, at, uppers)
	rest := (b.Mean - bias) * float64(q.values.Sum()) // of the product, beside 16 times the upper halves
	noise := sharpness * b.Sigma * math.Sqrt(q.squares)
	if q.how == asIs {
		noise = -noise // the product is the key, rather than its negation
	}
	add := int32(rest + noise)
	for i, u := range uppers {
		out[i] = u<<4 + add
	}
	q.toKeys(terms, at[:len(out)], out)
}

// Fine sets inOut[i] to the key of the code that begins at codes[at[i]*stride], if it
// is what Coarse said of it.
func (q *Query) Fine(codes []byte, stride int, terms []int32, at []uint32, inOut []int32) {
	vek.DotCodesFrom(&q.values, codes, stride, at, inOut)
	q.toKeys(terms, at[:len(inOut)], inOut)
}
