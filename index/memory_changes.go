package index

import (
	"context"
	"maps"
	"slices"
)

// Mark makes a mutation that changes nothing.
func (h *memoryHandle) Mark(ctx context.Context, id string) (Mutation, error) {
	x := h.index
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := h.usable(ctx); err != nil {
		return Mutation{}, err
	}
	x.apply(nil, nil, 0)
	newest := &x.states[len(x.states)-1]
	newest.ID = id
	return *newest, nil
}

// Changed returns what was written or removed after a mutation.
func (h *memoryHandle) Changed(ctx context.Context, since Sequence) ([]VectorID, Sequence, error) {
	x := h.index
	x.mu.RLock()
	defer x.mu.RUnlock()
	if err := h.usable(ctx); err != nil {
		return nil, 0, err
	}
	if known := x.states[0].Sequence; since < known || since > x.newest() {
		return nil, 0, Forgotten(since, known, x.newest())
	}
	changed := map[VectorID]bool{}
	for _, v := range x.versions {
		if v.born > since && v.died == 0 || v.died > since && v.born <= since {
			changed[v.ID] = true
		}
	}
	return slices.Sorted(maps.Keys(changed)), x.newest(), nil
}
