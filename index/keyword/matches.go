package keyword

import (
	"cmp"
	"slices"
	"sort"

	"github.com/RoaringBitmap/roaring/v2"
	seg "github.com/blevesearch/scorch_segment_api/v2"
)

// locate enters where the clauses stand in the documents of some hits.
func locate(segments []*opened, hits []Hit) error {
	at := make(map[uint32]*Hit, len(hits))
	for i := range hits {
		at[hits[i].Slot] = &hits[i]
	}
	for _, s := range segments {
		found := map[uint32]*Hit{} // by document
		documents := roaring.New()
		for slot, hit := range at {
			if d := sort.Search(len(s.slots), func(i int) bool { return s.slots[i] >= slot }); d < len(s.slots) && s.slots[d] == slot {
				found[uint32(d)] = hit
				documents.Add(uint32(d))
			}
		}
		if err := s.locateIn(documents, found); err != nil {
			return err
		}
	}
	for i := range hits {
		m := hits[i].Matches
		slices.SortFunc(m, func(a, b Match) int {
			return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(a.Value, b.Value), cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End), cmp.Compare(a.Term, b.Term))
		})
		hits[i].Matches = slices.Compact(m)
	}
	return nil
}

// locateIn enters the matches of some documents of one segment.
func (s *opened) locateIn(documents *roaring.Bitmap, found map[uint32]*Hit) error {
	if documents.IsEmpty() {
		return nil
	}
	for _, p := range s.clauses {
		for _, l := range p.lists {
			if err := l.locate(documents, found, nil, 0); err != nil {
				return err
			}
		}
		if p.phrase == nil {
			continue
		}
		for f, parts := range p.phrase.lists {
			if len(p.phrase.starts[f]) == 0 {
				continue
			}
			for k, lists := range parts {
				for _, l := range lists {
					if err := l.locate(documents, found, p.phrase.starts[f], p.phrase.offsets[k]); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// locate enters the occurrences of a term; with starts only those that belong to a
// phrase that begins there, offset positions before.
func (l *list) locate(documents *roaring.Bitmap, found map[uint32]*Hit, starts map[uint32][]int, offset int) error {
	return l.each(documents, true, func(p seg.Posting) {
		d := uint32(p.Number())
		for _, at := range p.Locations() {
			if _, in := slices.BinarySearch(starts[d], int(at.Pos())-offset); starts != nil && !in {
				continue
			}
			m := Match{Field: l.field, Term: l.term, Start: int(at.Start()), End: int(at.Start() + at.End())}
			if of := at.ArrayPositions(); len(of) > 0 {
				m.Value = int(of[0])
			}
			found[d].Matches = append(found[d].Matches, m)
		}
	})
}
