package command_test

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// usage is what `usage --json` says.
type usage struct {
	Rows []struct {
		Model   string
		Calls   int64
		Neurons json.Number
	}
	Total struct {
		Calls   int64
		Failed  int64
		Units   map[string]int64
		Neurons json.Number
	}
}

func usageOf(t *testing.T, url string, args ...string) (u usage) {
	t.Helper()
	out, stderr, code := runHere(t, append([]string{"usage", "--json", "--url", url}, args...)...)
	if err := json.Unmarshal([]byte(out), &u); err != nil || code != 0 {
		t.Fatalf("nearside usage: exit code %d, %v: %s%.300s", code, err, stderr, out)
	}
	return u
}

// micro reads neurons with six decimals as a whole number of millionths.
func micro(t *testing.T, neurons string) int64 {
	t.Helper()
	whole, fraction, _ := strings.Cut(neurons, ".")
	n, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil || len(fraction) != 6 {
		t.Errorf("%q are not neurons with six decimals", neurons)
	}
	return n
}

// embedText asks for the embedding of a text and returns what the reply says it
// costs; false if there was no whole reply.
func embedText(t *testing.T, url, text string) (cost int64, answered bool) {
	t.Helper()
	res, err := http.Post(url+"/client/v4/accounts/local/ai/run/@cf/baai/bge-base-en-v1.5", "application/json", strings.NewReader(`{"text":"`+text+`"}`))
	if err != nil {
		return 0, false
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 {
		if err == nil {
			t.Errorf("status %d: %.300s", res.StatusCode, body)
		}
		return 0, false
	}
	return micro(t, res.Header.Get("cf-ai-neurons")), true
}

func TestUsageIsATableOrJSONOrCSV(t *testing.T) {
	p := start(t, t.TempDir(), "--models", t.TempDir(), "--neurons-per-day", "1")
	url := p.ready().URL
	cost, _ := embedText(t, url, "one two three")
	embedText(t, url, "one")

	out, _, code := runHere(t, "usage", "--url", url)
	for _, want := range []string{"MODEL", "INPUT", "NEURONS", "@cf/baai/bge-base-en-v1.5  2", "total", "10,000 free neurons a day", "neurons are left until"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, no %q in:\n%s", code, want, out)
		}
	}
	u := usageOf(t, url, "--by", "model")
	if len(u.Rows) != 1 || u.Rows[0].Model != "@cf/baai/bge-base-en-v1.5" || u.Total.Calls != 2 || micro(t, u.Total.Neurons.String()) <= cost {
		t.Errorf("got %+v", u)
	}
	out, _, _ = runHere(t, "usage", "--url", url, "--csv", "--by", "day")
	records, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(records) != 2 || !slices.Equal(records[0], []string{"day", "calls", "failed", "cached", "unpriced", "input_tokens", "neurons", "usd"}) || records[1][1] != "2" {
		t.Errorf("%v: %v", err, records)
	}
	if out, _, code := runHere(t, "usage", "--url", url, "--from", "2020-01-01", "--to", "2020-01-31", "--by", "key"); code != 0 || !strings.Contains(out, "2020-01-01 to 2020-01-31") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if _, stderr, code := runHere(t, "usage", "--url", url, "--by", "colour"); code != 1 || !strings.Contains(stderr, "model, key or day") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	p.stop()
}

// TestNoChargeIsLostWhenTheServerIsKilled kills a server under callers of a model,
// and compares its ledger with what the replies said: all of that is in it, and of
// calls without a reply at most each one's cost.
func TestNoChargeIsLostWhenTheServerIsKilled(t *testing.T) {
	t.Logf("seed %d", *seed)
	random := rand.New(rand.NewPCG(*seed, 2))
	kills := 2
	if *long {
		kills = 20
	}
	const callers, words = 8, 20
	data, models := t.TempDir(), t.TempDir()
	var before usage
	before.Total.Neurons = "0.000000"
	told, answered := int64(0), int64(0)
	for range kills {
		p := start(t, data, "--models", models)
		url := p.ready().URL
		before = usageOf(t, url)
		var mu sync.Mutex // guards the counts
		replies, cost, largest, end := int64(0), int64(0), int64(0), 1+random.Int64N(150)
		var calling sync.WaitGroup
		for range callers {
			own := rand.New(rand.NewPCG(random.Uint64(), 3))
			calling.Go(func() {
				for {
					one, ok := embedText(t, url, strings.Repeat("word ", 1+own.IntN(words)))
					if !ok {
						return
					}
					mu.Lock()
					replies, cost, largest = replies+1, cost+one, max(largest, one)
					if replies == end {
						p.kill()
					}
					mu.Unlock()
				}
			})
		}
		calling.Wait()
		p = start(t, data, "--models", models)
		after := usageOf(t, p.ready().URL)
		p.stop()
		calls := after.Total.Calls - before.Total.Calls
		neurons := micro(t, after.Total.Neurons.String()) - micro(t, before.Total.Neurons.String())
		if calls < replies || calls > replies+callers || neurons < cost || neurons > cost+(calls-replies)*largest*words {
			t.Errorf("%d replies told of %d millionths of a neuron; the ledger has %d calls and %d", replies, cost, calls, neurons)
		}
		told, answered = told+cost, answered+replies
	}
	t.Logf("%d kills, %d replies told of %d millionths of a neuron, none lost", kills, answered, told)
}
