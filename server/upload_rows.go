package server

import (
	"errors"
	"io"
	"unicode/utf8"

	"nearside/bulk"
	"nearside/fault"
	"nearside/index"
)

// rows decodes a batch in the binary form of package bulk. A row that is damaged
// ends it, since nothing behind it can be trusted; one whose id, namespace or
// metadata is not what JSON could hold is as a line that cannot be read.
func (u *upload) rows(body io.Reader) error {
	r, err := bulk.NewReader(body)
	if err != nil {
		return u.unreadableRows(err)
	}
	if err := u.limits.CheckBatch(r.Count); err != nil {
		return err
	}
	if r.Dimensions != u.dimensions {
		return fault.For(index.ReasonDimensions, "invalid vectors, expected %d dimensions, and got %d dimensions", u.dimensions, r.Dimensions)
	}
	for number := 1; ; number++ {
		row, err := r.Next(u.vector())
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return u.unreadableRows(err)
		}
		record, err := recordOf(row)
		u.seen++
		u.room = u.room[min(len(u.room), len(record.Values)):]
		if err := u.keep(record, err, "row", number); err != nil {
			return err
		}
	}
}

// recordOf makes a record of a row, which then is no other than the same in JSON.
func recordOf(row bulk.Row) (index.Record, error) {
	record := index.Record{ID: index.VectorID(row.ID), Namespace: row.Namespace, Values: row.Values}
	switch {
	case !utf8.ValidString(row.ID):
		return record, errors.New("the id is not UTF-8")
	case !utf8.ValidString(row.Namespace):
		return record, errors.New("the namespace is not UTF-8")
	case row.Metadata == nil:
		return record, nil
	}
	s := scanner{data: row.Metadata}
	metadata, err := s.metadata()
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return record, &fieldError{"metadata", err}
	}
	record.Metadata = metadata
	return record, nil
}

// unreadableRows is the fault of a batch that is damaged or cut off.
func (u *upload) unreadableRows(err error) error {
	return fault.For(reasonUpload, "failed to read the %s vectors request in the form %s: %v", u.operation, bulk.ContentType, err)
}
