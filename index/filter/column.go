package filter

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
)

// Column is what an index keeps in memory for one metadata index: which slot has
// which value. A slot is the number of one version of one record.
//
// Strings and booleans have a list of slots for each distinct value, and all values
// are kept in the order of their slots, in windows of 65,536 slots. A range is
// answered from the order of the values in each window, which is made when it is
// first asked for. The elements of sets have lists and an order of slots of their own.
//
// One value costs about 16 bytes if it is a number, 14 if it is a string or an element
// of a set seen before, and 130 and the text if it is a new one. 6 of them are the
// order, which SizeBytes counts before it is made.
//
// There is one writer at a time, and any number of readers. What a reader holds
// never changes: values are only ever appended.
type Column struct {
	typ  Type
	size atomic.Int64

	mu      sync.RWMutex // guards all below; held for look-ups and appends, never for a scan
	next    uint64       // the lowest slot that may be set
	scalars words        // booleans are "true" and "false"
	sets    words        // the elements of sets
	having  posting      // slots with a number
	numbers series[float64]
}

// NewColumn returns an empty column for values of type t.
func NewColumn(t Type) *Column { return &Column{typ: t} }

// Set gives a slot its value; each slot must be higher than those set before. A slot
// that is passed over, or set to an absent value or one of another type, is absent.
// A column of strings takes sets, too.
func (c *Column) Set(slot uint32, v Value) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if uint64(slot) < c.next {
		panic(fmt.Sprintf("filter: slot %d set after slot %d", slot, c.next-1))
	}
	c.next = uint64(slot) + 1
	switch {
	case v.isSet() && c.typ == String:
		c.size.Add(c.sets.add(slot, v.Elements()...))
	case v.typ != c.typ:
	case c.typ == Number:
		c.size.Add(c.having.add(slot) + c.numbers.add(slot, v.number))
	default:
		c.size.Add(c.scalars.add(slot, v.word()))
	}
}

// SizeBytes estimates the memory that c holds. It takes no time.
func (c *Column) SizeBytes() int64 {
	if c == nil {
		return 0
	}
	return c.size.Load()
}

// word is the key under which strings and booleans are listed.
func (v Value) word() string {
	switch {
	case v.typ == String:
		return v.text
	case v.number != 0:
		return "true"
	default:
		return "false"
	}
}

// present returns the slots of universe that have a value, in a bitmap of the
// caller's own. A nil column has none; so for those that follow.
func (c *Column) present(universe *roaring.Bitmap) *roaring.Bitmap {
	if c == nil {
		return roaring.New()
	}
	return union(universe, c.withValue())
}

// absent returns the other slots of universe.
func (c *Column) absent(universe *roaring.Bitmap) *roaring.Bitmap {
	if c == nil {
		return copyOf(universe)
	}
	return without(universe, c.withValue())
}

// withValue returns the slots that have a value.
func (c *Column) withValue() posting {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.typ == Number {
		return c.having
	}
	return c.scalars.having
}

// withSet returns the slots of universe that have a set.
func (c *Column) withSet(universe *roaring.Bitmap) *roaring.Bitmap {
	if c == nil {
		return roaring.New()
	}
	c.mu.RLock()
	having := c.sets.having
	c.mu.RUnlock()
	return union(universe, having)
}

// equal returns the slots of universe that have one of the values, which are sorted.
func (c *Column) equal(values []Value, universe *roaring.Bitmap) *roaring.Bitmap {
	switch {
	case c == nil:
		return roaring.New()
	case c.typ == Number:
		return c.equalNumbers(values, universe)
	default:
		return union(universe, c.lists(values)...)
	}
}

// unequal returns the other slots of universe.
func (c *Column) unequal(values []Value, universe *roaring.Bitmap) *roaring.Bitmap {
	switch {
	case c == nil:
		return copyOf(universe)
	case c.typ == Number:
		return roaring.AndNot(universe, c.equalNumbers(values, universe))
	default:
		return without(universe, c.lists(values)...)
	}
}

// lists returns the lists of some strings or booleans.
func (c *Column) lists(values []Value) []posting {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.scalars.listsOf(values, c.typ)
}

// containing returns the slots of universe that have a set with one of the strings.
func (c *Column) containing(texts []Value, universe *roaring.Bitmap) *roaring.Bitmap {
	if c == nil {
		return roaring.New()
	}
	c.mu.RLock()
	lists := c.sets.listsOf(texts, String)
	c.mu.RUnlock()
	return union(universe, lists...)
}

// reach returns how many slots have one of the values, or a set with one of them; of numbers, how many have any.
func (c *Column) reach(values []Value, sets bool) uint64 {
	if c == nil {
		return 0
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.typ == Number {
		return c.having.count()
	}
	n := uint64(0)
	for _, list := range c.scalars.listsOf(values, c.typ) {
		n += list.count()
	}
	if !sets {
		return n
	}
	for _, list := range c.sets.listsOf(values, String) {
		n += list.count()
	}
	return n
}

func (c *Column) equalNumbers(values []Value, universe *roaring.Bitmap) *roaring.Bitmap {
	var points []stretch[float64]
	for _, v := range values {
		if v.typ == Number {
			points = append(points, between(v.number, v.number))
		}
	}
	if points == nil {
		return roaring.New()
	}
	return c.withinNumbers(points, universe)
}

// within returns the slots of universe whose value lies in a span.
func (c *Column) within(s span, universe *roaring.Bitmap) *roaring.Bitmap {
	if c == nil || s.low.excludes(c.typ) || s.high.excludes(c.typ) {
		return roaring.New()
	}
	if c.typ == Number {
		return c.withinNumbers([]stretch[float64]{between(s.limits())}, universe)
	}
	c.mu.RLock()
	strings := c.scalars.snapshot()
	c.mu.RUnlock()
	return strings.within(s, universe)
}

func (c *Column) withinNumbers(stretches []stretch[float64], universe *roaring.Bitmap) *roaring.Bitmap {
	c.mu.RLock()
	numbers := c.numbers.snapshot()
	c.mu.RUnlock()
	return numbers.within(stretches, byNumber, universe)
}

// between returns the stretch from one number to another.
func between(low, high float64) stretch[float64] {
	return stretch[float64]{
		below: func(n float64) bool { return n < low },
		above: func(n float64) bool { return n > high },
		pick: func(keys []float64, into []int) []int {
			for place, n := range keys {
				if n >= low && n <= high {
					into = append(into, place)
				}
			}
			return into
		},
	}
}

// byNumber sorts numbers by their bits: turned so that they compare as the numbers do.
var byNumber = sorting[float64]{number: func(n float64) uint64 {
	bits := math.Float64bits(n)
	if bits>>63 == 1 {
		return ^bits
	}
	return bits | 1<<63
}}

// excludes reports whether a bound leaves no value of type t.
func (b bound) excludes(t Type) bool { return !b.value.IsAbsent() && b.value.typ != t }

// limits returns the least and the greatest number of a span.
func (s span) limits() (low, high float64) {
	low, high = math.Inf(-1), math.Inf(1)
	if !s.low.value.IsAbsent() {
		low = s.low.value.number
	}
	if !s.high.value.IsAbsent() {
		high = s.high.value.number
	}
	if s.low.exclusive {
		low = math.Nextafter(low, math.Inf(1))
	}
	if s.high.exclusive {
		high = math.Nextafter(high, math.Inf(-1))
	}
	return low, high
}
