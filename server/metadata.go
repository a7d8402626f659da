package server

import (
	"nearside/index"
	"nearside/index/filter"
)

// metadataIndexObject is a metadata index on the wire.
type metadataIndexObject struct {
	Property string      `json:"propertyName"`
	Type     filter.Type `json:"indexType"`
}

// createMetadataIndex answers POST …/{index}/metadata_index/create. It covers
// vectors written from now on; under --relaxed also those already stored.
func createMetadataIndex(s *Server, c *call) error {
	x, _, err := s.wholeIndex(c)
	if err != nil {
		return err
	}
	var wanted struct {
		Property *string     `json:"propertyName"`
		Type     filter.Type `json:"indexType"`
	}
	if err := c.bind(&wanted); err != nil {
		return err
	}
	switch {
	case wanted.Property == nil:
		return badJSON("propertyName: expected a string, the metadata property")
	case !wanted.Type.Valid():
		return badJSON(`indexType: expected value "string", "number" or "boolean", got ` + quoteShort(string(wanted.Type)))
	}
	m, err := x.CreateMetadataIndex(c, index.MetadataIndex{Property: *wanted.Property, Type: wanted.Type}, false)
	if err != nil {
		return err
	}
	return c.mutation(m)
}

// listMetadataIndexes answers GET, and POST as in Cloudflare's first description, …/{index}/metadata_index/list.
func listMetadataIndexes(s *Server, c *call) error {
	x, read, err := s.reading(c)
	if err != nil {
		return err
	}
	existing, err := x.MetadataIndexes(c, read)
	if err != nil {
		return err
	}
	objects := make([]metadataIndexObject, len(existing))
	for i, m := range existing {
		objects[i] = metadataIndexObject{m.Property, m.Type}
	}
	return c.reply(struct {
		Indexes []metadataIndexObject `json:"metadataIndexes"`
	}{objects})
}

// deleteMetadataIndex answers POST …/{index}/metadata_index/delete.
func deleteMetadataIndex(s *Server, c *call) error {
	x, _, err := s.wholeIndex(c)
	if err != nil {
		return err
	}
	var wanted struct {
		Property *string `json:"propertyName"`
	}
	if err := c.bind(&wanted); err != nil {
		return err
	}
	if wanted.Property == nil {
		return badJSON("propertyName: expected a string, the metadata property")
	}
	m, err := x.DeleteMetadataIndex(c, *wanted.Property)
	if err != nil {
		return err
	}
	return c.mutation(m)
}
