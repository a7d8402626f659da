package index

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"nearside/index/filter"
)

// Facets counts the values of a property.
func (h *memoryHandle) Facets(ctx context.Context, property string, s Selection, most int, r Read) (Facets, error) {
	x := h.index
	x.mu.RLock()
	defer x.mu.RUnlock()
	state, shown, err := h.read(ctx, r)
	if err != nil {
		return Facets{}, err
	}
	if err := CheckFacets(most); err != nil {
		return Facets{}, err
	}
	by := x.metadataIndex(property, state.Sequence)
	if by == nil {
		return Facets{}, NoMetadataIndex(property)
	}
	shown = x.selected(shown, s, state.Sequence)
	counts := map[filter.Value]int{}
	for _, v := range shown {
		for _, value := range single(x.value(v, property, state.Sequence)) {
			counts[value]++
		}
	}
	facets := Facets{Type: by.Type, Distinct: len(counts), Total: len(shown), Unindexed: s.Unindexed(x.metadataIndexes(state.Sequence))}
	for value, count := range counts {
		facets.Values = append(facets.Values, filter.Facet{Value: value, Count: count})
	}
	slices.SortFunc(facets.Values, func(a, b filter.Facet) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), compareValues(a.Value, b.Value))
	})
	facets.Values = facets.Values[:min(most, len(facets.Values))]
	return facets, nil
}

// single returns the values that a value counts as: the strings of an array, one each.
func single(v filter.Value) []filter.Value {
	var list []filter.Value
	for _, text := range v.Elements() {
		list = append(list, filter.StringOf(text))
	}
	if !v.IsAbsent() {
		list = []filter.Value{v}
	}
	return list
}

// compareValues orders two values of one type.
func compareValues(a, b filter.Value) int {
	ka, kb := valueKey(a), valueKey(b)
	return cmp.Or(cmp.Compare(ka.number, kb.number), cmp.Compare(ka.text, kb.text))
}

type sortKey struct {
	number float64
	text   string
}

func valueKey(v filter.Value) (k sortKey) {
	switch v.Type() {
	case filter.String:
		_ = json.Unmarshal(v.JSON(), &k.text) // what JSON wrote reads back
	case filter.Number:
		_ = json.Unmarshal(v.JSON(), &k.number)
	case filter.Boolean:
		if string(v.JSON()) == "true" {
			k.number = 1
		}
	}
	return k
}
