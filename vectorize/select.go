package vectorize

import (
	"context"
	"encoding/json"
	"fmt"

	"nearside/fault"
	"nearside/index"
)

// MaxSample is how many ids Preview shows of the records that a mutation would touch.
const MaxSample = 10

// updateBatch is how many records UpdateSelected changes in one mutation: some
// 35 MB of log at 768 dimensions, and a moment for the writers that wait.
const updateBatch = 10_000

// Select checks the selection and the page size, and returns a page of ids.
func (x *Index) Select(ctx context.Context, s index.Selection, cursor string, count int, r index.Read) (index.Page, error) {
	if err := checkPage(count, x.limits); err != nil {
		return index.Page{}, err
	}
	if err := x.checkSelection(s); err != nil {
		return index.Page{}, err
	}
	return x.Index.Select(ctx, s, cursor, count, r)
}

// Count returns how many records a selection has: a page without ids.
func (x *Index) Count(ctx context.Context, s index.Selection, r index.Read) (index.Page, error) {
	if err := x.checkSelection(s); err != nil {
		return index.Page{}, err
	}
	return x.Index.Select(ctx, s, "", 0, r)
}

// Preview returns how many records a mutation of a selection would touch, and the
// first of their ids. What it refuses the mutation would refuse.
func (x *Index) Preview(ctx context.Context, s index.Selection, within index.Scope) (index.Page, error) {
	if err := x.checkMutation(ctx, s); err != nil {
		return index.Page{}, err
	}
	return x.Index.Select(ctx, s, "", MaxSample, index.Read{Within: within})
}

// DeleteSelected checks the selection and removes its records, however many, as one mutation.
func (x *Index) DeleteSelected(ctx context.Context, s index.Selection, within index.Scope) (index.Mutation, error) {
	if err := x.checkSelection(s); err != nil {
		return index.Mutation{}, err
	}
	return x.write(ctx, func(into *Index) (index.Mutation, error) { return into.Index.DeleteSelected(ctx, s, within) })
}

// UpdateMetadata checks the update and changes the records of a selection, as one mutation.
func (x *Index) UpdateMetadata(ctx context.Context, s index.Selection, u index.MetadataUpdate, within index.Scope) (index.Mutation, error) {
	if err := x.checkSelection(s); err != nil {
		return index.Mutation{}, err
	}
	if err := checkSet(u.Set); err != nil {
		return index.Mutation{}, err
	}
	return x.update(ctx, s, u, within)
}

// update is UpdateMetadata for what was checked.
func (x *Index) update(ctx context.Context, s index.Selection, u index.MetadataUpdate, within index.Scope) (index.Mutation, error) {
	u.Admit = func(id index.VectorID, metadata json.RawMessage) error { return checkMetadata(id, metadata, x.limits) }
	return x.write(ctx, func(into *Index) (index.Mutation, error) { return into.Index.UpdateMetadata(ctx, s, u, within) })
}

// Updated is the receipt of UpdateSelected.
type Updated struct {
	index.Mutation     // the last one, but Changed counts the records of all
	Mutations      int // how many there were
}

// UpdateSelected changes the metadata of all records of a selection. Up to
// 10,000 records it is one mutation. More are changed in batches, each a mutation
// of its own, in the order of their ids as they are at the beginning; of those that
// were written since, the selection decides anew. If one fails, those before it stay.
func (x *Index) UpdateSelected(ctx context.Context, s index.Selection, u index.MetadataUpdate, within index.Scope) (Updated, error) {
	if err := x.checkMutation(ctx, s); err != nil {
		return Updated{}, err
	}
	if err := checkSet(u.Set); err != nil {
		return Updated{}, err
	}
	page, err := x.Index.Select(ctx, s, "", updateBatch, index.Read{Within: within})
	if err != nil {
		return Updated{}, err
	}
	if page.Next == "" {
		m, err := x.update(ctx, s, u, within)
		return Updated{m, 1}, err
	}
	var done Updated
	for {
		batch := s
		batch.IDs, batch.All = page.IDs, false
		m, err := x.update(ctx, batch, u, within)
		if err != nil {
			return done, interrupted(err, done, page.Total)
		}
		m.Changed += done.Changed
		done = Updated{m, done.Mutations + 1}
		if page.Next == "" {
			return done, nil
		}
		if page, err = x.Index.Select(ctx, s, page.Next, updateBatch, index.Read{Within: within}); err != nil {
			return done, interrupted(err, done, page.Total)
		}
	}
}

// interrupted says how far an update came that was not finished.
func interrupted(err error, done Updated, total int) error {
	f := fault.As(err)
	if f == nil || done.Mutations == 0 {
		return err
	}
	told := *f
	told.Message = fmt.Sprintf("%s; %d of %d records had been changed by then and stay so, repeat the call for the others", f.Message, done.Changed, total)
	return &told
}

// checkSelection checks what a selection says against the limits.
func (x *Index) checkSelection(s index.Selection) error {
	if s.IDs != nil && len(s.IDs) == 0 {
		return fault.For(ReasonIDs, "ids is empty; name at least one record, or leave ids out")
	}
	if err := checkIDs(s.IDs, x.limits.Batch); err != nil {
		return err
	}
	if len(s.Prefix) > MaxID {
		return fault.For(ReasonID, "prefix too long; max is %d bytes, as of an id, got %d bytes", MaxID, len(s.Prefix))
	}
	return checkNamespace(s.Namespace)
}

// checkMutation is checkSelection for a mutation, with what the index would refuse.
func (x *Index) checkMutation(ctx context.Context, s index.Selection) error {
	if err := x.checkSelection(s); err != nil {
		return err
	}
	indexes, err := x.MetadataIndexes(ctx, index.Read{})
	if err != nil {
		return err
	}
	return s.Check(indexes)
}
