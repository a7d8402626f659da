package local

import (
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/index"
)

// evaluated remembers what the filters of late queries match in the newest state of an
// index: most applications ask with the same few, of one tenant or one language, again and
// again. A write makes all of it stale.
type evaluated struct {
	mu       sync.Mutex // guards what follows; held for memory work only
	sequence index.Sequence
	answers  map[string]evaluation // by namespace and filter
	bytes    uint64
}

// evaluation is what a filter matches. It does not change.
type evaluation struct {
	matching  *roaring.Bitmap
	unindexed []string // properties of the filter that have no metadata index
}

// evaluatedBytes bounds the memory of the bitmaps that are remembered, and evaluatedCount
// their number. Past either all are forgotten.
const (
	evaluatedBytes = 1 << 20
	evaluatedCount = 256
)

func (e *evaluated) get(at index.Sequence, asked string) (evaluation, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	known, ok := e.answers[asked]
	return known, ok && e.sequence == at
}

func (e *evaluated) put(at index.Sequence, asked string, known evaluation) {
	bytes := known.matching.GetSizeInBytes() + uint64(len(asked))
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case at < e.sequence || bytes > evaluatedBytes/4: // of an older state, or so large that to evaluate it is little beside the search
		return
	case e.answers == nil || at > e.sequence || e.bytes+bytes > evaluatedBytes || len(e.answers) == evaluatedCount:
		e.sequence, e.answers, e.bytes = at, map[string]evaluation{}, 0
	}
	e.answers[asked] = known
	e.bytes += bytes
}
