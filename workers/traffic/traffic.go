// Package traffic remembers what the bindings of Workers projects did: how many calls
// of which method, how large the largest were, which models they reached and at what
// cost. `nearside dev check` reads it, to say what would differ on Cloudflare.
//
// A Recorder is told of each call by a Call, adds it to the Record of its project and
// UTC day in memory, and has a Keeper write it some seconds later, merged with what is
// kept already. A crash loses the last of it; nothing else is lost by that.
//
// A Record holds numbers and names: of indexes, models, gateways, and of the metadata
// properties that a filter named in vain. No prompt, no answer, no id, no vector and
// no value of metadata is in it, nor anything else that a call carried. Its size is
// bounded: what has one name too many is counted in Beyond, and days older than
// MaxDays are forgotten.
package traffic

import "time"

// Record is what the bindings of a project did in a while.
type Record struct {
	First    time.Time         `json:"first"` // the first call
	Last     time.Time         `json:"last"`
	AI       map[string]*Count `json:"ai,omitempty"`       // by method of env.AI: run, models, …
	Indexes  map[string]*Index `json:"indexes,omitempty"`  // by name
	Models   map[string]*Model `json:"models,omitempty"`   // by id
	Gateways map[string]int64  `json:"gateways,omitempty"` // calls to models, by the AI gateway they went through
	Beyond   int64             `json:"beyond,omitempty"`   // things that had one name too many to be told apart
}

// Count is how many calls there were, and how many of them failed.
type Count struct {
	Calls  int64 `json:"calls"`
	Failed int64 `json:"failed,omitempty"`
}

// Index is what a project did with an index. Sizes are the largest that was asked for,
// also by calls that were refused.
type Index struct {
	Methods       map[string]*Count `json:"methods"`                      // query, queryById, insert, …; those of Vectorize v1 are v1.query, …
	TopK          int               `json:"top_k,omitempty"`              // of queries for ids, scores and indexed metadata
	TopKFull      int               `json:"top_k_full,omitempty"`         // of queries for values or all metadata
	Batch         int               `json:"batch,omitempty"`              // vectors in an insert or upsert
	GetIDs        int               `json:"get_ids,omitempty"`            // ids in a getByIds
	DeleteIDs     int               `json:"delete_ids,omitempty"`         // ids in a deleteByIds
	MetadataBytes int               `json:"metadata_bytes,omitempty"`     // metadata of a vector
	Written       int64             `json:"vectors_written,omitempty"`    // by inserts and upserts that succeeded
	Searched      int64             `json:"queries,omitempty"`            // queries that succeeded
	Dimensions    int64             `json:"queried_dimensions,omitempty"` // of their vectors, added up
	Early         int64             `json:"early_reads,omitempty"`        // reads within Window of the project's last write
	EarlyBy       int64             `json:"earliest_read_ms,omitempty"`   // the shortest time between the two, 1 or more
	Unindexed     map[string]int64  `json:"unindexed,omitempty"`          // queries by the property they filtered by, which had no metadata index
}

// Model is what a project asked a model.
type Model struct {
	Count
	Substitute int64  `json:"substitute,omitempty"` // calls that other weights answered than the id promises
	Served     string `json:"served,omitempty"`     // by what, the last time
	In         int64  `json:"input_tokens,omitempty"`
	Out        int64  `json:"output_tokens,omitempty"`
	Neurons    int64  `json:"micro_neurons,omitempty"` // millionths
	Input      int    `json:"largest_input_bytes,omitempty"`
	Peak       int64  `json:"most_calls_a_minute,omitempty"`
}

// Window is how soon after a write a read counts as early. Cloudflare says that a write
// is usually visible within seconds, and no more precisely
// (developers.cloudflare.com/vectorize/best-practices/insert-vectors).
const Window = 5 * time.Second

// MaxDays is how many days are kept, today's among them.
const MaxDays = 31

// How many things with a name a record tells apart, and how long a name can be, in
// bytes: a record has less than a megabyte.
const (
	maxNames      = 50
	maxProperties = 20 // of an index
	maxName       = 512
)

// Add adds what another record of the project has, which is not used after that.
func (r *Record) Add(o *Record) {
	if r.First.IsZero() || !o.First.IsZero() && o.First.Before(r.First) {
		r.First = o.First
	}
	if o.Last.After(r.Last) {
		r.Last = o.Last
	}
	r.Beyond += o.Beyond
	addCounts(&r.AI, o.AI)
	r.Beyond += merge(&r.Indexes, o.Indexes, maxNames, (*Index).add)
	r.Beyond += merge(&r.Models, o.Models, maxNames, (*Model).add)
	r.Beyond += addNumbers(&r.Gateways, o.Gateways, maxNames)
}

// Calls is how many calls of bindings there were.
func (r *Record) Calls() (calls int64) {
	for _, n := range r.AI {
		calls += n.Calls
	}
	for _, x := range r.Indexes {
		for _, n := range x.Methods {
			calls += n.Calls
		}
	}
	return calls
}

// Spent is what the calls to models cost, in millionths of a neuron, and how many
// dimensions queries read.
func (r *Record) Spent() (microNeurons, dimensions int64) {
	for _, m := range r.Models {
		microNeurons += m.Neurons
	}
	for _, x := range r.Indexes {
		dimensions += x.Dimensions
	}
	return microNeurons, dimensions
}

func (x *Index) add(o *Index) {
	addCounts(&x.Methods, o.Methods)
	for _, both := range []struct{ to, from *int }{
		{&x.TopK, &o.TopK}, {&x.TopKFull, &o.TopKFull}, {&x.Batch, &o.Batch}, {&x.GetIDs, &o.GetIDs}, {&x.DeleteIDs, &o.DeleteIDs}, {&x.MetadataBytes, &o.MetadataBytes},
	} {
		*both.to = max(*both.to, *both.from)
	}
	x.Written += o.Written
	x.Searched += o.Searched
	x.Dimensions += o.Dimensions
	x.Early += o.Early
	if x.EarlyBy == 0 || o.EarlyBy > 0 && o.EarlyBy < x.EarlyBy {
		x.EarlyBy = o.EarlyBy
	}
	addNumbers(&x.Unindexed, o.Unindexed, maxProperties)
}

func (m *Model) add(o *Model) {
	m.Count.add(&o.Count)
	m.Substitute += o.Substitute
	if o.Served != "" {
		m.Served = o.Served
	}
	m.In += o.In
	m.Out += o.Out
	m.Neurons += o.Neurons
	m.Input = max(m.Input, o.Input)
	m.Peak = max(m.Peak, o.Peak)
}

func (c *Count) add(o *Count) {
	c.Calls += o.Calls
	c.Failed += o.Failed
}

// addCounts merges counts by method, of which there are few.
func addCounts(to *map[string]*Count, from map[string]*Count) {
	merge(to, from, maxNames, (*Count).add)
}

// merge adds what has the same name in both, and takes over the rest as long as there
// is room. It returns how many found none.
func merge[T any](to *map[string]*T, from map[string]*T, most int, add func(to, from *T)) (beyond int64) {
	for name, one := range from {
		known := (*to)[name]
		switch {
		case known != nil:
			add(known, one)
		case len(*to) >= most:
			beyond++
		case *to == nil:
			*to = map[string]*T{name: one}
		default:
			(*to)[name] = one
		}
	}
	return beyond
}

// addNumbers is merge for numbers that add up.
func addNumbers(to *map[string]int64, from map[string]int64, most int) (beyond int64) {
	for name, n := range from {
		if *to == nil {
			*to = map[string]int64{}
		}
		if _, known := (*to)[name]; !known && len(*to) >= most {
			beyond++
			continue
		}
		(*to)[name] += n
	}
	return beyond
}
