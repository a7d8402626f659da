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
		if vector, err = s.vector(ctx, start, nil); err != nil {
			return index.Result{}, err
		}
	}
	if matching.IsEmpty() {
		return result, nil
	}
	hits, err := s.nearest(ctx, v, vector, q, matching, &result.Explain)
	if err != nil {
		return index.Result{}, err
	}
	result.Matches, err = s.matches(ctx, v, q, hits)
	return result, err
}

// nearest finds the nearest of the matching records, in the way that suits.
func (s *store) nearest(ctx context.Context, v *view, vector []float32, q index.Query, matching *roaring.Bitmap, e *index.Explain) ([]hit, error) {
	e.Matching = v.count
	if matching != v.alive {
		e.Matching = int(matching.GetCardinality())
	}
	if s.builder != nil && !q.Exact {
		s.noteAsked(v, vector, q.TopK, matching)
		a := asking{store: s, view: v, vector: vector, k: min(q.TopK, e.Matching), effort: s.effort(q), fixed: q.EF > 0, matching: matching, explain: e}
		if hits, ok, err := a.approximately(ctx); ok || err != nil {
			return hits, err
		}
	}
	return s.scan(ctx, v, vector, q.TopK, matching, e)
}

// noteAsked tells the background of a query: builders make room for it, and it may be
// one of those by which recall is measured.
func (s *store) noteAsked(v *view, vector []float32, k int, matching *roaring.Bitmap) {
	now := s.options.Clock()
	s.engine.noteAsked(now)
	if matching == v.alive && v == s.views.newest.Load() && s.builder.current.Load() != nil && s.builder.recall.offer(now, vector, k) {
		s.builder.note()
	}
}

// scan compares the query with every matching row.
func (s *store) scan(ctx context.Context, v *view, vector []float32, k int, matching *roaring.Bitmap, e *index.Explain) ([]hit, error) {
	sc := scan{query: vector, k: min(k, e.Matching), slots: v.slots, within: matching}
	if e.Matching == int(v.slots) {
		sc.within = nil
	}
	hits, compared, err := s.compare(ctx, v, sc)
	*e = index.Explain{Plan: index.PlanScan, Candidates: compared, Matching: e.Matching, Exhaustive: true, Sequence: e.Sequence}
	return hits, err
}

// compare runs a scan in a view.
func (s *store) compare(ctx context.Context, v *view, sc scan) (hits []hit, compared int, err error) {
	sc.rows, sc.metric, sc.visible, sc.id = s.rows, s.config.Metric, v.shows, v.id
	hits, compared, err = sc.run(ctx, s.engine.pool)
	if err != nil && fault.Is(err, fault.Corrupt) {
		// A row went bad while the index was open. The truth still has its vector.
		if err = s.mend(ctx); err == nil {
			hits, compared, err = sc.run(ctx, s.engine.pool)
		}
	}
	if ctx.Err() != nil {
		return nil, 0, canceled(ctx.Err())
	}
	return hits, compared, err
}

// matches adds to the hits what the query wants to know of their records.
func (s *store) matches(ctx context.Context, v *view, q index.Query, hits []hit) ([]index.Match, error) {
	matches := make([]index.Match, len(hits))
	for i, h := range hits {
		matches[i].Score = h.score
	}
	want := wanted{values: q.Values, metadata: q.Metadata != index.NoMetadata, text: q.Text}
	of := func(i int) (slot, *index.Record) { return hits[i].slot, &matches[i].Record }
	if err := s.fill(ctx, v, len(hits), of, want); err != nil {
		return nil, err
	}
	if q.Metadata == index.IndexedMetadata {
		indexes := v.metadataIndexes()
		for i := range matches {
			matches[i].Metadata = index.ProjectMetadata(matches[i].Metadata, indexes)
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

// records reads the versions in the given slots of a pinned view.
func (s *store) records(ctx context.Context, v *view, slots []slot, want wanted) ([]index.Record, error) {
	if len(slots) == 0 {
		return nil, nil
	}
	records := make([]index.Record, len(slots))
	of := func(i int) (slot, *index.Record) { return slots[i], &records[i] }
	return records, s.fill(ctx, v, len(slots), of, want)
}

// fill reads n versions of a pinned view, of slots and into records that it is told one
// by one. What memory has is not read from disk, and all that is comes from one transaction.
func (s *store) fill(ctx context.Context, v *view, n int, of func(i int) (slot, *index.Record), want wanted) error {
	s.name(v, n, of)
	if want.values {
		for i := range n {
			at, record := of(i)
			var err error
			if record.Values, err = s.vector(ctx, at, nil); err != nil {
				return err
			}
		}
	}
	if !want.metadata && !want.text {
		return nil
	}
	return s.db.View(ctx, func(tx *disk.Tx) error {
		for i := range n {
			at, record := of(i)
			if err := s.readRecord(tx, at, record, want); err != nil {
				return err
			}
		}
		return nil
	})
}

// usualID is how long most ids are, in bytes; a UUID has 36.
const usualID = 40

// name sets the ids and namespaces of records. The ids share one piece of memory,
// or a few if they are long.
func (s *store) name(v *view, n int, of func(i int) (slot, *index.Record)) {
	var names strings.Builder
	names.Grow(n * usualID)
	for i := range n {
		at, record := of(i)
		from := names.Len()
		names.WriteString(v.table.id(at))
		record.ID = index.VectorID(names.String()[from:])
		record.Namespace = s.namespaces.name(v.table.namespace(at))
	}
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

// vector returns the vector of a slot, from its row, in dst if that is long enough.
// If the row is not sound, the rows are mended from the truth first.
func (s *store) vector(ctx context.Context, at slot, dst []float32) ([]float32, error) {
	values, err := s.rows.vector(at, dst)
	if err == nil {
		return values, nil
	}
	if err := s.mend(ctx); err != nil {
		return nil, err
	}
	return s.rows.vector(at, dst)
}
