package quant

import (
	"math"

	"nearside/index"
)

// Gauge watches how well a codec fits the vectors that it encodes. It is for one
// goroutine; Merge adds up those of several. The zero value has seen nothing.
type Gauge struct {
	vectors int64
	errors  float64    // the mean squared errors of a value, added up, each at most mostError
	sampled int64      // values counted in values
	values  [256]int64 // how often each byte occurred, in every sampleEvery-th vector
}

// sampleEvery is how many vectors share the cost of counting the bytes of one.
const sampleEvery = 16

// minVectors is how many vectors a Gauge must have seen to call a codec unfit.
const minVectors = 256

// Add tells the gauge what c.Encode made of a vector.
func (g *Gauge) Add(c *Codec, code []byte, loss float32) {
	e := float64(loss) * float64(c.Scale)
	g.errors += min(e*e/float64(c.Dimensions), mostError(float64(c.Error)))
	if g.vectors%sampleEvery == 0 {
		for _, b := range code[:c.Dimensions] {
			g.values[b]++
		}
		g.sampled += int64(c.Dimensions)
	}
	g.vectors++
}

// Merge adds what another gauge of the same codec saw.
func (g *Gauge) Merge(o *Gauge) {
	g.vectors += o.vectors
	g.errors += o.errors
	g.sampled += o.sampled
	for i, n := range o.values {
		g.values[i] += n
	}
}

// Fit says how well a codec fits. A codec trained on what a gauge saw has about 1 and 1.
type Fit struct {
	Vectors int64   // how many vectors were seen
	Ends    float64 // the share of values at an end of the range: those that were clipped, and those just within
	Loss    float64 // the root mean square of what is lost, for 1 in training (or, if more, of plain rounding)
	Waste   float64 // the same, for 1 if the range were as narrow as suits the values; at least about 1
}

// Fit returns how well the codec fits what the gauge saw.
func (g *Gauge) Fit(c *Codec) Fit {
	f := Fit{Vectors: g.vectors, Loss: 1, Waste: 1}
	if g.vectors == 0 {
		return f
	}
	error := g.errors / float64(g.vectors)
	f.Ends = float64(g.values[128-limit]+g.values[128+limit]) / float64(g.sampled)
	f.Loss = math.Sqrt(error / max(float64(c.Error), plainError))
	f.Waste = math.Sqrt(error / g.narrowest(c))
	return f
}

// Drifted reports whether another codec, trained on what the gauge saw, would lose much less.
func (g *Gauge) Drifted(c *Codec) bool {
	f := g.Fit(c)
	return g.vectors >= minVectors && (f.Loss > maxLoss || f.Waste > maxWaste)
}

// The limits of a fit.
const (
	maxLoss  = 1.25
	maxWaste = 1.5
)

// plainError is the mean squared error of rounding to whole numbers.
const plainError = 1. / 12

// mostError is what the mean squared error of a vector counts for at most, given that of most.
func mostError(usual float64) float64 { return 64 * max(usual, plainError) }

// narrowest returns the least mean squared error of a value that a narrower range
// would have, in the middle of that of the values: with a range of n numbers rather than 254,
// rounding's grows with the square of n/254, and what is outside is clipped.
func (g *Gauge) narrowest(c *Codec) float64 {
	least := math.Inf(1)
	for n := 4.; n <= 2*limit; n *= 1.125 {
		low := g.middle(c) - n/2
		clipped := 0.0
		for b, count := range g.values {
			v := float64(b) - 128
			d := max(low-v, v-low-n, 0)
			clipped += d * d * float64(count)
		}
		step := n / (2 * limit)
		least = min(least, plainError*step*step+clipped/float64(g.sampled))
	}
	return least
}

// middle returns the middle of the range that a narrower codec would have.
func (g *Gauge) middle(c *Codec) float64 {
	if c.Metric != index.Euclidean {
		return 0
	}
	low, high := 0, len(g.values)-1
	tail := g.sampled / 4000
	for n := g.values[low]; n <= tail; n += g.values[low] {
		low++
	}
	for n := g.values[high]; n <= tail; n += g.values[high] {
		high--
	}
	return float64(low+high)/2 - 128
}
