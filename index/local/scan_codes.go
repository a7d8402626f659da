package local

import (
	"context"
	"slices"
)

// rowBytes is how much of memory the comparison of a row reads.
func (s *scan) rowBytes() int {
	if s.codes != nil {
		codec := s.codes.Codec()
		return codec.Stride()
	}
	return s.rows.stride
}

// narrow compares the codes of the scan's list with the query, and appends to kept,
// ascending, the slots of those that may be among the k nearest: provably all of them.
// They are a few times k mostly, and are left to be scanned. Codes are a quarter of the rows.
func (s *scan) narrow(ctx context.Context, p *pool, kept []slot) ([]slot, error) {
	r := newScanRun(s, p.size)
	defer r.release()
	if err := r.compareAll(ctx, p); err != nil {
		return kept, err
	}
	from := len(kept)
	for _, c := range r.candidates() {
		kept = append(kept, c.slot)
	}
	slices.Sort(kept[from:])
	return kept, nil
}

// compareCodes compares the codes of slots that are listed, ascending.
func (r *scanRun) compareCodes(p *part, list []slot) {
	w := walks.Get().(*walk)
	defer w.release()
	limit := r.sharedLimit()
	r.codes.Compare(&w.searcher, r.scan.query, list, func(at slot, lower, upper float64) float64 {
		if lower <= limit && r.consider(p, at, lower, upper, limit) {
			limit = r.lowerLimit(p.upper[0])
		}
		return limit
	})
}
