package server

import (
	"strconv"

	"nearside/index"
	"nearside/index/filter"
	"nearside/vectorize"
)

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
	return c.replyAppended((len(page.IDs)+1)*objectGuess, func(to []byte) []byte { return appendPage(to, page) })
}

// appendPage appends one page of a listing. Cursor and expiry are null on the last page.
func appendPage(to []byte, page index.Page) []byte {
	to = append(to, `{"count":`...)
	to = strconv.AppendInt(to, int64(len(page.IDs)), 10)
	to = append(to, `,"totalCount":`...)
	to = strconv.AppendInt(to, int64(page.Total), 10)
	to = append(to, `,"isTruncated":`...)
	to = strconv.AppendBool(to, page.Next != "")
	if page.Next == "" {
		to = append(to, `,"nextCursor":null,"cursorExpirationTimestamp":null`...)
	} else {
		to = append(to, `,"nextCursor":`...)
		to = filter.AppendString(to, page.Next)
		to = append(to, `,"cursorExpirationTimestamp":"`...)
		to = page.Expires.UTC().AppendFormat(to, timeSeconds)
		to = append(to, '"')
	}
	to = append(to, `,"vectors":`...)
	return append(appendIDs(to, page.IDs), '}')
}
