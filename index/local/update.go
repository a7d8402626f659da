package local

import (
	"context"

	"nearside/disk"
	"nearside/index"
)

// UpdateMetadata changes the metadata of the records of a selection.
func (h *handle) UpdateMetadata(ctx context.Context, sel index.Selection, u index.MetadataUpdate, within index.Scope) (index.Mutation, error) {
	return call(ctx, h, func(s *store) (index.Mutation, error) { return s.updateMetadata(ctx, sel, u, within) })
}

// updateMetadata changes the metadata of the records of a selection. Each gets a
// new version with the vector and the text of the one before.
func (s *store) updateMetadata(ctx context.Context, sel index.Selection, u index.MetadataUpdate, within index.Scope) (index.Mutation, error) {
	if err := u.Check(); err != nil {
		return index.Mutation{}, err
	}
	more, err := s.countSelected(sel, within)
	if err == nil {
		err = s.makeWay(ctx)
	}
	if err == nil {
		err = s.makeRoom(more)
	}
	if err != nil {
		return index.Mutation{}, err
	}
	return s.mutateAlone(ctx, func(tx *disk.Tx, c *change) error {
		gate, err := newScopeGate(tx, within)
		if err != nil {
			return err
		}
		living, err := s.living(tx, sel, gate)
		if err != nil {
			return err
		}
		w := revision{store: s, tx: tx, change: c, gate: gate, update: u}
		for it := living.Iterator(); it.HasNext(); {
			if err := w.revise(it.Next()); err != nil {
				return err
			}
		}
		c.mutation.Changed = len(c.added)
		return w.flush()
	})
}

// countSelected returns how many records a selection has at the moment.
func (s *store) countSelected(sel index.Selection, within index.Scope) (int, error) {
	v := s.views.pinNewest()
	defer v.unpin()
	selected, err := s.livingIn(v, sel, within)
	if err != nil {
		return 0, err
	}
	return int(selected.GetCardinality()), nil
}

// revision writes the new versions of an update.
type revision struct {
	store  *store
	tx     *disk.Tx
	change *change
	gate   *scopeGate
	update index.MetadataUpdate

	pending [][]float32 // the vectors of the latest versions, which have no rows yet
}

// revise replaces a version by one with other metadata, unless it is the same.
func (w *revision) revise(old slot) error {
	r, err := w.read(old)
	if err != nil {
		return err
	}
	metadata, changed, err := w.update.Revise(r.ID, r.Metadata)
	if err != nil || !changed {
		return err
	}
	r.Metadata = metadata
	if err := w.gate.checkNew(r); err != nil {
		return err
	}
	if err := killRecord(w.tx, old, w.change.mutation.Sequence); err != nil {
		return err
	}
	w.change.killed = append(w.change.killed, old)
	at, err := w.change.takeSlot()
	if err != nil {
		return err
	}
	if err := w.complete(r, old); err != nil {
		return err
	}
	if err := insertRecord(w.tx, at, w.change.mutation.Sequence, r); err != nil {
		return err
	}
	w.pending = append(w.pending, r.Values)
	// What is kept until the commit is what memory learns of the version.
	w.change.added = append(w.change.added, addition{slot: at, record: &index.Record{ID: r.ID, Namespace: r.Namespace, Metadata: r.Metadata}})
	if len(w.pending)*w.store.rows.stride >= putBytes {
		return w.flush()
	}
	return nil
}

// read returns id, namespace and metadata of a version.
func (w *revision) read(at slot) (*index.Record, error) {
	r := new(index.Record)
	err := w.tx.Each(`SELECT id, namespace, metadata FROM records WHERE slot = ?`, func(row *disk.Row) error {
		r.ID, r.Namespace, r.Metadata = index.VectorID(row.Text(0)), row.Text(1), rawJSON(row, 2)
		return nil
	}, int64(at))
	return r, err
}

// complete adds vector, title and text of a version.
func (w *revision) complete(r *index.Record, at slot) error {
	err := w.tx.Each(`SELECT title, text FROM records WHERE slot = ?`, func(row *disk.Row) error {
		r.Title, r.Text = row.Text(0), row.Text(1)
		return nil
	}, int64(at))
	if err != nil {
		return err
	}
	err = w.tx.Each(`SELECT data FROM vectors WHERE slot = ?`, func(row *disk.Row) error {
		if data := row.Blob(0); len(data) == 4*w.store.config.Dimensions {
			r.Values = make([]float32, w.store.config.Dimensions)
			decodeVector(r.Values, data)
		}
		return nil
	}, int64(at))
	if err == nil && r.Values == nil {
		err = w.store.damaged("%s has lost the vector of record %q, slot %d; restore it from a snapshot", w.store.db.Path(), r.ID, at)
	}
	return err
}

// flush writes the rows of the versions that have none yet.
func (w *revision) flush() error {
	first := w.change.slots - slot(len(w.pending))
	err := w.store.putVectors(first, w.pending)
	w.pending = w.pending[:0]
	return err
}
