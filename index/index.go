// Package index is the contract of one searchable index, and the plainest
// implementation of it.
//
// Index is what the rest of nearside sees: records go in by insert or upsert,
// come out by id, by page or by nearness, and are narrowed by namespace and
// metadata filter. Engine creates, opens and drops indexes, each known by a
// Number. Package index/local is the engine that keeps data on disk; Memory,
// here, answers by brute force over a list and is the oracle that every other
// implementation is compared with. Package index/indextest holds the
// conformance suite that all of them pass.
//
// What every implementation promises:
//
//   - A mutation that returned without error is durable, whole (a batch is
//     applied entirely or not at all) and visible to every later read.
//   - A read answers from one state of the index. Values, metadata and text of
//     one match belong to one version of its record.
//   - Query is exhaustive unless Result.Explain says otherwise: it returns
//     min(TopK, matching records) matches, best first, equal scores by id.
//   - Methods may be called from any goroutine. Close waits for calls in flight.
//
// What the package does not do: it knows no HTTP, no accounts, no names of
// indexes and no models. Limits that are Cloudflare's rather than ours
// (batch sizes, topK, id length) are checked by package vectorize; the ones an index
// cannot live without (dimensions, finite values) are checked here.
package index

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"nearside/fault"
	"nearside/index/filter"
)

// Number identifies an index within an Engine. Names chosen by users never reach the disk.
type Number uint64

// VectorID identifies a record within an index: 1 to 64 bytes on the wire.
type VectorID string

// Metric is how nearness is measured, in Cloudflare's words.
type Metric string

// The metrics, and what a score is under each.
const (
	Cosine     Metric = "cosine"      // the cosine, -1 to 1; highest first
	Euclidean  Metric = "euclidean"   // the L2 distance (not squared), 0 upwards; lowest first
	DotProduct Metric = "dot-product" // the negated dot product; lowest first
)

// Ascending reports whether the best score is the lowest.
func (m Metric) Ascending() bool { return m != Cosine }

// Valid reports whether m is one of the three metrics.
func (m Metric) Valid() bool { return m == Cosine || m == Euclidean || m == DotProduct }

// Config is fixed when an index is created.
type Config struct {
	Dimensions int // 1 to 1,536
	Metric     Metric
}

// MaxDimensions is the largest vector an index takes
// (developers.cloudflare.com/vectorize/platform/limits).
const MaxDimensions = 1536

// Record is one vector with everything stored beside it.
type Record struct {
	ID        VectorID
	Namespace string          // "" = none
	Values    []float32       // Config.Dimensions finite numbers; not all zero under cosine
	Metadata  json.RawMessage // a compact JSON object, or nil
	Title     string          // for records made from text
	Text      string          // the passage the vector was made from, or ""
}

// Sequence counts the mutations of an index; 0 is the empty index.
type Sequence uint64

// Mutation is the receipt of a change.
type Mutation struct {
	ID       string // a UUID, Cloudflare's mutationId
	Sequence Sequence
	Time     time.Time // when it was committed, UTC
	Changed  int       // records inserted, replaced or deleted, or backfilled into a metadata index
}

// MetadataIndex makes one metadata property filterable.
type MetadataIndex struct {
	Property string      // a path; "." separates levels
	Type     filter.Type // string, number or boolean
}

// Info is the state of an index at one sequence.
type Info struct {
	Config
	Count      int      // records
	Namespaces int      // distinct namespaces that records have, those without one not counted
	Bytes      int64    // what the index takes on the disk; 0 where it is kept in memory only
	Mutation   Mutation // the last one applied; Sequence 0 and ID "" before the first
	Graph      Graph
}

// Graph is the state of the graph that answers approximate queries. The zero value is
// that of an index without one, which answers exactly.
type Graph struct {
	Building bool // it is being built: some or all records are compared one by one meanwhile
	Covered  int  // records in it
	Tail     int  // records that are not in it yet
	Bytes    int64
	Recall   GraphRecall
}

// GraphRecall is how much of the exact answer queries of late were given.
type GraphRecall struct {
	EF        int     // how many candidates their walks kept, and those of new ones keep
	Mean      float64 // share of the nearest that were found, 0 to 1
	Low, High float64 // its 95 % interval
	Queries   int     // how many were asked again exactly; 0: Mean says nothing yet
}

// Scope is what a caller may see and touch. Records outside it do not exist for
// reads; a mutation that would write, replace or delete one is refused whole
// (fault.Forbidden). The zero value is everything.
type Scope struct {
	Namespaces []string      // nil = all; "" stands for records without namespace
	Filter     filter.Filter // every property in it needs a metadata index, else the call is refused
}

// Read says which state a read answers from, and for whom.
//
// The zero value reads everything in the newest state. A positive Age reads
// the state that was newest that long ago, as far back as the index remembers:
// it rehearses the delay that Cloudflare's index has.
type Read struct {
	Age    time.Duration
	Within Scope
}

// MetadataLevel says which metadata a query returns.
type MetadataLevel uint8

// The levels of returnMetadata.
const (
	NoMetadata      MetadataLevel = iota // "none"
	IndexedMetadata                      // "indexed": only properties with a metadata index, strings cut to 64 bytes
	AllMetadata                          // "all"
)

// Query asks for the records nearest to a vector, given itself or by the id of a stored record.
type Query struct {
	Vector    []float32 // Config.Dimensions finite numbers; or nil, and then
	ID        VectorID  // the stored record to start from; unknown id: no matches
	TopK      int       // at least 1
	Namespace string    // "" = all
	Filter    filter.Filter
	Values    bool // return values
	Metadata  MetadataLevel
	Text      bool // return title and text

	// Exact asks for the exact answer, however long it takes.
	Exact bool
	// EF is how many candidates a walk through a graph keeps: more of them find more of
	// the nearest, and take longer. 0 leaves it to the index. Exact plans ignore it.
	EF int
}

// MaxEF is the largest Query.EF.
const MaxEF = 10_000

// Match is one answer to a query.
type Match struct {
	Record         // ID and Namespace always; the rest as asked
	Score  float64 // in the metric's own direction; the same on every CPU
}

// Plan names the way an answer was found.
type Plan string

// The plans.
const (
	PlanEmpty Plan = "empty" // nothing can match; no vector was read
	PlanScan  Plan = "scan"  // every matching vector was compared
	PlanCodes Plan = "codes" // every matching code was compared, and the vectors of those that may be among the nearest
	PlanGraph Plan = "graph" // a walk through the graph
)

// Explain says how an answer was made.
type Explain struct {
	Plan       Plan
	Candidates int      // vectors or codes compared
	Matching   int      // records that pass namespace and filter
	Exhaustive bool     // the answer is provably the exact one
	Sequence   Sequence // the state it was made from

	// Of walks through a graph:
	EF     int     `json:",omitempty"` // how many candidates were kept
	Hops   int     `json:",omitempty"` // nodes whose links were followed
	Tail   int     `json:",omitempty"` // records too new for the graph, compared one by one
	Recall float64 `json:",omitempty"` // as measured on queries of late, 0 to 1; 0 = not yet
}

// Result is the answer to a query.
type Result struct {
	Matches   []Match
	Explain   Explain
	Unindexed []string // filter properties without a metadata index: no record has a value for them
}

// Page is one page of a listing. A listing is a snapshot: all its pages answer
// from the state of its first call.
type Page struct {
	IDs     []VectorID // ascending by bytes
	Total   int        // records in the snapshot
	Next    string     // cursor of the next page; "" after the last
	Expires time.Time  // when Next stops working, UTC; zero without Next

	Unindexed []string // filter properties without a metadata index: no record has a value for them
}

// Facets is how often the values of a property occur, as its metadata index sees them.
type Facets struct {
	Type     filter.Type    // of the metadata index
	Values   []filter.Facet // most frequent first, equally frequent ones ascending; each string of an array counts
	Distinct int            // how many different values there are
	Total    int            // records in the selection, with a value or without

	Unindexed []string // filter properties without a metadata index: no record has a value for them
}

// Reasons of the faults an index reports.
const (
	ReasonDimensions    fault.Reason = "vector_dimensions"       // a record's vector has the wrong length
	ReasonQueryVector   fault.Reason = "query_dimensions"        // a query's vector has the wrong length
	ReasonValue         fault.Reason = "vector_value"            // NaN, infinite, or zero under cosine
	ReasonCursor        fault.Reason = "list_cursor"             // malformed, or expired
	ReasonMetadataIndex fault.Reason = "metadata_index_exists"   // create: there is one already
	ReasonNoMetadata    fault.Reason = "metadata_index_missing"  // delete: there is none
	ReasonTooManyMeta   fault.Reason = "metadata_index_too_many" // create: the limit is reached
	ReasonConfig        fault.Reason = "index_config"            // dimensions or metric out of range
	ReasonScope         fault.Reason = "scope"                   // outside what the caller may touch
	ReasonSelection     fault.Reason = "selection"               // a mutation that does not say which records are meant
	ReasonUnindexed     fault.Reason = "filter_unindexed"        // a mutation's filter needs a metadata index that does not exist
	ReasonForgotten     fault.Reason = "changes_forgotten"       // what was removed since a mutation is not known any more
	ReasonUpdate        fault.Reason = "metadata_update"         // a metadata update that says nothing, or two things at once
)

// Index is one searchable index.
type Index interface {
	// Insert adds the records whose ids are new and leaves existing ones as they
	// are. Of equal ids within the batch the first wins.
	Insert(ctx context.Context, records []Record, within Scope) (Mutation, error)
	// Upsert adds or replaces records wholly. Of equal ids within the batch the last wins.
	Upsert(ctx context.Context, records []Record, within Scope) (Mutation, error)
	// Delete removes the records with the given ids; unknown ids are passed over.
	Delete(ctx context.Context, ids []VectorID, within Scope) (Mutation, error)
	// DeleteSelected removes the records of a selection within a scope, as one mutation.
	// Unlike Delete it passes over ids outside the scope: to a selection they do not exist.
	DeleteSelected(ctx context.Context, s Selection, within Scope) (Mutation, error)
	// UpdateMetadata changes the metadata of the records of a selection within a scope, as one
	// mutation. Mutation.Changed counts those whose metadata is another than before; the others
	// stay as they are. A record that would leave the scope is refused (fault.Forbidden).
	UpdateMetadata(ctx context.Context, s Selection, u MetadataUpdate, within Scope) (Mutation, error)
	// CreateMetadataIndex makes a property filterable for records written from now on;
	// with backfill also for those already stored.
	CreateMetadataIndex(ctx context.Context, m MetadataIndex, backfill bool) (Mutation, error)
	// DeleteMetadataIndex undoes CreateMetadataIndex.
	DeleteMetadataIndex(ctx context.Context, property string) (Mutation, error)

	// Mark makes a mutation that changes nothing and has the id of another index's mutation:
	// it says that what the other one had up to there is in this one too.
	Mark(ctx context.Context, id string) (Mutation, error)

	// Changed returns the ids of the records that were written or removed after a mutation, sorted, each
	// once, and the newest mutation: what it returns and what the index holds is for the caller to compare. An
	// index does not remember for ever: when it has forgotten what was removed, the fault is ReasonForgotten.
	Changed(ctx context.Context, since Sequence) (ids []VectorID, upTo Sequence, err error)
	// Get returns the records with the given ids, in the order asked; unknown ids are left out.
	Get(ctx context.Context, ids []VectorID, r Read) ([]Record, error)
	// List returns the page of at most count ids after the cursor ("" = the first page).
	List(ctx context.Context, cursor string, count int, r Read) (Page, error)
	// Select is List for the records of a selection. A count of 0 asks for Page.Total only.
	// The pages of one listing are asked for with the same selection.
	Select(ctx context.Context, s Selection, cursor string, count int, r Read) (Page, error)
	// Facets counts the values that the records of a selection have for a property with a
	// metadata index, and returns the most frequent ones, at most most.
	Facets(ctx context.Context, property string, s Selection, most int, r Read) (Facets, error)
	// Query returns the TopK nearest records.
	Query(ctx context.Context, q Query, r Read) (Result, error)
	// MetadataIndexes lists the metadata indexes, oldest first.
	MetadataIndexes(ctx context.Context, r Read) ([]MetadataIndex, error)
	// Info describes the index.
	Info(ctx context.Context, r Read) (Info, error)

	// Snapshot writes a copy of the newest state, consistent to one sequence, which it
	// returns. Writers go on meanwhile.
	Snapshot(ctx context.Context, w io.Writer) (Sequence, error)
	// Close releases the index. It waits for calls in flight; later calls fail.
	Close() error
}

// Engine keeps indexes.
type Engine interface {
	// Create makes an empty index under a number never used before.
	Create(ctx context.Context, n Number, c Config) (Index, error)
	// Open opens an existing index; opening an open one returns the same index.
	Open(ctx context.Context, n Number) (Index, error)
	// Drop deletes an index and all it stored; dropping an unknown number does nothing.
	Drop(ctx context.Context, n Number) error
	// Restore makes an index under a new number from what Snapshot wrote. The bytes are
	// verified whole before the index exists.
	Restore(ctx context.Context, n Number, src io.Reader) (Index, error)
	// Numbers lists the indexes that exist, ascending.
	Numbers(ctx context.Context) ([]Number, error)
	// Close closes every open index.
	Close() error
}
