package keyword

import (
	"context"
	"errors"

	"github.com/RoaringBitmap/roaring/v2"
	seg "github.com/blevesearch/scorch_segment_api/v2"

	"nearside/fault"
)

// Hit is one document of an answer.
type Hit struct {
	Slot    uint32
	Score   float64 // BM25, above 0
	Matches []Match // where the words of the query stand, by field and place; with Query.Matches
}

// Match is one occurrence of a word of the query. A phrase has one for each of its words.
type Match struct {
	Field      Field
	Value      int    // which of the strings of Metadata, counted from 0
	Start, End int    // bytes of the title, the text, or that string
	Term       string // as the index has it: a stem, a pair of characters
}

// Answer is what a search found.
type Answer struct {
	Hits     []Hit  // best first; equal scores by slot
	Matching int    // documents that answer the query
	Among    int    // documents that could have been found: those of within that the index has
	Covered  uint64 // the sequence up to which the index was whole
	Empty    bool   // the query has no words at all
}

// Search returns the documents among some slots that fit a query best, up to limit.
// Scores are those of an index that holds nothing but these slots: no document outside
// of within, dead, hidden or filtered out, has a part in them. within must not change
// meanwhile; nil stands for all slots.
//
// A segment that cannot be read fails this search and all after it, see Damage.
func (x *Index) Search(ctx context.Context, q Query, within *roaring.Bitmap, limit int) (Answer, error) {
	set, err := q.settings()
	if err != nil {
		return Answer{}, err
	}
	segments, covered, err := x.pin()
	if err != nil {
		return Answer{}, err
	}
	answer, err := contain(x.dir.Path(), func() (Answer, error) {
		return x.search(ctx, &q, set, segments, within, limit)
	})
	answer.Covered = covered
	err = errors.Join(unreadable(x.dir.Path(), err), x.release(segments))
	if fault.Is(err, fault.Corrupt) {
		x.spoil(err)
	}
	return answer, err
}

// spoil fails all later searches.
func (x *Index) spoil(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.damage == nil {
		x.damage = err
		x.options.Log.Error("the keyword index cannot be read; it has to be made anew", "folder", x.dir.Path(), "error", err)
		x.ringLocked()
	}
}

// opened is a segment during one search.
type opened struct {
	*segment
	in           *roaring.Bitmap // documents that may be found; nil: all
	dictionaries [fieldCount]seg.TermDictionary
	clauses      []*postings // of each clause
}

// search runs a query on segments.
func (x *Index) search(ctx context.Context, q *Query, set settings, segments []*segment, within *roaring.Bitmap, limit int) (Answer, error) {
	clauses := x.analyzer.clauses(q)
	open, c, err := openAll(set, segments, within)
	answer := Answer{Among: int(c.documents), Empty: len(clauses) == 0}
	if err != nil || len(clauses) == 0 || len(open) == 0 || limit <= 0 {
		return answer, err
	}
	holders := make([]uint64, len(clauses)) // documents that have each clause
	for i := range clauses {
		if err := ctx.Err(); err != nil {
			return answer, hungUp(err)
		}
		groups, err := clauses[i].groups(open)
		if err != nil {
			return answer, err
		}
		for _, s := range open {
			p, err := s.find(groups, &clauses[i], set)
			if err != nil {
				return answer, err
			}
			s.clauses = append(s.clauses, p)
			holders[i] += p.documents.GetCardinality()
		}
	}
	best := ranking{limit: limit}
	for _, s := range open {
		if err := ctx.Err(); err != nil {
			return answer, hungUp(err)
		}
		n, err := s.score(set, clauses, holders, c, &best)
		if err != nil {
			return answer, err
		}
		answer.Matching += n
	}
	answer.Hits = best.sorted()
	if q.Matches {
		err = locate(open, answer.Hits)
	}
	return answer, err
}

func hungUp(err error) error {
	return fault.New(fault.Canceled, "the keyword index was left alone: the caller hung up").Because(err)
}

// openAll opens the segments that have documents within some slots, and counts those.
func openAll(set settings, segments []*segment, within *roaring.Bitmap) ([]*opened, corpus, error) {
	var open []*opened
	var c corpus
	for _, s := range segments {
		in := s.documents(within)
		count, sums := s.lengthsOf(in)
		if count == 0 {
			continue
		}
		c.documents += count
		o := &opened{segment: s, in: in}
		for f, boost := range set.boosts {
			if boost == 0 {
				continue
			}
			c.length += boost * float64(sums[f])
			d, err := s.Dictionary(fieldNames[f])
			if err != nil {
				return nil, c, err
			}
			if d.Cardinality() > 0 {
				o.dictionaries[f] = d
			}
		}
		open = append(open, o)
	}
	return open, c, nil
}
