package server

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"nearside/index"
	"nearside/vectorize"
)

// insertVectors answers POST …/{index}/insert: ids that exist stay as they are.
func insertVectors(s *Server, c *call) error {
	return s.change(c, "insert", (*vectorize.Index).Insert)
}

// upsertVectors answers POST …/{index}/upsert: ids that exist are replaced whole.
func upsertVectors(s *Server, c *call) error {
	return s.change(c, "upsert", (*vectorize.Index).Upsert)
}

func (s *Server) change(c *call, operation string, put putRecords) error {
	_, m, err := s.store(c, operation, put)
	if err != nil {
		return err
	}
	return c.mutation(m)
}

// putRecords is a way of putting records in.
type putRecords func(*vectorize.Index, context.Context, []index.Record, index.Scope) (index.Mutation, error)

// store decodes an upload and puts it in.
func (s *Server) store(c *call, operation string, put putRecords) ([]index.Record, index.Mutation, error) {
	x, within, err := s.writing(c)
	if err != nil {
		return nil, index.Mutation{}, err
	}
	records, err := s.upload(c, &upload{operation: operation}, x)
	if err != nil {
		return nil, index.Mutation{}, err
	}
	m, err := put(x, c, records, within)
	return records, m, err
}

// upload decodes the records of the body and says which lines it passed over.
func (s *Server) upload(c *call, u *upload, x *vectorize.Index) ([]index.Record, error) {
	u.dimensions, u.limits = x.Definition.Dimensions, s.parts.Vectorize.Limits()
	switch wanted := c.queryParam("unparsable-behavior"); wanted {
	case "", "error":
	case "discard":
		u.discard = true
	default:
		return nil, badJSON("unparsable-behavior: expected error or discard, got " + quoteShort(wanted))
	}
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	err = u.decode(body, c.header("Content-Type"))
	c.sawBatch(u.records, u.seen)
	if err != nil {
		return nil, err
	}
	if len(u.discarded) > 0 {
		c.message(discarded(u.discarded))
	}
	return u.records, nil
}

// discarded says which lines were passed over; of many, the first.
func discarded(lines []int) string {
	const most = 20
	named := make([]string, 0, most)
	for _, n := range lines[:min(most, len(lines))] {
		named = append(named, strconv.Itoa(n))
	}
	text := fmt.Sprintf("%d of the lines could not be read and were discarded: %s", len(lines), strings.Join(named, ", "))
	if len(lines) > most {
		text += ", …"
	}
	return text
}

// ids are the ids in the body of a call about some vectors.
func (c *call) ids() ([]index.VectorID, error) {
	var wanted struct {
		IDs []index.VectorID `json:"ids"`
	}
	if err := c.bind(&wanted); err != nil {
		return nil, err
	}
	if wanted.IDs == nil {
		return nil, badJSON("ids: expected an array of strings")
	}
	c.seen.IDs(len(wanted.IDs))
	return wanted.IDs, nil
}

// getVectors answers POST …/{index}/get_by_ids: the vectors that exist, in the order asked.
func getVectors(s *Server, c *call) error {
	x, read, err := s.reading(c)
	if err != nil {
		return err
	}
	return c.vectors(x, read)
}

// vectors replies with the vectors whose ids are in the body.
func (c *call) vectors(x *vectorize.Index, read index.Read) error {
	ids, err := c.ids()
	if err != nil {
		return err
	}
	records, err := x.Get(c, ids, read)
	if err != nil {
		return err
	}
	size := 0
	for i := range records {
		size += recordGuess(&records[i])
	}
	return c.replyAppended(size, func(to []byte) []byte { return appendVectors(to, records) })
}

// deleteVectors answers POST …/{index}/delete_by_ids.
func deleteVectors(s *Server, c *call) error {
	x, within, err := s.writing(c)
	if err != nil {
		return err
	}
	ids, err := c.ids()
	if err != nil {
		return err
	}
	m, err := x.Delete(c, ids, within)
	if err != nil {
		return err
	}
	return c.mutation(m)
}
