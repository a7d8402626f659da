package filter

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// posting is an ascending list of slots: a bitmap of the older ones, which no
// longer changes, and the newer ones one by one. A copy of it is a snapshot.
type posting struct {
	sealed *roaring.Bitmap // nil while the list is short
	tail   []uint32
}

// sealAt is the length of a tail that is worth a bitmap. Longer lists wait for an
// eighth of their own length, so that the copying stays in proportion.
const sealAt = 1024

// add appends a slot, and returns by how many bytes the memory grew.
func (p *posting) add(slot uint32) (grown int64) {
	p.tail = appendTo(p.tail, slot, &grown)
	if len(p.tail) < sealAt || p.sealed != nil && uint64(len(p.tail)) < p.sealed.GetCardinality()/8 {
		return grown
	}
	grown -= 4 * int64(cap(p.tail))
	sealed := roaring.New()
	if p.sealed != nil {
		sealed = p.sealed.Clone()
		grown -= int64(p.sealed.GetSizeInBytes())
	}
	sealed.AddMany(p.tail)
	*p = posting{sealed: sealed}
	return grown + int64(sealed.GetSizeInBytes())
}

func (p posting) count() uint64 {
	n := uint64(len(p.tail))
	if p.sealed != nil {
		n += p.sealed.GetCardinality()
	}
	return n
}

// countIn returns how many slots of the list are in a bitmap.
func (p posting) countIn(slots *roaring.Bitmap) int {
	n := slots.AndCardinality(roaring.BitmapOf(p.tail...))
	if p.sealed != nil {
		n += slots.AndCardinality(p.sealed)
	}
	return int(n)
}

// union returns the slots of universe that are in one of the lists, in a bitmap of the caller's own.
func union(lists []posting, universe *roaring.Bitmap) *roaring.Bitmap {
	var sealed []*roaring.Bitmap
	var loose []uint32
	for _, p := range lists {
		if p.sealed != nil {
			sealed = append(sealed, p.sealed)
		}
		loose = append(loose, p.tail...)
	}
	whole := gather(loose)
	whole.And(universe)
	switch len(sealed) {
	case 0:
	case 1:
		whole.Or(roaring.And(sealed[0], universe))
	default:
		whole.Or(roaring.And(roaring.FastOr(sealed...), universe))
	}
	return whole
}

// denseAt is from how many of the slots up to the highest on a plain bit set is
// the faster way to a bitmap: one in 64 makes it no larger than the list.
const denseAt = 64

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

// Dense writes a bitmap as a bit set, one bit a slot, of as many slots as given;
// higher ones are left out. The bit of a slot is words[slot/64]>>(slot%64)&1. It
// uses the memory of words if that is long enough, and returns the bit set.
func Dense(b *roaring.Bitmap, words []uint64, slots uint32) []uint64 {
	n := int((uint64(slots) + 63) / 64)
	words = slices.Grow(words[:0], n)[:n]
	clear(words)
	if !b.IsEmpty() && b.Maximum() >= slots {
		b = b.Clone()
		b.RemoveRange(uint64(slots), 1<<32)
	}
	b.WriteDenseTo(words)
	return words
}
