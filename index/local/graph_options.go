package local

import (
	"cmp"
	"runtime"

	"nearside/index"
)

// GraphOptions say how indexes get graphs, and how well those must find the nearest
// records. The zero value is the default.
type GraphOptions struct {
	// Off keeps indexes without graphs: every answer is the exact one.
	Off bool
	// From is the number of records from which an index gets a graph; 0 = 2,000, where
	// an exact answer at 768 dimensions takes some ten times what a walk does.
	From int
	// M and EFConstruction are those of hnsw.Options; 0 = its defaults.
	M, EFConstruction int
	// EF is how many candidates a walk keeps if the query does not say; 0 = as many as
	// TargetRecall needs, as measured on queries of late.
	EF int
	// TargetRecall is the share of the nearest records that answers shall have, above 0
	// and below 1; 0 = .98. It counts only while EF is 0.
	TargetRecall float64
	// Tail is how many records may wait before the builder puts them into the graph. Each
	// query compares them one by one; so the default, 0, lets none wait.
	Tail int
	// TailBytes is how long the vectors that wait may be altogether. Writers beyond it
	// wait for a moment, and are then told to come again (fault.Busy). 0 = 256 MiB: a
	// query reads them in some 20 ms.
	TailBytes int64
	// Workers is how many goroutines insert; 0 = one a core. All but one pause while
	// queries are asked.
	Workers int
	// Share is the part of one core that repairs and the measuring of recall may take
	// together; 0 = .02.
	Share float64

	prefer plans // tests: byCodes or byWalk wherever that is possible, however few records there are
}

const (
	defaultFrom      = 2000
	defaultRecall    = .98
	defaultTailBytes = 256 << 20
	defaultShare     = .02
)

func (o GraphOptions) withDefaults() GraphOptions {
	o.From = cmp.Or(max(o.From, 0), defaultFrom)
	o.EF = min(max(o.EF, 0), index.MaxEF)
	if !(o.TargetRecall > 0 && o.TargetRecall < 1) {
		o.TargetRecall = defaultRecall
	}
	o.TailBytes = cmp.Or(max(o.TailBytes, 0), defaultTailBytes)
	o.Workers = cmp.Or(max(o.Workers, 0), runtime.GOMAXPROCS(0))
	if !(o.Share > 0 && o.Share <= 1) {
		o.Share = defaultShare
	}
	return o
}
