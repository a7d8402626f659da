package local

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"nearside/disk"
	"nearside/index"
)

const (
	// purgeSlack covers a page that is being read when its cursor ends.
	purgeSlack = time.Minute
	// purgeEvery is how often superseded versions are looked for.
	purgeEvery = 30 * time.Second
	// purgeBatch is how many versions one transaction removes, so that writers wait for a few milliseconds at most.
	purgeBatch = 256
)

// A grave is a superseded version that records.db still has.
type grave struct {
	slot slot
	died index.Sequence
}

// graves lists them in the order in which they died.
type graves struct {
	list  []grave
	count atomic.Int64
}

func (g *graves) dig(s slot, died index.Sequence) {
	g.list = append(g.list, grave{s, died})
	g.count.Store(int64(len(g.list)))
}

// upTo returns the oldest graves, at most most, of those that died at or before a sequence.
func (g *graves) upTo(at index.Sequence, most int) []grave {
	n := 0
	for n < len(g.list) && n < most && g.list[n].died <= at {
		n++
	}
	return slices.Clone(g.list[:n])
}

// since returns the graves of those that died after a sequence.
func (g *graves) since(at index.Sequence) []grave {
	i, _ := slices.BinarySearchFunc(g.list, at, func(g grave, at index.Sequence) int {
		if g.died <= at {
			return -1
		}
		return 1
	})
	return slices.Clone(g.list[i:])
}

// clear removes the oldest n graves.
func (g *graves) clear(n int) {
	g.list = g.list[n:]
	g.count.Store(int64(len(g.list)))
}

// purgeRegularly runs until the store is closed.
func (s *store) purgeRegularly(ctx context.Context) {
	ticker := time.NewTicker(purgeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := s.purge(ctx); err != nil && ctx.Err() == nil {
			s.noteDamage(err)
			s.options.Log.Warn("superseded versions could not be removed; it is tried again", "index", s.number, "error", err)
		}
	}
}

// purge removes the versions that no view, cursor or age can ask for any more,
// and the history that belongs to them.
func (s *store) purge(ctx context.Context) error {
	if s.views.newest.Load().sequence() == index.Sequence(s.purged.Load()) {
		return nil
	}
	horizon, err := s.horizon(ctx)
	if err != nil || horizon <= index.Sequence(s.purged.Load()) {
		return err
	}
	s.purged.Store(uint64(horizon))
	for more := true; more; {
		s.publishing.Lock()
		batch := s.graves.upTo(horizon, purgeBatch)
		s.publishing.Unlock()
		if err := s.db.Update(ctx, func(tx *disk.Tx) error { return purgeRecords(tx, batch, horizon) }, nil); err != nil {
			return err
		}
		s.bury(batch, horizon)
		more = len(batch) == purgeBatch
	}
	s.shrink()
	return nil
}

// horizon returns the oldest sequence that may still be read.
func (s *store) horizon(ctx context.Context) (index.Sequence, error) {
	now := s.options.Clock()
	horizon := min(s.views.oldest(now), s.leases.oldest(now))
	// A cursor may stand for a state that was old when its listing began.
	listable := now.Add(-index.CursorLife - purgeSlack - s.options.MaxAge)
	err := s.db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(`SELECT coalesce(max(sequence), 0) FROM history WHERE time <= ?`, func(r *disk.Row) error {
			horizon = min(horizon, index.Sequence(r.Int(0)))
			return nil
		}, listable.UnixNano())
	})
	return horizon, err
}

func purgeRecords(tx *disk.Tx, batch []grave, horizon index.Sequence) error {
	for _, g := range batch {
		if err := tx.Exec(`DELETE FROM records WHERE slot = ?`, int64(g.slot)); err != nil {
			return err
		}
		if err := tx.Exec(`DELETE FROM vectors WHERE slot = ?`, int64(g.slot)); err != nil {
			return err
		}
	}
	if err := tx.Exec(`DELETE FROM history WHERE sequence < ?`, uint64(horizon)); err != nil {
		return err
	}
	if err := tx.Exec(`DELETE FROM metadata_indexes WHERE dropped <= ?`, uint64(horizon)); err != nil {
		return err
	}
	return tx.Exec(`UPDATE state SET purged = max(purged, ?)`, uint64(horizon))
}

// bury forgets versions that records.db no longer has.
func (s *store) bury(batch []grave, horizon index.Sequence) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	table := s.views.newest.Load().table
	for _, g := range batch {
		s.namespaces.remove(table.namespace(g.slot), g.slot)
	}
	s.graves.clear(len(batch))
	s.columns = slices.DeleteFunc(s.columns, func(c *column) bool { return c.dropped != 0 && c.dropped <= horizon })
}

// shrinkAbove is how many purged slots are worth a new slot table.
const shrinkAbove = 64 * chunkSize

// shrink gives the memory of purged slots back once they are the larger part of
// the slot table: the newest view gets a table without them, older views keep theirs.
func (s *store) shrink() {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	old := s.views.newest.Load()
	needed := old.count + len(s.graves.list)
	if known := old.table.slots; known < shrinkAbove || known < 2*needed {
		return
	}
	kept := s.alive.Clone()
	for _, g := range s.graves.list {
		kept.Add(g.slot)
	}
	table := newSlotTable()
	for it := kept.Iterator(); it.HasNext(); {
		at := it.Next()
		table.add(at, old.table.id(at), old.table.namespace(at))
	}
	s.views.publish(s.newView(state{mutation: old.mutation, slots: old.slots, count: old.count}, table))
}
