package vectorize

import (
	"context"
	"slices"

	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
)

// Grouping asks for the groups that are nearest, and of each for its nearest records.
//
// A group is the records with one value of a property that has a metadata index,
// as the metadata index sees it: a string's first 64 bytes. Records without such
// a value are in no group and do not appear.
type Grouping struct {
	Property string
	Size     int // matches of a group, at most
}

// DefaultGroupSize is how many matches a group has if the caller does not say.
const DefaultGroupSize = 3

// Group is some of the matches that share a value.
type Group struct {
	Value   filter.Value
	Matches []index.Match // best first, at least one

	full bool // there is no further match, or none is wanted
}

func (g Grouping) check(topK int, l Limits) error {
	if err := filter.CheckProperty(g.Property); err != nil {
		return err
	}
	if g.Size < 1 {
		return fault.For(ReasonQuery, "group_by.size is %d; it must be at least 1", g.Size)
	}
	if most := l.TopK; most > 0 && (topK > most || g.Size > most || topK*g.Size > most) {
		return fault.For(ReasonTopK, "topK is %d groups and group_by.size %d, which is up to %d matches; at most %d are allowed", topK, g.Size, topK*g.Size, most)
	}
	return nil
}

// groups answers a search with Grouping.
//
// The groups are found in rounds. Each asks for the nearest records that are in
// no group found so far, and so finds at least one new group, or the last. What a
// round has of a group are its nearest records; a group that has too few of them
// is asked for by its value. A record is one version of itself throughout, but
// the queries are not of one state: what is written in between may be missing.
func (s *seeker) groups(ctx context.Context) ([]Group, error) {
	by := s.search.Grouping
	t, err := s.groupType(ctx, by.Property)
	if err != nil {
		return nil, err
	}
	groups := []Group{}
	ask := min(max(minRound, 2*s.search.TopK*by.Size), maxRound)
	for len(groups) < s.search.TopK {
		matches, all, err := s.outside(ctx, groups, ask)
		if err != nil {
			return nil, err
		}
		before := len(groups)
		groups = gather(groups, matches, *by, t, all)
		if all {
			break
		}
		if len(groups) == before {
			ask *= 2 // only records whose value counts for a filter, and not as a group's
		}
	}
	groups = groups[:min(s.search.TopK, len(groups))]
	for i := range groups {
		if err := s.fill(ctx, &groups[i]); err != nil {
			return nil, err
		}
	}
	return groups, nil
}

// A round asks for as many records as are wanted twice over, within these bounds.
const minRound, maxRound = 32, 1000

// groupType returns the type of the metadata index on the property to group by.
func (s *seeker) groupType(ctx context.Context, property string) (filter.Type, error) {
	indexes, err := s.index.MetadataIndexes(ctx, s.read)
	if err != nil {
		return "", err
	}
	at := slices.IndexFunc(indexes, func(m index.MetadataIndex) bool { return m.Property == property })
	if at < 0 {
		return "", fault.For(ReasonQuery, "group_by.property %s has no metadata index; create one with metadata_index/create and upsert the records again", filter.Quote(property))
	}
	return indexes[at].Type, nil
}

// outside asks for the nearest records with a value that is none of the groups'.
func (s *seeker) outside(ctx context.Context, groups []Group, topK int) ([]index.Match, bool, error) {
	condition := []byte(`{"$nin":[null`)
	for _, g := range groups {
		condition = append(append(condition, ','), g.Value.JSON()...)
	}
	q := s.grouped(append(condition, "]}"...))
	q.TopK = topK
	return s.nearest(ctx, q)
}

// grouped returns the query of the search, narrowed by a condition on the property
// to group by, with the metadata that tells the groups apart.
func (s *seeker) grouped(condition []byte) index.Query {
	q := s.search.Query
	raw := append(filter.AppendString([]byte("{"), s.search.Grouping.Property), ':')
	q.Filter = q.Filter.And(parsed(append(append(raw, condition...), '}')))
	q.Metadata = max(q.Metadata, index.IndexedMetadata)
	return q
}

// gather adds matches, best first, to the groups they belong to, new ones in the
// order of their best. all says that there are no further matches.
func gather(groups []Group, matches []index.Match, by Grouping, t filter.Type, all bool) []Group {
	first := len(groups)
	for _, m := range matches {
		value := filter.Extract(m.Metadata, by.Property, t)
		if value.IsAbsent() {
			continue
		}
		at := slices.IndexFunc(groups, func(g Group) bool { return g.Value == value })
		if at < 0 {
			at = len(groups)
			groups = append(groups, Group{Value: value})
		}
		if g := &groups[at]; len(g.Matches) < by.Size {
			g.Matches = append(g.Matches, m)
		}
	}
	for i := first; i < len(groups); i++ {
		groups[i].full = all || len(groups[i].Matches) == by.Size
	}
	return groups
}

// fill makes a group whole, and takes from its matches the metadata that only the grouping needed.
func (s *seeker) fill(ctx context.Context, g *Group) error {
	if !g.full {
		q := s.grouped(g.Value.JSON())
		q.TopK = s.search.Grouping.Size
		matches, _, err := s.nearest(ctx, q)
		if err != nil {
			return err
		}
		if len(matches) > 0 { // else the group has gone in the meantime
			g.Matches = matches
		}
		g.full = true
	}
	if s.search.Metadata == index.NoMetadata {
		for i := range g.Matches {
			g.Matches[i].Metadata = nil
		}
	}
	return nil
}
