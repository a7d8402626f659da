package index

import (
	"slices"
	"strings"

	"nearside/fault"
	"nearside/index/filter"
)

// Selection says which records an operation is about: those that meet all its
// conditions. The zero value is every record. Records outside the caller's scope
// are never among them.
type Selection struct {
	IDs       []VectorID    // only these; nil = all ids, empty = none
	Prefix    string        // only ids that begin with it
	Namespace string        // "" = all
	Filter    filter.Filter // a record has no value for a property without metadata index

	// All says that every record is meant. A mutation must say so: one without
	// conditions is a mistake more often than not.
	All bool
}

// IsAll reports whether a selection leaves nothing out.
func (s Selection) IsAll() bool {
	return s.IDs == nil && s.Prefix == "" && s.Namespace == "" && s.Filter.IsZero()
}

// HasID reports whether a record with an id can be selected.
func (s Selection) HasID(id VectorID) bool {
	return strings.HasPrefix(string(id), s.Prefix) && (s.IDs == nil || slices.Contains(s.IDs, id))
}

// HasNamespace reports whether records of a namespace ("" = none) can be selected.
func (s Selection) HasNamespace(namespace string) bool {
	return s.Namespace == "" || s.Namespace == namespace
}

// Check refuses a selection for a mutation unless it says which records are meant.
// A filter on a property without metadata index does not: to it no record has a
// value, and {"a":{"$ne":1}} would select them all.
func (s Selection) Check(indexes []MetadataIndex) error {
	switch {
	case s.IsAll() && !s.All:
		return fault.For(ReasonSelection, "nothing says which records are meant; give ids, prefix, namespace or filter, or all: true for every record of the index")
	case s.All && !s.IsAll():
		return fault.For(ReasonSelection, "all: true means every record of the index, but there are conditions too; leave out all, or the conditions")
	}
	if missing := s.Unindexed(indexes); len(missing) > 0 {
		return fault.For(ReasonUnindexed, "the filter names %s, which has no metadata index, so that nobody could tell which records are meant; create one, write the records again, and repeat the call", filter.Quote(missing[0]))
	}
	return nil
}

// Unindexed returns the properties of the filter that have no metadata index.
func (s Selection) Unindexed(indexes []MetadataIndex) []string {
	return slices.DeleteFunc(s.Filter.Properties(), func(p string) bool {
		return slices.ContainsFunc(indexes, func(m MetadataIndex) bool { return m.Property == p })
	})
}

// CheckFacets reports why there cannot be most facets.
func CheckFacets(most int) error {
	if most < 1 {
		return fault.New(fault.Invalid, "the number of facets is %d; it must be at least 1", most)
	}
	return nil
}

// CheckSelect reports why a page of a selection cannot have count ids.
func CheckSelect(count int) error {
	if count < 0 {
		return fault.New(fault.Invalid, "count is %d; it must be at least 0, which asks for the total only", count)
	}
	return nil
}
