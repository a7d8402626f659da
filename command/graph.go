package command

import (
	"github.com/spf13/pflag"

	"nearside/fault"
	"nearside/index"
	"nearside/index/local"
)

// graphFlags say how well approximate answers must be.
type graphFlags struct {
	graph  string
	recall float64
	ef     int
}

func (f *graphFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.graph, "graph", "on", "on: large indexes are searched by way of a graph; off: every answer is exact")
	flags.Float64Var(&f.recall, "recall", .98, "share of the nearest vectors that a search by graph shall find, as measured on queries of late")
	flags.IntVar(&f.ef, "ef", 0, "candidates that such a search keeps, whatever its recall; 0 = as many as --recall needs")
}

// options checks the flags.
func (f *graphFlags) options() (local.GraphOptions, error) {
	o := local.GraphOptions{Off: f.graph == "off", TargetRecall: f.recall, EF: f.ef}
	switch {
	case f.graph != "on" && f.graph != "off":
		return o, fault.New(fault.Invalid, "--graph %q does not exist; use on or off", f.graph)
	case !(f.recall > 0 && f.recall < 1):
		return o, fault.New(fault.Invalid, "--recall %v is not between 0 and 1; for every answer to be exact use --graph off", f.recall)
	case f.ef < 0 || f.ef > index.MaxEF:
		return o, fault.New(fault.Invalid, "--ef %d is not between 0 and %d", f.ef, index.MaxEF)
	}
	return o, nil
}
