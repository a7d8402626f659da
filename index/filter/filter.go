package filter

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// Filter says which records are wanted. The zero value wants every record.
type Filter struct {
	root all
}

// expr is a node of a filter's tree.
type expr interface {
	// match answers for one record, whose values it asks for.
	match(value func(property string) Value) bool
	// slots returns the part of universe that matches. It may be universe itself: it is not to be changed.
	slots(column func(property string) *Column, universe *roaring.Bitmap) *roaring.Bitmap
	// reach returns about how many slots the node has to touch at most, if that is fewer than all of them.
	reach(column func(property string) *Column, all uint64) uint64
	// walk calls visit for every condition on a property, and says whether absence
	// helps a record to pass the whole: negated tells if the node stands under $not.
	walk(negated bool, visit func(property string, passesAbsent bool))
	// key is the property, or the connective, under which the node stands in its object.
	key() string
	// append writes the node as JSON: as a member of an object, the key first.
	append(to []byte) []byte
}

// IsZero reports whether f wants every record because it says nothing.
func (f Filter) IsZero() bool { return len(f.root) == 0 }

// And returns the filter that wants what both f and other want.
func (f Filter) And(other Filter) Filter {
	return Filter{newAll(slices.Concat(f.root, other.root))}
}

// Properties returns the properties that f looks at, sorted, each once.
func (f Filter) Properties() []string {
	var properties []string
	f.root.walk(false, func(p string, _ bool) { properties = append(properties, p) })
	slices.Sort(properties)
	return slices.Compact(properties)
}

// PassesAbsent returns the properties, sorted, each once, of which a record may
// have no value and still meet what f asks of them: those under $ne, $nin, null
// and $exists:false, and under $not those of all other conditions. If there are
// none, a record that loses a value can drop out of f, and never come in.
func (f Filter) PassesAbsent() []string {
	var properties []string
	f.root.walk(false, func(p string, passesAbsent bool) {
		if passesAbsent {
			properties = append(properties, p)
		}
	})
	slices.Sort(properties)
	return slices.Compact(properties)
}

// String returns f as JSON in one canonical spelling. What Parse made is read back
// by Parse, and what ParseExtended made by ParseExtended, as an equal filter.
func (f Filter) String() string { return string(f.root.object(nil)) }

// Match reports whether f wants the record whose values are given by property.
func (f Filter) Match(value func(property string) Value) bool { return f.root.match(value) }

// Bitmap returns the slots of universe that f wants, and the properties of f that
// have no column, sorted; for those every record counts as absent.
// The bitmap may be universe itself: it is not to be changed.
func (f Filter) Bitmap(column func(property string) *Column, universe *roaring.Bitmap) (matching *roaring.Bitmap, unindexed []string) {
	for _, p := range f.Properties() {
		if column(p) == nil {
			unindexed = append(unindexed, p)
		}
	}
	return f.root.slots(column, universe), unindexed
}
