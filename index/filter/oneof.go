package filter

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

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

func (o oneOf) complement() expr {
	o.negated = !o.negated
	return o
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
	switch {
	case o.null && o.negated: // has a value, and not one of these
		present := c.present(universe)
		present.AndNot(c.equal(o.values, universe))
		return present
	case o.negated:
		return c.unequal(o.values, universe)
	case o.null:
		absent := c.absent(universe)
		absent.Or(c.equal(o.values, universe))
		return absent
	default:
		return c.equal(o.values, universe)
	}
}

func (o oneOf) reach(column func(string) *Column, all uint64) uint64 {
	if o.negated || o.null {
		return all
	}
	return min(all, column(o.property).reach(o.values, false))
}

func (o oneOf) walk(negated bool, visit func(string, bool)) {
	visit(o.property, o.holds(Value{}) != (o.negated != negated))
}

func (o oneOf) key() string { return o.property }

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
		to = append(to, `{"$nin":`...)
	default:
		to = append(to, `{"$in":`...)
	}
	return append(appendList(to, operands), '}')
}

// appendList appends values as a JSON array.
func appendList(to []byte, values []Value) []byte {
	to = append(to, '[')
	for i, v := range values {
		if i > 0 {
			to = append(to, ',')
		}
		to = v.append(to)
	}
	return append(to, ']')
}
