package server

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"nearside/index"
	"nearside/index/filter"
	"nearside/vectorize"
)

// selectionFields are the fields that say which records a call is about.
const selectionFields = "ids, prefix, namespace, filter"

// selection decodes one field of a selection; known is false if it is none.
func (s *scanner) selection(to *index.Selection, key string) (known bool, err error) {
	switch key {
	case "ids":
		to.IDs, err = s.ids()
	case "prefix":
		to.Prefix, err = s.text()
	case "namespace":
		to.Namespace, err = s.text()
	case "filter":
		to.Filter, err = s.filter()
	default:
		return false, nil
	}
	return true, err
}

// fieldReaders decode the fields that a call has beside its selection.
type fieldReaders map[string]func(s *scanner) error

// known lists the fields for a message.
func (f fieldReaders) known() string {
	return strings.Join(append([]string{selectionFields}, slices.Sorted(maps.Keys(f))...), ", ")
}

// selected reads a body that selects records. Fields that nobody knows are
// refused: a condition that is misspelt would select more than was meant.
func (c *call) selected(more fieldReaders) (index.Selection, error) {
	var selection index.Selection
	data, err := c.readBody()
	if err != nil {
		return selection, err
	}
	err = readWhole(data, func(s *scanner) error {
		return s.named(func(key string) error {
			if read := more[key]; read != nil {
				return read(s)
			}
			known, err := s.selection(&selection, key)
			if !known {
				err = unknownField(more.known())
			}
			return err
		})
	})
	return selection, err
}

// into returns a reader of a field that stores what read returns.
func into[T any](to *T, read func(s *scanner) (T, error)) func(s *scanner) error {
	return func(s *scanner) (err error) {
		*to, err = read(s)
		return err
	}
}

// countRecords answers POST …/nearside/indexes/{index}/count.
func countRecords(s *Server, c *call) error {
	x, read, err := s.reading(c)
	if err != nil {
		return err
	}
	selection, err := c.selected(nil)
	if err != nil {
		return err
	}
	page, err := x.Count(c, selection, read)
	if err != nil {
		return err
	}
	c.warnUnindexed(page.Unindexed)
	return c.reply(struct {
		Count int `json:"count"`
	}{page.Total})
}

// listRecords answers POST …/nearside/indexes/{index}/list: Cloudflare's listing, of a selection.
func listRecords(s *Server, c *call) error {
	x, read, err := s.reading(c)
	if err != nil {
		return err
	}
	count, cursor := vectorize.DefaultPage, ""
	selection, err := c.selected(fieldReaders{"count": into(&count, (*scanner).whole), "cursor": into(&cursor, (*scanner).text)})
	if err != nil {
		return err
	}
	page, err := x.Select(c, selection, cursor, count, read)
	if err != nil {
		return err
	}
	c.warnUnindexed(page.Unindexed)
	return c.replyAppended((len(page.IDs)+1)*objectGuess, func(to []byte) []byte { return appendPage(to, page) })
}

// changed is the reply to a mutation of a selection; with dry_run it has no mutation.
type changed struct {
	Mutation  string           `json:"mutationId,omitempty"`
	Mutations int              `json:"mutations,omitempty"` // only if more than one
	DryRun    bool             `json:"dry_run,omitempty"`
	Count     int              `json:"count"`
	Sample    []index.VectorID `json:"sample,omitempty"` // the first ids of a dry run
}

// preview replies with what a mutation of a selection would touch.
func (c *call) preview(x *vectorize.Index, selection index.Selection, within index.Scope) error {
	page, err := x.Preview(c, selection, within)
	if err != nil {
		return err
	}
	return c.reply(changed{DryRun: true, Count: page.Total, Sample: page.IDs})
}

// deleteRecords answers POST …/nearside/indexes/{index}/delete.
func deleteRecords(s *Server, c *call) error {
	x, within, err := s.writing(c)
	if err != nil {
		return err
	}
	all, dryRun := false, false
	selection, err := c.selected(fieldReaders{"all": into(&all, (*scanner).boolean), "dry_run": into(&dryRun, (*scanner).boolean)})
	if err != nil {
		return err
	}
	if selection.All = all; dryRun {
		return c.preview(x, selection, within)
	}
	m, err := x.DeleteSelected(c, selection, within)
	if err != nil {
		return err
	}
	return c.reply(changed{Mutation: m.ID, Count: m.Changed})
}

// updateRecords answers POST …/nearside/indexes/{index}/metadata: set, remove and replace.
func updateRecords(s *Server, c *call) error {
	x, within, err := s.writing(c)
	if err != nil {
		return err
	}
	all, dryRun := false, false
	var update index.MetadataUpdate
	selection, err := c.selected(fieldReaders{
		"all": into(&all, (*scanner).boolean), "dry_run": into(&dryRun, (*scanner).boolean),
		"set":     func(s *scanner) error { return s.update(&update, false) },
		"replace": func(s *scanner) error { return s.update(&update, true) },
		"remove":  into(&update.Remove, (*scanner).paths),
	})
	if err != nil {
		return err
	}
	if err := update.Check(); err != nil {
		return err
	}
	if selection.All = all; dryRun {
		return c.preview(x, selection, within)
	}
	done, err := x.UpdateSelected(c, selection, update, within)
	if err != nil {
		return err
	}
	reply := changed{Mutation: done.ID, Count: done.Changed}
	if done.Mutations > 1 {
		reply.Mutations = done.Mutations
	}
	return c.reply(reply)
}

// update reads the object of set, or of replace.
func (s *scanner) update(to *index.MetadataUpdate, replace bool) error {
	if to.Set != nil {
		return errors.New("give set, which adds to the metadata, or replace, which is all of it; not both")
	}
	raw, err := s.value()
	if err != nil {
		return err
	}
	if raw[0] != '{' {
		return errors.New("expected an object, got " + quoteShort(string(raw)))
	}
	to.Set, to.Replace = compact(nil, raw), replace
	return nil
}

// paths reads an array of property paths.
func (s *scanner) paths() ([]string, error) {
	var paths []string
	err := s.array(func() error {
		path, err := s.text()
		paths = append(paths, path)
		return err
	})
	return paths, err
}

// showFacets answers POST …/nearside/indexes/{index}/facets.
func showFacets(s *Server, c *call) error {
	x, read, err := s.reading(c)
	if err != nil {
		return err
	}
	property, limit := "", vectorize.DefaultFacets
	selection, err := c.selected(fieldReaders{"property": into(&property, (*scanner).text), "limit": into(&limit, (*scanner).whole)})
	if err != nil {
		return err
	}
	facets, err := x.Facets(c, property, selection, limit, read)
	if err != nil {
		return err
	}
	c.warnUnindexed(facets.Unindexed)
	return c.reply(newFacetsObject(property, facets))
}

// facetsObject is how often the values of a property occur, on the wire.
type facetsObject struct {
	Property string      `json:"property"`
	Type     filter.Type `json:"type"`
	Count    int         `json:"count"`    // records in the selection
	Distinct int         `json:"distinct"` // values there are, shown or not
	Facets   []facet     `json:"facets"`
}

type facet struct {
	Value json.RawMessage `json:"value"`
	Count int             `json:"count"`
}

func newFacetsObject(property string, f index.Facets) facetsObject {
	object := facetsObject{property, f.Type, f.Total, f.Distinct, make([]facet, len(f.Values))}
	for i, v := range f.Values {
		object.Facets[i] = facet{v.Value.JSON(), v.Count}
	}
	return object
}
