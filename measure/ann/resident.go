package ann

import (
	"context"
	"errors"
	"time"

	"nearside/fault"
	"nearside/index"
)

// MemoryRow is what an index keeps in memory, in bytes.
type MemoryRow struct {
	Records int   `json:"records"`
	With    int64 `json:"with_graph"`    // resident anonymous memory with the index and its graph open
	Without int64 `json:"without_graph"` // the same with the index open and no graph
	// CodesAndLinks is what codes and links must take: the size of the thing itself.
	CodesAndLinks int64   `json:"codes_and_links"`
	Ratio         float64 `json:"ratio"` // (With - Without) / CodesAndLinks
}

// Memory measures what a graph adds to the resident anonymous memory of a process that
// opens the index.
func Memory(ctx context.Context, s *Set, o Options, tell Tell) (MemoryRow, error) {
	if anonymousMemory() == 0 {
		return MemoryRow{}, fault.New(fault.Unavailable, "this system does not tell the resident anonymous memory of a process; run this on Linux")
	}
	tell.say("building an index of %d records", s.Base.Rows)
	h, err := fillHome(ctx, s, o, alwaysGraph, nil)
	if err != nil {
		return MemoryRow{}, err
	}
	defer h.Close() // a temporary directory; what it was for is done
	row := MemoryRow{Records: s.Base.Rows, CodesAndLinks: graphBytes(s, o.M)}
	for _, off := range []bool{true, false} {
		tell.say("opening it, graph %v", !off)
		if err := errors.Join(h.shut()); err != nil {
			return row, err
		}
		h.graph.Off = off
		if err := h.reopen(ctx); err != nil {
			return row, err
		}
		if err := h.Settle(ctx); err != nil {
			return row, err
		}
		for q := range min(s.Queries.Rows, 10) {
			if _, _, err := h.Search(ctx, s.Queries.Row(q), 10, 0, nil); err != nil {
				return row, err
			}
		}
		if off {
			row.Without = settledMemory()
		} else {
			row.With = settledMemory()
		}
	}
	row.Ratio = float64(row.With-row.Without) / float64(row.CodesAndLinks)
	return row, nil
}

// graphBytes are the codes, 2M links a node at the ground and M at each level above,
// to which one node in M rises.
func graphBytes(s *Set, m int) int64 {
	node := memoryOfCodes(s.Base.Dimensions, m)
	return int64(s.Base.Rows) * int64(node.code+node.links+4*m/(m-1))
}

// reopen opens the data directory and the index in it.
func (h *Home) reopen(ctx context.Context) (err error) {
	if err = h.open(); err == nil {
		h.ix, err = h.engine.Open(ctx, number)
	}
	return err
}

// StartRow is how long a start takes, in seconds; the files are in the page cache.
type StartRow struct {
	Records int     `json:"records"`
	First   float64 `json:"first_answer_seconds"` // to the first answer, which is right
	Warm    float64 `json:"warm_seconds"`         // until the graph covers all records
	Plan    string  `json:"plan"`                 // of the first answer
}

// Start measures how long it takes from opening a data directory to the first right
// answer, and until the graph answers.
func Start(ctx context.Context, s *Set, t *Truth, k, rounds int, o Options, tell Tell) (StartRow, error) {
	tell.say("building an index of %d records", s.Base.Rows)
	h, err := fillHome(ctx, s, o, alwaysGraph, nil)
	if err != nil {
		return StartRow{}, err
	}
	defer h.Close() // a temporary directory; what it was for is done
	var turns []StartRow
	for round := range rounds {
		if err := h.shut(); err != nil {
			return StartRow{}, err
		}
		row, err := h.start(ctx, s, t, k)
		if err != nil {
			return StartRow{}, err
		}
		turns = append(turns, row)
		tell.say("round %d of %d: first answer after %.3f s, warm after %.3f s", round+1, rounds, row.First, row.Warm)
	}
	row := turns[0]
	row.First = medianOf(turns, func(r *StartRow) float64 { return r.First })
	row.Warm = medianOf(turns, func(r *StartRow) float64 { return r.Warm })
	return row, nil
}

func (h *Home) start(ctx context.Context, s *Set, t *Truth, k int) (StartRow, error) {
	began := time.Now()
	if err := h.reopen(ctx); err != nil {
		return StartRow{}, err
	}
	found, cost, err := h.Ask(ctx, index.Query{Vector: s.Queries.Row(0), TopK: k}, nil)
	row := StartRow{Records: s.Base.Rows, First: time.Since(began).Seconds(), Plan: string(cost.Plan)}
	if err != nil {
		return row, err
	}
	if recall := s.Recall(t, 0, k, found); cost.Plan == index.PlanScan && recall < 1 {
		return row, fault.New(fault.Internal, "the first answer is a scan of everything, and its recall is %.2f", recall)
	}
	err = h.Settle(ctx)
	row.Warm = time.Since(began).Seconds()
	return row, err
}
