package llm_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"nearside/embed"
	"nearside/fault"
	"nearside/llm"
	"nearside/llm/backend"
	"nearside/llm/neuron"
)

const reranker = "@cf/baai/bge-reranker-base"

// ranking is a backend that ranks: 10 tokens a call.
type ranking struct {
	scores []float64
	fails  *backend.Error
}

func (*ranking) Name() string                                  { return "openai" }
func (*ranking) List(context.Context) ([]backend.Found, error) { return nil, nil }
func (b *ranking) Rank(context.Context, string, string, []string) ([]float64, int, error) {
	if b.fails != nil {
		return nil, 0, b.fails
	}
	return b.scores, 10, nil
}

func TestRankingIsDoneByTheBestThatIsHere(t *testing.T) {
	down := &backend.Error{Kind: backend.Unreachable}
	wordy := `{"scores":[0.1,0.9]}`
	for name, test := range map[string]struct {
		ranker  *ranking
		talker  *talker
		served  llm.Kind
		scores  []float64 // nil: whatever the similarities are
		warning string
		tokens  [3]int // charged: prompt, cached, completion
	}{
		"a reranker":                    {&ranking{scores: []float64{3, -4}}, says(wordy), llm.OpenAI, []float64{3, -4}, "", [3]int{10, 0, 0}},
		"the reranker is down":          {&ranking{fails: down}, says(wordy), llm.Ollama, []float64{.1, .9}, "stands in", [3]int{10, 4, 1}},
		"the reranker miscounts":        {&ranking{scores: []float64{1}}, says(wordy), llm.Ollama, []float64{.1, .9}, "stands in", [3]int{10, 4, 1}},
		"the chat never gives JSON":     {&ranking{fails: down}, says("first!"), llm.Builtin, nil, "how near the vectors", [3]int{20 + 3, 8, 2}},
		"nothing but the encoder is up": {&ranking{fails: down}, breaks(backend.Unreachable), llm.Builtin, nil, "how near the vectors", [3]int{3, 0, 0}},
	} {
		test.talker.name = "ollama"
		l := ledger(t)
		r, err := llm.NewRouter(llm.Options{Catalogue: shipped(t), Embedders: []embed.Embedder{lexical, encoder}, Backends: []backend.Backend{test.talker, test.ranker}, Pins: newPins(), Ledger: l})
		if err != nil {
			t.Fatal(err)
		}
		scores, made, err := r.Rank(t.Context(), asking(reranker), "x", []string{"y", "z"})
		if err != nil || made.Backend != test.served || len(scores) != 2 || test.scores != nil && !slices.Equal(scores, test.scores) || !strings.Contains(made.Warning, test.warning) {
			t.Errorf("%s: got %v, %+v, %v", name, scores, made, err)
			continue
		}
		if made.Backend == llm.Builtin && made.Served != minilm {
			t.Errorf("%s: scored by %s", name, made.Served)
		}
		m, err := r.Catalogue().Model(reranker)
		if err != nil {
			t.Fatal(err)
		}
		want := m.Tariff.Charge(neuron.Tokens(test.tokens[0], test.tokens[1], test.tokens[2]))
		if made.Neurons != spent(l, "a") || want == 0 || max(made.Neurons-want, want-made.Neurons) > 2 { // each charge is rounded
			t.Errorf("%s: told %s, charged %s, want about %s", name, made.Neurons, spent(l, "a"), want)
		}
	}
}

func TestARankingBeyondTheDaysNeuronsIsRefused(t *testing.T) {
	r, _ := talkers(t, says("x"), mute{"openai"})
	call := asking(reranker)
	call.Key, call.KeyPerDay = "k", 1
	if _, _, err := r.Rank(t.Context(), call, "x", []string{strings.Repeat("y ", 1000)}); !fault.Is(err, fault.Quota) {
		t.Errorf("got %v", err)
	}
}
