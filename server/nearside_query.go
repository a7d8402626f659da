package server

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
	"nearside/vectorize"
)

// nearsideQuery is a query object of nearside's own: Cloudflare's fields, and those
// listed in ownQueryFields. A batch of queries is an array of them.
type nearsideQuery struct {
	vectorize.Search
	explain bool
}

// ownQueryFields are the fields that a nearsideQuery has beside Cloudflare's.
const ownQueryFields = "exact, ef, text, explain, positive, negative, min_score, max_distance, group_by"

// queryNearside answers POST …/nearside/indexes/{index}/query.
func queryNearside(s *Server, c *call) error {
	x, read, err := s.reading(c)
	if err != nil {
		return err
	}
	var q nearsideQuery
	err = c.lendBody(func(data []byte) error {
		return readWhole(data, func(s *scanner) (err error) {
			q, err = s.nearsideQuery(x.Definition.Dimensions)
			return err
		})
	})
	if err != nil {
		return err
	}
	found, err := x.Search(c, q.Search, read)
	if err != nil {
		return err
	}
	c.queried(x.Definition)
	c.warnUnindexed(found.Unindexed)
	return c.replyAppended(foundGuess(found), func(to []byte) []byte { return appendFound(to, found, q.explain) })
}

// readWhole lets read decode the whole of a body, and turns what it finds wrong into a fault.
func readWhole(data []byte, read func(s *scanner) error) error {
	if len(data) == 0 {
		return badJSON("the body is empty; a JSON object is expected")
	}
	s := scanner{data: data}
	err := read(&s)
	if err == nil {
		err = s.end()
	}
	var inFilter *filterError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &inFilter):
		return inFilter.cause
	case fault.As(err) != nil:
		return err
	}
	return badJSON(err.Error())
}

// named walks over an object like fields. A field that is null counts as absent,
// and what is wrong with one is said with its name.
func (s *scanner) named(field func(key string) error) error {
	return s.fields(func(key string) error {
		if s.null() {
			return nil
		}
		if err := field(key); err != nil {
			return &fieldError{strings.Clone(key), err}
		}
		return nil
	})
}

// nearsideQuery reads one query object, for an index of some dimensions.
func (s *scanner) nearsideQuery(dimensions int) (nearsideQuery, error) {
	q := nearsideQuery{Search: vectorize.Search{Query: index.Query{TopK: vectorize.DefaultTopK}}}
	err := s.named(func(key string) error { return q.field(s, key, dimensions) })
	return q, err
}

// field decodes one field; the scanner stands before its value. Fields that
// nobody knows are refused: one that is misspelt would change the answer unseen.
func (q *nearsideQuery) field(s *scanner, key string, dimensions int) (err error) {
	switch key {
	case "filter":
		q.Filter, err = s.filter()
	case "exact":
		q.Exact, err = s.boolean()
	case "ef":
		q.EF, err = s.whole()
	case "text":
		q.Text, err = s.boolean()
	case "positive":
		q.Positive, err = s.ids()
	case "negative":
		q.Negative, err = s.ids()
	case "min_score":
		q.MinScore, err = s.real()
	case "max_distance":
		q.MaxDistance, err = s.real()
	case "group_by":
		q.Grouping, err = s.grouping()
	case "vector", "vectorId", "topK", "returnValues", "returnMetadata", "namespace", "explain":
		cloudflares := queryRequest{Query: q.Query, explain: q.explain}
		err = cloudflares.field(s, key, dimensions)
		q.Query, q.explain = cloudflares.Query, cloudflares.explain
	default:
		err = unknownField("vector, vectorId, topK, returnValues, returnMetadata, namespace, filter, " + ownQueryFields)
	}
	return err
}

// unknownField is what is wrong with a field that is none of the known ones.
func unknownField(known string) error {
	return errors.New("there is no such field; known are " + known)
}

// filter reads a filter of nearside's own language, which includes Cloudflare's.
func (s *scanner) filter() (filter.Filter, error) {
	raw, err := s.value()
	if err != nil {
		return filter.Filter{}, err
	}
	f, err := filter.ParseExtended(raw)
	if err != nil {
		return f, &filterError{err}
	}
	return f, nil
}

// ids reads an array of ids.
func (s *scanner) ids() ([]index.VectorID, error) {
	ids := []index.VectorID{}
	err := s.array(func() error {
		id, err := s.text()
		if err != nil {
			return fmt.Errorf("item %d: %w", len(ids)+1, err)
		}
		ids = append(ids, index.VectorID(id))
		return nil
	})
	return ids, err
}

// array walks over an array and calls item before each of its values; item moves past it.
func (s *scanner) array(item func() error) error {
	if !s.take('[') {
		return s.wrong("an array")
	}
	if s.take(']') {
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		if s.take(']') {
			return nil
		}
		if !s.take(',') {
			return s.wrong("a comma or ]")
		}
	}
}

// real reads a number.
func (s *scanner) real() (*float64, error) {
	raw, err := s.value()
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || raw[0] == '"' {
		return nil, fmt.Errorf("expected a number, got %s", quoteShort(string(raw)))
	}
	return &number, nil
}

// grouping reads group_by: {"property": …, "size": …}.
func (s *scanner) grouping() (*vectorize.Grouping, error) {
	g := &vectorize.Grouping{Size: vectorize.DefaultGroupSize}
	err := s.named(func(key string) (err error) {
		switch key {
		case "property":
			g.Property, err = s.text()
		case "size":
			g.Size, err = s.whole()
		default:
			err = unknownField("property, size")
		}
		return err
	})
	return g, err
}

// foundGuess is about how long the answer to a search is.
func foundGuess(found vectorize.Found) int {
	size := matchesGuess(found.Matches)
	for _, g := range found.Groups {
		size += matchesGuess(g.Matches)
	}
	return size
}

// appendFound appends the answer to a search as an object.
func appendFound(to []byte, found vectorize.Found, explain bool) []byte {
	if found.Groups == nil {
		to = append(to, `{"count":`...)
		to = strconv.AppendInt(to, int64(len(found.Matches)), 10)
		to = append(to, `,"matches":`...)
		to = appendHits(to, found.Matches)
	} else {
		to = append(to, `{"count":`...)
		to = strconv.AppendInt(to, int64(len(found.Groups)), 10)
		to = append(to, `,"groups":`...)
		to = appendGroups(to, found.Groups)
	}
	if explain {
		to = append(to, `,"explain":`...)
		to = appendJSON(to, newExplainObject(found.Explain))
	}
	return append(to, '}')
}

func appendGroups(to []byte, groups []vectorize.Group) []byte {
	to = append(to, '[')
	for i, g := range groups {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(to, `{"value":`...)
		to = append(to, g.Value.JSON()...)
		to = append(to, `,"matches":`...)
		to = append(appendHits(to, g.Matches), '}')
	}
	return append(to, ']')
}

// appendHits appends matches as Cloudflare has them, and title and text of those that have one.
func appendHits(to []byte, matches []index.Match) []byte {
	to = append(to, '[')
	for i := range matches {
		if i > 0 {
			to = append(to, ',')
		}
		m := &matches[i]
		to = append(to, `{"id":`...)
		to = filter.AppendString(to, string(m.ID))
		to = append(to, `,"score":`...)
		to = filter.AppendNumber(to, m.Score)
		if m.Title != "" {
			to = append(to, `,"title":`...)
			to = filter.AppendString(to, m.Title)
		}
		if m.Text != "" {
			to = append(to, `,"text":`...)
			to = filter.AppendString(to, m.Text)
		}
		to = appendFields(to, &m.Record)
	}
	return append(to, ']')
}

// appendJSON appends a value that always encodes.
func appendJSON(to []byte, v any) []byte {
	encoded, err := encode(v)
	if err != nil {
		panic(err)
	}
	return append(to, encoded...)
}
