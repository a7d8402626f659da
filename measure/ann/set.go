package ann

import (
	"nearside/index"
)

// Matrix is rows of numbers, one after the other.
type Matrix struct {
	Rows, Dimensions int
	Values           []float32 // Rows * Dimensions
}

// NewMatrix returns a matrix of zeros.
func NewMatrix(rows, dimensions int) Matrix {
	return Matrix{rows, dimensions, make([]float32, rows*dimensions)}
}

// Row returns row i, counted from 0.
func (m Matrix) Row(i int) []float32 {
	return m.Values[i*m.Dimensions : (i+1)*m.Dimensions : (i+1)*m.Dimensions]
}

// First returns the first n rows, or all if there are fewer.
func (m Matrix) First(n int) Matrix {
	n = min(n, m.Rows)
	return Matrix{n, m.Dimensions, m.Values[:n*m.Dimensions]}
}

// Set is what an engine is measured with.
type Set struct {
	Name    string
	Metric  index.Metric
	Base    Matrix // what is searched
	Queries Matrix
	// Labels and QueryLabels are the class or cluster of each vector, counted from 0,
	// for filters that go with the vectors; nil where a set has none.
	Labels, QueryLabels []uint32
}

// Classes is how many labels there are; 0 for a set without.
func (s *Set) Classes() int {
	classes := 0
	for _, l := range s.Labels {
		classes = max(classes, int(l)+1)
	}
	return classes
}

// Cut makes the set smaller: at most so many vectors and queries; 0 leaves them all.
func (s *Set) Cut(vectors, queries int) {
	if vectors > 0 {
		s.Base = s.Base.First(vectors)
		s.Labels = s.Labels[:min(len(s.Labels), vectors)]
	}
	if queries > 0 {
		s.Queries = s.Queries.First(queries)
		s.QueryLabels = s.QueryLabels[:min(len(s.QueryLabels), queries)]
	}
}
