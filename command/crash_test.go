package command_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/client"
	"nearside/fault"
)

var (
	seed   = flag.Uint64("seed", uint64(time.Now().UnixNano()), "seed of the random tests")
	rounds = flag.Int("rounds", 24, "rounds of the crash test")
)

const (
	crashWriters = 8
	crashIDs     = 40 // each writer owns this many ids
)

// TestAcknowledgedWritesSurviveSIGKILL kills a server under eight writers again
// and again and compares everything it holds with what it acknowledged. A
// mutation that was under way may be there or not, but only whole.
func TestAcknowledgedWritesSurviveSIGKILL(t *testing.T) {
	if !*long {
		t.Skip("runs with -long")
	}
	t.Logf("seed %d", *seed)
	random := rand.New(rand.NewPCG(*seed, 1))
	data := t.TempDir()
	writers := newWriters(random)
	acknowledged := 0
	for round := range *rounds {
		if round%4 == 3 { // a new directory, killed while it is being born
			data, writers = t.TempDir(), newWriters(random)
			newborn := start(t, data)
			time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
			newborn.kill()
		}
		p := start(t, data)
		api := p.ready()
		createCrashIndex(t, api)
		for _, w := range writers {
			w.compare(t, api)
		}
		acknowledged += writeUntilKilled(p, api, writers, time.Duration(5+random.IntN(900))*time.Millisecond)
	}
	p := start(t, data)
	api := p.ready()
	for _, w := range writers {
		w.compare(t, api)
	}
	p.stop()
	t.Logf("%d kills, %d mutations acknowledged, none lost, none half applied", *rounds+*rounds/4, acknowledged)
}

func createCrashIndex(t *testing.T, api *client.Client) {
	t.Helper()
	body := map[string]any{"name": "crash", "config": map[string]any{"dimensions": 8, "metric": "euclidean"}}
	err := api.Do(context.Background(), http.MethodPost, "/vectorize/v2/indexes", body, nil)
	if err != nil && !strings.Contains(err.Error(), "duplicate_name") {
		t.Fatal(err)
	}
}

// writeUntilKilled lets all writers write, kills the server after a while, and returns how many mutations were acknowledged.
func writeUntilKilled(p *process, api *client.Client, writers []*writer, after time.Duration) int {
	var writing sync.WaitGroup
	counts := make([]int, len(writers))
	for i, w := range writers {
		writing.Go(func() {
			for w.mutate(api) {
				counts[i]++
			}
		})
	}
	time.Sleep(after)
	p.kill()
	writing.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}

// vector is a record as the API shows it.
type vector struct {
	ID        string         `json:"id"`
	Namespace string         `json:"namespace"`
	Values    []float64      `json:"values"`
	Metadata  map[string]any `json:"metadata"`
}

// state is what a writer's ids hold.
type state map[string]vector

// writer owns some ids and knows what they must hold.
type writer struct {
	name    string
	random  *rand.Rand
	step    int
	acked   state
	pending state // acked after the mutation that was under way when the server died; nil if none
}

func newWriters(random *rand.Rand) []*writer {
	writers := make([]*writer, crashWriters)
	for i := range writers {
		writers[i] = &writer{name: fmt.Sprintf("w%d", i), random: rand.New(rand.NewPCG(random.Uint64(), 2)), acked: state{}}
	}
	return writers
}

// mutate sends one random mutation and reports whether it was acknowledged.
func (w *writer) mutate(api *client.Client) bool {
	w.step++
	next := state{}
	for id, v := range w.acked {
		next[id] = v
	}
	var err error
	w.pending = next
	ids := w.someIDs()
	if w.random.IntN(4) == 0 {
		for _, id := range ids {
			delete(next, id)
		}
		err = api.Do(context.Background(), http.MethodPost, "/vectorize/v2/indexes/crash/delete_by_ids", map[string]any{"ids": ids}, nil)
	} else {
		var lines strings.Builder
		for _, id := range ids {
			next[id] = w.newVector(id)
			line, _ := json.Marshal(next[id]) // a struct of plain values
			lines.Write(append(line, '\n'))
		}
		err = api.Send(context.Background(), http.MethodPost, "/vectorize/v2/indexes/crash/upsert", "application/x-ndjson", []byte(lines.String()), nil)
	}
	if err != nil {
		return false
	}
	w.acked, w.pending = next, nil
	return true
}

func (w *writer) someIDs() []string {
	var ids []string
	for _, n := range w.random.Perm(crashIDs)[:1+w.random.IntN(20)] {
		ids = append(ids, fmt.Sprintf("%s-%d", w.name, n))
	}
	return ids
}

func (w *writer) newVector(id string) vector {
	values := make([]float64, 8)
	for i := range values {
		values[i] = float64(w.random.IntN(2000)-1000) / 8
	}
	return vector{id, w.name, values, map[string]any{"step": float64(w.step), "why": strings.Repeat("x", w.random.IntN(300))}}
}

// compare checks that the server holds exactly what was acknowledged, or that and the whole pending mutation.
func (w *writer) compare(t *testing.T, api *client.Client) {
	t.Helper()
	found := state{}
	var all []string
	for n := range crashIDs {
		all = append(all, fmt.Sprintf("%s-%d", w.name, n))
	}
	for ids := range slices.Chunk(all, 20) {
		var vectors []vector
		if err := api.Do(context.Background(), http.MethodPost, "/vectorize/v2/indexes/crash/get_by_ids", map[string]any{"ids": ids}, &vectors); err != nil {
			t.Fatal(err)
		}
		for _, v := range vectors {
			found[v.ID] = v
		}
	}
	if w.pending != nil && reflect.DeepEqual(found, w.pending) {
		w.acked = w.pending
	}
	w.pending = nil
	if !reflect.DeepEqual(found, w.acked) {
		t.Fatalf("%s: the server holds\n%v\nbut acknowledged\n%v", w.name, found, w.acked)
	}
	if n := w.countByQuery(t, api); n != len(found) {
		t.Fatalf("%s: a query finds %d of %d records", w.name, n, len(found))
	}
}

// countByQuery counts the writer's records through search instead of by id.
func (w *writer) countByQuery(t *testing.T, api *client.Client) int {
	t.Helper()
	var result struct{ Count int }
	query := map[string]any{"vector": make([]float64, 8), "topK": 100, "namespace": w.name}
	err := api.Do(context.Background(), http.MethodPost, "/vectorize/v2/indexes/crash/query", query, &result)
	if err != nil {
		t.Fatal(fault.KindOf(err), err)
	}
	return result.Count
}
