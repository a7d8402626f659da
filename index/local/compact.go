package local

import (
	"context"

	"nearside/disk"
	"nearside/index"
)

const (
	// compactAbove is the number of slots below which gaps are not worth closing.
	compactAbove = 4096
	// compactBatch is how many versions one transaction moves: some 6 MB of log at 768 dimensions.
	compactBatch = 2000
)

// compact closes the gaps that purged versions left, if they are the larger part:
// the versions that are left are numbered anew, in the same order. It is done
// when an index is opened, before anybody holds a slot. After a crash in between
// the versions moved are where they belong, and the next opening moves the rest.
//
// States of the past cannot be read afterwards: their slots are no longer known.
func (s *store) compact(ctx context.Context) error {
	var versions int64
	var st state
	err := s.db.View(ctx, func(tx *disk.Tx) (err error) {
		if st, _, err = readState(tx); err != nil || st.slots < compactAbove {
			return err
		}
		return tx.Each(`SELECT count(*) FROM records`, func(r *disk.Row) error {
			versions = r.Int(0)
			return nil
		})
	})
	if err != nil || st.slots < compactAbove || int64(st.slots) < 2*versions {
		return err
	}
	s.options.Log.Info("closing the gaps that purged versions left", "index", s.number, "slots", st.slots, "versions", versions)
	if err := s.dir.RemoveAll(graphFile); err != nil { // it knows the slots by their old numbers
		return err
	}
	move := mover{newest: st.mutation.Sequence}
	for !move.done {
		if err := s.db.Update(ctx, move.batch, nil); err != nil {
			return err
		}
	}
	return s.dir.RemoveAll(rowsFile) // it is rebuilt, without the gaps
}

// mover moves versions to lower slots, the lowest first.
type mover struct {
	newest   index.Sequence
	from, to int64 // the lowest slot not looked at, and the lowest one free
	done     bool
}

func (m *mover) batch(tx *disk.Tx) error {
	if err := tx.Exec(`DELETE FROM history WHERE sequence < ?`, uint64(m.newest)); err != nil {
		return err
	}
	if err := tx.Exec(`UPDATE state SET purged = sequence`); err != nil {
		return err
	}
	var slots []int64
	err := tx.Each(`SELECT slot FROM records WHERE slot >= ? ORDER BY slot LIMIT ?`, func(r *disk.Row) error {
		slots = append(slots, r.Int(0))
		return nil
	}, m.from, compactBatch)
	if err != nil {
		return err
	}
	for _, old := range slots {
		if err := m.move(tx, old); err != nil {
			return err
		}
	}
	if m.done = len(slots) < compactBatch; !m.done {
		return nil
	}
	if err := tx.Exec(`UPDATE state SET slots = ?`, m.to); err != nil {
		return err
	}
	return tx.Exec(`UPDATE history SET slots = ?`, m.to)
}

func (m *mover) move(tx *disk.Tx, old int64) error {
	to := m.to
	m.from, m.to = old+1, to+1
	if old == to {
		return nil
	}
	if err := tx.Exec(`UPDATE records SET slot = ? WHERE slot = ?`, to, old); err != nil {
		return err
	}
	return tx.Exec(`UPDATE vectors SET slot = ? WHERE slot = ?`, to, old)
}
