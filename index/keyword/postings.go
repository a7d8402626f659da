package keyword

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	seg "github.com/blevesearch/scorch_segment_api/v2"
)

// list is the documents of a segment that have one term in one field.
type list struct {
	seg.PostingsList
	field     Field
	term      string
	weight    float64 // what an occurrence counts
	documents *roaring.Bitmap
}

// postings is the documents of a segment that have a clause.
type postings struct {
	documents *roaring.Bitmap // those that may be found
	lists     []*list         // of a single word
	phrase    *phrase         // of several
}

// groups returns the terms that fit each part of a clause.
func (c *clause) groups(segments []*opened) ([][]alternative, error) {
	groups := make([][]alternative, len(c.parts))
	for i := range c.parts {
		var err error
		if groups[i], err = c.parts[i].alternatives(segments); err != nil {
			return nil, err
		}
	}
	return groups, nil
}

// find returns the documents of a segment that have a clause.
func (s *opened) find(groups [][]alternative, c *clause, set settings) (*postings, error) {
	if len(c.parts) > 1 {
		return s.findPhrase(groups, c, set)
	}
	p := new(postings)
	var each []*roaring.Bitmap
	for f, boost := range set.boosts {
		lists, err := s.lists(Field(f), boost, groups[0])
		if err != nil {
			return nil, err
		}
		for _, l := range lists {
			p.lists = append(p.lists, l)
			each = append(each, l.documents)
		}
	}
	p.documents = s.visible(union(each))
	return p, nil
}

// lists returns the lists of some terms in one field, those without documents left out.
func (s *opened) lists(f Field, boost float64, terms []alternative) ([]*list, error) {
	d := s.dictionaries[f]
	if d == nil {
		return nil, nil
	}
	var lists []*list
	for _, a := range terms {
		found, err := d.PostingsList([]byte(a.term), nil, nil)
		if err != nil {
			return nil, err
		}
		if found.Count() == 0 {
			continue
		}
		l := &list{PostingsList: found, field: f, term: a.term, weight: boost * a.weight}
		l.documents = bitmapOf(l.Iterator(false, false, false, nil))
		lists = append(lists, l)
	}
	return lists, nil
}

// bitmapOf returns the documents of an iterator. It is not to be changed.
func bitmapOf(i seg.PostingsIterator) *roaring.Bitmap {
	o := i.(seg.OptimizablePostingsIterator)
	if d, one := o.DocNum1Hit(); one {
		return roaring.BitmapOf(uint32(d))
	}
	return o.ActualBitmap()
}

func union(each []*roaring.Bitmap) *roaring.Bitmap {
	if len(each) == 1 {
		return each[0]
	}
	return roaring.FastOr(each...)
}

// visible returns those of some documents that may be found.
func (s *opened) visible(documents *roaring.Bitmap) *roaring.Bitmap {
	if s.in == nil {
		return documents
	}
	return roaring.And(documents, s.in)
}

// each calls visit for the documents of a list that are within some; nil stands for all.
func (l *list) each(within *roaring.Bitmap, locations bool, visit func(seg.Posting)) error {
	i := l.Iterator(true, false, locations, nil)
	if within != nil {
		i.(seg.OptimizablePostingsIterator).ReplaceActual(roaring.And(l.documents, within))
	}
	for {
		p, err := i.Next()
		if p == nil || err != nil {
			return err
		}
		visit(p)
	}
}

// count calls visit with how often each document within some has the clause. counts has
// room for a number a document, all zero before and after.
func (p *postings) count(within *roaring.Bitmap, counts []float64, visit func(d uint32, tf float64)) error {
	if p.phrase != nil {
		p.phrase.count(within, visit)
		return nil
	}
	if len(p.lists) == 1 {
		l := p.lists[0]
		return l.each(within, false, func(found seg.Posting) {
			visit(uint32(found.Number()), l.weight*float64(found.Frequency()))
		})
	}
	for _, l := range p.lists {
		err := l.each(within, false, func(found seg.Posting) {
			counts[found.Number()] += l.weight * float64(found.Frequency())
		})
		if err != nil {
			return err
		}
	}
	documents := p.documents
	if within != nil {
		documents = roaring.And(documents, within)
	}
	for i := documents.Iterator(); i.HasNext(); {
		d := i.Next()
		visit(d, counts[d])
		counts[d] = 0
	}
	return nil
}

// phrase is where documents have the words of a clause next to each other.
type phrase struct {
	starts  [fieldCount]map[uint32][]int // positions of first words, ascending, by document
	lists   [fieldCount][][]*list        // of each word
	boosts  [fieldCount]float64
	offsets []int    // of each word
	order   []uint32 // the documents, ascending
}

// findPhrase finds the documents in which the words of a clause stand next to each other.
func (s *opened) findPhrase(groups [][]alternative, c *clause, set settings) (*postings, error) {
	ph, found := &phrase{boosts: set.boosts}, roaring.New()
	for f, boost := range set.boosts {
		if err := s.findInField(ph, Field(f), boost, groups, c); err != nil {
			return nil, err
		}
		for d := range ph.starts[f] {
			found.Add(d)
		}
	}
	for _, p := range c.parts {
		ph.offsets = append(ph.offsets, p.offset)
	}
	ph.order = found.ToArray()
	return &postings{documents: found, phrase: ph}, nil
}

// findInField enters the documents that have the phrase in one field.
func (s *opened) findInField(ph *phrase, f Field, boost float64, groups [][]alternative, c *clause) error {
	having := make([]*roaring.Bitmap, len(groups))
	for i, group := range groups {
		lists, err := s.lists(f, boost, group)
		if err != nil || len(lists) == 0 {
			return err
		}
		ph.lists[f] = append(ph.lists[f], lists)
		var each []*roaring.Bitmap
		for _, l := range lists {
			each = append(each, l.documents)
		}
		having[i] = union(each)
	}
	candidates := s.visible(roaring.FastAnd(having...))
	for i, lists := range ph.lists[f] {
		if candidates.IsEmpty() {
			ph.starts[f] = nil
			return nil
		}
		starts, err := startsOf(lists, candidates, c.parts[i].offset)
		if err != nil {
			return err
		}
		if i > 0 {
			keepCommon(ph.starts[f], starts)
		} else {
			ph.starts[f] = starts
		}
	}
	return nil
}

// startsOf returns where phrases would begin that have one of some terms at an offset.
func startsOf(lists []*list, within *roaring.Bitmap, offset int) (map[uint32][]int, error) {
	starts := map[uint32][]int{}
	for _, l := range lists {
		err := l.each(within, true, func(found seg.Posting) {
			d := uint32(found.Number())
			for _, at := range found.Locations() {
				starts[d] = append(starts[d], int(at.Pos())-offset)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	for _, at := range starts {
		slices.Sort(at) // those of several terms came one after the other
	}
	return starts, nil
}

// keepCommon leaves those starts that are in both; documents without any are dropped.
func keepCommon(starts, others map[uint32][]int) {
	for d, at := range starts {
		other := others[d]
		at = slices.DeleteFunc(at, func(start int) bool {
			_, both := slices.BinarySearch(other, start)
			return !both
		})
		if len(at) == 0 {
			delete(starts, d)
		} else {
			starts[d] = at
		}
	}
}

// count calls visit with how often each document within some has the phrase.
func (ph *phrase) count(within *roaring.Bitmap, visit func(d uint32, tf float64)) {
	for _, d := range ph.order {
		if within != nil && !within.Contains(d) {
			continue
		}
		tf := 0.0
		for f, boost := range ph.boosts {
			tf += boost * float64(len(ph.starts[f][d]))
		}
		visit(d, tf)
	}
}
