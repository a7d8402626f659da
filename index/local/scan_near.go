package local

import (
	"math"
	"slices"
)

// runNear is run for a few rows, whose order is that of their codes. To compare them first
// in float32 would be to read nearly all of them twice: they are scored at once. Of those after
// the first k, the lower bounds tell most times that they need not be looked at.
func (s *scan) runNear() (hits []hit, compared int, err error) {
	var room [192]candidate // enough for topK 100
	candidates := room[:0]
	for _, c := range s.near {
		if s.visible(c.slot) {
			candidates = append(candidates, c)
		}
	}
	n := min(s.k, len(candidates))
	hits = make([]hit, n, len(candidates))
	if err := s.score(hits, candidates[:n]); err != nil {
		return nil, 0, err
	}
	rest := s.worthScoring(hits, candidates[n:])
	hits = hits[:n+len(rest)]
	if err := s.score(hits[n:], rest); err != nil {
		return nil, 0, err
	}
	s.order(hits)
	return hits[:min(s.k, len(hits))], len(s.near), nil
}

// worthScoring returns the candidates whose lower bounds do not prove that each of the hits is nearer.
func (s *scan) worthScoring(hits []hit, candidates []candidate) []candidate {
	if len(candidates) == 0 {
		return nil
	}
	by, limit := newScorer(s.metric, s.query), math.Inf(-1)
	for _, h := range hits {
		limit = max(limit, by.key(h.score))
	}
	limit += math.Abs(limit) * keyRounding
	return slices.DeleteFunc(candidates, func(c candidate) bool { return c.lower > limit })
}

// keyRounding is more than the roundings of a score and of its key, relative to the key: a few times 2^-53.
const keyRounding = 0x1p-48
