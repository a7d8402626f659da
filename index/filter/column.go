package filter

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"unsafe"

	"github.com/RoaringBitmap/roaring/v2"
)

// Column is what an index keeps in memory for one metadata index: which slot has
// which value. A slot is the number of one version of one record.
//
// Strings and booleans have a list of slots for each distinct value; numbers are
// kept in the order of their slots and scanned. One value costs about 12 bytes if
// it is a number, 4 if it is a string seen before, and 120 if it is a new one.
//
// There is one writer at a time, and any number of readers. What a reader holds
// never changes: values are only ever appended.
type Column struct {
	typ Type

	mu      sync.RWMutex // guards all below; held for look-ups and appends, never for a scan
	next    uint64       // the lowest slot that may be set
	having  posting      // slots with a value
	codes   map[string]uint32
	words   []string  // by code; a boolean is "true" or "false"
	lists   []posting // by code
	slots   []uint32  // numbers only, ascending, beside
	numbers []float64 // their values
}

// NewColumn returns an empty column for values of type t.
func NewColumn(t Type) *Column {
	return &Column{typ: t, codes: map[string]uint32{}}
}

// Set gives a slot its value; each slot must be higher than those set before. A
// slot that is passed over, or set to an absent value or one of another type, is absent.
func (c *Column) Set(slot uint32, v Value) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if uint64(slot) < c.next {
		panic(fmt.Sprintf("filter: slot %d set after slot %d", slot, c.next-1))
	}
	c.next = uint64(slot) + 1
	if v.typ != c.typ {
		return
	}
	c.having.add(slot)
	if c.typ == Number {
		c.slots = append(c.slots, slot)
		c.numbers = append(c.numbers, v.number)
		return
	}
	word := v.word()
	code, known := c.codes[word]
	if !known {
		code = uint32(len(c.words))
		c.codes[word] = code
		c.words = append(c.words, word)
		c.lists = append(c.lists, posting{})
	}
	c.lists[code].add(slot)
}

// SizeBytes estimates the memory that c holds.
func (c *Column) SizeBytes() int64 {
	if c == nil {
		return 0
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	const cell = 40 // of a Go map from string to uint32, at its usual load
	size := c.having.sizeBytes() + 4*int64(cap(c.slots)) + 8*int64(cap(c.numbers))
	size += int64(len(c.words)) * (cell + int64(unsafe.Sizeof("")) + int64(unsafe.Sizeof(posting{})))
	for i, word := range c.words {
		size += int64(len(word)) + c.lists[i].sizeBytes()
	}
	return size
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

// present returns the slots that have a value, in a bitmap of the caller's own.
// A nil column has none; so for equal and within.
func (c *Column) present() *roaring.Bitmap {
	if c == nil {
		return roaring.New()
	}
	c.mu.RLock()
	having := c.having
	c.mu.RUnlock()
	return union([]posting{having})
}

// equal returns the slots that have one of the values, which are sorted.
func (c *Column) equal(values []Value) *roaring.Bitmap {
	if c == nil {
		return roaring.New()
	}
	if c.typ == Number {
		return c.equalNumbers(values)
	}
	var lists []posting
	c.mu.RLock()
	for _, v := range values {
		if code, ok := c.codes[v.word()]; ok && v.typ == c.typ {
			lists = append(lists, c.lists[code])
		}
	}
	c.mu.RUnlock()
	return union(lists)
}

func (c *Column) equalNumbers(values []Value) *roaring.Bitmap {
	var wanted []float64
	for _, v := range values {
		if v.typ == Number {
			wanted = append(wanted, v.number)
		}
	}
	switch len(wanted) {
	case 0:
		return roaring.New()
	case 1:
		return c.scan(wanted[0], wanted[0], nil)
	default:
		return c.scan(wanted[0], wanted[len(wanted)-1], wanted)
	}
}

// within returns the slots whose value lies in a span.
func (c *Column) within(s span) *roaring.Bitmap {
	if c == nil || s.low.excludes(c.typ) || s.high.excludes(c.typ) {
		return roaring.New()
	}
	if c.typ == Number {
		low, high := s.limits()
		return c.scan(low, high, nil)
	}
	c.mu.RLock()
	words := c.words
	c.mu.RUnlock()
	var codes []int
	for code, word := range words {
		if s.holdsText(word) {
			codes = append(codes, code)
		}
	}
	return union(c.listsOf(codes))
}

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

// holdsText is holds for a string, without the detour over a Value: it runs over every distinct string.
func (s span) holdsText(word string) bool {
	if low := s.low.value; !low.IsAbsent() && (word < low.text || s.low.exclusive && word == low.text) {
		return false
	}
	high := s.high.value
	return high.IsAbsent() || word < high.text || !s.high.exclusive && word == high.text
}

// listsOf returns the posting lists of the given codes. It lets writers pass in between.
func (c *Column) listsOf(codes []int) []posting {
	const stretch = 4096
	lists := make([]posting, 0, len(codes))
	for len(codes) > 0 {
		n := min(stretch, len(codes))
		c.mu.RLock()
		for _, code := range codes[:n] {
			lists = append(lists, c.lists[code])
		}
		c.mu.RUnlock()
		codes = codes[n:]
	}
	return lists
}

// scan returns the slots whose number lies between two, and is one of those wanted, sorted, unless that is nil.
func (c *Column) scan(low, high float64, wanted []float64) *roaring.Bitmap {
	c.mu.RLock()
	slots, numbers := c.slots, c.numbers
	c.mu.RUnlock()
	var found []uint32
	for i, n := range numbers {
		if n < low || n > high {
			continue
		}
		if wanted != nil {
			if _, ok := slices.BinarySearch(wanted, n); !ok {
				continue
			}
		}
		found = append(found, slots[i])
	}
	return gather(found)
}
