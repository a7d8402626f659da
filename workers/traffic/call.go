package traffic

import (
	"strings"
	"time"
)

// Call is one call of a binding, while it is answered. What it did is noted as it
// becomes known, by one goroutine at a time; End files it. A nil Call notes nothing.
type Call struct {
	recorder *Recorder
	project  string
	began    time.Time
	index    string // its name, if the call is for one
	did      Index  // for the index
	noted    Record // all else
}

// Query notes what a query asks for; full: values, or all metadata.
func (c *Call) Query(topK int, full bool) {
	switch {
	case c == nil:
	case full:
		c.did.TopKFull = topK
	default:
		c.did.TopK = topK
	}
}

// Searched notes a query that succeeded, with the properties that its filter names and
// that have no metadata index.
func (c *Call) Searched(dimensions int, unindexed []string) {
	if c == nil {
		return
	}
	c.did.Searched++
	c.did.Dimensions += int64(dimensions)
	for _, property := range unindexed {
		if len(property) <= maxName {
			addNumbers(&c.did.Unindexed, map[string]int64{property: 1}, maxProperties)
		}
	}
}

// Batch notes a batch of vectors to be written, and the bytes of the longest metadata in it.
func (c *Call) Batch(vectors, metadataBytes int) {
	if c != nil {
		c.did.Batch, c.did.MetadataBytes = vectors, metadataBytes
	}
}

// IDs notes the ids of a call that names vectors.
func (c *Call) IDs(ids int) {
	if c != nil {
		c.did.GetIDs, c.did.DeleteIDs = ids, ids // End keeps the one that the method is of
	}
}

// Asked is one call to a model.
type Asked struct {
	Model        string // as the catalogue has it, or as the caller if that has not
	Served       string // what answered; "" = nothing did
	Substitute   bool   // with other weights than the model's
	In, Out      int    // tokens
	MicroNeurons int64
	InputBytes   int
	Gateway      string // "" = it went through none
	Failed       bool
}

// Asked notes a call to a model.
func (c *Call) Asked(a Asked) {
	if c == nil {
		return
	}
	r := &Record{}
	switch {
	case len(a.Gateway) > maxName:
		r.Beyond++
	case a.Gateway != "":
		r.Gateways = map[string]int64{a.Gateway: 1}
	}
	m := &Model{Count: Count{Calls: 1}, Served: a.Served, In: int64(a.In), Out: int64(a.Out), Neurons: a.MicroNeurons, Input: a.InputBytes}
	if a.Failed {
		m.Failed = 1
	}
	if a.Substitute {
		m.Substitute = 1
	}
	if len(a.Model) > maxName {
		r.Beyond++
	} else {
		r.Models = map[string]*Model{a.Model: m}
	}
	c.noted.Add(r)
}

// On notes the index that the call is for, by its name.
func (c *Call) On(index string) {
	if c != nil {
		c.index = index
	}
}

// End files the call under the method of the binding. It is the last thing done with it.
func (c *Call) End(method string, failed bool) {
	if c == nil {
		return
	}
	count := &Count{Calls: 1}
	if failed {
		count.Failed = 1
	}
	if c.index == "" {
		c.noted.AI = map[string]*Count{method: count}
	} else {
		c.did.Methods = map[string]*Count{method: count}
		c.keepFor(strings.TrimPrefix(method, "v1."), failed)
		c.noted.Indexes = map[string]*Index{c.index: &c.did}
	}
	c.recorder.file(c, method, failed)
}

// keepFor drops what is not of the method, and counts what was written.
func (c *Call) keepFor(method string, failed bool) {
	if method != "getByIds" {
		c.did.GetIDs = 0
	}
	if method != "deleteByIds" {
		c.did.DeleteIDs = 0
	}
	if !failed {
		c.did.Written = int64(c.did.Batch)
	}
}

// What the methods of env.VECTORIZE do, those of version 1 without their mark.
var (
	writes = map[string]bool{"insert": true, "upsert": true, "deleteByIds": true}
	reads  = map[string]bool{"query": true, "queryById": true, "getByIds": true}
)
