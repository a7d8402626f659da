package command

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"nearside/measure/ann"
)

// efFlag adds --ef, for one effort.
func efFlag(cmd *cobra.Command, ef *int, standard int) {
	cmd.Flags().IntVar(ef, "ef", standard, "candidates that a search keeps; 0 = as many as the index thinks right")
}

func newBenchFilter() *cobra.Command {
	var f benchFlags
	var ef int
	cmd := &cobra.Command{
		Use:   "filter",
		Short: "Queries with filters, beside an exact scan of the matching vectors",
		Long: `Queries with filters, beside an exact scan of the matching vectors, on one core.

"random" filters match records at random; "in" filters match some classes or clusters,
the query's own among them; "out" filters match others only. EXACT is the same query
with an exact answer asked for: the filter, then a float32 scan of what matches. The bare
scan compares the matching float32 vectors, whose list it is given, and nothing else.`,
		Args: noArgs,
	}
	f.add(cmd, 0, 200)
	efFlag(cmd, &ef, 0)
	cmd.RunE = measuring(&f, func(cmd *cobra.Command, s *ann.Set) ([]ann.FilterRow, error) {
		return ann.Filtered(cmd.Context(), s, benchK, ef, f.rounds, f.options(), telling(cmd))
	}, func(w io.Writer, rows []ann.FilterRow) {
		table(w, "FILTER\tSHARE\tMATCHING\tRECALL\tCOMPLETE\tUS\tEXACT US\tTIMES\tBARE SCAN US\tTIMES\tPLANS", func(row func(string, ...any)) {
			for _, r := range rows {
				row("%s\t%.4g %%\t%.0f\t%.4f\t%.4f\t%.1f\t%.1f\t%.2f\t%.1f\t%.2f\t%s", r.Kind, 100*r.Share, r.Matching, r.Recall, r.Complete, r.Micros, r.Exact, r.Micros/r.Exact, r.Scan, r.Micros/r.Scan, r.Plans)
			}
		})
	})
	return cmd
}

func newBenchChurn() *cobra.Command {
	var f benchFlags
	var ef int
	cmd := &cobra.Command{
		Use:   "churn",
		Short: "Recall after deletes, replacements and slow change, beside a fresh build",
		Args:  noArgs,
	}
	f.add(cmd, 20_000, 500)
	efFlag(cmd, &ef, 100)
	cmd.RunE = measuring(&f, func(cmd *cobra.Command, s *ann.Set) ([]ann.ChurnRow, error) {
		return ann.Churn(cmd.Context(), s, benchK, ef, f.rounds, f.options(), telling(cmd))
	}, func(w io.Writer, rows []ann.ChurnRow) {
		table(w, "CHANGE\tRECORDS\tRECALL\tFRESH\tDISTANCES\tFRESH\tQUERIES/S\tFRESH", func(row func(string, ...any)) {
			for _, r := range rows {
				row("%s\t%d\t%.4f\t%.4f\t%.0f\t%.0f\t%s\t%s", r.Change, r.Records, r.After.Recall, r.Fresh.Recall, r.After.Distances, r.Fresh.Distances, rate(r.After.QPS), rate(r.Fresh.QPS))
			}
		})
	})
	return cmd
}

func newBenchBuild() *cobra.Command {
	var f benchFlags
	var engines string
	cmd := &cobra.Command{
		Use:   "build",
		Short: "How long building takes, on one core and on all",
		Args:  noArgs,
	}
	f.add(cmd, 0, 1)
	cmd.Flags().StringVar(&engines, "engine", "nearside,nearside-graph", "engines, separated by commas: "+engineNames())
	cmd.RunE = measuring(&f, func(cmd *cobra.Command, s *ann.Set) ([]ann.BuildRow, error) {
		names, err := engineList(engines)
		if err != nil {
			return nil, err
		}
		return ann.Builds(cmd.Context(), s, names, f.rounds, f.options(), telling(cmd))
	}, func(w io.Writer, rows []ann.BuildRow) {
		table(w, "ENGINE\tCORES\tSECONDS\tCPU SECONDS\tMEMORY", func(row func(string, ...any)) {
			for _, r := range rows {
				row("%s\t%d\t%.1f\t%.1f\t%s", r.Engine, r.Cores, r.Seconds, r.CPUSeconds, mebibytes(r.MemoryBytes))
			}
		})
	})
	return cmd
}

func newBenchScale() *cobra.Command {
	var f benchFlags
	var ef int
	cmd := &cobra.Command{
		Use:   "scale",
		Short: "Search on several cores, beside a bare loop of kernels",
		Args:  noArgs,
	}
	f.add(cmd, 0, 2000)
	efFlag(cmd, &ef, 80)
	cmd.RunE = measuring(&f, func(cmd *cobra.Command, s *ann.Set) ([]ann.ScaleRow, error) {
		return ann.Scale(cmd.Context(), s, benchK, ef, f.rounds, f.options(), telling(cmd))
	}, func(w io.Writer, rows []ann.ScaleRow) {
		table(w, "CORES\tQUERIES/S\tTIMES ONE CORE\tKERNEL ROWS/S\tTIMES ONE CORE\tSHARE", func(row func(string, ...any)) {
			for _, r := range rows {
				row("%d\t%s\t%.2f\t%s\t%.2f\t%.2f", r.Cores, rate(r.QPS), r.SearchTimes, rate(r.Kernel), r.KernelTimes, r.Share)
			}
		})
	})
	return cmd
}

func newBenchMemory() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "memory",
		Short: "What a graph adds to the resident memory, against its codes and links",
		Args:  noArgs,
	}
	f.add(cmd, 0, 10)
	cmd.RunE = measuring(&f, func(cmd *cobra.Command, s *ann.Set) (ann.MemoryRow, error) {
		return ann.Memory(cmd.Context(), s, f.options(), telling(cmd))
	}, func(w io.Writer, r ann.MemoryRow) {
		fmt.Fprintf(w, "%d records: %s with the graph, %s without; codes and links are %s: %.2f times those\n",
			r.Records, mebibytes(r.With), mebibytes(r.Without), mebibytes(r.CodesAndLinks), r.Ratio)
	})
	return cmd
}

func newBenchStart() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "start",
		Short: "From opening a data directory to the first right answer, and until the graph is there",
		Args:  noArgs,
	}
	f.add(cmd, 0, 10)
	cmd.RunE = measuring(&f, func(cmd *cobra.Command, s *ann.Set) (ann.StartRow, error) {
		truth, err := f.truth(cmd, s)
		if err != nil {
			return ann.StartRow{}, err
		}
		return ann.Start(cmd.Context(), s, truth, benchK, f.rounds, f.options(), telling(cmd))
	}, func(w io.Writer, r ann.StartRow) {
		fmt.Fprintf(w, "%d records: first answer after %.3f s (%s), warm after %.3f s; the files are in the page cache\n", r.Records, r.First, r.Plan, r.Warm)
	})
	return cmd
}
