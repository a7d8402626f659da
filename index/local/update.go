package local

import (
	"context"
	"encoding/json"

	"nearside/disk"
	"nearside/fault"
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
		err = s.makeRoom(more)
	}
	if err != nil {
		return index.Mutation{}, err
	}
	return s.mutate(ctx, func(tx *disk.Tx, c *change) error {
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
	at, err := w.change.takeSlot()
	if err != nil {
		return err
	}
	if err := killRecord(w.tx, old, w.change.mutation.Sequence); err != nil {
		return err
	}
	w.change.killed = append(w.change.killed, old)
	vector, err := w.copy(old, at, r.Metadata)
	if err != nil {
		return err
	}
	w.change.added = append(w.change.added, addition{slot: at, record: r})
	w.pending = append(w.pending, vector)
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

// copy writes a version like an old one, but for its metadata, and returns its vector.
func (w *revision) copy(old, at slot, metadata json.RawMessage) ([]float32, error) {
	var text any
	if metadata != nil {
		text = string(metadata)
	}
	err := w.tx.Exec(`INSERT INTO records (slot, born, died, sum, id, namespace, metadata, title, text)
		SELECT ?, ?, NULL, sum, id, namespace, ?, title, text FROM records WHERE slot = ?`,
		int64(at), uint64(w.change.mutation.Sequence), text, int64(old))
	if err != nil {
		return nil, err
	}
	if err := w.tx.Exec(`INSERT INTO vectors (slot, data) SELECT ?, data FROM vectors WHERE slot = ?`, int64(at), int64(old)); err != nil {
		return nil, err
	}
	vector := make([]float32, w.store.config.Dimensions)
	found := false
	err = w.tx.Each(`SELECT data FROM vectors WHERE slot = ?`, func(r *disk.Row) error {
		if found = len(r.Blob(0)) == 4*len(vector); found {
			decodeVector(vector, r.Blob(0))
		}
		return nil
	}, int64(at))
	if err == nil && !found {
		err = w.store.damaged("%s has lost the vector of slot %d; restore it from a snapshot", w.store.db.Path(), old)
	}
	return vector, err
}

// flush writes the rows of the versions that have none yet.
func (w *revision) flush() error {
	first := w.change.slots - slot(len(w.pending))
	err := w.store.putVectors(first, w.pending)
	w.pending = w.pending[:0]
	return err
}

// takeSlot takes the next free slot for a new version.
func (c *change) takeSlot() (slot, error) {
	if c.slots >= maxSlots {
		return 0, fault.New(fault.Unavailable, "the index has numbered %d versions of records, which is the most; restart nearside, which frees the numbers of those that are gone", c.slots)
	}
	c.slots++
	return c.slots - 1, nil
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
