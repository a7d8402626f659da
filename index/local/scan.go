package local

import (
	"cmp"
	"context"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/index"
	"nearside/index/local/hnsw"
)

// A scan finds the nearest rows by looking at each: exactly, in two steps.
//
// First every row is compared in float32 by the kernels of package vek. That
// gives bounds between which the row's key lies, the number by which the metric
// ranks (see ranking). The k-th lowest upper bound seen so far is the limit: a
// row whose lower bound is above it is not among the k nearest and is passed
// over; all others are candidates. Then the candidates are verified and scored
// in float64 by index.Score. So the answer, its order and its scores are the
// same whatever the CPU, the number of cores and the order of the rows.
//
// It takes time in proportion to the rows, and to the candidates: a few times k
// unless many rows are about as near as the k-th, such as copies of it, or have
// numbers that float32 cannot compute with (see rowNorm).
type scan struct {
	rows    *rows
	metric  index.Metric
	query   []float32
	k       int               // how many are wanted, at least 1
	slots   slot              // only slots below it are compared, and of those
	within  *roaring.Bitmap   // only these; nil: all
	list    []slot            // instead of slots and within: these slots, ascending
	near    []candidate       // instead of all those: a few slots, the most promising first
	codes   *hnsw.Graph       // compare its codes instead of the rows: for narrow only
	visible func(slot) bool   // whether a slot counts; asked for candidates only, from several goroutines
	id      func(slot) string // orders equal scores; asked for those only
}

// A hit is one of the nearest rows.
type hit struct {
	slot  slot
	score float64
}

// run returns the k nearest of the rows, best first, equal scores by id; fewer if
// there are fewer. It also says how many rows it compared. Errors are those of
// ctx, and fault.Corrupt.
func (s *scan) run(ctx context.Context, p *pool) (hits []hit, compared int, err error) {
	if s.near != nil {
		return s.runNear()
	}
	r := newScanRun(s, p.size)
	defer r.release()
	if err := r.compareAll(ctx, p); err != nil {
		return nil, 0, err
	}
	candidates := r.candidates()
	hits = make([]hit, len(candidates))
	if err := s.scoreAll(ctx, p, hits, candidates); err != nil {
		return nil, 0, err
	}
	s.order(hits)
	return hits[:min(s.k, len(hits))], r.count, nil
}

// scoreAll scores the candidates, on all cores if they are many.
func (s *scan) scoreAll(ctx context.Context, p *pool, hits []hit, candidates []candidate) error {
	if len(candidates) <= scoreAtOnce {
		return s.score(hits, candidates)
	}
	pieces := (len(candidates) + scoreAtOnce - 1) / scoreAtOnce
	return p.do(ctx, pieces, func(_, piece int) error {
		from, to := piece*scoreAtOnce, min((piece+1)*scoreAtOnce, len(candidates))
		return s.score(hits[from:to], candidates[from:to])
	})
}

// order sorts hits as index.Metric.Better says.
func (s *scan) order(hits []hit) {
	slices.SortFunc(hits, func(a, b hit) int {
		if a.score == b.score {
			return cmp.Compare(s.id(a.slot), s.id(b.slot))
		}
		if s.metric.Ascending() {
			return cmp.Compare(a.score, b.score)
		}
		return cmp.Compare(b.score, a.score)
	})
}
