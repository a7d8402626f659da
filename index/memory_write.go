package index

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"nearside/index/filter"
)

// Insert adds the records whose ids are new.
func (h *memoryHandle) Insert(ctx context.Context, records []Record, within Scope) (Mutation, error) {
	return h.put(ctx, records, FirstOfEach(records), within, false)
}

// Upsert adds or replaces records wholly.
func (h *memoryHandle) Upsert(ctx context.Context, records []Record, within Scope) (Mutation, error) {
	return h.put(ctx, records, LastOfEach(records), within, true)
}

// put writes those of a batch that count.
func (h *memoryHandle) put(ctx context.Context, batch, counting []Record, within Scope, replace bool) (Mutation, error) {
	x := h.index
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := h.usable(ctx); err != nil {
		return Mutation{}, err
	}
	if err := x.config.CheckRecords(batch); err != nil {
		return Mutation{}, err
	}
	now := x.newest()
	if err := within.Check(x.metadataIndexes(now)); err != nil {
		return Mutation{}, err
	}
	var added []*version
	var killed []VectorID
	for _, r := range counting {
		old := x.alive[r.ID]
		if old != nil && !replace {
			continue
		}
		v := &version{Record: clone(r), born: now + 1}
		if old != nil && !x.inside(old, within, now) || !x.inside(v, within, now) {
			return Mutation{}, within.Refuse(r.ID)
		}
		if old != nil {
			killed = append(killed, r.ID)
		}
		added = append(added, v)
	}
	return x.apply(added, killed, len(added)), nil
}

// Delete removes the records with the given ids.
func (h *memoryHandle) Delete(ctx context.Context, ids []VectorID, within Scope) (Mutation, error) {
	x := h.index
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := h.usable(ctx); err != nil {
		return Mutation{}, err
	}
	now := x.newest()
	if err := within.Check(x.metadataIndexes(now)); err != nil {
		return Mutation{}, err
	}
	var killed []VectorID
	for _, id := range ids {
		old := x.alive[id]
		if old == nil || slices.Contains(killed, id) {
			continue
		}
		if !x.inside(old, within, now) {
			return Mutation{}, within.Refuse(id)
		}
		killed = append(killed, id)
	}
	return x.apply(nil, killed, len(killed)), nil
}

// apply makes the next state: some versions die, others are born.
func (x *memoryIndex) apply(added []*version, killed []VectorID, changed int) Mutation {
	m := Mutation{ID: uuid.NewString(), Sequence: x.newest() + 1, Time: x.now(), Changed: changed}
	for _, id := range killed {
		x.alive[id].died = m.Sequence
		delete(x.alive, id)
	}
	for _, v := range added {
		x.alive[v.ID] = v
		x.versions = append(x.versions, v)
	}
	x.states = append(x.states, m)
	return m
}

// now returns the time of the next mutation: never before that of the last one, even if the clock was set back.
func (x *memoryIndex) now() time.Time {
	now, last := x.clock().UTC(), x.states[len(x.states)-1].Time
	if now.Before(last) {
		return last
	}
	return now
}

// CreateMetadataIndex makes a property filterable.
func (h *memoryHandle) CreateMetadataIndex(ctx context.Context, m MetadataIndex, backfill bool) (Mutation, error) {
	x := h.index
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := h.usable(ctx); err != nil {
		return Mutation{}, err
	}
	if err := CheckMetadataIndex(x.metadataIndexes(x.newest()), m); err != nil {
		return Mutation{}, err
	}
	backfilled := 0
	if backfill {
		backfilled = len(x.alive)
	}
	made := x.apply(nil, nil, backfilled)
	x.metadata = append(x.metadata, &metadataVersion{MetadataIndex: m, backfilled: backfill, created: made.Sequence})
	return made, nil
}

// DeleteMetadataIndex undoes CreateMetadataIndex.
func (h *memoryHandle) DeleteMetadataIndex(ctx context.Context, property string) (Mutation, error) {
	x := h.index
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := h.usable(ctx); err != nil {
		return Mutation{}, err
	}
	m := x.metadataIndex(property, x.newest())
	if m == nil {
		return Mutation{}, NoMetadataIndex(property)
	}
	made := x.apply(nil, nil, 0)
	m.died = made.Sequence
	return made, nil
}

// metadataIndex returns the metadata index on a property in a state, or nil.
func (x *memoryIndex) metadataIndex(property string, state Sequence) *metadataVersion {
	for _, m := range x.metadata {
		if m.Property == property && existed(m.created, m.died, state) {
			return m
		}
	}
	return nil
}

// metadataIndexes lists the metadata indexes of a state.
func (x *memoryIndex) metadataIndexes(state Sequence) []MetadataIndex {
	var list []MetadataIndex
	for _, m := range x.metadata {
		if existed(m.created, m.died, state) {
			list = append(list, m.MetadataIndex)
		}
	}
	return list
}

// value returns what the metadata index on a property sees of a version in a state.
func (x *memoryIndex) value(v *version, property string, state Sequence) filter.Value {
	m := x.metadataIndex(property, state)
	if m == nil || v.born < m.created && !m.backfilled {
		return filter.Value{}
	}
	return filter.Extract(v.Metadata, property, m.Type)
}

// matches reports whether a version passes a filter in a state.
func (x *memoryIndex) matches(v *version, f filter.Filter, state Sequence) bool {
	return f.Match(func(property string) filter.Value { return x.value(v, property, state) })
}

// inside reports whether a version lies within a scope in a state.
func (x *memoryIndex) inside(v *version, within Scope, state Sequence) bool {
	return within.HasNamespace(v.Namespace) && x.matches(v, within.Filter, state)
}

// clone returns a copy that shares no memory that could change.
func clone(r Record) Record {
	r.Values = slices.Clone(r.Values)
	r.Metadata = slices.Clone(r.Metadata)
	return r
}
