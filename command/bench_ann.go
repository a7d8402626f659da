package command

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"nearside/disk"
	"nearside/fault"
	"nearside/index"
	"nearside/measure/ann"
)

// sweep is the result of bench ann.
type sweep struct {
	Set        string         `json:"set"`
	Metric     index.Metric   `json:"metric"`
	Vectors    int            `json:"vectors"`
	Dimensions int            `json:"dimensions"`
	Queries    int            `json:"queries"`
	Builds     []ann.Built    `json:"builds"`
	Points     []ann.Point    `json:"points"`
	AtRecall   []rateAtRecall `json:"at_recall"`
}

// rateAtRecall is an engine's queries a second where its recall is that.
type rateAtRecall struct {
	Engine string  `json:"engine"`
	Recall float64 `json:"recall"`
	QPS    float64 `json:"qps"`
	CPUQPS float64 `json:"cpu_qps,omitempty"`
}

// annFlags are the choices of bench ann.
type annFlags struct {
	benchFlags
	engines string
	efs     string
	svg     string
	turns   bool
}

func newBenchANN() *cobra.Command {
	var f annFlags
	cmd := &cobra.Command{
		Use:   "ann",
		Short: "Recall against queries a second, engine beside engine, on one core",
		Args:  noArgs,
	}
	f.add(cmd, 0, 2000)
	var about strings.Builder
	for _, e := range ann.Engines() {
		fmt.Fprintf(&about, "  %-15s %s\n", e[0], e[1])
	}
	cmd.Long = `Recall against queries a second, engine beside engine, on one core.

` + about.String() + `
Each engine builds its index alone. Then, at each ef of the sweep, all of them answer all
queries, one engine after the other, and so round after round. To compare with engines
that are no Go libraries, see scripts/bench-peers.`
	flags := cmd.Flags()
	flags.StringVar(&f.engines, "engine", "nearside,exact", "engines, separated by commas")
	flags.StringVar(&f.efs, "ef", joinNumbers(ann.EFs()), "the sweep: candidates that a search keeps")
	flags.StringVar(&f.svg, "svg", "", "draw the sweep to this file")
	flags.BoolVar(&f.turns, "turns", false, "take turns with another program: answer each ef on standard input with a line of JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if f.turns {
			return takeTurns(cmd, &f)
		}
		return sweepEngines(cmd, &f)
	}
	return cmd
}

func joinNumbers(numbers []int) string {
	var parts []string
	for _, n := range numbers {
		parts = append(parts, strconv.Itoa(n))
	}
	return strings.Join(parts, ",")
}

// sweepEngines measures and prints.
func sweepEngines(cmd *cobra.Command, f *annFlags) (err error) {
	names, err := engineList(f.engines)
	if err != nil {
		return err
	}
	efs, err := numberList("ef", f.efs)
	if err != nil {
		return err
	}
	s, truth, err := f.setAndTruth(cmd)
	if err != nil {
		return err
	}
	engines, builds, err := buildEngines(cmd, f, names, s)
	for _, e := range engines {
		defer closeAfter(e, &err)
	}
	if err != nil {
		return err
	}
	points, err := ann.Sweep(cmd.Context(), s, truth, benchK, engines, efs, f.rounds, telling(cmd))
	if err != nil {
		return err
	}
	result := sweep{s.Name, s.Metric, s.Base.Rows, s.Base.Dimensions, s.Queries.Rows, builds, points, ratesAtRecall(names, points)}
	if f.svg != "" {
		title := fmt.Sprintf("%s: %d x %d, %s", s.Name, s.Base.Rows, s.Base.Dimensions, s.Metric)
		if err := disk.WriteFileAtomic(f.svg, func(w io.Writer) error { return ann.Plot(w, title, points) }); err != nil {
			return err
		}
	}
	return printResult(cmd, result, func(w io.Writer) { printSweep(w, result) })
}

func (f *benchFlags) setAndTruth(cmd *cobra.Command) (*ann.Set, *ann.Truth, error) {
	s, err := f.set(cmd)
	if err != nil {
		return nil, nil, err
	}
	truth, err := f.truth(cmd, s)
	return s, truth, err
}

// buildEngines builds one engine after the other; those that were built are returned, whatever happens.
func buildEngines(cmd *cobra.Command, f *annFlags, names []string, s *ann.Set) (engines []ann.Named, builds []ann.Built, err error) {
	o := f.options()
	for _, name := range names {
		telling(cmd)("building %s with %d goroutines", name, o.Workers)
		e, built, err := ann.Build(cmd.Context(), name, s, o)
		if err != nil {
			return engines, builds, err
		}
		engines, builds = append(engines, ann.Named{Name: name, Engine: e}), append(builds, built)
	}
	return engines, builds, nil
}

func ratesAtRecall(names []string, points []ann.Point) []rateAtRecall {
	var rates []rateAtRecall
	for _, name := range names {
		for _, recall := range []float64{.90, .95, .99} {
			r := rateAtRecall{Engine: name, Recall: recall}
			r.QPS = ann.At(points, name, recall, func(p ann.Point) float64 { return p.QPS })
			r.CPUQPS = ann.At(points, name, recall, func(p ann.Point) float64 { return p.CPUQPS })
			rates = append(rates, r)
		}
	}
	return rates
}

func printSweep(w io.Writer, s sweep) {
	fmt.Fprintf(w, "%s: %d x %d, %s; %d queries for the %d nearest, one core\n\n", s.Set, s.Vectors, s.Dimensions, s.Metric, s.Queries, benchK)
	table(w, "ENGINE\tBUILD\tCPU\tMEMORY", func(row func(string, ...any)) {
		for _, b := range s.Builds {
			row("%s\t%.1f s\t%.1f s\t%s", b.Engine, b.Seconds, b.CPUSeconds, mebibytes(b.MemoryBytes))
		}
	})
	fmt.Fprintln(w)
	table(w, "ENGINE\tEF\tRECALL\tQUERIES/S\tA CPU SECOND\tP50 US\tP99 US\tDISTANCES\tHOPS\tKIB", func(row func(string, ...any)) {
		for _, p := range s.Points {
			row("%s\t%d\t%.4f\t%s\t%s\t%.1f\t%.1f\t%.0f\t%.0f\t%.1f", p.Engine, p.EF, p.Recall, rate(p.QPS), rate(p.CPUQPS), p.P50, p.P99, p.Distances, p.Hops, p.Bytes/1024)
		}
	})
	fmt.Fprintln(w)
	table(w, "QUERIES/S AT RECALL\t0.90\t0.95\t0.99", func(row func(string, ...any)) {
		for i := 0; i+2 < len(s.AtRecall); i += 3 {
			row("%s\t%s\t%s\t%s", s.AtRecall[i].Engine, rate(s.AtRecall[i].QPS), rate(s.AtRecall[i+1].QPS), rate(s.AtRecall[i+2].QPS))
		}
	})
}

// takeTurns answers each line of standard input, an ef, with a line of JSON; first
// comes one that says what building took. The end of the input ends it.
func takeTurns(cmd *cobra.Command, f *annFlags) (err error) {
	names, err := engineList(f.engines)
	if err != nil {
		return err
	}
	if len(names) != 1 {
		return fault.New(fault.Invalid, "--turns is for one engine, and --engine names %d", len(names))
	}
	s, truth, err := f.setAndTruth(cmd)
	if err != nil {
		return err
	}
	engines, builds, err := buildEngines(cmd, f, names, s)
	for _, e := range engines {
		defer closeAfter(e, &err)
	}
	if err != nil {
		return err
	}
	out := json.NewEncoder(cmd.OutOrStdout())
	if err := out.Encode(builds[0]); err != nil {
		return err
	}
	lines := bufio.NewScanner(cmd.InOrStdin())
	for lines.Scan() {
		ef, err := numberList("turns", strings.TrimSpace(lines.Text()))
		if err != nil {
			return err
		}
		p, err := ann.Turn(cmd.Context(), s, truth, benchK, engines[0], ef[0])
		if err != nil {
			return err
		}
		p.EF = ef[0]
		if err := out.Encode(p); err != nil {
			return err
		}
	}
	return errors.Join(lines.Err(), cmd.Context().Err())
}
