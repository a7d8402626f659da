package local

import (
	"context"
	"errors"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/disk"
	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
	"nearside/index/local/hnsw"
)

// What an open index takes, for --memory: as measured by
// TestManySmallIndexesFitInLittleMemory (62 MB for 64 indexes) and BenchmarkOpen
// (39 bytes a record with ids of 15 bytes, and the rest for longer ones and columns).
const (
	emptyBytes  = 1 << 20 // database connections and the small things
	recordBytes = 64      // id, namespace, look-up; beside the row of the vector
	graphBytes  = 8 << 20 // the parts of a graph that are on huge pages, however small they are
)

func (s *store) needs(records int) int64 {
	need := emptyBytes + int64(records)*int64(recordBytes+4*s.config.Dimensions) + s.columnBytes()
	if o := s.options.Graph; !o.Off && records >= o.From {
		need += graphBytes + int64(records)*hnsw.NodeBytes(s.config.Dimensions, o.M)
	}
	return need
}

// columnBytes is what the metadata indexes take.
func (s *store) columnBytes() (sum int64) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	for _, c := range s.columns {
		sum += c.values.SizeBytes()
	}
	return sum
}

// makeRoom asks for the memory that so many more records take.
func (s *store) makeRoom(more int) error {
	if s.views.newest.Load().table.full() {
		return fault.New(fault.Unavailable, "the ids of the index take %d bytes, which is the most it can have in use; close nearside and start it again, which frees those of deleted records", maxArena)
	}
	return s.grant(s.views.newest.Load().count + int(s.graves.count.Load()) + more)
}

// grant asks for the memory of so many records in all.
func (s *store) grant(records int) error {
	need := s.needs(records)
	if need <= s.admitted.Load() {
		return nil
	}
	need += need / 8 // not with every batch
	if err := s.engine.admit(s.handle, need); err != nil {
		return err
	}
	s.admitted.Store(need)
	return nil
}

// createStore makes the folder of a new index.
func (e *Engine) createStore(ctx context.Context, h *handle, c index.Config) (*store, error) {
	dir := e.dir.Sub(folder(h.number))
	db, err := dir.OpenDB(recordsFile, schema)
	if err != nil {
		return nil, err
	}
	now := e.options.Clock().UTC()
	if err := db.Update(ctx, func(tx *disk.Tx) error { return initialize(tx, c, now) }, nil); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return e.start(ctx, h, dir, db)
}

// openStore opens an index that exists.
func (e *Engine) openStore(ctx context.Context, h *handle) (*store, error) {
	dir := e.dir.Sub(folder(h.number))
	if err := e.admit(h, emptyBytes); err != nil {
		return nil, err
	}
	db, err := dir.OpenDB(recordsFile, schema)
	if err != nil {
		return nil, err
	}
	return e.start(ctx, h, dir, db)
}

// start reads an index into memory and sets its background work going. It closes db if it fails.
func (e *Engine) start(ctx context.Context, h *handle, dir *disk.Dir, db *disk.DB) (*store, error) {
	s := &store{engine: e, handle: h, options: &e.options, number: h.number, dir: dir, db: db, namespaces: newNamespaces(), alive: roaring.New()}
	s.views.maxAge = e.options.MaxAge
	err := s.compact(ctx)
	if err == nil {
		err = db.View(ctx, func(tx *disk.Tx) error { return s.load(ctx, tx) })
	}
	if err != nil {
		if s.rows != nil {
			err = errors.Join(err, s.rows.close())
		}
		return nil, errors.Join(err, db.Close())
	}
	background, stop := context.WithCancel(context.Background())
	s.stop = stop
	if !e.options.Graph.Off {
		s.builder = newBuilder(s)
		s.builder.died = slices.Clone(s.graves.list)
		s.background.Go(func() { s.builder.run(background) })
	}
	s.background.Go(func() { s.purgeRegularly(background) })
	return s, nil
}

// loading is what load gathers before the first view can be published.
type loading struct {
	*store
	state state
	table *slotTable
	sums  sumTable
}

// load reads everything that is kept in memory, and brings the rows in order.
func (s *store) load(ctx context.Context, tx *disk.Tx) error {
	l := loading{store: s, table: newSlotTable()}
	if err := l.readConfig(tx); err != nil {
		return err
	}
	if err := s.grant(l.state.count); err != nil {
		return err
	}
	if err := errors.Join(l.readColumns(tx), l.readRecords(tx)); err != nil {
		return err
	}
	if n := int(s.alive.GetCardinality()); n != l.state.count {
		return s.damaged("%s has %d records where its last mutation left %d; restore it from a snapshot", s.db.Path(), n, l.state.count)
	}
	if err := l.openRows(ctx, tx); err != nil {
		return err
	}
	return l.publish(tx)
}

func (l *loading) readConfig(tx *disk.Tx) error {
	configured := false
	err := tx.Each(`SELECT dimensions, metric FROM config`, func(r *disk.Row) error {
		configured = true
		l.config = index.Config{Dimensions: int(r.Int(0)), Metric: index.Metric(r.Text(1))}
		return nil
	})
	if err != nil {
		return err
	}
	st, found, err := readState(tx)
	switch {
	case err != nil:
		return err
	case !configured && !found && tx.Sequence() == 0:
		return fault.New(fault.NotFound, "index number %d was never completed; it holds nothing and may be deleted", l.number)
	case !configured || !found || index.ValidateConfig(l.config) != nil:
		return l.damaged("%s has lost the row that describes the index; restore it from a snapshot", l.db.Path())
	}
	l.state = st
	l.purged.Store(uint64(st.purged))
	return nil
}

func (l *loading) readColumns(tx *disk.Tx) error {
	return tx.Each(`SELECT number, property, type, created, backfilled, dropped FROM metadata_indexes ORDER BY number`, func(r *disk.Row) error {
		c := newColumn(r)
		c.dropped = index.Sequence(r.Int(5)) // 0 for NULL
		l.columns = append(l.columns, c)
		return nil
	})
}

// newColumn returns the empty column of a row of metadata_indexes.
func newColumn(r *disk.Row) *column {
	m := index.MetadataIndex{Property: r.Text(1), Type: filter.Type(r.Text(2))}
	return &column{MetadataIndex: m, number: r.Int(0), created: index.Sequence(r.Int(3)), backfilled: r.Int(4) != 0, values: filter.NewColumn(m.Type)}
}

// readRecords fills the slot table, the namespaces, the graves and the columns.
func (l *loading) readRecords(tx *disk.Tx) error {
	sql := `SELECT slot, born, died, sum, id, namespace, NULL FROM records ORDER BY slot`
	if len(l.columns) > 0 {
		sql = `SELECT slot, born, died, sum, id, namespace, metadata FROM records ORDER BY slot`
	}
	err := tx.Each(sql, func(r *disk.Row) error {
		at, born := slot(r.Int(0)), index.Sequence(r.Int(1))
		if r.Int(0) < 0 || r.Int(0) >= int64(l.state.slots) || born > l.state.mutation.Sequence {
			return l.damaged("%s has a version of a record in slot %d, which its last mutation does not know; restore it from a snapshot", l.db.Path(), r.Int(0))
		}
		l.sums.set(at, uint32(r.Int(3)))
		alive := r.Null(2)
		l.table.add(at, r.Text(4), l.namespaces.add(at, r.Text(5), alive))
		if alive {
			l.alive.Add(at)
		} else {
			l.graves.dig(at, index.Sequence(r.Int(2)))
		}
		for _, c := range l.columns {
			if c.covers(born) {
				c.add(at, rawJSON(r, 6))
			}
		}
		return nil
	})
	slices.SortStableFunc(l.graves.list, func(a, b grave) int { return int(int64(a.died) - int64(b.died)) })
	l.alive.RunOptimize()
	return err
}

// publish publishes the newest view, and before it those of the past that may be asked for.
func (l *loading) publish(tx *disk.Tx) error {
	var past []state
	from := l.options.Clock().Add(-l.options.MaxAge).UnixNano()
	err := tx.Each(`SELECT sequence, mutation, time, changed, slots FROM history WHERE sequence < ?1 AND sequence >=
			coalesce((SELECT max(sequence) FROM history WHERE time <= ?2), 0) ORDER BY sequence`, func(r *disk.Row) error {
		past = append(past, state{mutation: readMutation(r), slots: slot(r.Int(4))})
		return nil
	}, uint64(l.state.mutation.Sequence), from)
	if err != nil {
		return err
	}
	newest := l.newView(l.state, l.table)
	if l.options.MaxAge > 0 {
		for _, st := range past {
			l.views.publish(l.earlierLocked(newest, st))
		}
	}
	l.views.publish(newest)
	return nil
}
