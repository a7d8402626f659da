package local

import (
	"context"

	"github.com/google/uuid"

	"nearside/disk"
	"nearside/fault"
	"nearside/index"
)

// change is what one mutation does. It is collected inside the transaction and
// applied to memory once that is committed.
type change struct {
	state              // as the mutation leaves it behind
	added   []addition // in the order of their slots
	killed  []slot     // versions that the mutation ended
	created *column    // a new metadata index
	dropped string     // the property of a metadata index that is no more
	head    uint64     // the mutation's sequence in records.db, which counts purges too
}

type addition struct {
	slot   slot
	record *index.Record
}

// mutate runs fill in a write transaction, as the next mutation of the index. The
// mutation is durable, and visible to every later read, when mutate returns.
//
// Callers at the same time share a transaction: fill must look at the database,
// not at memory, which knows nothing of those before it in the same transaction.
func (s *store) mutate(ctx context.Context, fill func(tx *disk.Tx, c *change) error) (index.Mutation, error) {
	return s.mutateIn(ctx, s.db.Update, fill)
}

// mutateAlone is mutate for mutations that may concern very many records: others wait.
func (s *store) mutateAlone(ctx context.Context, fill func(tx *disk.Tx, c *change) error) (index.Mutation, error) {
	return s.mutateIn(ctx, s.db.UpdateAlone, fill)
}

type transaction func(ctx context.Context, fn func(tx *disk.Tx) error, committed func()) error

func (s *store) mutateIn(ctx context.Context, update transaction, fill func(tx *disk.Tx, c *change) error) (index.Mutation, error) {
	id, c := uuid.NewString(), new(change)
	err := update(ctx, func(tx *disk.Tx) error {
		before, found, err := readState(tx)
		if err != nil {
			return err
		}
		if !found {
			return s.damaged("%s has lost the row that describes its newest state", s.db.Path())
		}
		c.state, c.head = before, tx.Sequence()
		c.mutation = index.Mutation{ID: id, Sequence: before.mutation.Sequence + 1, Time: later(s.options.Clock().UTC(), before.mutation.Time)}
		if err := fill(tx, c); err != nil {
			return err
		}
		c.count += len(c.added) - len(c.killed)
		return writeState(tx, c.state)
	}, func() { s.apply(c) })
	if err != nil {
		return index.Mutation{}, err
	}
	return c.mutation, nil
}

// insert adds the records whose ids are new.
func (s *store) insert(ctx context.Context, records []index.Record, within index.Scope) (index.Mutation, error) {
	return s.put(ctx, records, index.FirstOfEach, within, false)
}

// upsert adds or replaces records wholly.
func (s *store) upsert(ctx context.Context, records []index.Record, within index.Scope) (index.Mutation, error) {
	return s.put(ctx, records, index.LastOfEach, within, true)
}

// put adds those records of a batch that count, and replaces those that exist if it may.
func (s *store) put(ctx context.Context, batch []index.Record, counting func([]index.Record) []index.Record, within index.Scope, replace bool) (index.Mutation, error) {
	if err := s.config.CheckRecords(batch); err != nil {
		return index.Mutation{}, err
	}
	records := counting(batch)
	err := s.makeWay(ctx)
	if err == nil {
		err = s.makeRoom(len(records))
	}
	if err != nil {
		return index.Mutation{}, err
	}
	return s.mutate(ctx, func(tx *disk.Tx, c *change) error {
		gate, err := newScopeGate(tx, within)
		if err != nil {
			return err
		}
		for i := range records {
			if err := s.putOne(tx, c, &records[i], gate, replace); err != nil {
				return err
			}
		}
		c.mutation.Changed = len(c.added)
		return s.putRows(c)
	})
}

// putRows writes the rows of the records that a mutation adds.
func (s *store) putRows(c *change) error {
	vectors := make([][]float32, len(c.added))
	for i, a := range c.added {
		vectors[i] = a.record.Values
	}
	return s.putVectors(c.slots-slot(len(vectors)), vectors)
}

// putVectors writes rows. No view knows their slots before the commit; if there is
// none, the next mutation overwrites them.
func (s *store) putVectors(first slot, vectors [][]float32) error {
	if len(vectors) == 0 {
		return nil
	}
	err := s.rows.put(first, vectors...)
	if err != nil && fault.As(err) == nil {
		err = fault.New(fault.Unavailable, "%s cannot be written; nothing was changed, reading goes on, and so will writing when the disk works", s.dir.Path(rowsFile)).Because(err)
	}
	return err
}

func (s *store) putOne(tx *disk.Tx, c *change, r *index.Record, gate *scopeGate, replace bool) error {
	old, found, err := findLiving(tx, r.ID, gate.needsMetadata())
	if err != nil {
		return err
	}
	if found && !replace {
		return nil
	}
	if found {
		if err := gate.checkStored(r.ID, old); err != nil {
			return err
		}
		if err := killRecord(tx, old.slot, c.mutation.Sequence); err != nil {
			return err
		}
		c.killed = append(c.killed, old.slot)
	}
	if err := gate.checkNew(r); err != nil {
		return err
	}
	at, err := c.takeSlot()
	if err != nil {
		return err
	}
	if err := insertRecord(tx, at, c.mutation.Sequence, r); err != nil {
		return err
	}
	c.added = append(c.added, addition{slot: at, record: r})
	return nil
}

// takeSlot takes the next free slot for a new version.
func (c *change) takeSlot() (slot, error) {
	if c.slots >= maxSlots {
		return 0, fault.New(fault.Unavailable, "the index has numbered %d versions of records, which is the most; restart nearside, which frees the numbers of those that are gone", c.slots)
	}
	c.slots++
	return c.slots - 1, nil
}

// delete removes records by id.
func (s *store) delete(ctx context.Context, ids []index.VectorID, within index.Scope) (index.Mutation, error) {
	return s.mutate(ctx, func(tx *disk.Tx, c *change) error {
		gate, err := newScopeGate(tx, within)
		if err != nil {
			return err
		}
		for _, id := range ids {
			old, found, err := findLiving(tx, id, gate.needsMetadata())
			if err != nil {
				return err
			}
			if !found {
				continue
			}
			if err := gate.checkStored(id, old); err != nil {
				return err
			}
			if err := killRecord(tx, old.slot, c.mutation.Sequence); err != nil {
				return err
			}
			c.killed = append(c.killed, old.slot)
		}
		c.mutation.Changed = len(c.killed)
		return nil
	})
}

// apply brings a committed mutation into memory and publishes the view that shows it.
func (s *store) apply(c *change) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	old := s.views.newest.Load()
	for _, a := range c.added {
		code := s.namespaces.add(a.slot, a.record.Namespace, true)
		old.table.add(a.slot, string(a.record.ID), code)
		for _, col := range s.columns {
			col.add(a.slot, a.record.Metadata)
		}
		s.alive.Add(a.slot)
	}
	for _, dead := range c.killed {
		s.namespaces.kill(old.table.namespace(dead))
		s.graves.dig(dead, c.mutation.Sequence)
		if s.builder != nil {
			s.builder.died = append(s.builder.died, grave{dead, c.mutation.Sequence})
		}
		s.alive.Remove(dead)
	}
	if c.created != nil {
		s.columns = append(s.columns, c.created)
	}
	for _, col := range s.columns {
		if col.Property == c.dropped && col.dropped == 0 {
			col.dropped = c.mutation.Sequence
		}
	}
	s.views.publish(s.newView(c.state, old.table))
	if s.builder != nil {
		s.builder.note()
	}
	if s.copying > 0 {
		s.marks = append(s.marks, mark{c.head, c.state})
	}
}

// newView returns the view of the newest state. The caller holds the publishing lock.
func (s *store) newView(st state, table *slotTable) *view {
	v := &view{
		mutation:   st.mutation,
		since:      st.mutation.Time,
		slots:      st.slots,
		alive:      freeze(s.alive),
		count:      st.count,
		namespaces: constant(s.namespaces.living()),
		table:      table,
		columns:    s.columnsAt(st.mutation.Sequence),
	}
	return v.ready()
}

// columnsAt returns the metadata indexes that there were at a sequence.
func (s *store) columnsAt(at index.Sequence) []*column {
	var columns []*column
	for _, c := range s.columns {
		if c.created <= at && (c.dropped == 0 || c.dropped > at) {
			columns = append(columns, c)
		}
	}
	return columns
}

func constant(n int) func() int { return func() int { return n } }
