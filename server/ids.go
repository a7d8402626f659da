package server

import (
	"nearside/fault"
	"nearside/index"
	"nearside/vectorize"
)

// readingIDs is reading for a call whose body names records by their ids, at most so many.
func (s *Server) readingIDs(c *call, most int) (*vectorize.Index, index.Read, []index.VectorID, error) {
	x, read, err := s.reading(c)
	if err != nil {
		return nil, read, nil, err
	}
	ids, err := c.ids()
	if err == nil && len(ids) > most {
		err = fault.New(fault.Invalid, "%d ids; one call can name %d, name the others in another", len(ids), most)
	}
	return x, read, ids, err
}

// maxMissing is how many ids one call asks about, and missingPage how many of them the index is asked about at once: a page of Vectorize's listing.
const (
	maxMissing  = 10_000
	missingPage = 1000
)

// missingIDs answers POST …/nearside/indexes/{index}/missing: those of the ids that the index
// does not have, in the order asked. No vector is read, and no metadata.
func missingIDs(s *Server, c *call) error {
	x, read, ids, err := s.readingIDs(c, maxMissing)
	if err != nil {
		return err
	}
	there := make(map[index.VectorID]bool, len(ids))
	for rest := ids; len(rest) > 0; {
		some := rest[:min(len(rest), missingPage)]
		rest = rest[len(some):]
		page, err := x.Select(c, index.Selection{IDs: some}, "", len(some), read)
		if err != nil {
			return err
		}
		for _, id := range page.IDs {
			there[id] = true
		}
	}
	missing := []index.VectorID{}
	for _, id := range ids {
		if !there[id] {
			missing = append(missing, id)
		}
	}
	return c.reply(struct {
		Missing []index.VectorID `json:"missing"`
	}{missing})
}
