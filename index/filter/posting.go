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
	whole.Or(gather(loose))
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
	highest := slices.Max(slots)
	if uint64(len(slots))*denseAt < uint64(highest) {
		slices.Sort(slots)
		return roaring.BitmapOf(slots...)
	}
	set := make([]uint64, highest/64+1)
	for _, slot := range slots {
		set[slot/64] |= 1 << (slot % 64)
	}
	return roaring.FromDense(set, true)
}
