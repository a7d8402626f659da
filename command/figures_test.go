package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nearside/client"
)

var figures = flag.Bool("figures", false, "measure what the README says of loading, writing and small indexes over HTTP")

// TestFiguresOverHTTP prints figures of a server in its own process, the client
// beside it on the same cores:
//
//	go test ./command -run Figures -figures -v
func TestFiguresOverHTTP(t *testing.T) {
	if !*figures {
		t.Skip("runs with -figures")
	}
	p := start(t, t.TempDir(), "--relaxed")
	api := p.ready()
	measureBulk(t, api)
	measureSingleWrites(t, api, 1)
	measureSingleWrites(t, api, 8)
	p.stop()

	p = start(t, t.TempDir(), "--relaxed")
	api = p.ready()
	measureSmallIndexes(t, p, api, 5000)
	p.stop()
}

func createVectors(t *testing.T, api *client.Client, name string, dimensions int) {
	t.Helper()
	body := map[string]any{"name": name, "config": map[string]any{"dimensions": dimensions, "metric": "cosine"}}
	if err := api.Do(context.Background(), http.MethodPost, "/vectorize/v2/indexes", body, nil); err != nil {
		t.Fatal(err)
	}
}

// batchOf returns records as JSON lines.
func batchOf(random *rand.Rand, from, count, dimensions int) []byte {
	var lines bytes.Buffer
	for i := range count {
		values := make([]float32, dimensions)
		for d := range values {
			values[d] = random.Float32() - 0.5
		}
		line, _ := json.Marshal(map[string]any{"id": fmt.Sprintf("record-%07d", from+i), "values": values}) // plain values
		lines.Write(append(line, '\n'))
	}
	return lines.Bytes()
}

func upsertLines(t *testing.T, api *client.Client, index string, lines []byte) {
	t.Helper()
	if err := api.Send(context.Background(), http.MethodPost, "/vectorize/v2/indexes/"+index+"/upsert", "application/x-ndjson", lines, nil); err != nil {
		t.Fatal(err)
	}
}

func measureBulk(t *testing.T, api *client.Client) {
	const dimensions, batch, batches = 768, 1000, 20
	createVectors(t, api, "bulk", dimensions)
	random := rand.New(rand.NewPCG(1, 1))
	bodies := make([][]byte, batches)
	for i := range bodies {
		bodies[i] = batchOf(random, i*batch, batch, dimensions)
	}
	began := time.Now()
	for _, body := range bodies {
		upsertLines(t, api, "bulk", body)
	}
	t.Logf("bulk load over HTTP, %d x %d dimensions in batches of %d: %.0f vectors/s", batch*batches, dimensions, batch, batch*batches/time.Since(began).Seconds())
}

func measureSingleWrites(t *testing.T, api *client.Client, writers int) {
	const dimensions, writes = 768, 2000
	name := fmt.Sprintf("single-%d", writers)
	createVectors(t, api, name, dimensions)
	bodies := make([][]byte, 100)
	for i := range bodies {
		bodies[i] = batchOf(rand.New(rand.NewPCG(2, uint64(i))), i, 1, dimensions)
	}
	var next atomic.Int64
	var writing sync.WaitGroup
	began := time.Now()
	for range writers {
		writing.Go(func() {
			for i := next.Add(1); i <= writes; i = next.Add(1) {
				upsertLines(t, api, name, bodies[i%100])
			}
		})
	}
	writing.Wait()
	t.Logf("single writes over HTTP, %d dimensions, %d writers: %.0f writes/s, each durable when acknowledged", dimensions, writers, writes/time.Since(began).Seconds())
}

func measureSmallIndexes(t *testing.T, p *process, api *client.Client, count int) {
	const dimensions, records = 384, 100
	before := residentMiB(t, p)
	lines := batchOf(rand.New(rand.NewPCG(3, 3)), 0, records, dimensions)
	began := time.Now()
	for i := range count {
		name := fmt.Sprintf("small-%d", i)
		createVectors(t, api, name, dimensions)
		upsertLines(t, api, name, lines)
	}
	t.Logf("%d indexes of %d x %d dimensions made in %.0f s", count, records, dimensions, time.Since(began).Seconds())
	began = time.Now()
	query := map[string]any{"vector": make([]float64, dimensions), "topK": 1}
	query["vector"].([]float64)[0] = 1
	for i := range count {
		if err := api.Do(context.Background(), http.MethodPost, fmt.Sprintf("/vectorize/v2/indexes/small-%d/query", i), query, nil); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("each queried once in %.0f s; resident memory %d MiB, %d MiB before", time.Since(began).Seconds(), residentMiB(t, p), before)
}

// residentMiB is the resident memory of the server.
func residentMiB(t *testing.T, p *process) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kib int
	if _, err := fmt.Sscanf(rest, "%d kB", &kib); err != nil {
		t.Fatal(err)
	}
	return kib >> 10
}
