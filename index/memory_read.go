package index

import (
	"context"
	"slices"
	"time"
)

// state returns the state that was the newest at an age, or the oldest one known.
func (x *memoryIndex) state(age time.Duration) Mutation {
	at := len(x.states) - 1
	for then := x.clock().Add(-age); age > 0 && at > 0 && x.states[at].Time.After(then); {
		at--
	}
	return x.states[at]
}

// visible returns the versions that a scope shows of a state, by id.
func (x *memoryIndex) visible(within Scope, state Sequence) []*version {
	var shown []*version
	for _, v := range x.versions {
		if existed(v.born, v.died, state) && x.inside(v, within, state) {
			shown = append(shown, v)
		}
	}
	slices.SortFunc(shown, func(a, b *version) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return shown
}

// read returns what a caller sees of the state that r asks for. The caller holds the lock.
func (h *memoryHandle) read(ctx context.Context, r Read) (Mutation, []*version, error) {
	if err := h.usable(ctx); err != nil {
		return Mutation{}, nil, err
	}
	state := h.index.state(r.Age)
	if err := r.Within.Check(h.index.metadataIndexes(state.Sequence)); err != nil {
		return Mutation{}, nil, err
	}
	return state, h.index.visible(r.Within, state.Sequence), nil
}

// find returns the version with an id, or nil.
func find(shown []*version, id VectorID) *version {
	for _, v := range shown {
		if v.ID == id {
			return v
		}
	}
	return nil
}

// Get returns the records with the given ids, in the order asked.
func (h *memoryHandle) Get(ctx context.Context, ids []VectorID, r Read) ([]Record, error) {
	h.index.mu.RLock()
	defer h.index.mu.RUnlock()
	_, shown, err := h.read(ctx, r)
	if err != nil {
		return nil, err
	}
	var records []Record
	for _, id := range ids {
		if v := find(shown, id); v != nil {
			records = append(records, clone(v.Record))
		}
	}
	return records, nil
}

// List returns the page of at most count ids after the cursor.
func (h *memoryHandle) List(ctx context.Context, cursor string, count int, r Read) (Page, error) {
	if err := CheckPage(count); err != nil {
		return Page{}, err
	}
	return h.Select(ctx, Selection{}, cursor, count, r)
}

// MetadataIndexes lists the metadata indexes, oldest first.
func (h *memoryHandle) MetadataIndexes(ctx context.Context, r Read) ([]MetadataIndex, error) {
	h.index.mu.RLock()
	defer h.index.mu.RUnlock()
	if err := h.usable(ctx); err != nil {
		return nil, err
	}
	return h.index.metadataIndexes(h.index.state(r.Age).Sequence), nil
}

// Info describes the index.
func (h *memoryHandle) Info(ctx context.Context, r Read) (Info, error) {
	h.index.mu.RLock()
	defer h.index.mu.RUnlock()
	state, shown, err := h.read(ctx, r)
	if err != nil {
		return Info{}, err
	}
	namespaces := map[string]bool{}
	for _, v := range shown {
		if v.Namespace != "" {
			namespaces[v.Namespace] = true
		}
	}
	return Info{Config: h.index.config, Count: len(shown), Namespaces: len(namespaces), Mutation: state}, nil
}

// Query returns the TopK nearest records.
func (h *memoryHandle) Query(ctx context.Context, q Query, r Read) (Result, error) {
	x := h.index
	x.mu.RLock()
	defer x.mu.RUnlock()
	state, shown, err := h.read(ctx, r)
	if err != nil {
		return Result{}, err
	}
	if err := x.config.CheckQuery(q); err != nil {
		return Result{}, err
	}
	result := Result{
		Explain:   Explain{Plan: PlanEmpty, Exhaustive: true, Sequence: state.Sequence},
		Unindexed: x.unindexed(q, state.Sequence),
	}
	vector := q.Vector
	if vector == nil {
		v := find(shown, q.ID)
		if v == nil {
			return result, nil
		}
		vector = v.Values
	}
	var matches []Match
	for _, v := range shown {
		if (q.Namespace == "" || q.Namespace == v.Namespace) && x.matches(v, q.Filter, state.Sequence) {
			matches = append(matches, Match{clone(v.Record), Score(x.config.Metric, vector, v.Values)})
		}
	}
	if len(matches) == 0 {
		return result, nil
	}
	result.Explain.Plan = PlanScan
	result.Explain.Matching = len(matches)
	result.Explain.Candidates = len(matches)
	result.Matches = x.best(matches, q, state.Sequence)
	return result, nil
}

// unindexed returns the properties of the query's filter that have no metadata index in a state.
func (x *memoryIndex) unindexed(q Query, state Sequence) []string {
	var missing []string
	for _, p := range q.Filter.Properties() {
		if x.metadataIndex(p, state) == nil {
			missing = append(missing, p)
		}
	}
	return missing
}

// best returns the first TopK of the matches, with what the query wants to see of them.
func (x *memoryIndex) best(matches []Match, q Query, state Sequence) []Match {
	slices.SortFunc(matches, func(a, b Match) int {
		if x.config.Metric.Better(a, b) {
			return -1
		}
		return 1
	})
	matches = matches[:min(q.TopK, len(matches))]
	for i := range matches {
		m := &matches[i]
		if !q.Values {
			m.Values = nil
		}
		if !q.Text {
			m.Title, m.Text = "", ""
		}
		switch q.Metadata {
		case NoMetadata:
			m.Metadata = nil
		case IndexedMetadata:
			m.Metadata = ProjectMetadata(m.Metadata, x.metadataIndexes(state))
		}
	}
	return matches
}
