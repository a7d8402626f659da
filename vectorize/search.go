package vectorize

import (
	"context"
	"slices"

	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
)

// Search is a query with what users of other engines expect: it may start from
// examples, end at a score, and gather its matches in groups.
type Search struct {
	index.Query

	// Positive and Negative are examples, ids of stored records, in place of a
	// vector: what is wanted is near the positive ones and away from the negative
	// ones. See examples.go. The examples themselves are not among the matches.
	Positive, Negative []index.VectorID
	// MinScore (cosine) and MaxDistance (the other metrics) leave out what is further away.
	MinScore, MaxDistance *float64
	// Grouping gathers the matches by the value of a property; TopK counts groups then.
	Grouping *Grouping
}

// Found is the answer to a Search.
type Found struct {
	index.Result         // no Matches if there are Groups; Explain adds up what several queries did
	Groups       []Group // best first; nil unless asked for
}

// Search checks a search and answers it.
func (x *Index) Search(ctx context.Context, q Search, r index.Read) (Found, error) {
	if err := x.checkSearch(q); err != nil {
		return Found{}, err
	}
	if len(q.Positive) > 0 {
		var err error
		if q.Vector, err = x.resembling(ctx, q.Positive, q.Negative, r); err != nil {
			return Found{}, err
		}
	}
	s := &seeker{index: x, search: q, read: r, without: slices.Concat(q.Positive, q.Negative)}
	var found Found
	var err error
	if q.Grouping != nil {
		found.Groups, err = s.groups(ctx)
	} else {
		found.Matches, _, err = s.nearest(ctx, q.Query)
	}
	found.Explain, found.Unindexed = s.explain, s.unindexed
	return found, err
}

func (x *Index) checkSearch(q Search) error {
	if err := x.checkStart(q); err != nil {
		return err
	}
	counted := q.Query
	if q.Grouping != nil {
		if err := q.Grouping.check(q.TopK, x.limits); err != nil {
			return err
		}
		counted.TopK *= q.Grouping.Size
	}
	counted.Values = counted.Values || counted.Text // a passage is as long as a vector
	if err := checkTopK(counted, x.limits); err != nil {
		return err
	}
	if q.EF < 0 || q.EF > index.MaxEF {
		return fault.For(ReasonQuery, "ef is %d; it must be between 1 and %d, or be left out", q.EF, index.MaxEF)
	}
	if err := x.checkThreshold(q); err != nil {
		return err
	}
	return checkNamespace(q.Namespace)
}

// checkStart checks that a search starts from exactly one of a vector, a record and examples.
func (x *Index) checkStart(q Search) error {
	if len(q.Positive) == 0 && len(q.Negative) == 0 {
		return checkQuery(index.Query{Vector: q.Vector, ID: q.ID, TopK: 1}, x.Definition.Dimensions, Limits{})
	}
	if q.Vector != nil || q.ID != "" {
		return fault.For(ReasonQuery, "the query has positive or negative examples and also vector or vectorId; give one of them")
	}
	return checkExamples(q.Positive, q.Negative)
}

// checkThreshold refuses a bound that means nothing under the metric of the index.
func (x *Index) checkThreshold(q Search) error {
	metric := index.Metric(x.Definition.Metric)
	switch {
	case q.MinScore != nil && metric.Ascending():
		return fault.For(ReasonQuery, "min_score is for the metric cosine, where the highest score is the best; under %s the lowest is: give max_distance", metric)
	case q.MaxDistance != nil && !metric.Ascending():
		return fault.For(ReasonQuery, "max_distance is for euclidean and dot-product, where the lowest score is the best; under %s the highest is: give min_score", metric)
	}
	return nil
}

// seeker puts the queries of one search.
type seeker struct {
	index   *Index
	search  Search
	read    index.Read
	without []index.VectorID // never among the matches

	explain   index.Explain // of all queries so far
	asked     bool
	unindexed []string
}

// nearest returns the matches of a query that are within the threshold and not
// left out. all says that there are no more than these.
func (s *seeker) nearest(ctx context.Context, q index.Query) (matches []index.Match, all bool, err error) {
	wanted := q.TopK
	q.TopK += len(s.without)
	result, err := s.index.Index.Query(ctx, q, s.read)
	if err != nil {
		return nil, false, err
	}
	s.note(result)
	all = len(result.Matches) < q.TopK
	matches = slices.DeleteFunc(result.Matches, func(m index.Match) bool { return slices.Contains(s.without, m.ID) })
	if end := slices.IndexFunc(matches, s.beyond); end >= 0 {
		matches, all = matches[:end], true
	}
	return matches[:min(wanted, len(matches))], all && len(matches) <= wanted, nil
}

// beyond reports whether a match is further away than is wanted.
func (s *seeker) beyond(m index.Match) bool {
	return s.search.MinScore != nil && m.Score < *s.search.MinScore || s.search.MaxDistance != nil && m.Score > *s.search.MaxDistance
}

// note adds the explanation of a query to those before it.
func (s *seeker) note(result index.Result) {
	if e := result.Explain; !s.asked {
		s.asked, s.explain, s.unindexed = true, e, result.Unindexed
	} else {
		s.explain.Candidates += e.Candidates
		s.explain.Hops += e.Hops
		s.explain.Exhaustive = s.explain.Exhaustive && e.Exhaustive
	}
}

// parsed reads a filter made by this package.
func parsed(raw []byte) filter.Filter {
	f, err := filter.ParseUpTo(1<<30, raw)
	if err != nil {
		panic(err) // it is well formed: see those who call
	}
	return f
}
