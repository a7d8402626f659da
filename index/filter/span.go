package filter

import (
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
)

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
	return column(s.property).within(s, universe)
}

func (s span) reach(_ func(string) *Column, all uint64) uint64 { return all }

func (s span) walk(negated bool, visit func(string, bool)) { visit(s.property, negated) }

func (s span) key() string { return s.property }

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
