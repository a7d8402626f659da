package workers

// Plan is a plan of Cloudflare's.
type Plan string

// The plans.
const (
	Free Plan = "free"
	Paid Plan = "paid"
)

// Limits of Vectorize that calls are held against
// (developers.cloudflare.com/vectorize/platform/limits).
const (
	maxBatch        = 1_000 // vectors in an insert or upsert of a Worker; 5,000 over HTTP, which is what nearside allows
	maxTopK         = 100
	maxTopKFull     = 50 // with values or all metadata
	maxMetadata     = 10 << 10
	maxMetaIndexes  = 10
	maxVectors      = 20_000_000
	maxGetIDs       = 20  // not documented; seen in the refusals of the real service
	maxDeleteIDs    = 100 // likewise
	limitsPage      = "developers.cloudflare.com/vectorize/platform/limits"
	pricesAI        = "developers.cloudflare.com/workers-ai/platform/pricing"
	pricesVectorize = "developers.cloudflare.com/vectorize/platform/pricing"
)

// allowance is what a plan includes.
type allowance struct {
	neurons    int64 // a UTC day
	queried    int64 // dimensions a month
	stored     int64 // dimensions
	namespaces int   // of an index
}

// allowances are those of the pages above, of 2026.
var allowances = map[Plan]allowance{
	Free: {10_000, 30_000_000, 5_000_000, 1_000},
	Paid: {10_000, 50_000_000, 10_000_000, 50_000},
}

// minutely is how many calls an account may make in a minute, by task
// (developers.cloudflare.com/workers-ai/platform/limits).
var minutely = map[string]int64{
	"Automatic Speech Recognition": 720, "Image Classification": 3000, "Image-to-Text": 720, "Object Detection": 3000, "Summarization": 1500,
	"Text Classification": 2000, "Text Embeddings": 3000, "Text Generation": 300, "Text-to-Image": 720, "Translation": 720,
}

// perMinute is how many calls of a model an account may make in a minute, if that is known.
func perMinute(m Model) (int64, bool) {
	switch {
	case m.Paid:
		return 20, true
	case m.ID == "@cf/baai/bge-large-en-v1.5":
		return 1500, true
	}
	most, known := minutely[m.Task]
	return most, known
}
