package local

import (
	"math"
	"unsafe"

	"nearside/index"
	"nearside/index/local/vek"
)

// A scorer scores vectors against one query: index.Score, bit for bit, by the
// kernels of package vek.
type scorer struct {
	metric index.Metric
	query  []float32
	square float64 // the query's dot product with itself; not Euclidean
}

func newScorer(metric index.Metric, query []float32) scorer {
	s := scorer{metric: metric, query: query}
	if metric != index.Euclidean {
		s.square = vek.WideDot(query, query)
	}
	return s
}

func (s *scorer) score(vector []float32) float64 {
	switch s.metric {
	case index.Cosine:
		dot, square := vek.WideDots(s.query, vector)
		return max(-1, min(1, dot/math.Sqrt(s.square*square)))
	case index.Euclidean:
		return math.Sqrt(vek.WideSquaredL2(s.query, vector))
	default:
		return 0 - vek.WideDot(s.query, vector)
	}
}

// key returns the key of a row that has the score: the number by which the metric ranks
// (see ranking). If the query is of length 0, it may be NaN.
func (s *scorer) key(score float64) float64 {
	switch s.metric {
	case index.Cosine:
		return -score
	case index.Euclidean:
		return score * score
	default:
		return score / math.Sqrt(s.square)
	}
}

// scoreAtOnce is how many candidates one piece of work scores. They are mostly
// fewer, and then the caller does it.
const scoreAtOnce = 1024

// score sets hits to what the candidates score. While one row is verified and
// scored the next is fetched, as candidates lie far apart.
func (s *scan) score(hits []hit, candidates []candidate) (err error) {
	defer s.rows.catch(&err, setPanicOnFault())
	by := newScorer(s.metric, s.query)
	for i, c := range candidates {
		if i+1 < len(candidates) {
			next := s.rows.row(candidates[i+1].slot)
			vek.Prefetch(unsafe.Pointer(&next[0]), s.rows.stride)
		}
		row := s.rows.row(c.slot)
		if !s.rows.sound(c.slot, row, nil) {
			return s.rows.damaged(c.slot)
		}
		hits[i] = hit{slot: c.slot, score: by.score(row[:len(s.query)])}
	}
	return nil
}
