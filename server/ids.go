package server

import (
	"nearside/fault"
	"nearside/index"
)

// maxMissing is how many ids one call asks about, and missingPage how many of them the index is asked about at once: a page of Vectorize's listing.
const (
	maxMissing  = 10_000
	missingPage = 1000
)

// missingIDs answers POST …/nearside/indexes/{index}/missing: those of the ids that the index
// does not have, in the order asked. No vector is read, and no metadata.
func missingIDs(s *Server, c *call) error {
	x, read, err := s.reading(c)
	if err != nil {
		return err
	}
	ids, err := c.ids()
	if err != nil {
		return err
	}
	if len(ids) > maxMissing {
		return fault.New(fault.Invalid, "%d ids; one call can ask about %d", len(ids), maxMissing)
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
