package server

import (
	"time"

	"nearside/catalog"
	"nearside/index"
	"nearside/vectorize"
)

// The forms in which Cloudflare writes times.
const (
	timeMicros  = "2006-01-02T15:04:05.000000Z" // created_on, modified_on
	timeMillis  = "2006-01-02T15:04:05.000Z"    // processedUpToDatetime
	timeSeconds = "2006-01-02T15:04:05Z"        // cursorExpirationTimestamp
)

// indexConfig is the config of an index on the wire.
type indexConfig struct {
	Preset     string       `json:"preset,omitempty"`
	Dimensions int          `json:"dimensions"`
	Metric     index.Metric `json:"metric"`
}

// indexObject is an index on the wire.
type indexObject struct {
	Name        string      `json:"name"`
	Description string      `json:"description"`
	Config      indexConfig `json:"config"`
	Created     string      `json:"created_on"`
	Modified    string      `json:"modified_on"`
}

func newIndexObject(x catalog.Index) indexObject {
	return indexObject{
		Name: x.Name, Description: x.Description,
		Config:  indexConfig{x.Preset, x.Dimensions, index.Metric(x.Metric)},
		Created: x.Created.Format(timeMicros), Modified: x.Modified.Format(timeMicros),
	}
}

// createIndex answers POST …/vectorize/v2/indexes.
func createIndex(s *Server, c *call) error {
	var wanted struct {
		Name        *string `json:"name"`
		Description string  `json:"description"`
		Config      *struct {
			Preset     string       `json:"preset"`
			Dimensions *int         `json:"dimensions"`
			Metric     index.Metric `json:"metric"`
		} `json:"config"`
	}
	if err := c.bind(&wanted); err != nil {
		return err
	}
	switch {
	case wanted.Name == nil:
		return badJSON("name: expected a string, the name of the index")
	case wanted.Config == nil:
		return badJSON(`config: expected {"dimensions": …, "metric": …} or {"preset": …}`)
	}
	d := vectorize.Definition{Name: *wanted.Name, Description: wanted.Description, Metric: wanted.Config.Metric, Preset: wanted.Config.Preset}
	if wanted.Config.Dimensions != nil {
		d.Dimensions = *wanted.Config.Dimensions
	}
	x, err := s.parts.Vectorize.Create(c, c.account, d)
	if err != nil {
		return err
	}
	return c.reply(newIndexObject(x))
}

// listIndexes answers GET …/vectorize/v2/indexes: one page with all that the key opens.
func listIndexes(s *Server, c *call) error {
	objects := []indexObject{}
	for _, x := range s.visible(c) {
		objects = append(objects, newIndexObject(x))
	}
	return c.reply(objects)
}

// visible lists the indexes of the account that the caller's key opens.
func (s *Server) visible(c *call) []catalog.Index {
	var open []catalog.Index
	for _, x := range s.parts.Vectorize.List(c.account) {
		if c.key.AllowsIndex(x.Name) {
			open = append(open, x)
		}
	}
	return open
}

// describeIndex answers GET …/vectorize/v2/indexes/{index}.
func describeIndex(s *Server, c *call) error {
	x, err := s.parts.Vectorize.Describe(c.account, c.param(indexParam))
	if err != nil {
		return err
	}
	return c.reply(newIndexObject(x))
}

// deleteIndex answers DELETE …/vectorize/v2/indexes/{index}.
func deleteIndex(s *Server, c *call) error {
	loaded, err := s.loadedIndex(c)
	if err != nil {
		return err
	}
	if s.parts.Jobs != nil { // first: none must go on in another index of the same name
		if err := s.parts.Jobs.CancelIndex(c, c.account, c.param(indexParam)); err != nil {
			return err
		}
	}
	if err := s.parts.Vectorize.Delete(c, c.account, c.param(indexParam)); err != nil {
		return err
	}
	if err := s.parts.Sources.ForgetIndex(c, loaded); err != nil {
		s.log.Warn("sources of a deleted index are left; the next start forgets them", "index", c.param(indexParam), "error", err)
	}
	return c.reply(nil)
}

// infoObject is the state of an index on the wire. The last two are absent before the first mutation.
type infoObject struct {
	Dimensions int    `json:"dimensions"`
	Count      int    `json:"vectorCount"`
	Datetime   string `json:"processedUpToDatetime,omitempty"`
	Mutation   string `json:"processedUpToMutation,omitempty"`
}

// indexInfo answers GET …/vectorize/v2/indexes/{index}/info.
func indexInfo(s *Server, c *call) error {
	x, read, err := s.reading(c)
	if err != nil {
		return err
	}
	info, err := x.Info(c, read)
	if err != nil {
		return err
	}
	object := infoObject{Dimensions: info.Dimensions, Count: info.Count}
	if info.Mutation.ID != "" {
		object.Datetime, object.Mutation = info.Mutation.Time.UTC().Format(timeMillis), info.Mutation.ID
	}
	return c.reply(object)
}

// writing opens the index of the path for a change, within what the key may touch.
func (s *Server) writing(c *call) (*vectorize.Index, index.Scope, error) {
	within, err := vectorize.Within(c.key.Limits)
	if err != nil {
		return nil, within, err
	}
	x, err := s.parts.Vectorize.Open(c, c.account, c.param(indexParam))
	return x, within, err
}

// wholeIndex opens the index of the path for what concerns all its records;
// keys that may not see them all are refused.
func (s *Server) wholeIndex(c *call) (*vectorize.Index, index.Scope, error) {
	if c.key.Namespaces != nil || c.key.Filter != nil {
		return nil, index.Scope{}, forbidden(reasonScope, "this key is limited to some records of the index; the call concerns them all")
	}
	return s.writing(c)
}

// reading opens the index of the path for a read, within what the key may see,
// in the newest state or as far back as delayed consistency asks.
func (s *Server) reading(c *call) (*vectorize.Index, index.Read, error) {
	age, err := s.age(c.queryParam("consistency"))
	if err != nil {
		return nil, index.Read{}, err
	}
	x, within, err := s.writing(c)
	return x, index.Read{Age: age, Within: within}, err
}

// age is how old the state is that a read answers from.
func (s *Server) age(consistency string) (time.Duration, error) {
	if consistency == "" {
		consistency = s.config.Consistency
	}
	switch consistency {
	case Strong:
		return 0, nil
	case Delayed:
		return s.config.Delay, nil
	}
	return 0, badJSON("consistency: expected " + Strong + " or " + Delayed + ", got " + quoteShort(consistency))
}

// mutation replies with the receipt of a change.
func (c *call) mutation(m index.Mutation) error {
	return c.reply(struct {
		ID string `json:"mutationId"`
	}{m.ID})
}
