package local

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/disk"
	"nearside/index"
)

// list returns a page of all ids.
func (s *store) list(ctx context.Context, cursor string, count int, r index.Read) (index.Page, error) {
	if err := index.CheckPage(count); err != nil {
		return index.Page{}, err
	}
	return s.selectPage(ctx, index.Selection{}, cursor, count, r)
}

// listed returns the view that a page answers from, pinned, and the id it begins after.
func (s *store) listed(ctx context.Context, text string, r index.Read) (*view, index.VectorID, error) {
	if text == "" {
		return s.pin(r), "", nil
	}
	c, err := index.DecodeCursor(text, s.number, s.options.Clock())
	if err != nil {
		return nil, "", err
	}
	v := s.views.pinNewest()
	if c.Sequence == v.sequence() {
		return v, c.After, nil
	}
	defer v.unpin()
	if c.Sequence > v.sequence() || c.Sequence < index.Sequence(s.purged.Load()) {
		return nil, "", index.ExpiredCursor(s.options.Clock().UTC())
	}
	if leased := s.leases.view(c.Sequence); leased != nil {
		leased.pins.Add(1)
		return leased, c.After, nil
	}
	earlier, err := s.viewAt(ctx, c.Sequence)
	if err != nil {
		return nil, "", err
	}
	earlier.pins.Add(1)
	return earlier, c.After, nil
}

// viewAt returns the view of an earlier sequence that no version is purged of.
func (s *store) viewAt(ctx context.Context, at index.Sequence) (*view, error) {
	st := state{mutation: index.Mutation{Sequence: at}}
	err := s.db.View(ctx, func(tx *disk.Tx) (err error) {
		st.slots, err = slotsAt(tx, at)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.publishing.Lock()
	defer s.publishing.Unlock()
	return s.earlierLocked(s.views.newest.Load(), st), nil
}

// slotsAt returns the first slot born after a sequence. Slots ascend with their births.
func slotsAt(tx *disk.Tx, at index.Sequence) (slot, error) {
	low, high := int64(0), int64(0) // slots below low were born by then, those from high on were not
	err := tx.Each(`SELECT slots FROM state`, func(r *disk.Row) error {
		high = r.Int(0)
		return nil
	})
	for err == nil && low < high {
		middle := low + (high-low)/2
		next, born := high, int64(0)
		err = tx.Each(`SELECT slot, born FROM records WHERE slot >= ? AND slot < ? ORDER BY slot LIMIT 1`, func(r *disk.Row) error {
			next, born = r.Int(0), r.Int(1)
			return nil
		}, middle, high)
		if next < high && born <= int64(at) {
			low = next + 1
		} else {
			high = middle
		}
	}
	return slot(low), err
}

// earlierLocked returns the view of an earlier state, from a newer view and the graves dug since.
func (s *store) earlierLocked(newer *view, st state) *view {
	died := roaring.New()
	for _, g := range s.graves.since(st.mutation.Sequence) {
		died.Add(g.slot)
	}
	alive := roaring.Or(newer.alive, died)
	alive.RemoveRange(uint64(st.slots), 1<<32)
	v := &view{mutation: st.mutation, since: st.mutation.Time, slots: st.slots, alive: freeze(alive), count: int(alive.GetCardinality()),
		table: newer.table, columns: s.columnsAt(st.mutation.Sequence)}
	v.namespaces = sync.OnceValue(func() int { return s.countNamespaces(v, v.alive) })
	return v.ready()
}

// countNamespaces counts the namespaces of slots of a view, "" not counted.
func (s *store) countNamespaces(v *view, visible *roaring.Bitmap) int {
	codes := map[uint32]bool{}
	visible.Iterate(func(at slot) bool {
		codes[v.table.namespace(at)] = true
		return true
	})
	n := len(codes)
	for code := range codes {
		if s.namespaces.name(code) == "" {
			n--
		}
	}
	return n
}

// leases are the states that listings in progress answer from.
type leases struct {
	mu    sync.Mutex // guards the fields below; held for memory work only
	until map[index.Sequence]time.Time
	views []*view // those used last, newest first
}

// leasedViews is how many views of listings are kept at hand; others are made again when needed.
const leasedViews = 16

// renew keeps the state of a view until a time.
func (l *leases) renew(v *view, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.until == nil {
		l.until = map[index.Sequence]time.Time{}
	}
	l.until[v.sequence()] = until
	l.views = slices.DeleteFunc(l.views, func(kept *view) bool { return kept.sequence() == v.sequence() })
	l.views = slices.Insert(l.views, 0, v)
	l.views = slices.Delete(l.views, min(leasedViews, len(l.views)), len(l.views))
}

// view returns the view of a sequence, if it is at hand.
func (l *leases) view(at index.Sequence) *view {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.views, func(v *view) bool { return v.sequence() == at }); i >= 0 {
		return l.views[i]
	}
	return nil
}

// oldest returns the lowest sequence that is leased at a time, and forgets the leases that ended.
func (l *leases) oldest(now time.Time) index.Sequence {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := index.Sequence(1<<64 - 1)
	for at, until := range l.until {
		if until.Add(purgeSlack).Before(now) {
			delete(l.until, at)
			l.views = slices.DeleteFunc(l.views, func(v *view) bool { return v.sequence() == at })
			continue
		}
		oldest = min(oldest, at)
	}
	return oldest
}
