package ingest

import (
	"context"
	"encoding/json"

	"nearside/doc/chunk"
)

// Target is the index that is loaded. Its methods may be called from several goroutines at once. They
// try again by themselves while a server is busy or away; an error of theirs about a record is a fault of
// the kinds Invalid and TooLarge, and any other ends the load.
type Target interface {
	// Describe returns what the index is.
	Describe(ctx context.Context) (Description, error)

	// Upsert embeds records and stores them, all or none.
	Upsert(ctx context.Context, records []Record) (Stored, error)

	// Delete removes records. Ids that are not there do no harm.
	Delete(ctx context.Context, ids []string) error

	// Missing returns those of the ids that the index does not have, in their order.
	Missing(ctx context.Context, ids []string) ([]string, error)
}

// Description is what a load must know of an index.
type Description struct {
	Model      string          // that embeds its texts
	Window     int             // tokens that the model reads
	Tokenizer  chunk.Tokenizer // nil: it is not here, and tokens are estimated
	Neurons    float64         // that a million tokens cost; 0 = nothing
	Dimensions int
}

// Record is a passage.
type Record struct {
	ID        string
	Text      string
	Namespace string
	Metadata  json.RawMessage // an object
}

// Stored says what an Upsert cost.
type Stored struct {
	Tokens    int // that the model read
	Neurons   float64
	Truncated map[string]int // by id, the tokens that it did not read
}
