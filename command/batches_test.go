package command_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/client"
	"nearside/llm/backend/backendtest"
	"nearside/server"
)

// sentBatch is a batch that a server has acknowledged, from an account of its own.
type sentBatch struct {
	account string
	id      string
	prompts []string
}

const batchPath = "/ai/run/@cf/meta/llama-3.3-70b-instruct-fp8-fast?queueRequest=true"

// TestBatchesSurviveSIGKILLAndCostWhatTheyTell kills a server that queues and runs
// batches, again and again, before a model server that breaks off now and then. In
// the end every request of every acknowledged batch is answered, once, and the
// ledger is what the batches tell.
func TestBatchesSurviveSIGKILLAndCostWhatTheyTell(t *testing.T) {
	t.Logf("seed %d", *seed)
	random := rand.New(rand.NewPCG(*seed, 9))
	kills := 4
	if *long {
		kills = 30
	}
	models := backendtest.New(t)
	models.Add(backendtest.Model{Name: "llama3.3"})
	data := t.TempDir()
	args := []string{"--models", t.TempDir(), "--ollama", models.URL, "--openai", "off"}
	var sent []sentBatch
	for round := range kills {
		p := start(t, data, args...)
		models.Lie(backendtest.Honest)
		if round < 2 { // a request that breaks off three times fails
			models.LieTimes([]backendtest.Lie{backendtest.CloseMidway, backendtest.StallMidway, backendtest.Status503}[random.IntN(3)], 1)
		}
		sent = append(sent, queueUntilKilled(p, round, random.IntN(400))...)
	}
	p := start(t, data, args...)
	url := p.ready().URL
	requests := 0
	for _, b := range sent {
		b.mustAddUp(t, url)
		requests += len(b.prompts)
	}
	p.stop()
	t.Logf("%d kills, %d batches of %d requests acknowledged, all answered and paid once", kills, len(sent), requests)
}

// queueUntilKilled sends batches from several accounts, kills the server some
// milliseconds after the first is acknowledged, and returns those that were.
func queueUntilKilled(p *process, round, after int) (sent []sentBatch) {
	url := p.ready().URL
	first := make(chan struct{})
	var mu sync.Mutex // guards sent
	var sending sync.WaitGroup
	for sender := range 3 {
		sending.Go(func() {
			for n := 0; ; n++ {
				b := sentBatch{account: fmt.Sprintf("a%d-%d-%d", round, sender, n)}
				var requests []map[string]any
				for i := range 1 + (n+sender)%4 {
					b.prompts = append(b.prompts, fmt.Sprintf("question %d", i))
					requests = append(requests, map[string]any{"prompt": b.prompts[i], "external_reference": b.prompts[i]})
				}
				var reply struct {
					ID string `json:"request_id"`
				}
				api := &client.Client{URL: url, Account: b.account}
				if api.Do(context.Background(), http.MethodPost, batchPath, map[string]any{"requests": requests}, &reply) != nil {
					return // killed
				}
				b.id = reply.ID
				mu.Lock()
				if sent = append(sent, b); len(sent) == 1 {
					close(first)
				}
				enough := len(sent) >= 12
				mu.Unlock()
				if enough {
					return
				}
			}
		})
	}
	<-first
	time.Sleep(time.Duration(after) * time.Millisecond)
	p.kill()
	sending.Wait()
	return sent
}

// mustAddUp waits for a batch to end and compares its answers with its requests,
// and its cost with the ledger.
func (b sentBatch) mustAddUp(t *testing.T, url string) {
	t.Helper()
	var told struct {
		Status    string
		Responses []struct {
			ID        int
			Success   bool
			Result    struct{ Response string }
			Reference string `json:"external_reference"`
		}
		Usage struct{ Neurons json.Number }
	}
	api := &client.Client{URL: url, Account: b.account}
	patience := time.Now().Add(time.Minute)
	for ; told.Responses == nil; time.Sleep(5 * time.Millisecond) {
		if err := api.Do(t.Context(), http.MethodPost, batchPath, map[string]any{"request_id": b.id}, &told); err != nil {
			t.Fatalf("%+v: %v", b, err)
		}
		if time.Now().After(patience) {
			t.Fatalf("%+v is still %s", b, told.Status)
		}
	}
	if len(told.Responses) != len(b.prompts) {
		t.Fatalf("%+v: %+v", b, told)
	}
	for i, r := range told.Responses {
		if r.ID != i || !r.Success || r.Reference != b.prompts[i] || !strings.HasSuffix(r.Result.Response, ".") {
			t.Errorf("%+v: %+v", b, r)
		}
	}
	var used server.UsageReport
	if err := api.Do(t.Context(), http.MethodGet, "/nearside/usage", nil, &used); err != nil {
		t.Fatal(err)
	}
	if told, charged := millionths(t, told.Usage.Neurons.String()), millionths(t, used.Total.Neurons.String()); told == 0 || told != charged || used.Total.Calls != int64(len(b.prompts)) {
		t.Errorf("%+v: told %d, charged %d millionths for %d calls", b, told, charged, used.Total.Calls)
	}
}
