package ann

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"

	"nearside/fault"
	"nearside/index"
)

// Engine has an index over a set. It answers one query at a time unless it says otherwise.
type Engine interface {
	// Search appends the k nearest rows that the engine finds to rows, nearest first,
	// while it keeps ef candidates. The result may be the memory of rows.
	Search(ctx context.Context, query []float32, k, ef int, rows []uint32) ([]uint32, Cost, error)
	// Effort reports whether ef makes a difference; exact search has none.
	Effort() bool
	Close() error
}

// Cost is what a query cost, in counts that are the same on every machine; 0 where
// the engine does not say.
type Cost struct {
	Distances int // vectors or codes compared
	Hops      int // nodes of a graph whose links were followed
	Bytes     int // of codes, vectors and links that these take
	Plan      index.Plan
}

// Options say how engines build.
type Options struct {
	M, EFConstruction int
	Workers           int    // goroutines that build
	Dir               string // where temporary data directories are made; "" = the system's
}

// Built says what an engine took.
type Built struct {
	Engine     string  `json:"engine"`
	Seconds    float64 `json:"build_seconds"`
	CPUSeconds float64 `json:"build_cpu_seconds,omitempty"` // of this process; 0 where the system does not say
	// MemoryBytes is how much more anonymous memory is resident than before; 0 where
	// the system does not say.
	MemoryBytes int64 `json:"memory_bytes,omitempty"`
}

// builders are the engines by name, in the order in which they are shown.
var builders = []struct {
	name  string
	about string
	build func(ctx context.Context, s *Set, o Options) (Engine, error)
}{
	{"nearside", "nearside's index: ids, durable records, graph and exact scores", buildIndex},
	{"nearside-graph", "its graph alone, with rescoring: row numbers in, row numbers out", buildGraph},
	{"exact", "nearside's index without a graph", buildExact},
	{"coder-hnsw", "github.com/coder/hnsw", buildCoder},
}

// Engines lists the names of engines with a line about each.
func Engines() [][2]string {
	var all [][2]string
	for _, b := range builders {
		all = append(all, [2]string{b.name, b.about})
	}
	return all
}

// Build makes the engine of that name over a set. It measures alone: nothing else
// of the process shall run meanwhile.
func Build(ctx context.Context, name string, s *Set, o Options) (Engine, Built, error) {
	for _, b := range builders {
		if b.name != name {
			continue
		}
		before, cpu, began := settledMemory(), cpuTime(), time.Now()
		e, err := b.build(ctx, s, o)
		if err != nil {
			return nil, Built{}, err
		}
		built := Built{Engine: name, Seconds: time.Since(began).Seconds(), CPUSeconds: (cpuTime() - cpu).Seconds()}
		built.MemoryBytes = max(0, settledMemory()-before)
		return e, built, nil
	}
	return nil, Built{}, fault.New(fault.Invalid, "there is no engine %q; name some of nearside, nearside-graph, exact, coder-hnsw", name)
}

// settledMemory is the resident anonymous memory of the process after everything
// that is garbage was given back.
func settledMemory() int64 {
	runtime.GC()
	debug.FreeOSMemory()
	return anonymousMemory()
}
