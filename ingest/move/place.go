// Package move copies indexes: between a nearside and another, to and from Cloudflare,
// and into files.
//
// A Place is an index on a server. A Listing hands out what it has, record by record.
// Copy makes an index of the same shape, sends the records and counts them; Export
// writes them into files that package rows reads again, bit by bit the same.
//
// What a Listing hands out: the ids are those of the moment it began. Of a record that
// is replaced meanwhile it has the old version or the new one, whole; one that is
// deleted meanwhile it may leave out; one that is added meanwhile it does not have.
//
// What the package does not do: it deletes nothing. A record that is in the target and
// not in the source stays there.
package move

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"nearside/client"
	"nearside/fault"
	"nearside/ingest/rows"
)

// Place is an index on a server.
type Place struct {
	Client *client.Client
	Index  string
	// Cloudflare is how Cloudflare's API is called: by Vectorize's own calls, within its limits,
	// and with patience. Nil = the server is nearside.
	Cloudflare *rows.Cloudflare
}

// String returns the place in words.
func (p Place) String() string {
	if p.Cloudflare != nil {
		return fmt.Sprintf("index %q at Cloudflare", p.Index)
	}
	return fmt.Sprintf("index %q at %s", p.Index, cmp.Or(p.Client.URL, client.DefaultURL))
}

// Shape is what an index is, without its records.
type Shape struct {
	Description string
	Dimensions  int
	Metric      string
	Model       string // that makes its vectors of texts; "" = nobody knows, or none
	Fingerprint string // of that model's weights
	Created     string // when; tells it from another of the same name
	Count       int    // records
	Properties  []Property
}

// Property is a metadata index.
type Property struct {
	Name string `json:"propertyName"`
	Type string `json:"indexType"`
}

// vectorize is the path of Vectorize's calls about the index, and nearside of ours.
func (p Place) vectorize() string { return "/vectorize/v2/indexes/" + url.PathEscape(p.Index) }
func (p Place) nearside() string  { return "/nearside/indexes/" + url.PathEscape(p.Index) }

// call makes a call that may be repeated, with patience if it is Cloudflare's.
func (p Place) call(ctx context.Context, method, path string, body, result any) error {
	do := func() error { return p.Client.Do(ctx, method, path, body, result) }
	if p.Cloudflare == nil {
		return do()
	}
	return p.Cloudflare.Patiently(ctx, do)
}

// indexObject is an index as both kinds of servers show it.
type indexObject struct {
	Description string `json:"description"`
	Config      struct {
		Dimensions int    `json:"dimensions"`
		Metric     string `json:"metric"`
	} `json:"config"`
	Created     string `json:"created_on"`
	Model       string `json:"model"`
	Fingerprint string `json:"fingerprint"`
}

// infoObject is the state of an index.
type infoObject struct {
	Count int `json:"vectorCount"`
}

// Shape returns what the index is.
func (p Place) Shape(ctx context.Context) (Shape, error) {
	path := p.nearside()
	if p.Cloudflare != nil {
		path = p.vectorize()
	}
	var x indexObject
	if err := p.call(ctx, http.MethodGet, path, nil, &x); err != nil {
		return Shape{}, err
	}
	info, err := p.info(ctx)
	if err != nil {
		return Shape{}, err
	}
	properties, err := p.properties(ctx)
	return Shape{x.Description, x.Config.Dimensions, x.Config.Metric, x.Model, x.Fingerprint, x.Created, info.Count, properties}, err
}

func (p Place) info(ctx context.Context) (info infoObject, err error) {
	return info, p.call(ctx, http.MethodGet, p.vectorize()+"/info", nil, &info)
}

func (p Place) properties(ctx context.Context) ([]Property, error) {
	var list struct {
		Indexes []Property `json:"metadataIndexes"`
	}
	err := p.call(ctx, http.MethodGet, p.vectorize()+"/metadata_index/list", nil, &list)
	return list.Indexes, err
}

// isMissing reports whether an error says that there is no such index.
func isMissing(err error) bool { return fault.Is(err, fault.NotFound) || fault.Is(err, fault.Gone) }

// create makes the index in the shape of another.
func (p Place) create(ctx context.Context, like Shape) error {
	wanted := map[string]any{"name": p.Index, "description": like.Description}
	path := "/vectorize/v2/indexes"
	if like.Model != "" && p.Cloudflare == nil {
		path, wanted["model"], wanted["metric"] = "/nearside/indexes", like.Model, like.Metric
	} else {
		wanted["config"] = map[string]any{"dimensions": like.Dimensions, "metric": like.Metric}
	}
	// Not with patience: an index that was made though the reply was lost is found at the next try of the user's.
	return p.Client.Do(ctx, http.MethodPost, path, wanted, nil)
}

// matches reports why records of an index of one shape cannot go into another.
func (s Shape) matches(to Shape) error {
	switch {
	case s.Dimensions != to.Dimensions:
		return fault.New(fault.Invalid, "the source has %d dimensions and the target %d; name another target with --index", s.Dimensions, to.Dimensions)
	case s.Metric != to.Metric:
		return fault.New(fault.Invalid, "the source compares by %s and the target by %s; name another target with --index", s.Metric, to.Metric)
	case s.Fingerprint != "" && to.Fingerprint != "" && s.Fingerprint != to.Fingerprint:
		return fault.New(fault.Invalid, "the source's vectors were made by %s (%s) and the target's are made by %s (%s); they cannot be compared. Make a target with the same model, or load the texts anew", s.Model, s.Fingerprint, to.Model, to.Fingerprint)
	}
	return nil
}

// ensure makes the index if it is missing, with the metadata indexes of the other.
func (p Place) ensure(ctx context.Context, like Shape, o Options) (Shape, error) {
	shape, err := p.Shape(ctx)
	if isMissing(err) {
		if err := p.create(ctx, like); err != nil {
			return shape, fmt.Errorf("make %s: %w", p, err)
		}
		o.note("%s is new: %d dimensions, %s", p, like.Dimensions, like.Metric)
		shape, err = p.Shape(ctx)
	}
	if err != nil {
		return shape, err
	}
	if err := like.matches(shape); err != nil {
		return shape, err
	}
	return shape, p.ensureProperties(ctx, like.Properties, shape.Properties, o)
}

// ensureProperties makes metadata indexes that are missing, before the first record comes: Vectorize covers only later ones.
func (p Place) ensureProperties(ctx context.Context, wanted, there []Property, o Options) error {
	has := map[string]string{}
	for _, x := range there {
		has[x.Name] = x.Type
	}
	var made []Property
	for _, x := range wanted {
		if kind, ok := has[x.Name]; ok {
			if kind != x.Type {
				o.note("the metadata index %q is of type %s here and %s there; it stays as it is", x.Name, kind, x.Type)
			}
			continue
		}
		err := p.Client.Do(ctx, http.MethodPost, p.vectorize()+"/metadata_index/create", x, nil)
		if fault.Is(err, fault.Invalid) {
			o.note("the metadata index %q cannot be made: %v", x.Name, err)
			continue
		}
		if err != nil {
			return err
		}
		made = append(made, x)
	}
	if len(made) == 0 {
		return nil
	}
	return p.await(ctx, o, "the metadata indexes to be there", func() (bool, error) {
		now, err := p.properties(ctx)
		return covers(now, made), err
	})
}

// covers reports whether all wanted properties are in a list.
func covers(list, wanted []Property) bool {
	has := map[Property]bool{}
	for _, x := range list {
		has[x] = true
	}
	for _, x := range wanted {
		if !has[x] {
			return false
		}
	}
	return true
}

// errLate is the end of await's patience.
var errLate = errors.New("it takes longer than this program waits")
