package local

import (
	"context"
	"slices"
	"strings"

	"nearside/disk"
	"nearside/index"
)

// Mark makes a mutation that changes nothing.
func (h *handle) Mark(ctx context.Context, id string) (index.Mutation, error) {
	return call(ctx, h, func(s *store) (index.Mutation, error) {
		return s.mutate(ctx, func(_ *disk.Tx, c *change) error {
			c.mutation.ID = id
			return nil
		})
	})
}

// Changed returns what was written or removed after a mutation.
func (h *handle) Changed(ctx context.Context, since index.Sequence) ([]index.VectorID, index.Sequence, error) {
	type answer struct {
		ids  []index.VectorID
		upTo index.Sequence
	}
	a, err := call(ctx, h, func(s *store) (a answer, err error) {
		a.ids, a.upTo, err = s.changed(ctx, since)
		return a, err
	})
	return a.ids, a.upTo, err
}

// changed looks into memory, which has the ids of all versions that are not purged.
func (s *store) changed(ctx context.Context, since index.Sequence) ([]index.VectorID, index.Sequence, error) {
	v, died, err := s.changesSince(since)
	if err != nil {
		return nil, 0, err
	}
	defer v.unpin()
	if since == v.sequence() {
		return nil, since, nil
	}
	var born slot // the first version after since
	if err := s.db.View(ctx, func(tx *disk.Tx) (err error) { born, err = slotsAt(tx, since); return err }); err != nil {
		return nil, 0, err
	}
	var ids []index.VectorID
	note := func(at slot) { ids = append(ids, index.VectorID(strings.Clone(v.table.id(at)))) }
	for it := v.alive.Iterator(); it.HasNext(); {
		it.AdvanceIfNeeded(born)
		if it.HasNext() {
			note(it.Next())
		}
	}
	for _, g := range died {
		if g.slot < born { // else it was born since, too, and nobody needs to know
			note(g.slot)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), v.sequence(), nil
}

// changesSince pins the newest view, and returns it with the graves dug since a mutation.
func (s *store) changesSince(since index.Sequence) (*view, []grave, error) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	v := s.views.pinNewest()
	if kept := index.Sequence(s.purged.Load()); since < kept || since > v.sequence() {
		v.unpin()
		return nil, nil, index.Forgotten(since, kept, v.sequence())
	}
	return v, s.graves.since(since), nil
}
