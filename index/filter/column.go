package filter

import (
	"fmt"
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

// valueOf is the inverse of word.
func (c *Column) valueOf(word string) Value {
	if c.typ == Boolean {
		return BooleanOf(word == "true")
	}
	return Value{typ: String, text: word}
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
		return c.scan(oneOf{values: values}.holds)
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

// within returns the slots whose value lies in a span.
func (c *Column) within(s span) *roaring.Bitmap {
	if c == nil {
		return roaring.New()
	}
	if c.typ == Number {
		return c.scan(s.holds)
	}
	c.mu.RLock()
	words := c.words
	c.mu.RUnlock()
	var codes []int
	for code, word := range words {
		if s.holds(c.valueOf(word)) {
			codes = append(codes, code)
		}
	}
	return union(c.listsOf(codes))
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

// scan returns the slots whose number passes holds.
func (c *Column) scan(holds func(Value) bool) *roaring.Bitmap {
	c.mu.RLock()
	slots, numbers := c.slots, c.numbers
	c.mu.RUnlock()
	var matching []uint32
	for i, n := range numbers {
		if holds(Value{typ: Number, number: n}) {
			matching = append(matching, slots[i])
		}
	}
	b := roaring.New()
	b.AddMany(matching)
	return b
}

// posting is an ascending list of slots: a bitmap of the older ones, which no
// longer changes, and the newer ones one by one. A copy of it is a snapshot.
type posting struct {
	sealed *roaring.Bitmap // nil while the list is short
	tail   []uint32
}

// sealAt is the length of a tail that is worth a bitmap. Longer lists wait for an
// eighth of their own length, so that the copying stays in proportion.
const sealAt = 1024

func (p *posting) add(slot uint32) {
	p.tail = append(p.tail, slot)
	if len(p.tail) < sealAt || p.sealed != nil && uint64(len(p.tail)) < p.sealed.GetCardinality()/8 {
		return
	}
	sealed := roaring.New()
	if p.sealed != nil {
		sealed = p.sealed.Clone()
	}
	sealed.AddMany(p.tail)
	*p = posting{sealed: sealed}
}

func (p *posting) sizeBytes() int64 {
	size := 4 * int64(cap(p.tail))
	if p.sealed != nil {
		size += int64(p.sealed.GetSizeInBytes())
	}
	return size
}

// union returns the slots of all lists, in a bitmap of the caller's own.
func union(lists []posting) *roaring.Bitmap {
	whole := roaring.New()
	var loose []uint32
	for _, p := range lists {
		if p.sealed != nil {
			whole.Or(p.sealed)
		}
		loose = append(loose, p.tail...)
	}
	whole.AddMany(loose)
	return whole
}
