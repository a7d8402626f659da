package server

import (
	"context"
	"slices"
	"strconv"

	"nearside/catalog"
	"nearside/fault"
	"nearside/index"
	"nearside/vectorize"
)

// Vectorize v1, below …/vectorize/indexes, is a synchronous view of the same
// indexes: changes answer with what they changed, and reads are never delayed.
// It has no metadata indexes, no list and no query by id, and Cloudflare closed
// the making of v1 indexes in December 2024.

// Reasons of v1 alone.
const (
	reasonLegacyCreate fault.Reason = "legacy_create" // no index is made here
	reasonLegacyExists fault.Reason = "legacy_exists" // v1 refuses to insert an id that exists
)

// legacyObject is an index on the wire of v1.
type legacyObject struct {
	ID     string      `json:"id"`
	Name   string      `json:"name"`
	Config indexConfig `json:"config"`
	Count  int         `json:"vectorsCount"`
}

// legacyChange is what a change answers.
type legacyChange struct {
	Count int              `json:"count"`
	IDs   []index.VectorID `json:"ids"`
}

// legacyCreate answers POST …/vectorize/indexes.
func legacyCreate(_ *Server, _ *call) error {
	return fault.For(reasonLegacyCreate, "Vectorize v1 makes no new indexes since December 2024; create the index with POST …/vectorize/v2/indexes, and it is here too")
}

// legacyList answers GET …/vectorize/indexes.
func legacyList(s *Server, c *call) error {
	objects := []legacyObject{}
	for _, x := range s.visible(c) {
		object, err := s.legacyIndex(c, x)
		if f := fault.As(err); f != nil && (f.Kind == fault.Corrupt || f.Kind == fault.Unavailable || f.Kind == fault.Forbidden) {
			// One index that cannot be counted does not hide the others.
			c.message("the vectors of " + quoteShort(x.Name) + " cannot be counted: " + f.Message)
		} else if err != nil {
			return err
		}
		objects = append(objects, object)
	}
	return c.reply(objects)
}

// legacyDescribe answers GET …/vectorize/indexes/{index}.
func legacyDescribe(s *Server, c *call) error {
	x, err := s.parts.Vectorize.Describe(c.account, c.param(indexParam))
	if err != nil {
		return err
	}
	object, err := s.legacyIndex(c, x)
	if err != nil {
		return err
	}
	return c.reply(object)
}

// legacyUpdate answers PUT …/vectorize/indexes/{index}, which changes the description.
func legacyUpdate(s *Server, c *call) error {
	var wanted struct {
		Description *string `json:"description"`
	}
	if err := c.bind(&wanted); err != nil {
		return err
	}
	if wanted.Description == nil {
		return badJSON("description: expected a string; nothing else of an index can be changed")
	}
	x, err := s.parts.Vectorize.SetDescription(c, c.account, c.param(indexParam), *wanted.Description)
	if err != nil {
		return err
	}
	object, err := s.legacyIndex(c, x)
	if err != nil {
		return err
	}
	return c.reply(object)
}

// legacyIndex describes an index with the number of its vectors.
func (s *Server) legacyIndex(c *call, x catalog.Index) (legacyObject, error) {
	object := legacyObject{
		ID: strconv.FormatUint(uint64(x.Number), 10), Name: x.Name,
		Config: indexConfig{x.Preset, x.Dimensions, index.Metric(x.Metric)},
	}
	within, err := vectorize.Within(c.key.Limits)
	if err != nil {
		return object, err
	}
	opened, err := s.parts.Vectorize.Open(c, c.account, x.Name)
	if err != nil {
		return object, err
	}
	info, err := opened.Info(c, index.Read{Within: within})
	object.Count = info.Count
	return object, err
}

// legacyInsert answers POST …/vectorize/indexes/{index}/insert. Unlike v2 it refuses ids that exist.
func legacyInsert(s *Server, c *call) error {
	return s.legacyStore(c, "insert", func(x *vectorize.Index, ctx context.Context, records []index.Record, within index.Scope) (index.Mutation, error) {
		taken, err := existing(ctx, x, idsOf(records), within)
		if err != nil {
			return index.Mutation{}, err
		}
		if len(taken) > 0 {
			return index.Mutation{}, fault.For(reasonLegacyExists, "%d of the ids exist already, %s among them; use upsert to replace them", len(taken), quoteShort(string(taken[0])))
		}
		return x.Insert(ctx, records, within)
	})
}

// legacyUpsert answers POST …/vectorize/indexes/{index}/upsert.
func legacyUpsert(s *Server, c *call) error {
	return s.legacyStore(c, "upsert", (*vectorize.Index).Upsert)
}

func (s *Server) legacyStore(c *call, operation string, put putRecords) error {
	records, _, err := s.store(c, operation, put)
	if err != nil {
		return err
	}
	ids := idsOf(records)
	return c.reply(legacyChange{len(ids), ids})
}

// idsOf returns the ids of records, each once, in order.
func idsOf(records []index.Record) []index.VectorID {
	seen := make(map[index.VectorID]bool, len(records))
	ids := make([]index.VectorID, 0, len(records))
	for i := range records {
		if id := records[i].ID; !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}

// existing returns those of the ids that are there, each once, in order. Records are
// read whole, so it asks for some at a time and keeps nothing but their ids.
func existing(ctx context.Context, x *vectorize.Index, ids []index.VectorID, within index.Scope) ([]index.VectorID, error) {
	const atOnce = 1000
	there := []index.VectorID{}
	seen := map[index.VectorID]bool{}
	for some := range slices.Chunk(ids, atOnce) {
		records, err := x.Index.Get(ctx, some, index.Read{Within: within})
		if err != nil {
			return nil, err
		}
		for i := range records {
			if id := records[i].ID; !seen[id] {
				seen[id] = true
				there = append(there, id)
			}
		}
	}
	return there, nil
}

// legacyGet answers POST …/vectorize/indexes/{index}/get-by-ids.
func legacyGet(s *Server, c *call) error {
	x, within, err := s.writing(c)
	if err != nil {
		return err
	}
	return c.vectors(x, index.Read{Within: within})
}

// legacyDelete answers POST …/vectorize/indexes/{index}/delete-by-ids with the ids that were there.
func legacyDelete(s *Server, c *call) error {
	x, within, err := s.writing(c)
	if err != nil {
		return err
	}
	ids, err := c.ids()
	if err != nil {
		return err
	}
	if err := s.parts.Vectorize.Limits().CheckDelete(ids); err != nil {
		return err
	}
	deleted, err := existing(c, x, ids, within)
	if err != nil {
		return err
	}
	if _, err := x.Delete(c, ids, within); err != nil {
		return err
	}
	return c.reply(legacyChange{len(deleted), deleted})
}

// legacyQuery answers POST …/vectorize/indexes/{index}/query.
func legacyQuery(s *Server, c *call) error {
	x, within, err := s.writing(c)
	if err != nil {
		return err
	}
	q, err := c.queryOf(x)
	if err != nil {
		return err
	}
	most := s.parts.Vectorize.Limits().LegacyTopK
	switch {
	case q.ID != "":
		return badJSON("vectorId: Vectorize v1 has no query by id; use v2")
	case q.TopK > most:
		return fault.For(vectorize.ReasonTopK, "topK is %d; Vectorize v1 allows 1 to %d", q.TopK, most)
	}
	return c.answer(x, q, index.Read{Within: within})
}
