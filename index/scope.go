package index

import (
	"slices"

	"nearside/fault"
	"nearside/index/filter"
)

// IsAll reports whether a scope leaves nothing out.
func (s Scope) IsAll() bool { return s.Namespaces == nil && s.Filter.IsZero() }

// HasNamespace reports whether records of a namespace ("" = none) can lie in the scope.
func (s Scope) HasNamespace(namespace string) bool {
	return s.Namespaces == nil || slices.Contains(s.Namespaces, namespace)
}

// Holds reports whether a record of a namespace with the given values lies in the scope.
func (s Scope) Holds(namespace string, value func(property string) filter.Value) bool {
	return s.HasNamespace(namespace) && s.Filter.Match(value)
}

// Check refuses a scope whose filter needs a metadata index that does not exist:
// without it nobody could tell which records are inside.
func (s Scope) Check(indexes []MetadataIndex) error {
	for _, p := range s.Filter.Properties() {
		if !slices.ContainsFunc(indexes, func(m MetadataIndex) bool { return m.Property == p }) {
			return outOfScope("the caller may only see records that pass the filter " + s.Filter.String() + ", but there is no metadata index on " + filter.Quote(p) +
				"; create it and write the records again")
		}
	}
	return nil
}

// Refuse is the fault of a mutation that would write a record outside the scope,
// or replace or delete one.
func (s Scope) Refuse(id VectorID) error {
	return outOfScope("record " + filter.Quote(string(id)) + " lies outside what the caller may touch; nothing of the batch was applied")
}

func outOfScope(message string) error {
	return &fault.Error{Kind: fault.Forbidden, Reason: ReasonScope, Message: message}
}
