package quant

import (
	"math"

	"nearside/index"
	"nearside/index/local/vek"
)

// Gauge watches how well a codec fits the vectors that it encodes. It is for one
// goroutine; Merge adds up those of several. The zero value has seen nothing.
type Gauge struct {
	vectors int64
	errors  float64    // the mean squared errors of a value, added up, each at most mostError
	values  [256]int64 // how often each byte occurred
}

// Add tells the gauge what c.Encode made of a vector.
func (g *Gauge) Add(c *Codec, code []byte, loss float32) {
	e := float64(loss) * float64(c.Scale)
	g.errors += min(e*e/float64(c.Dimensions), mostError(float64(c.Error)))
	var room [maxStride]byte
	vek.Unpack(room[:], code[:c.Stride()])
	for _, b := range room[:c.Dimensions] {
		g.values[b]++
	}
	g.vectors++
}

// Merge adds what another gauge of the same codec saw.
func (g *Gauge) Merge(o *Gauge) {
	g.vectors += o.vectors
	g.errors += o.errors
	for i, n := range o.values {
		g.values[i] += n
	}
}

// Fit says how well a codec fits what a gauge saw.
type Fit struct {
	Vectors int64   // how many vectors were seen
	Ends    float64 // the share of values at an end of the range: those that were clipped, and those just within
	Loss    float64 // the root mean square of what is lost, for 1 in training (or, if more, of plain rounding)
	Waste   float64 // the same, for 1 if the range were as narrow as suits the values within it; at least 1
}

// Fit returns how well the codec fits what the gauge saw.
func (g *Gauge) Fit(c *Codec) Fit {
	if g.vectors == 0 {
		return Fit{Loss: 1, Waste: 1}
	}
	lost := g.errors / float64(g.vectors)
	return Fit{
		Vectors: g.vectors,
		Ends:    float64(g.values[zero-limit]+g.values[zero+limit]) / g.count(c),
		Loss:    math.Sqrt(lost / max(float64(c.Error), plainError)),
		Waste:   math.Sqrt(max(1, lost/(g.narrowest(c)+max(0, lost-plainError)))),
	}
}

// minVectors is how many vectors a Gauge must have seen to call a codec unfit.
const minVectors = 256

// The limits of a fit. TestGaugeTellsDriftFromChance logs what changes of distribution
// lead to. With samples of 2^16 values from 6 seeds: no change at all, a standard
// deviation times 0.8 or 1.1, and a mean that moved by a third of one gave losses up to
// 1.53 and wastes up to 1.30; a deviation times 1.5 or a mean that moved by two gave losses
// of 2.56 and more, half of the range unused wastes of 1.59 and more. Under
// dot-product the headroom takes in the lesser of these changes.
const (
	maxLoss  = 2
	maxWaste = 1.45
)

// Drifted reports whether another codec, trained on what the gauge saw, would lose much less.
func (g *Gauge) Drifted(c *Codec) bool {
	f := g.Fit(c)
	return g.vectors >= minVectors && (f.Loss > maxLoss || f.Waste > maxWaste)
}

// count is how many values were seen.
func (g *Gauge) count(c *Codec) float64 { return float64(g.vectors) * float64(c.Dimensions) }

// plainError is the mean squared error of rounding to whole numbers.
const plainError = 1. / 12

// mostError is what the mean squared error of a vector counts for at most, given that
// of most: a few that are garbage do not make a codec unfit.
func mostError(usual float64) float64 { return 64 * max(usual, plainError) }

// clippingCounts is how much more the error of a clipped value counts here than that of
// a rounded one: Train weighs the dimensions, which cannot be told from bytes.
const clippingCounts = 4

// narrowest returns the least mean squared error of a value that a narrower range in
// the middle of the values would have. With a range of n numbers rather than all, rounding's
// shrinks with the square of n, and what is outside is clipped.
func (g *Gauge) narrowest(c *Codec) float64 {
	least, middle := math.Inf(1), g.middle(c)
	for n := 4.; n <= 2*limit; n *= 1.125 {
		clipped := 0.0
		for b, count := range g.values {
			d := max(0, math.Abs(float64(b)-middle)-n/2)
			clipped += clippingCounts * d * d * float64(count)
		}
		step := n * float64(headroom(c.Metric)) / (2 * limit)
		least = min(least, plainError*step*step+clipped/g.count(c))
	}
	return least
}

// middle returns the byte in the middle of the values, but for the few at either
// end. That of a codec whose offset is fixed is its zero.
func (g *Gauge) middle(c *Codec) float64 {
	if c.Metric != index.Euclidean {
		return zero
	}
	few := int64(g.count(c) / 4000)
	low, high := 0, len(g.values)-1
	for n := g.values[low]; n <= few; n += g.values[low] {
		low++
	}
	for n := g.values[high]; n <= few; n += g.values[high] {
		high--
	}
	return float64(low+high) / 2
}
