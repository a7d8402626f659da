package local

import (
	"context"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/disk"
	"nearside/fault"
	"nearside/index"
)

// query returns the nearest records.
func (s *store) query(ctx context.Context, q index.Query, r index.Read) (index.Result, error) {
	v := s.pin(r)
	defer v.unpin()
	visible, err := s.visible(v, r.Within)
	if err != nil {
		return index.Result{}, err
	}
	if err := s.config.CheckQuery(q); err != nil {
		return index.Result{}, err
	}
	matching, unindexed := s.matching(v, visible, q)
	result := index.Result{
		Unindexed: unindexed,
		Explain:   index.Explain{Plan: index.PlanEmpty, Exhaustive: true, Sequence: v.sequence()},
	}
	vector := q.Vector
	if vector == nil {
		start, found := v.table.find(string(q.ID), v)
		if !found || !visible.Contains(start) {
			return result, nil
		}
		if vector, err = s.vector(ctx, start); err != nil {
			return index.Result{}, err
		}
	}
	if matching.IsEmpty() {
		return result, nil
	}
	hits, err := s.scan(ctx, v, vector, q.TopK, matching, &result.Explain)
	if err != nil {
		return index.Result{}, err
	}
	result.Matches, err = s.matches(ctx, v, q, hits)
	return result, err
}

// scan compares the query with every matching row.
func (s *store) scan(ctx context.Context, v *view, vector []float32, k int, matching *roaring.Bitmap, e *index.Explain) ([]hit, error) {
	e.Matching = int(matching.GetCardinality())
	sc := scan{
		rows: s.rows, metric: s.config.Metric, query: vector, k: min(k, e.Matching), slots: v.slots, within: matching,
		visible: v.alive.Contains,
		id:      v.table.id,
	}
	if e.Matching == int(v.slots) {
		sc.within = nil
	}
	hits, compared, err := sc.run(ctx, s.engine.pool)
	if fault.Is(err, fault.Corrupt) {
		// A row went bad while the index was open. The truth still has its vector.
		if err = s.mend(ctx); err == nil {
			hits, compared, err = sc.run(ctx, s.engine.pool)
		}
	}
	if ctx.Err() != nil {
		return nil, canceled(ctx.Err())
	}
	e.Plan, e.Candidates = index.PlanScan, compared
	return hits, err
}

// matches adds to the hits what the query wants to know of their records.
func (s *store) matches(ctx context.Context, v *view, q index.Query, hits []hit) ([]index.Match, error) {
	slots := make([]slot, len(hits))
	for i, h := range hits {
		slots[i] = h.slot
	}
	want := wanted{values: q.Values, metadata: q.Metadata != index.NoMetadata, text: q.Text}
	records, err := s.records(ctx, v, slots, want)
	if err != nil {
		return nil, err
	}
	matches := make([]index.Match, len(hits))
	for i, h := range hits {
		matches[i] = index.Match{Record: records[i], Score: h.score}
		if q.Metadata == index.IndexedMetadata {
			matches[i].Metadata = index.ProjectMetadata(records[i].Metadata, v.metadataIndexes())
		}
	}
	return matches, nil
}

// get returns records by id.
func (s *store) get(ctx context.Context, ids []index.VectorID, r index.Read) ([]index.Record, error) {
	v := s.pin(r)
	defer v.unpin()
	visible, err := s.visible(v, r.Within)
	if err != nil {
		return nil, err
	}
	slots := make([]slot, 0, len(ids))
	for _, id := range ids {
		if at, found := v.table.find(string(id), v); found && visible.Contains(at) {
			slots = append(slots, at)
		}
	}
	return s.records(ctx, v, slots, wanted{values: true, metadata: true, text: true})
}

// wanted says what is read of a record, beside its id and namespace.
type wanted struct{ values, metadata, text bool }

// records reads the versions in the given slots of a pinned view. What memory has
// is not read from disk, and all that is comes from one transaction.
func (s *store) records(ctx context.Context, v *view, slots []slot, want wanted) ([]index.Record, error) {
	if len(slots) == 0 {
		return nil, nil
	}
	records := make([]index.Record, len(slots))
	for i, at := range slots {
		records[i].ID = index.VectorID(strings.Clone(v.table.id(at)))
		records[i].Namespace = s.namespaces.name(v.table.namespace(at))
	}
	if want.values {
		for i, at := range slots {
			values, err := s.vector(ctx, at)
			if err != nil {
				return nil, err
			}
			records[i].Values = values
		}
	}
	if !want.metadata && !want.text {
		return records, nil
	}
	err := s.db.View(ctx, func(tx *disk.Tx) error {
		for i, at := range slots {
			if err := s.readRecord(tx, at, &records[i], want); err != nil {
				return err
			}
		}
		return nil
	})
	return records, err
}

// readRecord adds metadata and text. A point read by the slot through a kept
// statement costs a quarter of a look-up of all ids in one statement.
func (s *store) readRecord(tx *disk.Tx, at slot, record *index.Record, want wanted) error {
	sql := `SELECT metadata FROM records WHERE slot = ?`
	if want.text {
		sql = `SELECT metadata, title, text FROM records WHERE slot = ?`
	}
	found := false
	err := tx.Each(sql, func(r *disk.Row) error {
		found = true
		if want.metadata {
			record.Metadata = rawJSON(r, 0)
		}
		if want.text {
			record.Title, record.Text = r.Text(1), r.Text(2)
		}
		return nil
	}, int64(at))
	if err == nil && !found {
		err = s.damaged("%s has lost the record %q, slot %d; restore it from a snapshot", s.db.Path(), record.ID, at)
	}
	return err
}

// vector returns the vector of a slot, from its row; if that is not sound, the rows
// are mended from the truth first.
func (s *store) vector(ctx context.Context, at slot) ([]float32, error) {
	values, err := s.rows.vector(at, nil)
	if err == nil {
		return values, nil
	}
	if err := s.mend(ctx); err != nil {
		return nil, err
	}
	return s.rows.vector(at, nil)
}
