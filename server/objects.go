package server

import (
	"strconv"

	"nearside/index"
	"nearside/index/filter"
)

// The objects of vectors, appended to a reply without reflection: with values,
// one of them is a thousand numbers. Keys stand in Cloudflare's order, and what
// is empty is left out.

// appendMatches appends the result of a query; explain is the object that says
// how it was made, nil to leave it out.
func appendMatches(to []byte, matches []index.Match, explain []byte) []byte {
	to = append(to, `{"count":`...)
	to = strconv.AppendInt(to, int64(len(matches)), 10)
	to = append(to, `,"matches":[`...)
	for i := range matches {
		if i > 0 {
			to = append(to, ',')
		}
		m := &matches[i]
		to = append(to, `{"id":`...)
		to = filter.AppendString(to, string(m.ID))
		to = append(to, `,"score":`...)
		to = filter.AppendNumber(to, m.Score)
		to = appendFields(to, &m.Record)
	}
	to = append(to, ']')
	if explain != nil {
		to = append(to, `,"explain":`...)
		to = append(to, explain...)
	}
	return append(to, '}')
}

// appendVectors appends stored vectors as an array.
func appendVectors(to []byte, records []index.Record) []byte {
	to = append(to, '[')
	for i := range records {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(to, `{"id":`...)
		to = filter.AppendString(to, string(records[i].ID))
		to = appendFields(to, &records[i])
	}
	return append(to, ']')
}

// appendFields appends what a vector has beside its id, and ends its object.
// Metadata is stored as compact JSON, and goes out as it is.
func appendFields(to []byte, r *index.Record) []byte {
	if len(r.Values) > 0 {
		to = append(to, `,"values":[`...)
		for i, v := range r.Values {
			if i > 0 {
				to = append(to, ',')
			}
			// Cloudflare writes a float32 as the float64 it equals.
			to = filter.AppendNumber(to, float64(v))
		}
		to = append(to, ']')
	}
	if r.Namespace != "" {
		to = append(to, `,"namespace":`...)
		to = filter.AppendString(to, r.Namespace)
	}
	if len(r.Metadata) > 0 {
		to = append(to, `,"metadata":`...)
		to = append(to, r.Metadata...)
	}
	return append(to, '}')
}

// appendIDs appends the ids of a listing as objects.
func appendIDs(to []byte, ids []index.VectorID) []byte {
	to = append(to, '[')
	for i, id := range ids {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(to, `{"id":`...)
		to = filter.AppendString(to, string(id))
		to = append(to, '}')
	}
	return append(to, ']')
}

// Guesses at the length of an object on the wire, in bytes: a little too much
// costs less than a reply that is copied while it grows.
const (
	objectGuess = 128 // id, score and braces
	numberGuess = 21  // a float64 in full, and its comma
)

// matchesGuess is about how long the result of a query is.
func matchesGuess(matches []index.Match) int {
	size := objectGuess
	for i := range matches {
		size += recordGuess(&matches[i].Record)
	}
	return size
}

func recordGuess(r *index.Record) int {
	return objectGuess + numberGuess*len(r.Values) + len(r.Metadata)
}
