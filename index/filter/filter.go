// Package filter is Cloudflare's metadata filter language: from JSON to the
// records that match.
//
// Parse reads a Filter. Match answers it for one record, Bitmap for all records
// at once, from the Columns that an index keeps for its metadata indexes; both
// give the same answer. A Value is what a metadata index sees of a record: a
// string cut to 64 bytes, a number, a boolean, or nothing. "Nothing" (absent) is
// one case with many causes: no such property, null, an array or object, a value
// of another type than the index's, a record older than the metadata index, or
// no metadata index at all.
//
// An absent value passes $ne and $nin of values and $eq and $in of null, and
// nothing else. Strings are compared by their bytes.
//
// A Filter never changes and may be shared. A Column takes one writer and any
// number of readers at a time.
package filter

import (
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
)

// Filter says which records are wanted. The zero value wants every record.
type Filter struct {
	root all
}

// expr is a node of a filter's tree. Another connective is another type of node.
type expr interface {
	// match answers for one record, whose values it asks for.
	match(value func(property string) Value) bool
	// slots returns the part of universe that matches. It may be universe itself: it is not to be changed.
	slots(column func(property string) *Column, universe *roaring.Bitmap) *roaring.Bitmap
	// walk calls visit for every property that the node looks at.
	walk(visit func(property string))
	// append writes the node as Cloudflare's JSON.
	append(to []byte) []byte
}

// IsZero reports whether f wants every record because it says nothing.
func (f Filter) IsZero() bool { return len(f.root) == 0 }

// And returns the filter that wants what both f and other want.
func (f Filter) And(other Filter) Filter {
	return Filter{slices.Concat(f.root, other.root)}
}

// Properties returns the properties that f looks at, sorted, each once.
func (f Filter) Properties() []string {
	var properties []string
	f.root.walk(func(p string) { properties = append(properties, p) })
	slices.Sort(properties)
	return slices.Compact(properties)
}

// String returns f as JSON in one canonical spelling: what Parse made reads back as an equal filter.
func (f Filter) String() string { return string(f.root.append(nil)) }

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

// PassesAbsent returns the properties of which a record may have no value and
// still meet what f asks of them: those under $ne, $nin and null.
func (f Filter) PassesAbsent() []string {
	var properties []string
	for _, e := range f.root {
		if e.match(func(string) Value { return Value{} }) {
			e.walk(func(p string) { properties = append(properties, p) })
		}
	}
	return properties
}

// all is the conjunction of its parts; of none, it is true.
type all []expr

func (a all) match(value func(string) Value) bool {
	for _, e := range a {
		if !e.match(value) {
			return false
		}
	}
	return true
}

func (a all) slots(column func(string) *Column, universe *roaring.Bitmap) *roaring.Bitmap {
	for _, e := range a {
		universe = e.slots(column, universe)
	}
	return universe
}

func (a all) walk(visit func(string)) {
	for _, e := range a {
		e.walk(visit)
	}
}

func (a all) append(to []byte) []byte {
	to = append(to, '{')
	for i, e := range a {
		if i > 0 {
			to = append(to, ',')
		}
		to = e.append(to)
	}
	return append(to, '}')
}

// oneOf wants the records whose property has one of the values, or none if null
// is set; negated, it wants the others.
type oneOf struct {
	property string
	values   []Value // sorted, each once, none absent
	null     bool
	negated  bool
}

// newOneOf takes the operands as they came; absent stands for null.
func newOneOf(property string, operands []Value, negated bool) oneOf {
	values := slices.Clone(operands)
	slices.SortFunc(values, compare)
	values = slices.Compact(values)
	null := len(values) > 0 && values[0].IsAbsent() // absent sorts first
	if null {
		values = values[1:]
	}
	return oneOf{property, values, null, negated}
}

func (o oneOf) holds(v Value) bool {
	if v.IsAbsent() {
		return o.null
	}
	_, found := slices.BinarySearchFunc(o.values, v, compare)
	return found
}

func (o oneOf) match(value func(string) Value) bool {
	return o.holds(value(o.property)) != o.negated
}

func (o oneOf) slots(column func(string) *Column, universe *roaring.Bitmap) *roaring.Bitmap {
	c := column(o.property)
	named := c.equal(o.values)
	switch {
	case o.null && o.negated: // has a value, and not one of these
		present := roaring.And(universe, c.present())
		present.AndNot(named)
		return present
	case o.negated:
		return roaring.AndNot(universe, named)
	case o.null:
		absent := roaring.AndNot(universe, c.present())
		named.And(universe)
		absent.Or(named)
		return absent
	default:
		named.And(universe)
		return named
	}
}

func (o oneOf) walk(visit func(string)) { visit(o.property) }

func (o oneOf) append(to []byte) []byte {
	operands := o.values
	if o.null {
		operands = append([]Value{{}}, operands...)
	}
	to = append(AppendString(to, o.property), ':')
	switch {
	case len(operands) == 1 && !o.negated:
		return operands[0].append(to)
	case len(operands) == 1:
		return append(operands[0].append(append(to, `{"$ne":`...)), '}')
	case o.negated:
		to = append(to, `{"$nin":[`...)
	default:
		to = append(to, `{"$in":[`...)
	}
	for i, v := range operands {
		if i > 0 {
			to = append(to, ',')
		}
		to = v.append(to)
	}
	return append(to, "]}"...)
}

// bound is one end of a span; its value is absent where the span has no such end.
type bound struct {
	value     Value
	exclusive bool
}

// span wants the records whose value lies between two bounds of its own type.
type span struct {
	property  string
	low, high bound
}

func (s span) holds(v Value) bool {
	if v.IsAbsent() {
		return false
	}
	if low := s.low.value; !low.IsAbsent() {
		if c := compare(low, v); low.Type() != v.Type() || c > 0 || c == 0 && s.low.exclusive {
			return false
		}
	}
	if high := s.high.value; !high.IsAbsent() {
		if c := compare(v, high); high.Type() != v.Type() || c > 0 || c == 0 && s.high.exclusive {
			return false
		}
	}
	return true
}

func (s span) match(value func(string) Value) bool { return s.holds(value(s.property)) }

func (s span) slots(column func(string) *Column, universe *roaring.Bitmap) *roaring.Bitmap {
	within := column(s.property).within(s)
	within.And(universe)
	return within
}

func (s span) walk(visit func(string)) { visit(s.property) }

func (s span) append(to []byte) []byte {
	var ends []string
	for _, end := range []struct {
		bound
		open, closed string
	}{{s.low, "$gt", "$gte"}, {s.high, "$lt", "$lte"}} {
		if end.value.IsAbsent() {
			continue
		}
		operator := end.closed
		if end.exclusive {
			operator = end.open
		}
		ends = append(ends, string(end.value.append([]byte(`"`+operator+`":`))))
	}
	to = append(AppendString(to, s.property), `:{`...)
	to = append(to, strings.Join(ends, ",")...)
	return append(to, '}')
}
