package server

import (
	"strconv"

	"nearside/index"
	"nearside/vectorize"
)

// idObject is a vector in a listing.
type idObject struct {
	ID index.VectorID `json:"id"`
}

// pageObject is one page of a listing on the wire. Its last two are null on the last page.
type pageObject struct {
	Count     int        `json:"count"`
	Total     int        `json:"totalCount"`
	Truncated bool       `json:"isTruncated"`
	Next      *string    `json:"nextCursor"`
	Expires   *string    `json:"cursorExpirationTimestamp"`
	Vectors   []idObject `json:"vectors"`
}

// listVectors answers GET …/{index}/list: the ids, as they were when the first page was read.
func listVectors(s *Server, c *call) error {
	x, read, err := s.reading(c)
	if err != nil {
		return err
	}
	count := vectorize.DefaultPage
	if text := c.queryParam("count"); text != "" {
		if count, err = strconv.Atoi(text); err != nil {
			return badJSON("count: expected a whole number, got " + quoteShort(text))
		}
	}
	page, err := x.List(c, c.queryParam("cursor"), count, read)
	if err != nil {
		return err
	}
	object := pageObject{Count: len(page.IDs), Total: page.Total, Truncated: page.Next != "", Vectors: make([]idObject, len(page.IDs))}
	for i, id := range page.IDs {
		object.Vectors[i] = idObject{id}
	}
	if page.Next != "" {
		expires := page.Expires.UTC().Format(timeSeconds)
		object.Next, object.Expires = &page.Next, &expires
	}
	return c.reply(object)
}
