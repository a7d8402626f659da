package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"nearside/fault"
	"nearside/measure/router"
)

// throughRouter is the result of bench router.
type throughRouter struct {
	Cores    int                `json:"cores"` // shared by client, nearside and model server
	Calls    []router.Row       `json:"calls"`
	Failover router.FailoverRow `json:"failover"`
	Durable  router.DurableRow  `json:"durable"`
}

// routerFlags say what is asked of whom.
type routerFlags struct {
	url, model string
	data       string
	plan       router.Plan
	at         string
	pace       router.Pace
}

func newBenchRouter() *cobra.Command {
	var f routerFlags
	cmd := &cobra.Command{
		Use:   "router",
		Short: "What the model router adds to a call, a dead backend, and what durable charges cost",
		Long: `What the model router adds to a call, a dead backend, and what durable charges cost.

A model server that does no work is started as a process of its own, and nearside as
another, before it. Both are asked for the same, in turns: one caller alternates call
by call, many batch by batch. So are two bare reverse proxies, of which one writes a
page to disk and syncs it before a reply ends: what the least thing in between adds,
that charges durably or does not. The answers come at a pace, as a model's do; with
--first 0 --between 0 --pause 0 they come at once, and calls a second are those that
the cores can do. --backend asks a model server of yours, such as http://127.0.0.1:11434/v1.

Then models are asked for whose first backend is dead, before and after its circuit
breaker opens; and charges are made in a ledger beside bare syncs of the same disk.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			result, err := f.measure(cmd)
			if err != nil {
				return err
			}
			return printResult(cmd, result, result.print)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.url, "backend", "", "a model server that speaks OpenAI's API, with its /v1, in place of the one that does no work")
	flags.StringVar(&f.model, "model", router.Model, "the model that it has")
	flags.StringVar(&f.data, "dir", os.TempDir(), "where data directories are made: on the disk whose syncs count")
	flags.StringVar(&f.at, "concurrency", "1,64", "calls at once")
	flags.IntVar(&f.plan.Calls, "calls", 20, "calls of each kind in a round; at least as many as are made at once")
	flags.DurationVar(&f.plan.Pause, "pause", 200*time.Millisecond, "the most that each of several callers waits before each call, at random")
	flags.IntVar(&f.plan.Rounds, "rounds", 5, "rounds, of which medians are taken")
	addPace(cmd, &f.pace)
	return cmd
}

func addPace(cmd *cobra.Command, p *router.Pace) {
	flags := cmd.Flags()
	flags.DurationVar(&p.First, "first", 20*time.Millisecond, "until an answer's first piece")
	flags.DurationVar(&p.Between, "between", 20*time.Millisecond, "until each of the others")
	flags.IntVar(&p.Pieces, "pieces", 10, "pieces of an answer")
}

// check refuses numbers that make no sense.
func (f *routerFlags) check() (err error) {
	for name, n := range map[string]int{"calls": f.plan.Calls, "rounds": f.plan.Rounds, "pieces": f.pace.Pieces} {
		if n < 1 {
			return fault.New(fault.Invalid, "--%s %d is too small; it must be at least 1", name, n)
		}
	}
	f.plan.Concurrency, err = numberList("concurrency", f.at)
	return err
}

// measure starts the processes and measures.
func (f *routerFlags) measure(cmd *cobra.Command) (result throughRouter, err error) {
	if err := f.check(); err != nil {
		return result, err
	}
	dir, err := os.MkdirTemp(f.data, "nearside-bench-")
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	targets, stop, err := f.start(cmd, dir)
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return result, err
	}
	result.Cores = runtime.NumCPU()
	if result.Calls, err = router.Compare(cmd.Context(), targets, f.plan, router.Tell(telling(cmd))); err != nil {
		return result, err
	}
	var dead []router.Target
	for i := range deadBackends {
		dead = append(dead, router.Target{URL: targets.Nearside.URL, Model: fmt.Sprintf("%s-%d", benchFailover, i)})
	}
	telling(cmd)("dead backends")
	if result.Failover, err = router.Failover(cmd.Context(), targets.Nearside, dead, triesBeforeOpen); err != nil {
		return result, err
	}
	telling(cmd)("charges")
	result.Durable, err = router.Durable(cmd.Context(), dir, f.plan.Concurrency, f.plan.Rounds)
	return result, err
}

// print writes tables for people.
func (r throughRouter) print(w io.Writer) {
	fmt.Fprintf(w, "milliseconds, directly and through nearside; %d cores shared by client, nearside and model server\n\n", r.Cores)
	table(w, "AT ONCE\tCALL\tP50\tTHROUGH\tADDED\tP99\tTHROUGH\tFIRST PIECE\tTHROUGH\tADDED\tGAP\tTHROUGH\tADDED\tCALLS/S\tTHROUGH", func(row func(string, ...any)) {
		for _, c := range r.Calls {
			kind, pieces := "whole", "-\t-\t-\t-\t-\t-"
			if d, n, a := c.Direct, c.Nearside, c.Added; c.Stream {
				kind, pieces = "stream", fmt.Sprintf("%.2f\t%.2f\t%+.2f\t%.2f\t%.2f\t%+.3f", d.FirstP50, n.FirstP50, a.FirstP50, d.GapP50, n.GapP50, a.GapMean)
			}
			row("%d\t%s\t%.2f\t%.2f\t%+.2f\t%.2f\t%.2f\t%s\t%.0f\t%.0f", c.Concurrency, kind, c.Direct.P50, c.Nearside.P50, c.Added.P50, c.Direct.P99, c.Nearside.P99, pieces, c.Direct.Rate, c.Nearside.Rate)
		}
	})
	fmt.Fprintln(w)
	table(w, "AT ONCE\tCALL\tNEARSIDE ADDS\tA BARE PROXY\tONE THAT SYNCS\tTO THE FIRST PIECE\tA BARE PROXY", func(row func(string, ...any)) {
		for _, c := range r.Calls {
			kind, first := "whole", "-\t-"
			if c.Stream {
				kind, first = "stream", fmt.Sprintf("%+.2f\t%+.2f", c.Added.FirstP50, c.ProxyAdds.FirstP50)
			}
			row("%d\t%s\t%+.2f\t%+.2f\t%+.2f\t%s", c.Concurrency, kind, c.Added.P50, c.ProxyAdds.P50, c.SyncedAdds.P50, first)
		}
	})
	f, d := r.Failover, r.Durable
	fmt.Fprintf(w, "\na dead backend first: %+.2f ms while it is tried, %+.2f ms once it is left alone (a call whose first backend answers: %.2f ms; medians)\n", f.Before-f.First, f.After-f.First, f.First)
	fmt.Fprintf(w, "a sync of this disk: %.2f ms, p99 %.2f ms; a durable charge: %.2f ms, p99 %.2f ms\n", d.FsyncP50, d.FsyncP99, d.SettleP50, d.SettleP99)
	for _, c := range d.Charges {
		fmt.Fprintf(w, "durable charges/s, %d at once: %.0f\n", c.Callers, c.PerSecond)
	}
}
