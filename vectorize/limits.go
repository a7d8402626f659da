package vectorize

import "nearside/index"

// Limits bound what a client may ask for. Zero means no limit.
type Limits struct {
	Indexes         int  // indexes of one account
	Batch           int  // records in one insert or upsert
	GetIDs          int  // ids in one get_by_ids
	DeleteIDs       int  // ids in one delete_by_ids
	TopK            int  // matches of one query
	TopKFull        int  // matches of one query that returns values or all metadata
	MetadataBytes   int  // metadata of one record, as compact JSON
	Namespaces      int  // namespaces in one index
	Vectors         int  // records in one index
	MetadataIndexes int  // metadata indexes of one index
	ListPage        int  // ids on one page of a listing
	LegacyTopK      int  // matches of one query on the v1 paths
	Backfill        bool // a new metadata index covers the records already stored
}

// Cloudflare returns Cloudflare's limits for paid accounts. Unless a line says
// otherwise they come from developers.cloudflare.com/vectorize/platform/limits.
func Cloudflare() Limits {
	return Limits{
		Indexes:         50_000,
		Batch:           5_000,
		GetIDs:          20,  // not documented; seen in the refusals of the real service
		DeleteIDs:       100, // likewise
		TopK:            100,
		TopKFull:        50,
		MetadataBytes:   10 << 10,
		Namespaces:      50_000,
		Vectors:         20_000_000,
		MetadataIndexes: 10,
		ListPage:        1_000, // developers.cloudflare.com/api/resources/vectorize: list vectors
		LegacyTopK:      20,    // developers.cloudflare.com/vectorize/reference/transition-vectorize-legacy
	}
}

// Relaxed returns the limits under --relaxed. Those that are Cloudflare's rather
// than ours rise to what still protects the server's memory, or disappear, and a
// new metadata index is backfilled. What remains is what nearside itself lives
// by: the rules for names, 64 bytes for ids, namespaces and indexed strings,
// 1,536 dimensions, 2,047 bytes for a filter (package filter), and 100 MB for a body.
func Relaxed() Limits {
	return Limits{
		Batch:           100_000,
		GetIDs:          10_000,
		DeleteIDs:       100_000,
		TopK:            10_000,
		TopKFull:        10_000,
		MetadataBytes:   1 << 20,
		MetadataIndexes: 100,
		ListPage:        100_000,
		LegacyTopK:      10_000,
		Backfill:        true,
	}
}

// Limits that no option lifts.
const (
	// MaxName is the longest index name in bytes (platform/limits).
	MaxName = 64
	// MaxID is the longest record id in bytes (platform/limits).
	MaxID = 64
	// MaxNamespace is the longest namespace in bytes (platform/limits).
	MaxNamespace = 64
	// MaxDimensions is the longest vector (platform/limits).
	MaxDimensions = index.MaxDimensions
	// MaxBody is the largest upload in bytes (platform/limits: 100 MB).
	MaxBody = 100_000_000
	// MaxDescription is the longest description of an index in bytes; Cloudflare documents no limit.
	MaxDescription = 4 << 10
	// DefaultTopK is how many matches a query returns that does not say (platform/limits).
	DefaultTopK = 5
	// DefaultPage is how many ids a page of a listing has if the caller does not say.
	DefaultPage = 100
)
