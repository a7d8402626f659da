package filter

import (
	"strconv"

	"github.com/RoaringBitmap/roaring/v2"
)

// exists wants the records whose property has a value or a set; negated, it wants the others.
type exists struct {
	property string
	negated  bool
}

func (e exists) complement() expr {
	e.negated = !e.negated
	return e
}

func (e exists) match(value func(string) Value) bool {
	return (value(e.property) != Value{}) != e.negated
}

func (e exists) slots(column func(string) *Column, universe *roaring.Bitmap) *roaring.Bitmap {
	c := column(e.property)
	having := c.present(universe)
	having.Or(c.withSet(universe))
	if e.negated {
		return roaring.AndNot(universe, having)
	}
	return having
}

func (e exists) reach(_ func(string) *Column, all uint64) uint64 { return all }

func (e exists) walk(negated bool, visit func(string, bool)) { visit(e.property, e.negated != negated) }

func (e exists) key() string { return e.property }

func (e exists) append(to []byte) []byte {
	to = append(AppendString(to, e.property), `:{"$exists":`...)
	return append(strconv.AppendBool(to, !e.negated), '}')
}

// contains wants the records whose property is one of some strings, or a set that has one.
type contains struct {
	property string
	texts    []Value // strings, sorted, each once
}

// newContains takes the operands, strings, as they came.
func newContains(property string, operands []Value) contains {
	return contains{property, newOneOf(property, operands, false).values}
}

func (c contains) match(value func(string) Value) bool {
	v := value(c.property)
	single := oneOf{values: c.texts}
	for _, element := range v.Elements() {
		if single.holds(StringOf(element)) {
			return true
		}
	}
	return single.holds(v)
}

func (c contains) slots(column func(string) *Column, universe *roaring.Bitmap) *roaring.Bitmap {
	values := column(c.property)
	found := values.equal(c.texts, universe)
	found.Or(values.containing(c.texts, universe))
	return found
}

func (c contains) reach(column func(string) *Column, all uint64) uint64 {
	return min(all, column(c.property).reach(c.texts, true))
}

func (c contains) walk(negated bool, visit func(string, bool)) { visit(c.property, negated) }

func (c contains) key() string { return c.property }

func (c contains) append(to []byte) []byte {
	to = append(AppendString(to, c.property), `:{"$contains":`...)
	if len(c.texts) == 1 {
		return append(c.texts[0].append(to), '}')
	}
	return append(appendList(to, c.texts), '}')
}
