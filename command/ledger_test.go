package command_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/client"
	"nearside/llm/backend/backendtest"
)

// TestTheLedgerIsTheSumOfWhatRepliesTold lets several callers with keys of their
// own make random calls, in every way that can cost something, before model servers
// that lie, break off and go away, and kills the server between and under the calls.
//
// After each start the ledger is, in total and of every key and every model, what
// the replies told; of calls whose reply broke off it may have up to what was
// reserved for them, and nothing is reserved any more.
func TestTheLedgerIsTheSumOfWhatRepliesTold(t *testing.T) {
	t.Logf("seed %d", *seed)
	random := rand.New(rand.NewPCG(*seed, 5))
	rounds, calls := 4, 120
	if *long {
		rounds, calls = 16, 300
	}
	s := newSpending(t)
	var told, cut, kills int
	for round := range rounds {
		p := start(t, s.data, s.args()...)
		s.url = p.ready().URL
		if round == 0 {
			s.prepare()
		}
		s.compare()
		ending := random.IntN(3)
		if round == 0 {
			ending = killedMidway
		}
		n, broken := s.callers(p, random, 1+random.IntN(calls), ending == killedMidway)
		told, cut = told+n, cut+broken
		if ending == stopped {
			p.stop()
			continue
		}
		p.kill()
		kills++
	}
	p := start(t, s.data, s.args()...)
	s.url = p.ready().URL
	s.compare()
	p.stop()
	t.Logf("%d kills, %d replies told of %d millionths of a neuron, all of it in the ledger; %d came from a cache, %d broke off", kills, told, s.bounds["total"].least, s.hits, cut)
}

// How a round ends.
const (
	killedMidway = iota
	killedAfter  // between calls
	stopped
)

// spending is a server's data directory, the model servers behind it, and what its
// callers know of its ledger.
type spending struct {
	t                      *testing.T
	data, models, from     string
	url                    string
	admin                  apiKey
	keys                   []apiKey // of the callers
	project                apiKey   // of a Worker
	ways                   []way
	ollama, openai, stalls *backendtest.Server

	mu      sync.Mutex        // guards what follows
	bounds  map[string]bounds // of the ledger: "total", "key ID" and "model ID"
	batches map[string]queued // by request id; those whose cost was not told yet
	hits    int               // replies out of a cache
	down    bool              // ollama
	done    int               // calls of this round that have ended
	broken  int               // those of them whose reply broke off untold
}

// apiKey is what is shown of a key when it is made.
type apiKey struct{ ID, Secret string }

// bounds are millionths of a neuron.
type bounds struct{ least, most int64 }

// queued is a batch, with the key that pays for it.
type queued struct {
	way way
	key apiKey
}

func newSpending(t *testing.T) *spending {
	s := &spending{
		t: t, data: t.TempDir(), models: t.TempDir(), from: time.Now().UTC().Format(time.DateOnly), bounds: map[string]bounds{}, batches: map[string]queued{},
		ollama: backendtest.New(t), openai: backendtest.New(t), stalls: backendtest.New(t), ways: everyWay(),
	}
	s.ollama.Add(backendtest.Model{Name: "llama3.1"}, backendtest.Model{Name: "llama3.2"}, backendtest.Model{Name: "llama3.3"}, backendtest.Model{Name: "gpt-oss"}, backendtest.Model{Name: "bge-m3", Dimensions: 1024})
	s.openai.Add(backendtest.Model{Name: "meta-llama/Llama-3.1-8B-Instruct"}, backendtest.Model{Name: "openai/gpt-oss-20b"}, backendtest.Model{Name: "BAAI/bge-reranker-base"})
	for _, name := range []string{"aura-1", "openai/whisper-large-v3-turbo", "black-forest-labs/FLUX.1-schnell", "moondream/moondream3.1-9B-A2B"} {
		s.openai.Add(backendtest.Model{Name: name})
	}
	s.stalls.Lie(backendtest.StallMidway)
	own := fmt.Sprintf(`backends: [{name: stalling, kind: ollama, url: %q, between_tokens: 200ms}]
models: [{id: %q, task: Text Generation, output: native, backends: [{kind: stalling, model: chat}],
  prices: [{unit: M_input_tokens, usd: "0.100", neurons: "9091"}, {unit: M_output_tokens, usd: "0.300", neurons: "27273"}]}]`, s.stalls.URL, stalling)
	if err := os.WriteFile(filepath.Join(s.data, "models.yaml"), []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	out := nearside(t, t.Context(), "keys", "create", "--data", s.data, "--scope", "admin", "--json")
	if err := json.Unmarshal([]byte(out), &s.admin); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *spending) args() []string {
	return []string{"--models", s.models, "--ollama", s.ollama.URL, "--openai", s.openai.URL + "/v1"}
}

// prepare makes the callers' keys and the index of the calls, asks what each call
// may cost, and makes it once: what was used may be more than was reserved.
func (s *spending) prepare() {
	s.t.Helper()
	api := &client.Client{URL: s.url, Key: s.admin.Secret}
	for range 3 {
		var key apiKey
		if err := api.Do(s.t.Context(), http.MethodPost, "/nearside/keys", map[string]any{"scope": "write"}, &key); err != nil {
			s.t.Fatal(err)
		}
		s.keys = append(s.keys, key)
	}
	if err := api.Do(s.t.Context(), http.MethodPost, "/nearside/projects", map[string]any{"name": "worker"}, &s.project); err != nil {
		s.t.Fatal(err)
	}
	if err := api.Do(s.t.Context(), http.MethodPost, "/nearside/indexes", map[string]any{"name": "notes", "model": bgeM3}, nil); err != nil {
		s.t.Fatal(err)
	}
	for i, w := range s.ways {
		status, _, body, err := s.send(w.priced(), s.admin, true)
		told := toldInBody.FindSubmatch(body)
		if err != nil || status != http.StatusOK || told == nil {
			s.t.Fatalf("the price of %s with %v: %v: %d: %s", w.path, w.body, err, status, body)
		}
		s.ways[i].estimate = millionths(s.t, string(told[1]))
		if w.model != stalling {
			before := s.bounds["total"].least
			s.note(w, s.keys[0])
			cost := s.bounds["total"].least - before
			if cost == 0 && !w.free && !w.batch {
				s.t.Errorf("%s with %v costs nothing", w.path, w.body)
			}
			s.ways[i].estimate = max(s.ways[i].estimate, cost)
		}
	}
}

// callers makes calls, several at a time, until so many have ended; with kill, the
// server ends then, under the others. It returns how many replies were whole and how many not.
func (s *spending) callers(p *process, random *rand.Rand, calls int, kill bool) (whole, broken int) {
	s.done, s.broken = 0, 0
	var calling sync.WaitGroup
	for range 6 {
		own := rand.New(rand.NewPCG(random.Uint64(), 6))
		calling.Go(func() {
			for {
				s.mischief(own)
				alive := s.call(s.ways[own.IntN(len(s.ways))], own)
				s.mu.Lock()
				s.done++
				last := s.done >= calls
				if s.done == calls && kill {
					p.kill()
				}
				s.mu.Unlock()
				if last && !kill || !alive {
					return
				}
			}
		})
	}
	calling.Wait()
	return s.done - s.broken, s.broken
}

// mischief has a model server misbehave, now and then, or come back to its senses.
func (s *spending) mischief(random *rand.Rand) {
	lies := []backendtest.Lie{
		backendtest.CloseAfterHeaders, backendtest.CloseMidway, backendtest.HalfFrame, backendtest.NoLastFrame, backendtest.NoUsage,
		backendtest.Garbage, backendtest.ErrorFrame, backendtest.Status400, backendtest.Status429, backendtest.Status500,
	}
	long := backendtest.Answer{Pieces: strings.SplitAfter(strings.Repeat("the sky is blue ", 10), " ")}
	switch random.IntN(12) {
	case 0:
		s.ollama.LieTimes(lies[random.IntN(len(lies))], 1+random.IntN(3))
	case 1:
		s.openai.LieTimes(lies[random.IntN(len(lies))], 1+random.IntN(3))
	case 2:
		s.ollama.Answer(backendtest.Answer{Pieces: []string{"seven"}}, backendtest.Answer{Pieces: []string{`{"n":`, `7}`}}, long)
	case 3:
		s.ollama.Answer(long)
	case 4:
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.down = !s.down; s.down {
			s.ollama.Down()
		} else {
			s.ollama.Up()
		}
	}
}

// call makes a call in some variation. It reports whether the server is there.
func (s *spending) call(w way, random *rand.Rand) (alive bool) {
	return s.note(w.varied(random), s.keys[random.IntN(len(s.keys))])
}

// note makes a call, and notes what it cost or may have cost. It reports whether the server is there.
func (s *spending) note(w way, key apiKey) (alive bool) {
	if w.bound {
		key = s.project
	}
	status, header, body, err := s.send(w, key, w.dryRun)
	spent := bounds{}
	switch told, ok := toldBy(header, body); {
	case w.dryRun && err == nil, w.free && err == nil:
	case w.batch && err == nil && status == http.StatusOK:
		s.queue(w, key, body)
	case ok:
		spent.least = millionths(s.t, told)
		spent.most = spent.least
	case err != nil:
		spent.most = w.estimate
	case status == http.StatusOK:
		s.t.Errorf("%s with %v answers without the cost: %v, %.300s", w.path, w.body, header, body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && spent.least == 0 {
		s.broken++
	}
	if header.Get("cf-aig-cache-status") == "HIT" {
		s.hits++
	}
	s.spentLocked(w, key, spent)
	return header != nil
}

func (s *spending) spentLocked(w way, key apiKey, spent bounds) {
	for _, name := range []string{"total", "key " + key.ID, "model " + w.model} {
		b := s.bounds[name]
		s.bounds[name] = bounds{b.least + spent.least, b.most + spent.most}
	}
}

// queue notes a batch that the server has taken.
func (s *spending) queue(w way, key apiKey, body []byte) {
	var reply struct {
		Result struct {
			ID string `json:"request_id"`
		}
	}
	if err := json.Unmarshal(body, &reply); err != nil || reply.Result.ID == "" {
		s.t.Errorf("%v: %s", err, body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches[reply.Result.ID] = queued{w, key}
}

// endBatches has the model servers work well until every batch has ended, and asks
// those that are known what they cost.
func (s *spending) endBatches() {
	s.t.Helper()
	s.ollama.Lie(backendtest.Honest)
	s.openai.Lie(backendtest.Honest)
	if s.down {
		s.ollama.Up()
		s.down = false
	}
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(string(s.get("/metrics")), "\nnearside_batches_open 0\n") {
		select {
		case <-tick.C:
		case <-deadline.C:
			s.t.Fatal("the batches have not ended within a minute")
		}
	}
	for id, b := range s.batches {
		ask := b.way
		ask.body = map[string]any{"request_id": id}
		status, _, body, err := s.send(ask, b.key, false)
		found := toldInBody.FindAllSubmatch(body, -1)
		if err != nil || status != http.StatusOK || found == nil {
			s.t.Fatalf("%v: %d: %s", err, status, body)
		}
		cost := millionths(s.t, string(found[len(found)-1][1])) // that of all its items stands at the end
		s.spentLocked(b.way, b.key, bounds{cost, cost})
		delete(s.batches, id)
	}
}

// compare looks whether the ledger is within the bounds, which it is from then on.
func (s *spending) compare() {
	s.t.Helper()
	s.endBatches()
	ledger := map[string]int64{}
	for _, by := range []string{"key", "model"} {
		var reply struct {
			Result struct {
				Rows []struct {
					Key, Model string
					Neurons    json.Number
				}
				Total struct{ Neurons json.Number }
			}
		}
		if err := json.Unmarshal(s.get(account+"/nearside/usage?group_by="+by+"&from="+s.from), &reply); err != nil {
			s.t.Fatal(err)
		}
		for _, r := range reply.Result.Rows {
			ledger[by+" "+r.Key+r.Model] = millionths(s.t, r.Neurons.String())
		}
		ledger["total"] = millionths(s.t, reply.Result.Total.Neurons.String())
	}
	for name := range s.bounds {
		ledger[name] += 0 // it is looked at, too, when the ledger lacks it
	}
	for name, is := range ledger {
		if b := s.bounds[name]; is < b.least || is > b.most {
			s.t.Errorf("%s: the ledger has %d millionths of a neuron; replies told of %d, and those that broke off leave room for %d", name, is, b.least, b.most-b.least)
		}
		s.bounds[name] = bounds{is, is}
	}
	if metrics := string(s.get("/metrics")); !strings.Contains(metrics, "\nnearside_model_reservations 0\n") {
		s.t.Error("neurons are reserved for calls that a server before this one had")
	}
}

// get returns what a path answers the admin.
func (s *spending) get(path string) []byte {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.admin.Secret)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %v: %d: %s", path, err, res.StatusCode, body)
	}
	return body
}
