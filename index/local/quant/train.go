package quant

import (
	"math"
	"slices"

	"nearside/index"
)

// trainValues is about how many values of a sample Train looks at. More do not
// change the choice; these take it a few tens of milliseconds.
const trainValues = 1 << 20

// shares are how much of the values a codec may hold without clipping: Train tries
// each. All of them is right for values that end at a wall, as those of pictures do;
// fewer where a few large ones would make the steps of all others coarse.
var shares = [...]float64{1, .99999, .9999, .9995, .999, .998, .995, .99}

// Train returns the codec that loses the least of a sample, whose vectors have the
// given dimensions and finite numbers. A few thousand vectors are enough. It is
// deterministic, and gives a codec that works for every sample, an empty one too.
//
// What counts is the mean square of what a vector loses. A vector counts for no more than
// half of the vectors are long, so that one that is garbage does not make
// all others lose everything.
func Train(metric index.Metric, dimensions int, sample [][]float32) Codec {
	sample = pick(metric, sample, max(1, trainValues/dimensions))
	best := Codec{Metric: metric, Dimensions: dimensions, Scale: limit}
	if len(sample) == 0 {
		if metric == index.Cosine { // four standard deviations, if all directions are equally likely
			best.Scale *= max(1, float32(math.Sqrt(float64(dimensions))/4))
		}
		return best
	}
	values := slices.Concat(sample...)
	if metric != index.Euclidean {
		magnitudes(values)
	}
	slices.Sort(values)
	trial := newTrial(metric, sample, values[len(values)/2])
	least := math.Inf(1)
	for _, share := range shares {
		c := best
		c.Offset, c.Scale = fit(metric, values, share)
		if loss := trial.loss(&c); loss < least {
			best, least = c, loss
		}
	}
	trial.finish(&best)
	return best
}

// pick returns up to n vectors spread over the sample; under cosine scaled to length 1.
func pick(metric index.Metric, sample [][]float32, n int) [][]float32 {
	n = min(n, len(sample))
	picked := make([][]float32, 0, n)
	for i := range n {
		vector := sample[i*len(sample)/n]
		if metric == index.Cosine {
			vector = unit(vector)
		}
		if vector != nil {
			picked = append(picked, vector)
		}
	}
	return picked
}

// unit returns a vector scaled to length 1; nil if it has no direction.
func unit(vector []float32) []float32 {
	squares, _ := measure(vector)
	if squares == 0 {
		return nil
	}
	scaled, length := make([]float32, len(vector)), math.Sqrt(squares)
	for i, v := range vector {
		scaled[i] = float32(float64(v) / length)
	}
	return scaled
}

func magnitudes(values []float32) {
	for i, v := range values {
		values[i] = float32(math.Abs(float64(v)))
	}
}

// fit returns the offset and the scale with which a share of the values, which are
// sorted, is not clipped. All but the Euclidean metric need products with the values
// themselves: there values are magnitudes, and the offset is 0.
func fit(metric index.Metric, values []float32, share float64) (offset, scale float32) {
	most := float64(len(values) - 1)
	if metric != index.Euclidean {
		return 0, scaleFor(float64(values[int(math.Ceil(most*share))]), 0)
	}
	low := float64(values[int(most*(1-share)/2)])
	high := float64(values[int(math.Ceil(most*(1+share)/2))])
	return float32((low + high) / 2), scaleFor((high-low)/2, max(math.Abs(low), math.Abs(high)))
}

// scaleFor returns the scale for values up to half a range away from the offset. If there is
// no range, values are expected to differ by as much as they are large, or by 1.
func scaleFor(half, large float64) float32 {
	switch {
	case half > 0:
	case large > 0:
		half = large
	default:
		half = 1
	}
	return float32(min(max(limit/half, minScale), maxScale))
}

// trial is a sample, made ready to try codecs on it.
type trial struct {
	sample [][]float32
	most   float64 // what a vector counts for at most: the square of a length
	code   []byte

	// What the last run found, in units of a code.
	losses  []float64 // the square of what each vector lost
	longest int32     // the largest sum of squares of a code
}

// newTrial returns a trial of vectors whose values have a median.
func newTrial(metric index.Metric, sample [][]float32, median float32) *trial {
	t := &trial{sample: sample, losses: make([]float64, len(sample))}
	if metric != index.Euclidean {
		median = 0
	}
	for i, vector := range sample {
		for _, v := range vector {
			d := float64(v) - float64(median)
			t.losses[i] += d * d
		}
	}
	slices.Sort(t.losses)
	t.most = t.losses[len(sample)/2]
	return t
}

// run makes codes of all vectors.
func (t *trial) run(c *Codec) {
	t.code = slices.Grow(t.code[:0], c.Stride())[:c.Stride()]
	t.longest = 0
	for i, vector := range t.sample {
		squares, lost := encode(vector, c.Offset, float64(c.Scale), t.code)
		t.losses[i] = lost * lost
		t.longest = max(t.longest, squares)
	}
}

// loss returns how much the vectors lose with a codec, in all.
func (t *trial) loss(c *Codec) (sum float64) {
	t.run(c)
	for _, l := range t.losses {
		sum += min(l/float64(c.Scale)/float64(c.Scale), t.most)
	}
	return sum
}

// finish sets what the codec that was chosen says of its training.
func (t *trial) finish(c *Codec) {
	t.run(c)
	if c.Metric == index.DotProduct {
		c.Radius = float32(math.Sqrt(float64(t.longest)))
	}
	slices.Sort(t.losses)
	dimensions := float64(c.Dimensions)
	middle := t.losses[len(t.losses)/2] / dimensions
	sum := 0.0
	for _, l := range t.losses {
		sum += min(l/dimensions, mostError(middle))
	}
	c.Error = float32(sum / float64(len(t.losses)))
}
