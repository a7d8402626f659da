package filter

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// posting is an ascending list of slots: bitmaps of the older ones, which no longer
// change, and the newest one by one. A copy of it is a snapshot.
type posting struct {
	sealed *sealed // nil while the list is short
	tail   []uint32
}

// sealed is two bitmaps, every slot of the second above those of the first: a
// large one, copied seldom, and a small one, copied for each tail.
type sealed struct{ old, recent *roaring.Bitmap }

// A tail of sealAt slots is worth a bitmap. The recent bitmap becomes part of the
// old one at an eighth of its size, so that the copying stays in proportion.
const (
	sealAt   = 1024
	recentOf = 8
)

// add appends a slot, and returns by how many bytes the memory grew.
func (p *posting) add(slot uint32) (grown int64) {
	p.tail = appendTo(p.tail, slot, &grown)
	if len(p.tail) < sealAt {
		return grown
	}
	grown -= 4*int64(cap(p.tail)) + p.sealed.sizeBytes()
	p.sealed, p.tail = p.sealed.with(p.tail), nil
	return grown + p.sealed.sizeBytes()
}

// with returns the bitmaps with more slots.
func (s *sealed) with(tail []uint32) *sealed {
	more := roaring.BitmapOf(tail...)
	if s == nil {
		return &sealed{more, roaring.New()}
	}
	recent := roaring.Or(s.recent, more)
	if recent.GetCardinality() < s.old.GetCardinality()/recentOf {
		return &sealed{s.old, recent}
	}
	return &sealed{roaring.Or(s.old, recent), roaring.New()}
}

func (s *sealed) sizeBytes() int64 {
	if s == nil {
		return 0
	}
	return int64(s.old.GetSizeInBytes() + s.recent.GetSizeInBytes())
}

func (p posting) count() uint64 {
	n := uint64(len(p.tail))
	if p.sealed != nil {
		n += p.sealed.old.GetCardinality() + p.sealed.recent.GetCardinality()
	}
	return n
}

// countIn returns how many slots of the list are in a bitmap.
func (p posting) countIn(slots *roaring.Bitmap) int {
	n := slots.AndCardinality(roaring.BitmapOf(p.tail...))
	if p.sealed != nil {
		n += slots.AndCardinality(p.sealed.old) + slots.AndCardinality(p.sealed.recent)
	}
	return int(n)
}

// bitmaps returns bitmaps that together have the slots of the lists. They are not to be changed.
func bitmaps(lists []posting) []*roaring.Bitmap {
	var parts []*roaring.Bitmap
	var loose []uint32
	for _, p := range lists {
		if p.sealed != nil {
			parts = append(parts, p.sealed.old, p.sealed.recent)
		}
		loose = append(loose, p.tail...)
	}
	return append(parts, gather(loose))
}

// union returns the slots of universe that are in one of the lists, in a bitmap of the caller's own.
func union(universe *roaring.Bitmap, lists ...posting) *roaring.Bitmap {
	const few = 8 // bitmaps; of more, the whole is made first
	parts := bitmaps(lists)
	if len(parts) > few {
		return roaring.And(universe, roaring.FastOr(parts...))
	}
	found := roaring.And(universe, parts[0])
	for _, b := range parts[1:] {
		found.Or(roaring.And(universe, b))
	}
	return found
}

// without returns the slots of universe that are in none of the lists, in a bitmap of the caller's own.
func without(universe *roaring.Bitmap, lists ...posting) *roaring.Bitmap {
	parts := bitmaps(lists)
	left := roaring.AndNot(universe, parts[0])
	for _, b := range parts[1:] {
		left.AndNot(b)
	}
	return left
}

// denseAt is from how many of the slots up to the highest on, one in so many, a plain bit
// set is the faster way to a bitmap. To sort a list of one in a hundred took seven times as
// long (BenchmarkBitmap), and of one in a thousand half as long.
const denseAt = 512

// gather returns a bitmap of the slots, which may come in any order. It may sort them.
func gather(slots []uint32) *roaring.Bitmap {
	if len(slots) == 0 {
		return roaring.New()
	}
	if slices.IsSorted(slots) {
		return roaring.BitmapOf(slots...)
	}
	highest := slices.Max(slots)
	if uint64(len(slots))*denseAt < uint64(highest) {
		slices.Sort(slots)
		return roaring.BitmapOf(slots...)
	}
	words := make([]uint64, highest/64+1)
	for _, slot := range slots {
		words[slot/64] |= 1 << (slot % 64)
	}
	return roaring.FromDense(words, true)
}

// copyOf returns a copy of a bitmap that others read at the same time. Clone would
// mark the containers of one that is copied on write, and so write to it.
func copyOf(b *roaring.Bitmap) *roaring.Bitmap { return roaring.Or(b, roaring.New()) }

// Dense writes a bitmap as a bit set, one bit a slot, of as many slots as given;
// higher ones are left out. The bit of a slot is words[slot/64]>>(slot%64)&1. It
// uses the memory of words if that is long enough, and returns the bit set.
func Dense(b *roaring.Bitmap, words []uint64, slots uint32) []uint64 {
	n := int((uint64(slots) + 63) / 64)
	words = slices.Grow(words[:0], n)[:n]
	clear(words)
	if !b.IsEmpty() && b.Maximum() >= slots {
		b = copyOf(b)
		b.RemoveRange(uint64(slots), 1<<32)
	}
	b.WriteDenseTo(words)
	return words
}
