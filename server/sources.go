package server

import (
	"time"

	"nearside/catalog/manifest"
)

// What a loader keeps on the server: which items of a source it has loaded, and what
// came of each (package manifest). Only one loader at a time may change a source:
// it claims it first, and shows the claim with every change.

// Bodies of a change: manifest.MaxPut items, each with hundreds of records.
const maxSourceItems = 64 << 20

// sourceObject is a source on the wire.
type sourceObject struct {
	ID      int64                  `json:"id"`
	Name    string                 `json:"name"`
	Created string                 `json:"created_on"`
	Scanned *string                `json:"scanned_on"` // null: no loader has come to its end yet
	Holder  *string                `json:"holder"`     // null: nobody is loading it
	Items   map[manifest.State]int `json:"items"`
	Records int64                  `json:"records"`
}

func newSourceObject(f manifest.Source) sourceObject {
	return sourceObject{f.Number, f.Name, f.Created.Format(timeMicros), orNull(wireTime(f.Scanned)), orNull(f.Holder), f.Items, f.Records}
}

// itemObject is an item on the wire. A time is absent where none is known.
type itemObject struct {
	Path     string         `json:"path"`
	State    manifest.State `json:"state"`
	Size     int64          `json:"size"`
	Modified time.Time      `json:"modified_on,omitzero"`
	Digest   string         `json:"digest,omitempty"`
	Recipe   string         `json:"recipe,omitempty"`
	Records  []string       `json:"records,omitempty"`
	Reason   string         `json:"reason,omitempty"`
	Changed  time.Time      `json:"changed_on,omitzero"` // in replies only
}

func newItemObject(i manifest.Item) itemObject {
	return itemObject{i.Path, i.State, i.Size, i.Modified, i.Digest, i.Recipe, i.Records, i.Reason, i.Changed}
}

func (o itemObject) item() manifest.Item {
	return manifest.Item{Path: o.Path, State: o.State, Size: o.Size, Modified: o.Modified, Digest: o.Digest, Recipe: o.Recipe, Records: o.Records, Reason: o.Reason}
}

// claimObject is a claim on the wire.
type claimObject struct {
	ID      int64  `json:"id"`
	Claim   string `json:"claim"`
	Expires string `json:"expires_on"` // unless it is used before
}

func newClaimObject(c manifest.Claim) claimObject {
	return claimObject{c.Source, c.Secret, wireTime(c.Until)}
}

func wireTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeMicros)
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// loadedIndex is the index of a call about sources. They are filed under its origin, and so outlive re-embedding.
func (s *Server) loadedIndex(c *call) (manifest.Index, error) {
	if l := c.key.Limits; l.Namespaces != nil || l.Filter != nil {
		return manifest.Index{}, forbidden(reasonScope, "this key sees a part of the index, and a source has the paths of all that was loaded; load files by POST …/files with ?namespace=, or use a key for the whole index")
	}
	x, err := s.parts.Vectorize.Describe(c.account, c.param(indexParam))
	return manifest.Index{Account: c.account, Number: uint64(x.Origin)}, err
}

// claimSource answers POST …/nearside/indexes/{index}/sources.
func claimSource(s *Server, c *call) error {
	var wanted struct {
		Name   string `json:"name"`
		Holder string `json:"holder"`
	}
	if err := c.bindExactly(&wanted); err != nil {
		return err
	}
	ix, err := s.loadedIndex(c)
	if err != nil {
		return err
	}
	claim, err := s.parts.Sources.Claim(c, ix, wanted.Name, wanted.Holder)
	if err != nil {
		return err
	}
	return c.reply(newClaimObject(claim))
}

// listSources answers GET …/nearside/indexes/{index}/sources.
func listSources(s *Server, c *call) error {
	ix, err := s.loadedIndex(c)
	if err != nil {
		return err
	}
	list, err := s.parts.Sources.Sources(c, ix)
	if err != nil {
		return err
	}
	objects := make([]sourceObject, len(list))
	for i, f := range list {
		objects[i] = newSourceObject(f)
	}
	return c.reply(objects)
}

// forgetSource answers DELETE …/nearside/indexes/{index}/sources/{source}. The records stay.
func forgetSource(s *Server, c *call) error {
	ix, number, err := s.sourceOf(c)
	if err != nil {
		return err
	}
	if err := s.parts.Sources.Forget(c, ix, number); err != nil {
		return err
	}
	return c.reply(nil)
}

// sourceOf is the source that a path names.
func (s *Server) sourceOf(c *call) (manifest.Index, int64, error) {
	ix, err := s.loadedIndex(c)
	if err != nil {
		return ix, 0, err
	}
	number, err := manifest.ParseNumber(c.param("source"))
	return ix, number, err
}

// claimOf is the claim to the source that a path names, as the call shows it.
func (s *Server) claimOf(c *call, secret string) (manifest.Claim, error) {
	ix, number, err := s.sourceOf(c)
	return manifest.Claim{Index: ix, Source: number, Secret: secret}, err
}

// listItems answers GET …/sources/{source}/items: a page of them, by path.
func listItems(s *Server, c *call) error {
	ix, number, err := s.sourceOf(c)
	if err != nil {
		return err
	}
	look := manifest.Look{After: c.queryParam("after"), State: manifest.State(c.queryParam("state"))}
	if look.Limit, err = c.queryInt("limit", manifest.MaxPut, 1, manifest.MaxPut); err != nil {
		return err
	}
	records, err := c.queryBool("records")
	if err != nil {
		return err
	}
	look.Records = records != nil && *records
	items, err := s.parts.Sources.Items(c, ix, number, look)
	if err != nil {
		return err
	}
	objects := make([]itemObject, len(items))
	for i, item := range items {
		objects[i] = newItemObject(item)
	}
	return c.reply(objects)
}

// changeItems answers POST …/sources/{source}/items: items put and removed, as one change.
func changeItems(s *Server, c *call) error {
	var change struct {
		Claim  string       `json:"claim"`
		Items  []itemObject `json:"items"`
		Remove []string     `json:"remove"`
	}
	if err := c.bindExactly(&change); err != nil {
		return err
	}
	claim, err := s.claimOf(c, change.Claim)
	if err != nil {
		return err
	}
	items := make([]manifest.Item, len(change.Items))
	for i, o := range change.Items {
		items[i] = o.item()
	}
	if err := s.parts.Sources.Put(c, &claim, items, change.Remove); err != nil {
		return err
	}
	return c.reply(newClaimObject(claim))
}

// renewClaim answers POST …/sources/{source}/renew.
func renewClaim(s *Server, c *call) error {
	var shown struct {
		Claim string `json:"claim"`
	}
	if err := c.bindExactly(&shown); err != nil {
		return err
	}
	claim, err := s.claimOf(c, shown.Claim)
	if err != nil {
		return err
	}
	if err := s.parts.Sources.Renew(c, &claim); err != nil {
		return err
	}
	return c.reply(newClaimObject(claim))
}

// releaseClaim answers POST …/sources/{source}/release.
func releaseClaim(s *Server, c *call) error {
	var shown struct {
		Claim    string `json:"claim"`
		Complete bool   `json:"complete"` // the loader has come to the end of the source
	}
	if err := c.bindExactly(&shown); err != nil {
		return err
	}
	claim, err := s.claimOf(c, shown.Claim)
	if err != nil {
		return err
	}
	if err := s.parts.Sources.Release(c, claim, shown.Complete); err != nil {
		return err
	}
	return c.reply(nil)
}
