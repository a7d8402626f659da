//go:build unix

package command_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nearside/client"
	"nearside/edge"
)

// TestFiguresOfWorkers prints how soon a Worker has its first answer, and how long its queries
// take by each of the ways, which take turns:
//
//	go test ./command -run FiguresOfWorkers -long -figures -v
func TestFiguresOfWorkers(t *testing.T) {
	if !*figures {
		t.Skip("runs with -figures")
	}
	clientsDir(t)
	measureFirstAnswer(t)
	measureWorkersQueries(t)
}

// measureFirstAnswer takes the time from dev init, in a project that has wrangler, to an answer of env.VECTORIZE.
func measureFirstAnswer(t *testing.T) {
	const rounds = 3
	var all []time.Duration
	for range rounds {
		_, api := startForWorkers(t, t.TempDir(), "127.0.0.1:0")
		p := newPackageProject(t)
		began := time.Now()
		p.init("--url", api.URL, "--index", "docs=768,cosine", "--index", "gone=3,cosine")
		address, stop := p.wranglerDev("--env", "local")
		if got := bodyOf(t, address+"/about"); !strings.Contains(got, `"dimensions":768`) {
			t.Fatalf("the first answer is %s", got)
		}
		all = append(all, time.Since(began))
		stop()
	}
	slices.Sort(all)
	t.Logf("from dev init to the first answer under wrangler dev: %.1f s, median of %d (%.1f to %.1f)", all[rounds/2].Seconds(), rounds, all[0].Seconds(), all[rounds-1].Seconds())
}

// measureWorkersQueries times queries by each way, in turns.
func measureWorkersQueries(t *testing.T) {
	const rounds, queries, records, dimensions = 5, 400, 10_000, 768
	t.Setenv("NEARSIDE_WORKERS_EDGE", edge.Address)
	data := t.TempDir()
	_, api := startForWorkers(t, data, "127.0.0.1:0")
	createVectors(t, api, "docs", dimensions)
	createVectors(t, api, "gone", 3)
	random := rand.New(rand.NewPCG(7, 7))
	for i := range records / 1000 {
		upsertLines(t, api, "docs", batchOf(random, i*1000, 1000, dimensions))
	}
	ways := workersWays(t, api, data, queries)
	took := make([][]float64, len(ways))
	for range rounds {
		for i, w := range ways {
			var ms []float64
			if out := w.run(); json.Unmarshal([]byte(out), &ms) != nil || len(ms) != queries {
				t.Fatalf("%s: %s", w.name, out)
			}
			took[i] = append(took[i], ms...)
		}
	}
	t.Logf("env.VECTORIZE.query, %d x %d dimensions, topK 10, %d queries each, one after the other; ms", records, dimensions, rounds*queries)
	t.Logf("%-40s %6s %6s %6s", "", "mean", "p50", "p99")
	for i, w := range ways {
		t.Logf("%-40s %6.2f %6.1f %6.1f", w.name, mean(took[i]), percentile(tens(took[i]), 50), percentile(took[i], 99))
	}
	t.Log("p50 is of means of ten queries, because a Worker's clock has whole milliseconds; its p99 is right to one")
}

// workersWay is a way by which queries come to nearside; run makes them, and returns a list of milliseconds.
type workersWay struct {
	name string
	run  func() string
}

// workersWays starts what each way needs.
func workersWays(t *testing.T, api *client.Client, data string, queries int) []workersWay {
	count := fmt.Sprint(queries)
	beside := newPackageProject(t)
	beside.init("--url", api.URL)
	pluginAddress, _ := beside.wranglerDev("--env", "local")
	if out, err := beside.command("wrangler", "deploy", "--dry-run", "--outdir", "dist").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	nearside(t, t.Context(), "dev", "workerd", filepath.Join(beside.dir, "dist", "index.js"), "--config", beside.config)
	aloneAddress, _ := beside.dev("workerd", "serve", filepath.Join(beside.dir, ".nearside", "workerd.capnp"), "--socket-addr=http=127.0.0.1:{port}")

	useEdge(t, api, data)
	unchanged := newPackageProject(t)
	if err := os.WriteFile(unchanged.config, []byte(strings.ReplaceAll(string(unchanged.text()), `" }`, `", "remote": true }`)), 0o600); err != nil {
		t.Fatal(err)
	}
	edgeAddress, _ := unchanged.wranglerDev()

	inWorker := func(address string) func() string {
		return func() string { return bodyOf(t, address+"/latencies?count="+count) }
	}
	rest := api.URL + "/client/v4/accounts/local/vectorize/v2/indexes/docs"
	return []workersWay{
		{"REST, by fetch in Node", func() string { return beside.run("node", "latencies.mjs", count, rest) }},
		{"the package in Node", func() string { return beside.run("node", "latencies.mjs", count) }},
		{"the package in Deno", func() string { return beside.run("deno", "run", "-A", "latencies.mjs", count) }},
		{"the package in Bun", func() string { return beside.run("bun", "latencies.mjs", count) }},
		{"wrangler dev, after dev init", inWorker(pluginAddress)},
		{"wrangler dev, by the Workers edge", inWorker(edgeAddress)},
		{"workerd alone", inWorker(aloneAddress)},
	}
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

// tens returns the mean of each ten.
func tens(xs []float64) (means []float64) {
	for ten := range slices.Chunk(xs, 10) {
		means = append(means, mean(ten))
	}
	return means
}

// percentile returns the smallest value that is not below p percent of them.
func percentile(xs []float64, p int) float64 {
	sorted := slices.Sorted(slices.Values(xs))
	return sorted[(len(sorted)*p+99)/100-1]
}
