package server

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"nearside/index"
	"nearside/index/filter"
	"nearside/vectorize"
)

// queryRequest is a query as it arrives.
type queryRequest struct {
	index.Query
	explain bool
}

// levels are the values of returnMetadata. Cloudflare's enum has the words; its
// Worker binding also sends a literal false, and old clients a true.
var levels = map[string]index.MetadataLevel{
	`"none"`: index.NoMetadata, `"indexed"`: index.IndexedMetadata, `"all"`: index.AllMetadata,
	`false`: index.NoMetadata, `true`: index.AllMetadata,
}

// queryIndex answers POST …/{index}/query.
func queryIndex(s *Server, c *call) error {
	x, read, err := s.reading(c)
	if err != nil {
		return err
	}
	q, err := c.queryOf(x)
	if err != nil {
		return err
	}
	return c.answer(x, q, read)
}

// queryOf decodes the body of a query.
func (c *call) queryOf(x *vectorize.Index) (q queryRequest, err error) {
	err = c.lendBody(func(data []byte) (err error) {
		q, err = parseQuery(data, x.Definition.Dimensions)
		return err
	})
	if err == nil {
		c.sawQuery(q)
	}
	return q, err
}

// parseQuery decodes the body of a query for an index of some dimensions. It keeps nothing of data.
func parseQuery(data []byte, dimensions int) (queryRequest, error) {
	q := queryRequest{Query: index.Query{TopK: vectorize.DefaultTopK}}
	err := readWhole(data, func(s *scanner) error {
		return s.named(func(key string) error { return q.field(s, key, dimensions) })
	})
	return q, err
}

// fieldError is what is wrong with one field of a body.
type fieldError struct {
	field string
	cause error
}

// Error implements error.
func (e *fieldError) Error() string { return e.field + ": " + e.cause.Error() }

// Unwrap returns what is wrong.
func (e *fieldError) Unwrap() error { return e.cause }

// filterError carries the filter package's own words out of the scanner.
type filterError struct{ cause error }

// Error implements error.
func (e *filterError) Error() string { return e.cause.Error() }

// field decodes one field; the scanner stands before its value.
func (q *queryRequest) field(s *scanner, key string, dimensions int) (err error) {
	switch key {
	case "vector":
		n := 0
		q.Vector, n, err = s.floats(make([]float32, 0, dimensions), index.MaxDimensions)
		if n > index.MaxDimensions {
			q.Vector = make([]float32, n) // of the length that the refusal names
		}
	case "vectorId":
		var id string
		id, err = s.text()
		q.ID = index.VectorID(id)
	case "topK":
		q.TopK, err = s.whole()
	case "returnValues":
		q.Values, err = s.boolean()
	case "returnMetadata":
		var raw []byte
		if raw, err = s.value(); err != nil {
			break
		}
		level, known := levels[string(raw)]
		if !known {
			return fmt.Errorf(`expected value "none", "indexed" or "all", got %s`, quoteShort(string(raw)))
		}
		q.Metadata = level
	case "namespace":
		q.Namespace, err = s.text()
	case "filter":
		var raw []byte
		if raw, err = s.value(); err != nil {
			break
		}
		if q.Filter, err = filter.Parse(raw); err != nil {
			err = &filterError{err}
		}
	case "explain":
		q.explain, err = s.boolean()
	default:
		_, err = s.value()
	}
	return err
}

// boolean reads true or false.
func (s *scanner) boolean() (bool, error) {
	s.space()
	raw, err := s.value()
	if err != nil {
		return false, err
	}
	switch string(raw) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("expected true or false, got %s", quoteShort(string(raw)))
}

// whole reads a whole number, in any of the forms JSON has for it.
func (s *scanner) whole() (int, error) {
	raw, err := s.value()
	if err != nil {
		return 0, err
	}
	number, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || number != math.Trunc(number) || math.Abs(number) > 1<<53 {
		return 0, fmt.Errorf("expected a whole number, got %s", quoteShort(string(raw)))
	}
	return int(number), nil
}

// score is a float64 that is never written as -0.
type score float64

// MarshalJSON implements json.Marshaler.
func (v score) MarshalJSON() ([]byte, error) { return filter.AppendNumber(nil, float64(v)), nil }

// explainObject says how an answer was made, for a query with "explain": true.
type explainObject struct {
	Plan       index.Plan     `json:"plan"`
	Candidates int            `json:"candidates"`
	Matching   int            `json:"matching"`
	Exhaustive bool           `json:"exhaustive"`
	Sequence   index.Sequence `json:"sequence"`

	// Of walks through a graph only.
	EF     int     `json:"ef,omitempty"`
	Hops   int     `json:"hops,omitempty"`
	Tail   int     `json:"tail,omitempty"`
	Recall float64 `json:"recall,omitempty"` // as measured of late
}

func newExplainObject(e index.Explain) *explainObject {
	return &explainObject{e.Plan, e.Candidates, e.Matching, e.Exhaustive, e.Sequence, e.EF, e.Hops, e.Tail, e.Recall}
}

// answer runs a query and replies with its matches.
func (c *call) answer(x *vectorize.Index, q queryRequest, read index.Read) error {
	result, err := x.Query(c, q.Query, read)
	if err != nil {
		return err
	}
	c.queried(x.Definition)
	c.seen.Searched(x.Definition.Dimensions, result.Unindexed)
	c.warnUnindexed(result.Unindexed)
	var explain []byte
	if q.explain {
		if explain, err = encode(newExplainObject(result.Explain)); err != nil {
			return err
		}
	}
	return c.replyAppended(matchesGuess(result.Matches), func(to []byte) []byte { return appendMatches(to, result.Matches, explain) })
}

// warnUnindexed names the filter properties for which no record has a value.
func (c *call) warnUnindexed(properties []string) {
	if len(properties) == 0 {
		return
	}
	quoted := make([]string, len(properties))
	for i, p := range properties {
		quoted[i] = quoteShort(p)
	}
	c.message("the filter names " + strings.Join(quoted, ", ") + ", which has no metadata index, so that every record counts as without it; create one with metadata_index/create and upsert the records again")
}
