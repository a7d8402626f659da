package vectorize

import (
	"context"

	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
)

// DefaultFacets is how many values a call for facets returns that does not say.
const DefaultFacets = 10

// Facets checks the selection and the number of facets, and counts the values of a property.
func (x *Index) Facets(ctx context.Context, property string, s index.Selection, most int, r index.Read) (index.Facets, error) {
	if err := filter.CheckProperty(property); err != nil {
		return index.Facets{}, err
	}
	if limit := x.limits.ListPage; most < 1 || limit > 0 && most > limit {
		return index.Facets{}, fault.For(ReasonPage, "limit is %d; it must be between 1 and %d", most, limit)
	}
	if err := x.checkSelection(s); err != nil {
		return index.Facets{}, err
	}
	return x.Index.Facets(ctx, property, s, most, r)
}
