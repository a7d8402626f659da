package llm_test

import (
	"math"
	"strings"
	"testing"

	"nearside/fault"
	"nearside/llm"
	"nearside/llm/chat"
	"nearside/llm/neuron"
)

const (
	bart       = "@cf/facebook/bart-large-cnn"
	m2m        = "@cf/meta/m2m100-1.2b"
	indic      = "@cf/ai4bharat/indictrans2-en-indic-1B"
	distilbert = "@cf/huggingface/distilbert-sst-2-int8"
)

func TestAModelThatChatsStandsInAndIsNamed(t *testing.T) {
	b := says(" short. ")
	r, _ := talkers(t, b, mute{"openai"})
	summary, made, err := r.Summarize(t.Context(), asking(bart), "a long text", 77)
	if err != nil || summary != "short." || made.Route != llm.Substitute || made.Model != bart || made.Backend != llm.Ollama || !strings.Contains(made.Warning, "stands in for "+bart) {
		t.Fatalf("got %q, %+v, %v", summary, made, err)
	}
	q := b.asked[0]
	if q.MaxTokens != 77 || *q.Temperature != 0 || len(q.Messages) != 2 || q.Messages[0].Role != chat.System || q.Messages[1].Content != "a long text" {
		t.Errorf("asked %+v", q)
	}
}

func TestATaskIsPaidAtThePriceOfTheModelThatWasAskedFor(t *testing.T) {
	r, l := talkers(t, says("hallo"), mute{"openai"})
	texts, made, err := r.Translate(t.Context(), asking(indic), []string{"hello", "good day", "bye"}, "eng_Latn", "deu_Latn")
	if err != nil || strings.Join(texts, " ") != "hallo hallo hallo" {
		t.Fatalf("got %q, %v", texts, err)
	}
	m, err := r.Catalogue().Model(indic)
	if err != nil {
		t.Fatal(err)
	}
	if want := m.Tariff.Charge(neuron.Tokens(30, 12, 3)); want == 0 || made.Neurons != want || spent(l, "a") != want {
		t.Errorf("told %s, charged %s, want %s", made.Neurons, spent(l, "a"), want)
	}
}

func TestLabelsAddUpToOneAndAreMendedOnce(t *testing.T) {
	for answer, want := range map[string][2]float64{
		`{"NEGATIVE":0.2,"POSITIVE":0.6}`: {0.25, 0.75},
		`{"NEGATIVE":0,"POSITIVE":0}`:     {0.5, 0.5},
	} {
		b := &talker{says: [][]string{{"it is good"}, {answer}}}
		r, _ := talkers(t, b, mute{"openai"})
		labels, _, err := r.Classify(t.Context(), asking(distilbert), "what a day", []string{"NEGATIVE", "POSITIVE"})
		if err != nil || len(labels) != 2 || labels[0].Label != "NEGATIVE" || labels[1].Label != "POSITIVE" || math.Abs(labels[0].Score-want[0])+math.Abs(labels[1].Score-want[1]) > 1e-9 || len(b.asked) != 2 {
			t.Errorf("%s: got %+v, %v, asked %d times", answer, labels, err, len(b.asked))
		}
	}
}

func TestTasksAreRefusedToModelsOfOtherTasksAndWithoutAnybodyToDoThem(t *testing.T) {
	r, _ := talkers(t, says("x"), mute{"openai"})
	if _, _, err := r.Summarize(t.Context(), asking(m2m), "x", 1); fault.As(err) == nil || fault.As(err).Reason != llm.ReasonTask {
		t.Errorf("got %v", err)
	}
	if _, _, err := r.Translate(t.Context(), asking(m2m), []string{"x"}, "en", strings.Repeat("x", 65)); fault.As(err) == nil || fault.As(err).Reason != llm.ReasonInput {
		t.Errorf("got %v", err)
	}
	r, _ = talkers(t, mute{"ollama"}, mute{"openai"})
	if _, _, err := r.Summarize(t.Context(), asking(bart), "x", 1); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}
