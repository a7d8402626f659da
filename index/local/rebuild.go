package local

import (
	"context"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/disk"
)

// sumTable has the checksum of the vector of each slot that records.db has.
type sumTable [][]uint64 // by chunk of slots: 1<<32 | sum; 0 = no such slot

func (t *sumTable) set(s slot, sum uint32) {
	for len(*t) <= int(s>>chunkBits) {
		*t = append(*t, nil)
	}
	chunk := &(*t)[s>>chunkBits]
	if *chunk == nil {
		*chunk = make([]uint64, chunkSize)
	}
	(*chunk)[s&(chunkSize-1)] = 1<<32 | uint64(sum)
}

func (t sumTable) get(s slot) (sum uint32, ok bool) {
	if int(s>>chunkBits) >= len(t) || t[s>>chunkBits] == nil {
		return 0, false
	}
	v := t[s>>chunkBits][s&(chunkSize-1)]
	return uint32(v), v != 0
}

// rebuildBatch is how many rows are put at a time: 1.5 MB of the largest vectors.
const rebuildBatch = 256

// openRows opens the rows and puts those again that are missing or damaged.
func (l *loading) openRows(ctx context.Context, tx *disk.Tx) error {
	rows, missing, err := openRows(l.dir, l.number, l.config.Dimensions, l.state.slots, l.sums.get)
	if err != nil {
		return err
	}
	l.rows = rows
	return l.putAgain(ctx, tx, missing, l.sums)
}

// putAgain puts rows from the truth. Nobody else may put meanwhile.
func (s *store) putAgain(ctx context.Context, tx *disk.Tx, missing *roaring.Bitmap, sums sumTable) error {
	total, done := int(missing.GetCardinality()), 0
	if total == 0 {
		return nil
	}
	s.options.Log.Info("rebuilding rows of an index from its records", "index", s.number, "rows", total)
	var run []slot // slots that follow each other
	for it := missing.Iterator(); it.HasNext(); {
		run = append(run, it.Next())
		if it.HasNext() && it.PeekNext() == run[len(run)-1]+1 && len(run) < rebuildBatch {
			continue
		}
		if err := ctx.Err(); err != nil {
			return canceled(err)
		}
		if err := s.putRun(tx, run, sums); err != nil {
			return err
		}
		done += len(run)
		s.options.Progress(s.number, done, total)
		run = run[:0]
	}
	return nil
}

// putRun puts the rows of slots that follow each other.
func (s *store) putRun(tx *disk.Tx, run []slot, sums sumTable) error {
	vectors := make([][]float32, 0, len(run))
	err := tx.Each(`SELECT slot, data FROM vectors WHERE slot BETWEEN ? AND ? ORDER BY slot`, func(r *disk.Row) error {
		at := slot(r.Int(0))
		sum, ok := sums.get(at)
		values := s.decode(r.Blob(1), sum)
		if !ok || values == nil {
			return s.lostVector(at)
		}
		vectors = append(vectors, values)
		return nil
	}, int64(run[0]), int64(run[len(run)-1]))
	if err != nil {
		return err
	}
	if len(vectors) != len(run) {
		return s.lostVector(run[0])
	}
	return s.rows.put(run[0], vectors...)
}

// decode returns the vector stored as data; nil if it is not one of this index with that sum.
func (s *store) decode(data []byte, sum uint32) []float32 {
	if len(data) != 4*s.config.Dimensions {
		return nil
	}
	values := make([]float32, s.config.Dimensions)
	decodeVector(values, data)
	if rowSum(values) != sum {
		return nil
	}
	return values
}

func (s *store) lostVector(at slot) error {
	return s.damaged("%s has lost the vector in slot %d, or has another one; restore it from a snapshot", s.db.Path(), at)
}

// mend verifies every row while the index is in use, and puts the damaged ones again.
func (s *store) mend(ctx context.Context) error {
	return s.db.Update(ctx, func(tx *disk.Tx) error { // as the only writer
		var sums sumTable
		err := tx.Each(`SELECT slot, sum FROM records`, func(r *disk.Row) error {
			sums.set(slot(r.Int(0)), uint32(r.Int(1)))
			return nil
		})
		if err != nil {
			return err
		}
		st, _, err := readState(tx)
		if err != nil {
			return err
		}
		return s.putAgain(ctx, tx, s.rows.verify(st.slots, sums.get), sums)
	}, nil)
}
