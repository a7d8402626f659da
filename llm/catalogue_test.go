package llm_test

import (
	"encoding/csv"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"nearside/llm"
	"nearside/llm/neuron"
)

// loadShipped loads the catalogue that is built into nearside. It does not change: all tests share it.
var loadShipped = sync.OnceValues(func() (*llm.Catalogue, error) {
	source, err := os.ReadFile("../models.yaml")
	if err != nil {
		return nil, err
	}
	return llm.Load(source)
})

func shipped(t testing.TB) *llm.Catalogue {
	t.Helper()
	c, err := loadShipped()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fact is a row of testdata/catalogue.csv: what Cloudflare publishes about a model.
type fact struct {
	id, task, status, output    string
	context, tokens, dimensions int
	can                         []string
	paid                        bool
	prices                      []neuron.Price
}

func facts(t *testing.T) []fact {
	t.Helper()
	file, err := os.Open("testdata/catalogue.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	number := func(s string) int {
		if s == "" {
			return 0
		}
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	var all []fact
	for _, r := range rows[1:] {
		f := fact{id: r[0], task: r[1], status: r[2], context: number(r[3]), tokens: number(r[4]), dimensions: number(r[5]),
			can: strings.Fields(r[6]), paid: r[7] == "true", output: r[8]}
		for _, line := range strings.Split(r[9], "; ") {
			if words := strings.Fields(line); len(words) == 3 {
				f.prices = append(f.prices, neuron.Price{Unit: neuron.Unit(words[0]), USD: words[1], Neurons: words[2]})
			}
		}
		all = append(all, f)
	}
	return all
}

func TestEveryModelOfCloudflareIsThereWithItsFactsAndPrices(t *testing.T) {
	c := shipped(t)
	known := facts(t)
	if len(known) < 100 {
		t.Fatalf("only %d rows", len(known))
	}
	for _, f := range known {
		m, err := c.Model(f.id)
		if err != nil {
			t.Error(err)
			continue
		}
		if m.ID != f.id || string(m.Task) != f.task || string(m.Output) != f.output || m.Context != f.context ||
			m.Tokens != f.tokens || m.Dimensions != f.dimensions || m.Paid != f.paid {
			t.Errorf("%+v\nis in the catalogue as %+v", f, m)
		}
		for _, ability := range f.can {
			if !m.Can(llm.Ability(ability)) {
				t.Errorf("%s is not listed with %s", f.id, ability)
			}
		}
		if f.status == "active" != (m.Deprecated == "") || f.status != "active" && m.Deprecated != f.status {
			t.Errorf("%s is %s, and deprecated %q in the catalogue", f.id, f.status, m.Deprecated)
		}
		checkPrices(t, f, m)
	}
}

// unpublished is what the catalogue has beyond the price list, each with a remark there.
var unpublished = map[string][]neuron.Price{
	"@cf/google/gemma-4-26b-a4b-it": {{Unit: neuron.CachedInputTokens, USD: "0.050", Neurons: "4545"}},
	"@cf/meta/llama-3.1-8b-instruct-fast": {
		{Unit: neuron.InputTokens, USD: "0.045", Neurons: "4119"}, {Unit: neuron.OutputTokens, USD: "0.384", Neurons: "34868"},
	},
}

func checkPrices(t *testing.T, f fact, m *llm.Model) {
	t.Helper()
	for _, p := range f.prices {
		if !slices.Contains(m.Prices, p) {
			t.Errorf("%s has not the price %+v: %+v", f.id, p, m.Prices)
		}
	}
	for _, p := range m.Prices {
		if !slices.Contains(f.prices, p) && !slices.Contains(unpublished[f.id], p) {
			t.Errorf("%s has the price %+v, which nobody published", f.id, p)
		}
	}
}

func TestNothingInTheCatalogueIsUnknown(t *testing.T) {
	known := map[string]bool{}
	for _, f := range facts(t) {
		known[f.id] = true
	}
	for _, m := range shipped(t).Models() {
		if !known[m.ID] && !strings.HasPrefix(m.ID, "@nearside/") {
			t.Errorf("%s is not a model of Cloudflare's, and not ours", m.ID)
		}
		if m.Description == "" || len(m.Description) > 140 {
			t.Errorf("%s is described as %q", m.ID, m.Description)
		}
	}
}

func TestDeprecatedModelsNameASuccessorForTheSameWork(t *testing.T) {
	c := shipped(t)
	// What has no successor of its own task is pointed to a model that can do it in words, or by its eyes.
	elsewhere := map[string]llm.Task{"@cf/facebook/bart-large-cnn": llm.TextGeneration, "@cf/facebook/detr-resnet-50": llm.ImageToText}
	for _, m := range c.Models() {
		if m.Deprecated == "" {
			if m.Notice() != "" {
				t.Errorf("%s: %q", m.ID, m.Notice())
			}
			continue
		}
		next, err := c.Model(m.Successor)
		if err != nil {
			t.Errorf("%s: %v", m.ID, err)
			continue
		}
		if want, ok := elsewhere[m.ID]; next.Task != m.Task && (!ok || next.Task != want) {
			t.Errorf("%s is for %s; its successor %s for %s", m.ID, m.Task, next.ID, next.Task)
		}
		if n := m.Notice(); !strings.Contains(n, m.ID) || !strings.Contains(n, next.ID) {
			t.Errorf("%s: %q", m.ID, n)
		}
	}
}

func TestEmbeddingsKeepWhatMayStandInForThem(t *testing.T) {
	c := shipped(t)
	for _, id := range []string{"@cf/baai/bge-small-en-v1.5", "@cf/baai/bge-base-en-v1.5", "@cf/baai/bge-large-en-v1.5"} {
		m, err := c.Model(id)
		if err != nil {
			t.Fatal(err)
		}
		last := m.Backends[len(m.Backends)-2:]
		want := []llm.Backend{{Kind: llm.Builtin, Model: "@nearside/all-minilm-l6-v2", Substitute: true}, {Kind: llm.Builtin, Model: "@nearside/lexical-hash", Substitute: true}}
		if !slices.Equal(last, want) {
			t.Errorf("%s: %v", id, m.Backends)
		}
	}
}

func TestOllamaIsThereFromTheStartAndOpenAIIsNot(t *testing.T) {
	on := map[llm.Kind]bool{}
	for _, s := range shipped(t).Servers() {
		on[s.Name] = s.Enabled
		if s.Enabled && (s.URL != "http://127.0.0.1:11434" || s.FirstByte <= 0 || s.BetweenTokens <= 0 || s.Concurrency < 1 || s.Queue < 1) {
			t.Errorf("%+v", s)
		}
	}
	if len(on) != 2 || !on[llm.Ollama] || on[llm.OpenAI] {
		t.Errorf("enabled: %v", on)
	}
}
