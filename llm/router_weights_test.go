package llm_test

import (
	"context"
	"strings"
	"testing"

	"nearside/embed"
	"nearside/fault"
	"nearside/llm"
	"nearside/llm/backend"
)

const bgeM3 = "@cf/baai/bge-m3" // by ollama, else openai; never by the encoder

// encoding is a backend that embeds: one token a text.
type encoding struct {
	name       string
	dimensions int
	weights    string
	down       bool
	switches   bool // the weights change while it embeds
	forgets    bool // it returns one vector too few
	calls      int
}

func (b *encoding) Name() string                                  { return b.name }
func (b *encoding) List(context.Context) ([]backend.Found, error) { return nil, b.err() }
func (b *encoding) Fingerprint(context.Context, string) (string, error) {
	return b.name + "/" + b.weights, b.err()
}

func (b *encoding) err() error {
	if b.down {
		return &backend.Error{Backend: b.name, Kind: backend.Unreachable, Message: "the test wants it so"}
	}
	return nil
}

func (b *encoding) Embed(_ context.Context, _ string, texts []string) (backend.Vectors, error) {
	b.calls++
	if b.switches {
		b.weights += "'"
	}
	v := backend.Vectors{Tokens: len(texts), Counted: true, Fingerprint: b.name + "/" + b.weights}
	for range texts {
		v.Values = append(v.Values, make([]float32, b.dimensions))
	}
	if b.forgets {
		v.Values = v.Values[1:]
	}
	return v, b.err()
}

func encodings(t *testing.T, p llm.Pins, backends ...backend.Backend) *llm.Router {
	t.Helper()
	r, err := llm.NewRouter(llm.Options{Catalogue: shipped(t), Embedders: []embed.Embedder{encoder}, Backends: backends, Pins: p, Ledger: ledger(t)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// embedded has account a's texts turned into vectors.
func embedded(t *testing.T, r *llm.Router, model string) (llm.Embedded, error) {
	return r.Embed(t.Context(), llm.Call{Payer: by("a"), Model: model}, []string{"x", "y"})
}

func TestBackendsMakeEmbeddingsAndArePinned(t *testing.T) {
	p := newPins()
	first, second := &encoding{name: "ollama", dimensions: 1024, weights: "w"}, &encoding{name: "openai", dimensions: 1024, weights: "w"}
	r := encodings(t, p, first, second)
	got, err := embedded(t, r, bgeM3)
	if err != nil || got.Backend != llm.Ollama || got.Route != llm.First || got.Fingerprint != "ollama/w" || got.Tokens != 2 || got.Neurons == 0 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if pinned, _ := p.Pinned("a", bgeM3); pinned != "ollama/w" {
		t.Errorf("pinned %q", pinned)
	}
}

// Other weights would answer at once; their vectors would be worth nothing beside those made before.
func TestEmbeddingsNeverFailOverBetweenWeights(t *testing.T) {
	p := newPins()
	first, second := &encoding{name: "ollama", dimensions: 1024, weights: "w"}, &encoding{name: "openai", dimensions: 1024, weights: "w"}
	r := encodings(t, p, first, second)
	if _, err := embedded(t, r, bgeM3); err != nil {
		t.Fatal(err)
	}
	first.down = true
	_, err := embedded(t, r, bgeM3)
	if f := fault.As(err); f == nil || f.Reason != llm.ReasonPinned || !strings.Contains(f.Message, "ollama/w") || !strings.Contains(f.Message, "openai/w") || second.calls > 0 {
		t.Errorf("with the first down: got %v, the second was asked %d times", err, second.calls)
	}
	if got, err := r.Embed(t.Context(), llm.Call{Payer: by("b"), Model: bgeM3}, []string{"x"}); err != nil || got.Backend != llm.OpenAI || got.Route != llm.Failover || len(got.Skipped) != 1 {
		t.Errorf("an account without vectors: got %+v, %v", got, err)
	}
	first.down, first.weights = false, "newer"
	if _, err := embedded(t, r, bgeM3); fault.As(err) == nil || fault.As(err).Reason != llm.ReasonPinned {
		t.Errorf("with newer weights: got %v", err)
	}
}

func TestVectorsThatAreNotWhatTheCatalogueSaysAreNotHandedOutNorChargedNorPinned(t *testing.T) {
	for name, wrong := range map[string]*encoding{
		"too short":              {name: "ollama", dimensions: 1023},
		"too long":               {name: "ollama", dimensions: 1025},
		"too few":                {name: "ollama", dimensions: 1024, forgets: true},
		"of weights that change": {name: "ollama", dimensions: 1024, switches: true},
	} {
		p := newPins()
		l := ledger(t)
		r, err := llm.NewRouter(llm.Options{Catalogue: shipped(t), Backends: []backend.Backend{wrong}, Pins: p, Ledger: l})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := embedded(t, r, bgeM3); !fault.Is(err, fault.Unavailable) || len(p.m) > 0 || spent(l, "a") != 0 {
			t.Errorf("%s: got %v, pins %v, charged %s", name, err, p.m, spent(l, "a"))
		}
	}
}

func TestASurveySaysWhoWouldAnswerAndWhatTheOthersLack(t *testing.T) {
	r := encodings(t, newPins(), &encoding{name: "ollama", down: true}, says("x"))
	m, err := r.Catalogue().Model(bgeBase)
	if err != nil {
		t.Fatal(err)
	}
	if who, missing := r.Survey(t.Context()).Serves(m); missing != nil || who.Served != minilm || who.Route != llm.Substitute {
		t.Errorf("got %+v, %v", who, missing)
	}
	if m, err = r.Catalogue().Model(bgeM3); err != nil {
		t.Fatal(err)
	}
	if _, missing := r.Survey(t.Context()).Serves(m); missing == nil || !strings.Contains(missing.Error(), "unreachable: the test wants it so") {
		t.Errorf("got %v", missing)
	}
}
