package local

import (
	"context"

	"nearside/disk"
	"nearside/index"
)

// DeleteSelected removes the records of a selection.
func (h *handle) DeleteSelected(ctx context.Context, sel index.Selection, within index.Scope) (index.Mutation, error) {
	return call(ctx, h, func(s *store) (index.Mutation, error) { return s.deleteSelected(ctx, sel, within) })
}

// deleteSelected removes the records of a selection. However many they are, it is
// one mutation: a tombstone is some bytes in the record's row. Other writers wait
// meanwhile, about 10 s for a million records.
func (s *store) deleteSelected(ctx context.Context, sel index.Selection, within index.Scope) (index.Mutation, error) {
	return s.mutateAlone(ctx, func(tx *disk.Tx, c *change) error {
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
		for _, dead := range c.killed {
			if err := killRecord(tx, dead, c.mutation.Sequence); err != nil {
				return err
			}
		}
		return nil
	})
}
