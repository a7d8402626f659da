package server

import (
	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
	"nearside/rag"
)

// Records whole: with the title and text that a vector was made from, which
// Vectorize's calls do not know. With them an index can be copied.

// maxWhole is how many records one call returns whole: some 30 MB of the longest vectors.
const maxWhole = 1000

// getWhole answers POST …/nearside/indexes/{index}/get: the records that exist, in the order asked.
func getWhole(s *Server, c *call) error {
	x, read, ids, err := s.readingIDs(c, maxWhole)
	if err != nil {
		return err
	}
	// The limit of get_by_ids is Cloudflare's, and this call is not.
	records, err := x.Index.Get(c, ids, read)
	if err != nil {
		return err
	}
	size := 0
	for i := range records {
		size += recordGuess(&records[i]) + len(records[i].Title) + len(records[i].Text)
	}
	return c.replyAppended(size, func(to []byte) []byte { return appendWhole(to, records) })
}

// appendWhole appends records with title and text as an array.
func appendWhole(to []byte, records []index.Record) []byte {
	to = append(to, '[')
	for i := range records {
		if i > 0 {
			to = append(to, ',')
		}
		r := &records[i]
		to = append(to, `{"id":`...)
		to = filter.AppendString(to, string(r.ID))
		to = appendFields(to, r)
		to = to[:len(to)-1] // the object goes on
		if r.Title != "" {
			to = append(to, `,"title":`...)
			to = filter.AppendString(to, r.Title)
		}
		if r.Text != "" {
			to = append(to, `,"text":`...)
			to = filter.AppendString(to, r.Text)
		}
		to = append(to, '}')
	}
	return append(to, ']')
}

// putWhole answers POST …/nearside/indexes/{index}/records: Vectorize's upsert, whose records
// may have a title and a text. They are stored beside the vector that came with them; nothing is embedded.
func putWhole(s *Server, c *call) error {
	x, within, err := s.writing(c)
	if err != nil {
		return err
	}
	records, err := s.upload(c, &upload{operation: "upsert", whole: true}, x)
	if err != nil {
		return err
	}
	for i := range records {
		if err := checkWhole(&records[i]); err != nil {
			return err
		}
	}
	m, err := x.Upsert(c, records, within)
	if err != nil {
		return err
	}
	return c.mutation(m)
}

// checkWhole holds title and text to the limits that texts have which are embedded here.
func checkWhole(r *index.Record) error {
	switch {
	case len(r.Text) > rag.MaxTextBytes:
		return fault.For(rag.ReasonText, "the text with id %s has %d bytes; at most %d are allowed. Cut it into passages", quoteShort(string(r.ID)), len(r.Text), rag.MaxTextBytes)
	case len(r.Title) > rag.MaxTitleBytes:
		return fault.For(rag.ReasonText, "the title of the text with id %s has %d bytes; at most %d are allowed", quoteShort(string(r.ID)), len(r.Title), rag.MaxTitleBytes)
	}
	return nil
}
