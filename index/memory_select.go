package index

import (
	"context"
	"slices"
	"time"
)

// selected returns those of the versions shown that a selection has.
func (x *memoryIndex) selected(shown []*version, s Selection, state Sequence) []*version {
	return slices.DeleteFunc(shown, func(v *version) bool {
		return !s.HasID(v.ID) || !s.HasNamespace(v.Namespace) || !x.matches(v, s.Filter, state)
	})
}

// Select returns the page of at most count ids of a selection after the cursor.
func (h *memoryHandle) Select(ctx context.Context, s Selection, cursor string, count int, r Read) (Page, error) {
	x := h.index
	x.mu.RLock()
	defer x.mu.RUnlock()
	if err := h.usable(ctx); err != nil {
		return Page{}, err
	}
	if err := CheckSelect(count); err != nil {
		return Page{}, err
	}
	from := Cursor{Sequence: x.state(r.Age).Sequence}
	if cursor != "" {
		var err error
		if from, err = DecodeCursor(cursor, x.number, x.clock()); err != nil {
			return Page{}, err
		}
	}
	indexes := x.metadataIndexes(from.Sequence)
	if err := r.Within.Check(indexes); err != nil {
		return Page{}, err
	}
	shown := x.selected(x.visible(r.Within, from.Sequence), s, from.Sequence)
	page := x.page(shown, from, count)
	page.Unindexed = s.Unindexed(indexes)
	return page, nil
}

// page returns the first count of the versions, sorted by id, after the cursor's.
func (x *memoryIndex) page(shown []*version, from Cursor, count int) Page {
	page := Page{Total: len(shown)}
	for _, v := range shown {
		if count == 0 || v.ID <= from.After {
			continue
		}
		if len(page.IDs) == count {
			from.After = page.IDs[count-1]
			from.Expires = x.clock().Add(CursorLife).UTC().Truncate(time.Second)
			page.Next, page.Expires = from.Encode(x.number), from.Expires
			break
		}
		page.IDs = append(page.IDs, v.ID)
	}
	return page
}

// living returns the versions alive that a selection has within a scope. The caller holds the lock.
func (h *memoryHandle) living(ctx context.Context, s Selection, within Scope) ([]*version, error) {
	if err := h.usable(ctx); err != nil {
		return nil, err
	}
	now := h.index.newest()
	indexes := h.index.metadataIndexes(now)
	if err := within.Check(indexes); err != nil {
		return nil, err
	}
	if err := s.Check(indexes); err != nil {
		return nil, err
	}
	return h.index.selected(h.index.visible(within, now), s, now), nil
}

// DeleteSelected removes the records of a selection.
func (h *memoryHandle) DeleteSelected(ctx context.Context, s Selection, within Scope) (Mutation, error) {
	x := h.index
	x.mu.Lock()
	defer x.mu.Unlock()
	living, err := h.living(ctx, s, within)
	if err != nil {
		return Mutation{}, err
	}
	var killed []VectorID
	for _, v := range living {
		killed = append(killed, v.ID)
	}
	return x.apply(nil, killed, len(killed)), nil
}

// UpdateMetadata changes the metadata of the records of a selection.
func (h *memoryHandle) UpdateMetadata(ctx context.Context, s Selection, u MetadataUpdate, within Scope) (Mutation, error) {
	x := h.index
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := u.Check(); err != nil {
		return Mutation{}, err
	}
	living, err := h.living(ctx, s, within)
	if err != nil {
		return Mutation{}, err
	}
	now := x.newest()
	var added []*version
	var killed []VectorID
	for _, old := range living {
		metadata, changed, err := u.Revise(old.ID, old.Metadata)
		if err != nil {
			return Mutation{}, err
		}
		if !changed {
			continue
		}
		v := &version{Record: old.Record, born: now + 1}
		v.Metadata = metadata
		if !x.inside(v, within, now) {
			return Mutation{}, within.Refuse(v.ID)
		}
		killed = append(killed, v.ID)
		added = append(added, v)
	}
	return x.apply(added, killed, len(added)), nil
}
