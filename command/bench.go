package command

import (
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nearside/fault"
	"nearside/index"
	"nearside/measure/ann"
)

// benchK is how many nearest vectors every query of a benchmark asks for.
const benchK = 10

// truthK is how many exact answers are kept of each query.
const truthK = 100

// benchFlags say with what is measured, and how.
type benchFlags struct {
	data        string
	metric      string
	collections string
	cache       string
	vectors     int
	queries     int
	rounds      int
	m           int
	construct   int
}

func newBench() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure search (speed at equal recall, filters, changes, building, HTTP) and the model router",
		Long: `Measure search (speed at equal recall, filters, changes, building, HTTP) and the model router.

The vectors are made from fixed seeds (lid768: 100,000 x 768, cosine; gmm128: 200,000 x
128, cosine), or MNIST's pictures (mnist784: 60,000 x 784, euclidean, read from the
directory --collections), or any file of vectors. Exact answers are computed once and
kept in --cache.

Whatever is compared takes turns within one run, and figures are medians of the rounds.
Compare them within a run, not between machines. "One core" is one thread at a time:
to pin the process as well, run it under taskset -c 1.`,
	}
	cmd.AddCommand(newBenchData(), newBenchANN(), newBenchFilter(), newBenchChurn(), newBenchBuild(), newBenchScale(), newBenchMemory(), newBenchStart(), newBenchHTTP(), newBenchLoad(), newBenchRouter(), newBenchAnswer(), newBenchProxy())
	return cmd
}

// add adds the flags that all benchmarks have.
func (f *benchFlags) add(cmd *cobra.Command, vectors, queries int) {
	flags := cmd.Flags()
	flags.StringVar(&f.data, "data", "lid768", "vectors: mnist784, lid768, gmm128, FILE.fbin or FILE.fvecs")
	notFromEnvironment(flags, "data") // NEARSIDE_DATA is another thing
	flags.StringVar(&f.metric, "metric", string(index.Cosine), "metric of a file of vectors: cosine, euclidean or dot-product")
	flags.StringVar(&f.collections, "collections", "", "directory of the test collections, which has mnist/*.gz")
	flags.StringVar(&f.cache, "cache", filepath.Join(filepath.Dir(defaultModels()), "bench"), `directory where exact answers are kept; "" = nowhere`)
	flags.IntVar(&f.vectors, "n", vectors, "how many vectors; 0 = all")
	flags.IntVar(&f.queries, "queries", queries, "how many queries; 0 = all")
	flags.IntVar(&f.rounds, "rounds", 3, "rounds, of which medians are taken")
	flags.IntVar(&f.m, "M", 16, "links of a node, and twice as many at the ground")
	flags.IntVar(&f.construct, "ef-construction", 200, "candidates an insert keeps")
}

// check refuses numbers that make no sense.
func (f *benchFlags) check() error {
	for _, n := range []struct {
		name        string
		value, from int
	}{{"n", f.vectors, 0}, {"queries", f.queries, 0}, {"rounds", f.rounds, 1}, {"M", f.m, 4}, {"ef-construction", f.construct, 1}} {
		if n.value < n.from {
			return fault.New(fault.Invalid, "--%s %d is too small; it must be at least %d", n.name, n.value, n.from)
		}
	}
	if !index.Metric(f.metric).Valid() {
		return fault.New(fault.Invalid, "--metric %q does not exist; use cosine, euclidean or dot-product", f.metric)
	}
	return nil
}

// set makes or reads the vectors.
func (f *benchFlags) set(cmd *cobra.Command) (s *ann.Set, err error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	telling(cmd)("reading or making %s", f.data)
	if ann.IsFile(f.data) {
		if s, err = ann.ReadSet(f.data, index.Metric(f.metric)); err != nil {
			return nil, err
		}
		s.Cut(f.vectors, f.queries)
	} else if s, err = ann.Make(cmd.Context(), f.data, f.collections, f.vectors, 0); err != nil {
		return nil, err
	}
	s.Cut(0, f.queries)
	if s.Base.Rows < benchK || s.Queries.Rows < 1 {
		return nil, fault.New(fault.Invalid, "%s has %d vectors and %d queries; at least %d and 1 are needed", f.data, s.Base.Rows, s.Queries.Rows, benchK)
	}
	telling(cmd)("%s: %d vectors and %d queries of %d dimensions, %s", s.Name, s.Base.Rows, s.Queries.Rows, s.Base.Dimensions, s.Metric)
	return s, cmd.Context().Err()
}

// truth returns the exact answers of a set.
func (f *benchFlags) truth(cmd *cobra.Command, s *ann.Set) (t *ann.Truth, err error) {
	err = showing(cmd, "exact answers", func(tell func(done, total int)) error {
		t, err = ann.Known(cmd.Context(), f.cache, s, truthK, tell)
		return err
	})
	return t, err
}

// options are those of the engines.
func (f *benchFlags) options() ann.Options {
	return ann.Options{M: f.m, EFConstruction: f.construct, Workers: runtime.GOMAXPROCS(0)}
}

// telling says on standard error what goes on.
func telling(cmd *cobra.Command) ann.Tell {
	return func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) }
}

// engineList reads --engine.
func engineList(list string) ([]string, error) {
	names := strings.Split(list, ",")
	for i, name := range names {
		known := slices.ContainsFunc(ann.Engines(), func(e [2]string) bool { return e[0] == name })
		if !known || slices.Contains(names[:i], name) {
			return nil, fault.New(fault.Invalid, "--engine %q: name each of these once at most: %s", name, engineNames())
		}
	}
	return names, nil
}

func engineNames() string {
	var names []string
	for _, e := range ann.Engines() {
		names = append(names, e[0])
	}
	return strings.Join(names, ", ")
}

// numberList reads a list of numbers separated by commas.
func numberList(flag, list string) ([]int, error) {
	var numbers []int
	for part := range strings.SplitSeq(list, ",") {
		var n int
		if _, err := fmt.Sscanf(part+"\n", "%d\n", &n); err != nil || n < 1 || n > index.MaxEF {
			return nil, fault.New(fault.Invalid, "--%s %q: %q is not a number from 1 to %d", flag, list, part, index.MaxEF)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// rate writes queries a second.
func rate(qps float64) string {
	if qps == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", qps)
}

// mebibytes writes a size.
func mebibytes(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// measuring is a benchmark without further choices: make the set, measure, print.
func measuring[T any](f *benchFlags, measure func(cmd *cobra.Command, s *ann.Set) (T, error), people func(w io.Writer, result T)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		s, err := f.set(cmd)
		if err != nil {
			return err
		}
		result, err := measure(cmd, s)
		if err != nil {
			return err
		}
		return printResult(cmd, result, func(w io.Writer) { people(w, result) })
	}
}
