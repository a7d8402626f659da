package llm_test

import (
	"testing"

	"nearside/embed"
	"nearside/fault"
	"nearside/llm"
)

func TestAReadingIsThatOfTheWeightsThatWouldAnswer(t *testing.T) {
	p := newPins()
	r := encodings(t, p, &encoding{name: "ollama", dimensions: 1024, weights: "w"})
	for model, want := range map[string]llm.Reading{
		minilm:             {Model: minilm, Window: 10},                       // of the encoder, though the catalogue says 256
		bgeM3:              {Model: bgeM3, Million: 1075e6},                   // whose window the catalogue does not know
		bgeBase:            {Model: bgeBase, Window: 10, Million: 6058 * 1e6}, // the encoder stands in
		embed.LexicalModel: {},
	} {
		got, err := r.Reading(t.Context(), "a", model, llm.Holder{})
		if model == embed.LexicalModel {
			if !fault.Is(err, fault.Unavailable) {
				t.Errorf("a model that nothing here serves: %+v, %v", got, err)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", model, got, err, want)
		}
	}
	if len(p.m) > 0 {
		t.Errorf("a reading pinned %v", p.m)
	}
	_, err := r.Reading(t.Context(), "a", minilm, llm.Holder{Name: "index", Fingerprint: "others"})
	if f := fault.As(err); f == nil || f.Reason != llm.ReasonPinned {
		t.Errorf("for something made by other weights: %v", err)
	}
}
