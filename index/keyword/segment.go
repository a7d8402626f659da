package keyword

import (
	"encoding/binary"
	"fmt"
	"sort"

	"github.com/RoaringBitmap/roaring/v2"
	api "github.com/blevesearch/bleve_index_api"
	zap "github.com/blevesearch/zapx/v17"

	seg "github.com/blevesearch/scorch_segment_api/v2"
)

// format is bleve's segment format: dictionaries of terms, and for each term the
// documents that have it, how often, and where.
var format zap.ZapPlugin

// The format would take memory for a hundred more documents with every segment that it
// makes, and keep it: the tail of an index is many small segments.
func init() { zap.NewSegmentBufferNumResultsBump = 0 }

// A segment is an immutable index of some documents, in the order of their slots. Its
// documents are numbered from 0, and it is in memory or one file, which is mapped.
type segment struct {
	seg.Segment
	file string // its name in the index's folder; "" in memory
	size int64  // bytes in memory, or of the file
	sum  uint32 // CRC-32C of the file

	slots   []uint32             // of each document, ascending
	lengths [fieldCount][]uint32 // of each document's fields, stop words not counted
	total   [fieldCount]uint64   // sums of lengths

	// Guarded by Index.mu:
	pins     int  // who holds it
	dead     int  // documents with slots that nobody will ask for
	obsolete bool // another segment is in its place: its file can go
}

// build makes a segment in memory.
func build(documents []*prepared) (*segment, error) {
	taken := make([]api.Document, len(documents))
	for i, d := range documents {
		taken[i] = d
	}
	made, _, err := format.New(taken)
	if err != nil {
		return nil, err
	}
	s := &segment{Segment: made, size: int64(made.Size())}
	return s, s.load()
}

// openSegment maps a file whose checksum was found right.
func openSegment(path, name string, size int64, sum uint32) (*segment, error) {
	opened, err := format.Open(path)
	if err != nil {
		return nil, err
	}
	s := &segment{Segment: opened, file: name, size: size, sum: sum}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("%w (closing: %v)", err, opened.Close())
	}
	return s, nil
}

// load reads the slots and lengths of the documents into memory: 16 bytes each.
func (s *segment) load() error {
	n := s.Count()
	s.slots = make([]uint32, n)
	for f := range s.lengths {
		s.lengths[f] = make([]uint32, n)
	}
	for d := range n {
		id, err := s.DocID(d)
		if err != nil {
			return err
		}
		if len(id) < 4 {
			return fmt.Errorf("document %d has %d bytes of its own", d, len(id))
		}
		s.slots[d] = binary.LittleEndian.Uint32(id)
		if d > 0 && s.slots[d] <= s.slots[d-1] {
			return fmt.Errorf("slot %d stands behind slot %d", s.slots[d], s.slots[d-1])
		}
		id = id[4:]
		for f := range s.lengths {
			length, k := binary.Uvarint(id)
			if k <= 0 || length > 1<<31 {
				return fmt.Errorf("document %d has no length of field %d", d, f)
			}
			id = id[k:]
			s.lengths[f][d] = uint32(length)
			s.total[f] += length
		}
	}
	return nil
}

// memoryBytes is what the segment takes of the heap.
func (s *segment) memoryBytes() int64 {
	n := int64(len(s.slots)) * 4 * (1 + int64(fieldCount))
	if s.file == "" {
		n += s.size
	}
	return n
}

func (s *segment) lowest() uint32  { return s.slots[0] }
func (s *segment) highest() uint32 { return s.slots[len(s.slots)-1] }

// documents returns the documents of slots; nil stands for all, of slots and of documents.
func (s *segment) documents(slots *roaring.Bitmap) *roaring.Bitmap {
	if slots == nil {
		return nil
	}
	low, high := s.lowest(), s.highest()
	if int(high-low) == len(s.slots)-1 {
		span := roaring.New()
		span.AddRange(uint64(low), uint64(high)+1)
		span.And(slots)
		if span.GetCardinality() == uint64(len(s.slots)) {
			return nil
		}
		return roaring.AddOffset64(span, -int64(low))
	}
	found := roaring.New()
	wanted := slots.Iterator()
	for d := 0; d < len(s.slots); {
		wanted.AdvanceIfNeeded(s.slots[d])
		if !wanted.HasNext() {
			break
		}
		next := wanted.PeekNext()
		if next == s.slots[d] {
			found.Add(uint32(d))
			d++
			continue
		}
		d += sort.Search(len(s.slots)-d, func(i int) bool { return s.slots[d+i] >= next })
	}
	if found.GetCardinality() == uint64(len(s.slots)) {
		return nil
	}
	return found
}

// lengthsOf sums the lengths of each field over some documents; nil stands for all.
func (s *segment) lengthsOf(documents *roaring.Bitmap) (count uint64, sums [fieldCount]uint64) {
	if documents == nil {
		return uint64(len(s.slots)), s.total
	}
	count = documents.GetCardinality()
	if 2*count > uint64(len(s.slots)) { // fewer are left out
		sums = s.total
		for f, left := range s.sumLengths(roaring.Flip(documents, 0, uint64(len(s.slots)))) {
			sums[f] -= left
		}
		return count, sums
	}
	return count, s.sumLengths(documents)
}

func (s *segment) sumLengths(documents *roaring.Bitmap) (sums [fieldCount]uint64) {
	for i := documents.Iterator(); i.HasNext(); {
		d := i.Next()
		for f := range sums {
			sums[f] += uint64(s.lengths[f][d])
		}
	}
	return sums
}
