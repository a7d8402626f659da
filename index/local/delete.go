package local

import (
	"context"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/disk"
	"nearside/index"
)

// DeleteSelected removes the records of a selection.
func (h *handle) DeleteSelected(ctx context.Context, sel index.Selection, within index.Scope) (index.Mutation, error) {
	return call(ctx, h, func(s *store) (index.Mutation, error) { return s.deleteSelected(ctx, sel, within) })
}

// deleteSelected removes the records of a selection. However many they are, it is
// one transaction: a tombstone is some bytes in the record's row.
func (s *store) deleteSelected(ctx context.Context, sel index.Selection, within index.Scope) (index.Mutation, error) {
	return s.mutate(ctx, func(tx *disk.Tx, c *change) error {
		gate, err := newScopeGate(tx, within)
		if err != nil {
			return err
		}
		living, err := s.living(tx, sel, gate)
		if err != nil {
			return err
		}
		c.killed = living.ToArray()
		c.mutation.Changed = len(c.killed)
		return killRecords(tx, living, c.mutation.Sequence)
	})
}

// killAtOnce bounds how many tombstones one statement sets: in between it is
// noticed that the caller has gone.
const killAtOnce = 4096

// killRecords sets the tombstones of living versions, those that follow each other at once.
func killRecords(tx *disk.Tx, living *roaring.Bitmap, at index.Sequence) error {
	for it := living.Iterator(); it.HasNext(); {
		first := it.Next()
		last := first
		for it.HasNext() && it.PeekNext() == last+1 && last-first < killAtOnce {
			last = it.Next()
		}
		if err := tx.Exec(`UPDATE records SET died = ? WHERE slot BETWEEN ? AND ?`, uint64(at), int64(first), int64(last)); err != nil {
			return err
		}
	}
	return nil
}
