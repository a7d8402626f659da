package local

import (
	"context"

	"nearside/index"
)

// Facets counts the values of a property.
func (h *handle) Facets(ctx context.Context, property string, sel index.Selection, most int, r index.Read) (index.Facets, error) {
	return call(ctx, h, func(s *store) (index.Facets, error) { return s.facets(property, sel, most, r) })
}

// facets counts from memory: the column of the property knows the slots of each value.
func (s *store) facets(property string, sel index.Selection, most int, r index.Read) (index.Facets, error) {
	v := s.pin(r)
	defer v.unpin()
	visible, err := s.visible(v, r.Within)
	if err != nil {
		return index.Facets{}, err
	}
	if err := index.CheckFacets(most); err != nil {
		return index.Facets{}, err
	}
	column := v.values(property)
	if column == nil {
		return index.Facets{}, index.NoMetadataIndex(property)
	}
	selected, unindexed := s.selected(v, visible, sel)
	facets := index.Facets{Total: int(selected.GetCardinality()), Unindexed: unindexed}
	for _, m := range v.metadataIndexes() {
		if m.Property == property {
			facets.Type = m.Type
		}
	}
	facets.Values, facets.Distinct = column.Facets(selected, most)
	return facets, nil
}
