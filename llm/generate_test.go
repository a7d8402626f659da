package llm_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"nearside/fault"
	"nearside/llm"
	"nearside/llm/backend"
	"nearside/llm/chat"
	"nearside/llm/neuron"
)

const llama = "@cf/meta/llama-3.1-8b-instruct"

// talker is a backend that says what it is told to, and then fails if it is told to.
type talker struct {
	name  string
	says  [][]string     // for each call, the pieces; the last stays
	fails *backend.Error // after the pieces
	asked []*chat.Request
}

func (b *talker) Name() string { return b.name }
func (b *talker) List(context.Context) ([]backend.Found, error) {
	return []backend.Found{{Name: "llama3.2:3b"}}, nil
}

// Chat counts 10 tokens of a prompt, 4 of them seen before, and one a piece.
func (b *talker) Chat(ctx context.Context, _ string, q *chat.Request, yield func(chat.Piece) error) (chat.End, error) {
	says := b.says[min(len(b.asked), len(b.says)-1)]
	b.asked = append(b.asked, q)
	end := chat.End{Reason: chat.Stopped, Counted: true}
	for _, piece := range says {
		end.Usage = chat.Usage{Prompt: 10, Cached: 4, Completion: end.Usage.Completion + 1}
		if err := yield(chat.Piece{Content: piece}); err != nil {
			return end, err
		}
	}
	if b.fails != nil {
		return end, b.fails
	}
	return end, ctx.Err()
}

// mute is a backend that has nothing but a name.
type mute struct{ name string }

func (b mute) Name() string                                  { return b.name }
func (b mute) List(context.Context) ([]backend.Found, error) { return nil, nil }

func says(pieces ...string) *talker { return &talker{says: [][]string{pieces}} }

func breaks(kind backend.Kind, pieces ...string) *talker {
	b := says(pieces...)
	b.fails = &backend.Error{Kind: kind, Message: "the test wants it so", Started: len(pieces) > 0}
	return b
}

// talkers is a router with the backends ollama and openai, and its ledger.
func talkers(t *testing.T, ollama, openai backend.Backend) (*llm.Router, *neuron.Ledger) {
	t.Helper()
	for name, b := range map[string]backend.Backend{"ollama": ollama, "openai": openai} {
		if talks, ok := b.(*talker); ok {
			talks.name = name
			if talks.fails != nil {
				talks.fails.Backend = name
			}
		}
	}
	l := ledger(t)
	r, err := llm.NewRouter(llm.Options{Catalogue: shipped(t), Backends: []backend.Backend{ollama, openai}, Pins: newPins(), Ledger: l})
	if err != nil {
		t.Fatal(err)
	}
	return r, l
}

func hello() *chat.Request {
	return &chat.Request{Messages: []chat.Message{{Role: chat.User, Content: "hello"}}}
}

func asking(model string) llm.Call { return llm.Call{Payer: by("a"), ID: "1", Model: model} }

// cost is what llama charges for n calls of 10 tokens in, 4 of them cached, and out tokens in all.
func cost(t *testing.T, n, out int) neuron.Micro {
	t.Helper()
	m, err := shipped(t).Model(llama)
	if err != nil {
		t.Fatal(err)
	}
	return m.Tariff.Charge(neuron.Tokens(10*n, 4*n, out))
}

func TestTheFirstBackendThatCanAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		ollama backend.Backend
		served llm.Kind
		route  llm.Route
	}{
		"well":            {says("a"), llm.Ollama, llm.First},
		"unreachable":     {breaks(backend.Unreachable), llm.OpenAI, llm.Failover},
		"model missing":   {breaks(backend.Missing), llm.OpenAI, llm.Failover},
		"busy":            {breaks(backend.Busy), llm.OpenAI, llm.Failover},
		"slow":            {breaks(backend.Slow), llm.OpenAI, llm.Failover},
		"broken":          {breaks(backend.Broken), llm.OpenAI, llm.Failover},
		"not a chatter":   {mute{"ollama"}, llm.OpenAI, llm.Failover},
		"not set up here": {mute{"another"}, llm.OpenAI, llm.First},
	} {
		r, l := talkers(t, test.ollama, says("b"))
		answer, made, err := r.Complete(t.Context(), asking(llama), hello())
		if err != nil || made.Backend != test.served || made.Route != test.route || (len(made.Skipped) > 0) != (test.route == llm.Failover) {
			t.Errorf("%s: got %+v, %v", name, made, err)
			continue
		}
		if want := map[llm.Kind]string{llm.Ollama: "a", llm.OpenAI: "b"}[test.served]; answer.Content != want {
			t.Errorf("%s: the answer is %q", name, answer.Content)
		}
		if want := cost(t, 1, 1); made.Neurons != want || spent(l, "a") != want {
			t.Errorf("%s: told %s, charged %s, want %s", name, made.Neurons, spent(l, "a"), want)
		}
	}
}

func TestFailuresSayWhatKindTheyAreAndCostNothing(t *testing.T) {
	for kind, want := range map[backend.Kind]struct {
		kind   fault.Kind
		reason fault.Reason
	}{
		backend.Unreachable: {fault.Unavailable, llm.ReasonNoBackend},
		backend.Missing:     {fault.Unavailable, llm.ReasonNoBackend},
		backend.Unable:      {fault.Unavailable, llm.ReasonNoBackend},
		backend.Busy:        {fault.Busy, llm.ReasonBusy},
		backend.Slow:        {fault.Canceled, llm.ReasonSlow},
		backend.Broken:      {fault.Unavailable, llm.ReasonBroken},
		backend.Refused:     {fault.Invalid, llm.ReasonRefused},
	} {
		r, l := talkers(t, breaks(kind), breaks(backend.Missing))
		_, _, err := r.Complete(t.Context(), asking(llama), hello())
		if f := fault.As(err); f == nil || f.Kind != want.kind || f.Reason != want.reason || !strings.Contains(f.Error(), "the test wants it so") {
			t.Errorf("%s: got %v", kind, err)
		}
		if spent(l, "a") != 0 {
			t.Errorf("%s: charged %s", kind, spent(l, "a"))
		}
	}
}

func TestOnceAPieceWasGivenOutNobodyElseIsAskedAndItIsPaidFor(t *testing.T) {
	for _, kind := range []backend.Kind{backend.Unreachable, backend.Slow, backend.Broken} {
		second := says("b")
		first := breaks(kind, "one", "two")
		first.fails.Started = false // even if the backend does not say so
		r, l := talkers(t, first, second)
		var got []string
		begun := 0
		made, err := r.Chat(t.Context(), asking(llama), hello(), llm.Listener{
			Begin: func(llm.Generated) { begun++ },
			Piece: func(p chat.Piece) error { got = append(got, p.Content); return nil },
		})
		if err == nil || len(second.asked) > 0 || begun != 1 || strings.Join(got, "") != "onetwo" {
			t.Errorf("%s: got %v and %v, began %d times, the second was asked %d times", kind, got, err, begun, len(second.asked))
		}
		if want := cost(t, 1, 2); made.Neurons != want || spent(l, "a") != want {
			t.Errorf("%s: told %s, charged %s, want %s", kind, made.Neurons, spent(l, "a"), want)
		}
	}
}

func TestAnAnswerThatIsNoLongerWantedIsPaidAsFarAsItCame(t *testing.T) {
	second := says("b")
	r, l := talkers(t, says("one", "two", "three"), second)
	enough := errors.New("enough")
	pieces := 0
	made, err := r.Chat(t.Context(), asking(llama), hello(), llm.Listener{
		Begin: func(llm.Generated) {},
		Piece: func(chat.Piece) error {
			if pieces++; pieces == 2 {
				return enough
			}
			return nil
		},
	})
	if !errors.Is(err, enough) || len(second.asked) > 0 {
		t.Errorf("got %v; the second backend was asked %d times", err, len(second.asked))
	}
	if want := cost(t, 1, 2); made.Neurons != want || spent(l, "a") != want {
		t.Errorf("told %s, charged %s, want %s", made.Neurons, spent(l, "a"), want)
	}
}

func TestACallThatEndsIsNoReasonToAskAnother(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	second := says("b")
	r, l := talkers(t, &canceling{cancel}, second)
	if _, _, err := r.Complete(ctx, asking(llama), hello()); !errors.Is(err, context.Canceled) || len(second.asked) > 0 || spent(l, "a") != 0 {
		t.Errorf("got %v; the second was asked %d times; charged %s", err, len(second.asked), spent(l, "a"))
	}
}

// canceling is a backend whose caller goes away.
type canceling struct{ cancel func() }

func (*canceling) Name() string                                  { return "ollama" }
func (*canceling) List(context.Context) ([]backend.Found, error) { return nil, nil }
func (b *canceling) Chat(ctx context.Context, _ string, _ *chat.Request, _ func(chat.Piece) error) (chat.End, error) {
	b.cancel()
	return chat.End{}, &backend.Error{Kind: backend.Unreachable, Cause: ctx.Err()}
}

func TestAnAnswerThatIsNotTheJSONThatIsWantedIsMendedOnceAndBothAreCharged(t *testing.T) {
	for name, test := range map[string]struct {
		says  [][]string
		calls int
		want  string
	}{
		"right at once":   {[][]string{{`{"n"`, `:1}`}}, 1, `{"n":1}`},
		"right when told": {[][]string{{"one", "!"}, {`{"n":2}`, " "}}, 2, `{"n":2}`},
		"never right":     {[][]string{{"one", "!"}, {"two", "!"}}, 2, ""},
	} {
		b := &talker{says: test.says}
		r, l := talkers(t, b, mute{"openai"})
		q := hello()
		q.Format = &chat.Format{Schema: []byte(`{"type":"object","required":["n"]}`)}
		answer, made, err := r.Complete(t.Context(), asking(llama), q)
		if len(b.asked) != test.calls {
			t.Errorf("%s: asked %d times", name, len(b.asked))
		}
		if test.want == "" {
			if f := fault.As(err); f == nil || f.Reason != chat.ReasonJSONMode {
				t.Errorf("%s: got %v", name, err)
			}
		} else if err != nil || answer.Content != test.want {
			t.Errorf("%s: got %+v, %v", name, answer, err)
		}
		if want := cost(t, test.calls, 2*test.calls); made.Neurons != want || spent(l, "a") != want {
			t.Errorf("%s: told %s, charged %s, want %s", name, made.Neurons, spent(l, "a"), want)
		}
	}
}

func TestAnAnswerIsAsLongAsCloudflareWouldLetItBe(t *testing.T) {
	for _, test := range []struct {
		model       string
		asked, want int
	}{{llama, 0, chat.DefaultMaxTokens}, {llama, 7, 7}, {"@cf/openai/gpt-oss-20b", 0, 0}} {
		b := says("x")
		r, _ := talkers(t, b, mute{"openai"})
		q := hello()
		q.MaxTokens = test.asked
		if _, _, err := r.Complete(t.Context(), asking(test.model), q); err != nil {
			t.Fatal(err)
		}
		if b.asked[0].MaxTokens != test.want || q.MaxTokens != test.asked {
			t.Errorf("%s, %d asked for: the backend was asked for %d, and the caller's request has %d", test.model, test.asked, b.asked[0].MaxTokens, q.MaxTokens)
		}
	}
}

func TestACallBeyondTheDaysNeuronsReachesNoBackend(t *testing.T) {
	b := says("x")
	r, _ := talkers(t, b, mute{"openai"})
	call := asking(llama)
	call.Key, call.KeyPerDay = "k", 1
	_, _, err := r.Complete(t.Context(), call, hello())
	if f := fault.As(err); f == nil || f.Reason != neuron.ReasonExhausted || len(b.asked) > 0 {
		t.Errorf("got %v; the backend was asked %d times", err, len(b.asked))
	}
}

func TestOtherTasksAndFineTunesAreRefused(t *testing.T) {
	r, _ := talkers(t, says("x"), mute{"openai"})
	if _, _, err := r.Complete(t.Context(), asking(bgeBase), hello()); fault.As(err) == nil || fault.As(err).Reason != llm.ReasonTask {
		t.Errorf("got %v", err)
	}
	q := hello()
	q.LoRA = "mine"
	if _, _, err := r.Complete(t.Context(), asking(llama), q); fault.As(err) == nil || fault.As(err).Reason != llm.ReasonLoRA {
		t.Errorf("got %v", err)
	}
}

func TestAutoPicksAModelThatAnswersAndSaysWhich(t *testing.T) {
	r, l := talkers(t, says("x"), mute{"openai"})
	_, made, err := r.Complete(t.Context(), asking("@nearside/auto"), hello())
	if err != nil || !strings.Contains(made.Warning, "@nearside/auto picked "+made.Model) {
		t.Fatalf("got %+v, %v", made, err)
	}
	m, err := r.Catalogue().Model(made.Model)
	if err != nil {
		t.Fatal(err)
	}
	if want := m.Tariff.Charge(neuron.Tokens(10, 4, 1)); made.Neurons != want || spent(l, "a") != want {
		t.Errorf("told %s, charged %s, want %s", made.Neurons, spent(l, "a"), want)
	}
}

func TestAnEstimateReachesNoBackend(t *testing.T) {
	b := says("x")
	r, l := talkers(t, b, mute{"openai"})
	call := asking(llama)
	call.DryRun = true
	_, _, err := r.Complete(t.Context(), call, hello())
	var quote *llm.Quote
	if !errors.As(err, &quote) || quote.Estimate[neuron.OutputTokens] != chat.DefaultMaxTokens || quote.Neurons <= 0 || len(b.asked) > 0 || spent(l, "a") != 0 {
		t.Errorf("got %+v, %v; the backend was asked %d times", quote, err, len(b.asked))
	}
}

func TestASwapChangesWhoAnswersFromTheNextCallOn(t *testing.T) {
	r, _ := talkers(t, mute{"other"}, mute{"another"})
	if _, _, err := r.Complete(t.Context(), asking(llama), hello()); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("with no backend: got %v", err)
	}
	b := says("x")
	b.name = "ollama"
	if err := r.Swap(shipped(t), []backend.Backend{b}); err != nil {
		t.Fatal(err)
	}
	if _, made, err := r.Complete(t.Context(), asking(llama), hello()); err != nil || made.Backend != llm.Ollama {
		t.Errorf("got %+v, %v", made, err)
	}
}

func ExampleSkipped_String() {
	fmt.Println(llm.Skipped{Backend: llm.Backend{Kind: "ollama", Model: "llama3.1:8b"}, Why: &backend.Error{Kind: backend.Missing, Message: "it is not pulled"}})
	// Output: ollama (llama3.1:8b): missing: it is not pulled
}
