package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"nearside/client"
	"nearside/fault"
	"nearside/measure/ann"
)

// overHTTP is the result of bench http: rates over HTTP beside those of the same
// engine in this process. The cores are shared by server and load generator.
type overHTTP struct {
	Cores       int     `json:"cores"`
	Connections int     `json:"connections"`
	QPS         float64 `json:"http_qps"`
	InProcess   float64 `json:"in_process_qps"` // on all cores
	Share       float64 `json:"share"`
	LoadSeconds float64 `json:"http_load_seconds"` // NDJSON, until the graph covers all
	Build       float64 `json:"in_process_build_seconds"`
	LoadShare   float64 `json:"load_share"` // Build / LoadSeconds
}

func newBenchHTTP() *cobra.Command {
	var f benchFlags
	var connections int
	cmd := &cobra.Command{
		Use:   "http",
		Short: "Queries and loading over HTTP, beside the same in this process",
		Long: `Queries and loading over HTTP, beside the same in this process.

A server and a load generator are started as processes of their own, on the same cores.
The generator makes its requests before the clock starts and keeps its connections
(JSON queries; NDJSON records, 1,000 a request). What a query costs here is what one in
this process costs, and the way to it.`,
		Args: noArgs,
	}
	f.add(cmd, 0, 2000)
	cmd.Flags().IntVar(&connections, "connections", 2*runtime.GOMAXPROCS(0), "connections at once")
	cmd.RunE = measuring(&f, func(cmd *cobra.Command, s *ann.Set) (overHTTP, error) {
		return benchOverHTTP(cmd, f, connections, s)
	}, func(w io.Writer, r overHTTP) {
		fmt.Fprintf(w, "queries/s, %d cores shared by server and load generator, %d connections: %s over HTTP, %s in process: %.2f times\n",
			r.Cores, r.Connections, rate(r.QPS), rate(r.InProcess), r.Share)
		fmt.Fprintf(w, "loading until the graph covers all: %.1f s over HTTP (NDJSON), %.1f s in process: %.2f times as fast\n", r.LoadSeconds, r.Build, r.LoadShare)
	})
	return cmd
}

// httpBench is the processes of bench http.
type httpBench struct {
	cmd         *cobra.Command
	program     string
	dir         string // temporary
	set         *ann.Set
	connections int
	server      *child
}

// The index on the server.
const (
	httpIndex  = "bench"
	vectorizeV = "/client/v4/accounts/local/vectorize/v2/indexes/" + httpIndex
)

func benchOverHTTP(cmd *cobra.Command, f benchFlags, connections int, s *ann.Set) (result overHTTP, err error) {
	if connections < 1 {
		return result, fault.New(fault.Invalid, "--connections %d; at least 1 is needed", connections)
	}
	b := &httpBench{cmd: cmd, set: s, connections: connections}
	if b.program, err = os.Executable(); err != nil {
		return result, err
	}
	if b.dir, err = os.MkdirTemp("", "nearside-bench-"); err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := ann.WriteSet(b.dir, s, &ann.Truth{}); err != nil {
		return result, err
	}
	telling(cmd)("building in this process")
	inProcess, built, err := ann.Build(cmd.Context(), "nearside", s, f.options())
	if err != nil {
		return result, err
	}
	defer closeAfter(inProcess, &err)
	b.server, err = startChild(cmd, "serve", "--addr", "127.0.0.1:0", "--data", filepath.Join(b.dir, "data"), "--relaxed", "--log-level", "error")
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, b.server.stop()) }()
	telling(cmd)("loading over HTTP")
	result = overHTTP{Cores: runtime.GOMAXPROCS(0), Connections: connections, Build: built.Seconds}
	if result.LoadSeconds, err = b.fill(); err != nil {
		return result, err
	}
	return result, b.takeTurns(&result, inProcess, f.rounds)
}

// takeTurns asks over HTTP and in this process, round after round.
func (b *httpBench) takeTurns(result *overHTTP, inProcess ann.Engine, rounds int) error {
	var over, within []float64
	for round := range rounds {
		l, err := b.load("query", b.set.Name+".query.fbin", vectorizeV+"/query", 1)
		if err != nil {
			return err
		}
		over = append(over, float64(l.Requests)/l.Seconds)
		qps, err := ann.Together(b.cmd.Context(), runtime.GOMAXPROCS(0), inProcess, b.set, benchK, 0)
		if err != nil {
			return err
		}
		within = append(within, qps)
		telling(b.cmd)("round %d of %d", round+1, rounds)
	}
	slices.Sort(over)
	slices.Sort(within)
	result.QPS, result.InProcess = over[len(over)/2], within[len(within)/2]
	result.Share, result.LoadShare = result.QPS/result.InProcess, result.Build/result.LoadSeconds
	return nil
}

// fill makes the index and loads it; it returns the seconds until the graph covers all.
func (b *httpBench) fill() (float64, error) {
	api := &client.Client{URL: b.server.url}
	create := map[string]any{"name": httpIndex, "config": map[string]any{"dimensions": b.set.Base.Dimensions, "metric": b.set.Metric}}
	if err := api.Do(b.cmd.Context(), http.MethodPost, "/vectorize/v2/indexes", create, nil); err != nil {
		return 0, err
	}
	l, err := b.load("upsert", b.set.Name+".base.fbin", vectorizeV+"/upsert", 1)
	if err != nil {
		return 0, err
	}
	settled, err := b.settle(api)
	return l.Seconds + settled, err
}

const (
	// settleEvery is how often the server is asked whether its graph covers all.
	settleEvery = 100 * time.Millisecond
	// graphFrom is the number of records from which an index has a graph.
	graphFrom = 2000
)

// settle waits until no records wait for the graph, and returns the seconds until then. It asks
// for the description of the index: a query would make the builder leave cores to queries.
func (b *httpBench) settle(api *client.Client) (float64, error) {
	began := time.Now()
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	for {
		var index struct {
			Graph struct {
				State   string `json:"state"`
				Waiting int    `json:"waitingCount"`
			} `json:"graph"`
		}
		if err := api.Do(b.cmd.Context(), http.MethodGet, "/nearside/indexes/"+httpIndex, nil, &index); err != nil {
			return 0, err
		}
		if index.Graph.State == "ready" && index.Graph.Waiting == 0 || b.set.Base.Rows < graphFrom {
			return time.Since(began).Seconds(), nil
		}
		select {
		case <-tick.C:
		case <-b.cmd.Context().Done():
			return 0, context.Cause(b.cmd.Context())
		}
	}
}

// load runs the load generator as a process.
func (b *httpBench) load(kind, file, path string, times int) (l loaded, err error) {
	cmd := exec.CommandContext(b.cmd.Context(), b.program, "bench", "load", "--server", b.server.url, "--path", path, "--kind", kind,
		"--file", filepath.Join(b.dir, file), "--connections", strconv.Itoa(b.connections), "--times", strconv.Itoa(times))
	cmd.Stderr = b.cmd.ErrOrStderr()
	out, err := cmd.Output()
	if err != nil {
		return l, errors.Join(fmt.Errorf("the load generator: %w", err), b.cmd.Context().Err())
	}
	return l, json.Unmarshal(out, &l)
}
