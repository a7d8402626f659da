package index

import "math"

// Score returns the score of two vectors of equal length under a metric.
//
// This is the definition: float64 arithmetic over the float32 values, each
// operation rounded on its own, no fused multiply-add, and sums in the order
// that sums describes. Every implementation returns these very bits, whatever it
// compares candidates with. Under cosine neither vector may be all zero.
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

// sums are sixteen running sums: sum j takes the terms of the dimensions i with i
// mod 16 = j, in their order. A CPU can keep all of them in a few registers.
type sums [16]float64

// total adds the upper eight to the lower eight, the upper four of those to the lower four, and so on.
func (s *sums) total() float64 {
	for half := len(s) / 2; half > 0; half /= 2 {
		for j := range half {
			s[j] += s[j+half]
		}
	}
	return s[0]
}

// The conversion float64(x*y) forbids the compiler to fuse the product with the sum, as it otherwise would on some CPUs.

func dot(a, b []float32) float64 {
	var s sums
	for i := range a {
		s[i%len(s)] += float64(float64(a[i]) * float64(b[i]))
	}
	return s.total()
}

func euclidean(a, b []float32) float64 {
	var s sums
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		s[i%len(s)] += float64(d * d)
	}
	return math.Sqrt(s.total())
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
