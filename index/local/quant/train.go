package quant

import (
	"math"
	"slices"

	"nearside/index"
)

// trainValues is about how many values of a sample Train looks at. More do not
// change the choice; these take it a few tens of milliseconds.
const trainValues = 1 << 20

// shares are how much of the values a codec may hold without clipping: Train tries each.
var shares = [...]float64{1, .99999, .9999, .9995, .999, .998, .995, .99}

// Train returns the codec that suits a sample best, whose vectors have the given
// dimensions and finite numbers. A few thousand vectors are enough. It is deterministic, and
// gives a codec that works for every sample, an empty one too.
//
// A wide range makes coarse steps, a narrow one clips. Of a few ranges Train takes that
// with the least mean squared error, in which the error of each dimension counts as
// much as the mean square of its values. That is the error of products with other
// vectors of the kind: an error in a dimension is multiplied with their values in it.
// Clipping falls on the dimensions with the largest values, so it is dear where dimensions
// differ. With the plain error, the best of 12 candidates had .92 of the ten nearest
// where the dimensions' deviations fall with the root of their number, and the range
// chosen now .99; in mixtures of Gaussians, where dimensions are alike, both have them all.
//
// No vector's error counts for more than half of the vectors are long, and none is
// longer than that when the dimensions are weighed: so a few that are garbage do not
// make all others lose everything.
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
	middle := 0.0
	if metric == index.Euclidean {
		middle = float64(values[len(values)/2])
	}
	trial := newTrial(sample, middle)
	least := math.Inf(1)
	for _, share := range shares {
		c := best
		c.Offset, c.Scale = fit(metric, values, share)
		if e := trial.error(&c); e < least {
			best, least = c, e
		}
	}
	best.Scale = max(best.Scale/headroom(metric), minScale)
	trial.finish(&best)
	return best
}

// headroom is by how much the range is wider than suits the sample. Under dot-product the
// longest vectors are the best answers, and an index has longer ones than a sample of it.
// With none, the best of 20 candidates had .989 of the ten nearest in 100,000 vectors whose
// deviations fall with the root of the dimension, and with a quarter all (TestMeasure).
func headroom(metric index.Metric) float32 {
	if metric == index.DotProduct {
		return 1.25
	}
	return 1
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
	sample  [][]float32
	weights []float64 // of the dimensions, 1 on average
	most    float64   // the most that a vector counts for
	code    []byte
}

// newTrial returns a trial of vectors whose values lie around middle.
func newTrial(sample [][]float32, middle float64) *trial {
	t := &trial{sample: sample, weights: make([]float64, len(sample[0]))}
	lengths := make([]float64, len(sample))
	for i, vector := range sample {
		for _, v := range vector {
			lengths[i] += (float64(v) - middle) * (float64(v) - middle)
		}
	}
	t.most = median(slices.Clone(lengths))
	sum := 0.0
	for i, vector := range sample {
		shorter := 1.0
		if lengths[i] > t.most {
			shorter = t.most / lengths[i]
		}
		for j, v := range vector {
			square := (float64(v) - middle) * (float64(v) - middle) * shorter
			t.weights[j] += square
			sum += square
		}
	}
	for j := range t.weights {
		if t.weights[j] *= float64(len(t.weights)) / sum; sum == 0 {
			t.weights[j] = 1
		}
	}
	return t
}

// median sorts numbers and returns that in the middle.
func median(numbers []float64) float64 {
	slices.Sort(numbers)
	return numbers[len(numbers)/2]
}

// encode makes the code of a vector, and returns what encode does.
func (t *trial) encode(c *Codec, vector []float32) (squares int32, lost float64) {
	t.code = slices.Grow(t.code[:0], c.Stride())[:c.Stride()]
	return encode(vector, c.Offset, float64(c.Scale), t.code)
}

// error returns the weighted squared errors that a codec makes, in all.
func (t *trial) error(c *Codec) (sum float64) {
	unit, least := 1/float64(c.Scale), float64(c.Offset)-zero/float64(c.Scale)
	for _, vector := range t.sample {
		t.encode(c, vector)
		squares := 0.0
		for j, v := range vector {
			e := float64(v) - (float64(t.code[j])*unit + least)
			squares += e * e * t.weights[j]
		}
		sum += min(squares, t.most)
	}
	return sum
}

// finish sets what the codec that was chosen says of its training.
func (t *trial) finish(c *Codec) {
	errors, longest := make([]float64, len(t.sample)), int32(0)
	for i, vector := range t.sample {
		squares, lost := t.encode(c, vector)
		errors[i] = lost * lost / float64(c.Dimensions)
		longest = max(longest, squares)
	}
	if c.Metric == index.DotProduct {
		c.Radius = float32(math.Sqrt(float64(longest)))
	}
	most, sum := mostError(median(errors)), 0.0
	for _, e := range errors {
		sum += min(e, most)
	}
	c.Error = float32(sum / float64(len(errors)))
}
