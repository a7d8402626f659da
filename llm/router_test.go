package llm_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"nearside/embed"
	"nearside/fault"
	"nearside/llm"
	"nearside/llm/neuron"
	"nearside/llm/neuron/neurontest"
)

const (
	minilm  = "@nearside/all-minilm-l6-v2"
	bgeBase = "@cf/baai/bge-base-en-v1.5"
)

// fake embeds every text to the unit vector of its length, one token a byte, 10 at most.
type fake struct {
	model       string
	fingerprint embed.Fingerprint
	dimensions  int
	short       bool // returns one vector too few
}

func (f fake) Model() string                  { return f.model }
func (f fake) Fingerprint() embed.Fingerprint { return f.fingerprint }
func (f fake) Dimensions() int                { return f.dimensions }
func (f fake) Window() int                    { return 10 }
func (f fake) Embed(ctx context.Context, texts []string) ([]embed.Embedding, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := make([]embed.Embedding, len(texts))
	for i, text := range texts {
		values := make([]float32, f.dimensions)
		values[len(text)%f.dimensions] = 1
		out[i] = embed.Embedding{Values: values, Tokens: min(len(text), 10), Dropped: max(len(text)-10, 0)}
	}
	if f.short {
		out = out[1:]
	}
	return out, nil
}

// pins remembers in memory.
type pins struct {
	mu sync.Mutex
	m  map[string]embed.Fingerprint
}

func (p *pins) Pinned(account, model string) (embed.Fingerprint, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, ok := p.m[account+" "+model]
	return f, ok
}

func (p *pins) Pin(ctx context.Context, account, model string, f embed.Fingerprint) (embed.Fingerprint, error) {
	if now, ok := p.Pinned(account, model); ok {
		return now, nil
	}
	return f, p.Switch(ctx, account, model, f)
}

func (p *pins) Switch(_ context.Context, account, model string, f embed.Fingerprint) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.m[account+" "+model] = f
	return nil
}

func newPins() *pins { return &pins{m: map[string]embed.Fingerprint{}} }

var (
	lexical = fake{model: embed.LexicalModel, fingerprint: "lexical-1", dimensions: 384}
	encoder = fake{model: minilm, fingerprint: "minilm-1", dimensions: 384}
)

func router(t *testing.T, p llm.Pins, embedders ...embed.Embedder) *llm.Router {
	t.Helper()
	r, err := llm.NewRouter(llm.Options{Catalogue: shipped(t), Embedders: embedders, Pins: p, Ledger: ledger(t)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// enough is a limit that no test reaches.
const enough = neuron.Micro(1_000_000_000_000)

func ledger(t *testing.T) *neuron.Ledger { return neurontest.Open(t, neuron.Options{PerDay: enough}) }

// spent is what an account was charged today.
func spent(l *neuron.Ledger, account string) neuron.Micro { return enough - l.Left(by(account)).Left }

func by(account string) neuron.Payer { return neuron.Payer{Account: account} }

func TestTheBestBackendThatIsHereAnswersAndIsNamed(t *testing.T) {
	tests := []struct {
		model     string
		embedders []embed.Embedder
		served    string
		route     llm.Route
		warned    bool
	}{
		{minilm, []embed.Embedder{lexical, encoder}, minilm, llm.First, false},
		{"sentence-transformers/all-MiniLM-L6-v2", []embed.Embedder{encoder}, minilm, llm.First, false},
		{minilm, []embed.Embedder{lexical}, embed.LexicalModel, llm.Substitute, true},
		{bgeBase, []embed.Embedder{lexical, encoder}, minilm, llm.Substitute, false},
		{bgeBase, []embed.Embedder{lexical}, embed.LexicalModel, llm.Substitute, true},
		{embed.LexicalModel, []embed.Embedder{lexical, encoder}, embed.LexicalModel, llm.First, true},
	}
	for _, test := range tests {
		got, err := router(t, newPins(), test.embedders...).Embed(t.Context(), llm.Call{Payer: by("a"), Model: test.model}, []string{"x"})
		if err != nil || got.Served != test.served || got.Route != test.route || got.Backend != llm.Builtin || (got.Warning != "") != test.warned {
			t.Errorf("%s with %d embedders: got %+v, %v", test.model, len(test.embedders), got, err)
		}
	}
}

func TestSubstitutesAreFilledUpWithZeros(t *testing.T) {
	r := router(t, newPins(), encoder)
	small, err := r.Embed(t.Context(), llm.Call{Payer: by("a"), Model: "@cf/baai/bge-small-en-v1.5"}, []string{"abc"})
	if err != nil {
		t.Fatal(err)
	}
	large, err := r.Embed(t.Context(), llm.Call{Payer: by("a"), Model: "@cf/baai/bge-large-en-v1.5"}, []string{"abc"})
	if err != nil {
		t.Fatal(err)
	}
	if len(small.Vectors[0]) != 384 || len(large.Vectors[0]) != 1024 || large.Vectors[0][3] != 1 {
		t.Errorf("lengths %d and %d", len(small.Vectors[0]), len(large.Vectors[0]))
	}
	for _, v := range large.Vectors[0][384:] {
		if v != 0 {
			t.Fatalf("filled up with %v", v)
		}
	}
	if small.Fingerprint == large.Fingerprint {
		t.Errorf("vectors of different length share the fingerprint %s", small.Fingerprint)
	}
}

func TestTokensDroppedTokensAndNeuronsAreCounted(t *testing.T) {
	l := ledger(t)
	r, err := llm.NewRouter(llm.Options{Catalogue: shipped(t), Embedders: []embed.Embedder{encoder}, Pins: newPins(), Ledger: l})
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Embed(t.Context(), llm.Call{Payer: by("a"), Model: bgeBase}, []string{"four", "fourteen bytes"})
	if err != nil {
		t.Fatal(err)
	}
	// 14 tokens at 6058 neurons a million.
	if got.Tokens != 14 || fmt.Sprint(got.Dropped) != "[0 4]" || got.Neurons != 84_812 {
		t.Errorf("got %d tokens, %v dropped, %s neurons", got.Tokens, got.Dropped, got.Neurons)
	}
	if charged := spent(l, "a"); charged != got.Neurons {
		t.Errorf("charged %s", charged)
	}
	free, err := r.Embed(t.Context(), llm.Call{Payer: by("a"), Model: minilm}, []string{"x"})
	if err != nil || free.Neurons != 0 {
		t.Errorf("an unpriced model: %v, %v", free.Neurons, err)
	}
}

func TestTheFirstWeightsArePinnedAndGoOnServing(t *testing.T) {
	p := newPins()
	before, err := router(t, p, lexical).Embed(t.Context(), llm.Call{Payer: by("a"), Model: bgeBase}, []string{"x"})
	if err != nil {
		t.Fatal(err)
	}
	both := router(t, p, lexical, encoder)
	after, err := both.Embed(t.Context(), llm.Call{Payer: by("a"), Model: bgeBase}, []string{"x"})
	if err != nil || after.Fingerprint != before.Fingerprint || !strings.Contains(after.Warning, minilm) {
		t.Errorf("got %+v, %v", after, err)
	}
	if other, err := both.Embed(t.Context(), llm.Call{Payer: by("b"), Model: bgeBase}, []string{"x"}); err != nil || other.Served != minilm {
		t.Errorf("another account: got %+v, %v", other, err)
	}
}

func TestOtherWeightsThanThePinnedAreRefusedWithBothNames(t *testing.T) {
	p := newPins()
	if _, err := router(t, p, encoder).Embed(t.Context(), llm.Call{Payer: by("a"), Model: minilm}, []string{"x"}); err != nil {
		t.Fatal(err)
	}
	newer := encoder
	newer.fingerprint = "minilm-2"
	for _, now := range []embed.Embedder{newer, lexical} {
		_, err := router(t, p, now).Embed(t.Context(), llm.Call{Payer: by("a"), Model: minilm}, []string{"x"})
		f := fault.As(err)
		if f == nil || f.Reason != llm.ReasonPinned || f.Kind != fault.Conflict ||
			!strings.Contains(f.Message, "minilm-1") || !strings.Contains(f.Message, string(now.Fingerprint())) {
			t.Errorf("%s: got %v", now.Fingerprint(), err)
		}
	}
}

// racing answers that somebody else pinned other weights first.
type racing struct{ *pins }

func (racing) Pin(context.Context, string, string, embed.Fingerprint) (embed.Fingerprint, error) {
	return "theirs", nil
}

func TestVectorsThatLostTheRaceForThePinAreNotHandedOut(t *testing.T) {
	_, err := router(t, racing{newPins()}, encoder).Embed(t.Context(), llm.Call{Payer: by("a"), Model: minilm}, []string{"x"})
	if f := fault.As(err); f == nil || f.Reason != llm.ReasonPinned || !strings.Contains(f.Message, "theirs") {
		t.Errorf("got %v", err)
	}
}

func TestSwitchGivesAModelToTheBestWeights(t *testing.T) {
	p := newPins()
	if _, err := router(t, p, lexical).Embed(t.Context(), llm.Call{Payer: by("a"), Model: minilm}, []string{"x"}); err != nil {
		t.Fatal(err)
	}
	r := router(t, p, lexical, encoder)
	was, now, err := r.Switch(t.Context(), "a", minilm)
	if err != nil || was != "lexical-1" || now != "minilm-1" {
		t.Fatalf("got %s, %s, %v", was, now, err)
	}
	if got, err := r.Embed(t.Context(), llm.Call{Payer: by("a"), Model: minilm}, []string{"x"}); err != nil || got.Served != minilm || got.Warning != "" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAHolderOfVectorsKeepsItsWeightsWhateverTheAccountDoes(t *testing.T) {
	p := newPins()
	r := router(t, p, lexical, encoder)
	before, err := r.Weights(t.Context(), "a", minilm)
	if err != nil || before.Fingerprint != "minilm-1" || before.Dimensions != 384 {
		t.Fatalf("got %+v, %v", before, err)
	}
	has := llm.Holder{Name: `index "notes"`, Fingerprint: "lexical-1"}
	if got, err := r.EmbedFor(t.Context(), llm.Call{Payer: by("a"), Model: minilm}, has, []string{"x"}); err != nil || got.Served != embed.LexicalModel || !strings.Contains(got.Warning, `index "notes"`) {
		t.Errorf("got %+v, %v", got, err)
	}
	if now, _ := p.Pinned("a", minilm); now != "minilm-1" {
		t.Errorf("the account's pin became %s", now)
	}
	has.Fingerprint = "minilm-0"
	_, err = r.EmbedFor(t.Context(), llm.Call{Payer: by("a"), Model: minilm}, has, []string{"x"})
	if f := fault.As(err); f == nil || f.Reason != llm.ReasonPinned || !strings.Contains(f.Message, "minilm-0") ||
		!strings.Contains(f.Message, "minilm-1") || !strings.Contains(f.Message, `index "notes"`) {
		t.Errorf("got %v", err)
	}
}

func TestModelsThatNothingCanServeSayWhatTheyNeed(t *testing.T) {
	r := router(t, newPins(), lexical, encoder)
	_, err := r.Embed(t.Context(), llm.Call{Payer: by("a"), Model: "@cf/baai/bge-m3"}, []string{"x"})
	f := fault.As(err)
	if f == nil || f.Kind != fault.Unavailable || f.Reason != llm.ReasonNoBackend || !strings.Contains(f.Message, "ollama (bge-m3) or openai (BAAI/bge-m3)") {
		t.Errorf("got %v", err)
	}
	if _, _, err := router(t, newPins()).Switch(t.Context(), "a", minilm); !fault.Is(err, fault.Unavailable) {
		t.Errorf("switch to nothing: got %v", err)
	}
}

func TestServesTellsWhoWouldAnswer(t *testing.T) {
	r := router(t, newPins(), lexical)
	for id, want := range map[string]string{minilm: embed.LexicalModel + " substitute", embed.LexicalModel: embed.LexicalModel + " first", "@cf/baai/bge-m3": " "} {
		m, err := r.Catalogue().Model(id)
		if err != nil {
			t.Fatal(err)
		}
		who, missing := r.Survey(t.Context()).Serves(m)
		if who.Served+" "+string(who.Route) != want || (missing == nil) != (who.Served != "") {
			t.Errorf("%s: got %+v %v", id, who, missing)
		}
	}
}

func TestAnEmbedderThatAnswersShortOrIsCanceledServesNothing(t *testing.T) {
	p := newPins()
	broken := encoder
	broken.short = true
	if _, err := router(t, p, broken).Embed(t.Context(), llm.Call{Payer: by("a"), Model: minilm}, []string{"x"}); !fault.Is(err, fault.Internal) {
		t.Errorf("one vector too few: got %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := router(t, p, encoder).Embed(canceled, llm.Call{Payer: by("a"), Model: minilm}, []string{"x"}); err == nil {
		t.Error("a canceled call was answered")
	}
	if len(p.m) != 0 {
		t.Errorf("failed calls pinned %v", p.m)
	}
}

func TestEmbeddersThatContradictTheCatalogueAreRefused(t *testing.T) {
	for _, wrong := range []embed.Embedder{fake{model: minilm, dimensions: 3}, fake{model: "nobody", dimensions: 3}} {
		if _, err := llm.NewRouter(llm.Options{Catalogue: shipped(t), Embedders: []embed.Embedder{wrong}, Pins: newPins()}); err == nil {
			t.Errorf("%+v was accepted", wrong)
		}
	}
}
