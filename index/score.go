package index

import "math"

// Score returns the score of two vectors of equal length under a metric.
//
// This is the definition: float64 arithmetic over the float32 values, one
// running sum in the order of the dimensions, no fused multiply-add. Every
// implementation returns these very bits, whatever it compares candidates with.
// Under cosine neither vector may be all zero.
func Score(m Metric, a, b []float32) float64 {
	switch m {
	case Cosine:
		return cosine(a, b)
	case Euclidean:
		return euclidean(a, b)
	default:
		return 0 - dot(a, b) // not -dot: the negation of nothing is 0, never -0
	}
}

// The conversion float64(x*y) forbids the compiler to fuse the product with the sum, as it otherwise would on some CPUs.

func dot(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		sum += float64(float64(a[i]) * float64(b[i]))
	}
	return sum
}

func euclidean(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += float64(d * d)
	}
	return math.Sqrt(sum)
}

// cosine takes one root of the product, not two roots: so the cosine of a vector with itself is exactly 1.
func cosine(a, b []float32) float64 {
	c := dot(a, b) / math.Sqrt(dot(a, a)*dot(b, b))
	return max(-1, min(1, c))
}

// Better reports whether a stands before b in the answer to a query.
func (m Metric) Better(a, b Match) bool {
	if a.Score != b.Score {
		return (a.Score < b.Score) == m.Ascending()
	}
	return a.ID < b.ID
}
