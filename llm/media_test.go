package llm_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"nearside/fault"
	"nearside/llm"
	"nearside/llm/backend"
	"nearside/llm/chat"
	"nearside/llm/neuron"
)

const (
	whisper = "@cf/openai/whisper"
	melotts = "@cf/myshell-ai/melotts"
	resnet  = "@cf/microsoft/resnet-50"
	seer    = "llama3.2-vision"
)

// ears is a backend that hears, speaks and paints what it is told to.
type ears struct {
	mute
	heard  backend.Transcript
	spoken []byte
}

func (b ears) Transcribe(context.Context, string, backend.Transcribing) (backend.Transcript, error) {
	return b.heard, nil
}

func (b ears) Speak(context.Context, string, backend.Speaking) (backend.Audio, error) {
	return backend.Audio{Type: "audio/mpeg", Bytes: b.spoken}, nil
}

// Milliseconds are charged as the backend tells them, or the file, or as estimated, which is said.
func TestTheLengthOfASoundIsBelievedInOrder(t *testing.T) {
	m := model(t, shipped(t), whisper)
	for name, test := range map[string]struct {
		heard     backend.Transcript
		file      []byte
		millis    int64
		estimated bool
	}{
		"told":                 {backend.Transcript{Text: "a b", Duration: 1500 * time.Millisecond}, make([]byte, 16_000), 1500, false},
		"the end of a word":    {backend.Transcript{Text: "a b", Words: []backend.Word{{Start: 1, End: 2.25, Word: "b"}}}, nil, 2250, true},
		"the end of a segment": {backend.Transcript{Text: "a b", Segments: []backend.Segment{{Start: 1, End: 3, Text: "a b"}}}, nil, 3000, true},
		"times that are mad":   {backend.Transcript{Text: "a b", Words: []backend.Word{{Start: -1, End: 1e300, Word: "b"}}}, nil, 86_400_000, true},
		"words":                {backend.Transcript{Text: "one two three"}, nil, 1200, true},
		"bytes":                {backend.Transcript{}, make([]byte, 8_000), 500, true},
		"nothing":              {backend.Transcript{}, nil, 1, true},
	} {
		r, l := talkers(t, mute{"ollama"}, ears{mute{"openai"}, test.heard, nil})
		got, made, err := r.Transcribe(t.Context(), asking(whisper), backend.Transcribing{Audio: backend.Audio{Bytes: test.file}})
		want := m.Tariff.Charge(neuron.Usage{neuron.AudioMinutes: test.millis})
		if err != nil || made.Neurons != want || spent(l, "a") != want || strings.Contains(made.Warning, "estimated") != test.estimated {
			t.Errorf("%s: charged %s of %s, want %s: %q, %v", name, spent(l, "a"), got.Duration, want, made.Warning, err)
		}
		if got.Duration <= 0 && test.millis > 1 {
			t.Errorf("%s: the duration is %s", name, got.Duration)
		}
	}
}

func TestSpeechWhoseLengthNobodyTellsIsEstimatedFromItsText(t *testing.T) {
	r, l := talkers(t, mute{"ollama"}, ears{mute{"openai"}, backend.Transcript{}, []byte("\x1a\x45\xdf\xa3 webm")})
	_, made, err := r.Speak(t.Context(), asking(melotts), backend.Speaking{Text: strings.Repeat("ä", 30)})
	if want := model(t, shipped(t), melotts).Tariff.Charge(neuron.Usage{neuron.AudioMinutes: 2000}); err != nil || made.Neurons != want || spent(l, "a") != want || !strings.Contains(made.Warning, "estimated") {
		t.Errorf("charged %s, want %s: %q, %v", made.Neurons, want, made.Warning, err)
	}
	r, l = talkers(t, mute{"ollama"}, ears{mute: mute{"openai"}})
	if _, _, err := r.Speak(t.Context(), asking(melotts), backend.Speaking{Text: "x"}); fault.As(err) == nil || fault.As(err).Reason != llm.ReasonBroken || spent(l, "a") != 0 {
		t.Errorf("no sound at all: %v, charged %s", err, spent(l, "a"))
	}
}

func TestCaptionsAreOfSegmentsElseOfWordsElseOfEverything(t *testing.T) {
	var words []backend.Word
	for i, w := range strings.Fields("One two. three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen") {
		words = append(words, backend.Word{Start: float64(i), End: float64(i) + .5, Word: w})
	}
	for name, test := range map[string]struct {
		heard backend.Transcript
		want  string
	}{
		"segments": {backend.Transcript{Text: "a b", Segments: []backend.Segment{{End: 1, Text: " a"}, {Start: 1, End: 2, Text: " b"}}, Words: words},
			"WEBVTT\n\n00:00:00.000 --> 00:00:01.000\na\n\n00:00:01.000 --> 00:00:02.000\nb\n"},
		"words": {backend.Transcript{Words: words}, "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nOne two.\n\n" +
			"00:00:02.000 --> 00:00:13.500\nthree four five six seven eight nine ten eleven twelve thirteen fourteen\n\n00:00:14.000 --> 00:00:14.500\nfifteen\n"},
		"everything": {backend.Transcript{Text: "a b", Duration: 2 * time.Second}, "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\na b\n"},
		"silence":    {backend.Transcript{Duration: time.Second}, "WEBVTT\n"},
	} {
		if got := llm.Captions(test.heard); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestLabelsOfAPictureComeBestFirstAndAddUpToOneAtMost(t *testing.T) {
	b := says(`{"labels":[{"label":"dog","score":0.5},{"label":"cat","score":1},{"label":"fox","score":0.5}]}`)
	r, l := talkers(t, sees{b}, mute{"openai"})
	labels, made, err := r.Label(t.Context(), asking(resnet), chat.Image{Type: "image/png", Bytes: []byte("png")})
	if err != nil || len(labels) != 3 || labels[0] != (llm.Label{Label: "cat", Score: .5}) || labels[1].Label != "dog" || labels[2].Score != .25 {
		t.Fatalf("got %+v, %v", labels, err)
	}
	want := model(t, shipped(t), resnet).Tariff.Charge(neuron.Usage{neuron.Images: 1})
	if want == 0 || made.Neurons != want || spent(l, "a") != want || made.Route != llm.Substitute || !strings.Contains(made.Warning, "stands in for "+resnet) {
		t.Errorf("charged %s, want %s: %+v", spent(l, "a"), want, made)
	}
	if q := b.asked[0]; len(q.Messages[1].Images) != 1 || q.Format == nil {
		t.Errorf("asked %+v", q)
	}
	b = says(`{"labels":[{"label":"dog","score":0.25}]}`)
	r, _ = talkers(t, sees{b}, mute{"openai"})
	if labels, _, err := r.Label(t.Context(), asking(resnet), chat.Image{}); err != nil || labels[0].Score != .25 {
		t.Errorf("one that is not sure: %+v, %v", labels, err)
	}
}

// sees is a talker that has a model which reads pictures.
type sees struct{ *talker }

func (b sees) Name() string { return "ollama" }
func (b sees) List(context.Context) ([]backend.Found, error) {
	return []backend.Found{{Name: seer}}, nil
}

func TestAStandInForATaskOnPicturesMustReadThem(t *testing.T) {
	shipped, err := os.ReadFile("../models.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const mine = "models:\n  - {id: blind, task: Text Generation, description: x, backends: [{kind: ollama, model: m}]}\n" +
		"  - {id: looks, task: Image-to-Text, description: x, input: image-description, stand_in: blind, backends: [{kind: ollama, model: m}]}\n"
	load := func(mine string) error {
		_, err := llm.LoadFiles(llm.Source{Name: "models.yaml", Bytes: shipped}, llm.Source{Name: "mine.yaml", Bytes: []byte(mine)})
		return err
	}
	if err := load(mine); err == nil || !strings.Contains(err.Error(), `mine.yaml:3: model "looks" reads pictures; its stand_in "blind" is not listed with vision`) {
		t.Errorf("got %v", err)
	}
	if err := load(strings.Replace(mine, "id: blind,", "id: blind, can: [vision],", 1)); err != nil {
		t.Error(err)
	}
}

func TestCommasWithinATextAreNoValues(t *testing.T) {
	m := model(t, shipped(t), llama)
	body, err := json.Marshal(map[string]any{"messages": []any{map[string]string{"role": "user", "content": strings.Repeat(`,\"`, llm.MaxValues)}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Validate(body); err != nil {
		t.Error(err)
	}
	if err := m.Validate([]byte(`{"messages":[` + strings.Repeat("0,", llm.MaxValues+1) + `0]}`)); err == nil || !strings.Contains(err.Error(), "more than 100000 values") {
		t.Errorf("got %v", err)
	}
}

func TestAPictureIsPaidForAsLargeAsItIsButNoLargerThanAsked(t *testing.T) {
	m := model(t, shipped(t), "@cf/leonardo/lucid-origin")
	for _, test := range []struct{ asked, made, paid neuron.Size }{
		{neuron.Size{}, neuron.Size{Width: 512, Height: 512}, neuron.Size{Width: 512, Height: 512}},
		{neuron.Size{Width: 1024, Height: 1024}, neuron.Size{Width: 512, Height: 512}, neuron.Size{Width: 512, Height: 512}},
		{neuron.Size{Width: 512, Height: 512}, neuron.Size{Width: 2048, Height: 2048}, neuron.Size{Width: 512, Height: 512}},
		{neuron.Size{}, neuron.Size{Width: math.MaxInt32, Height: math.MaxInt32}, neuron.Size{Width: 4096, Height: 4096}},
		{neuron.Size{}, neuron.Size{}, neuron.Size{Width: 1024, Height: 1024}}, // whose head cannot be read
	} {
		r, l := talkers(t, mute{"ollama"}, painter{mute{"openai"}, test.made})
		_, made, err := r.Paint(t.Context(), asking(m.ID), backend.Painting{Prompt: "x", Width: test.asked.Width, Height: test.asked.Height, Steps: 3})
		if want := m.Tariff.Charge(m.Tariff.Picture(test.paid, 3)); err != nil || made.Neurons != want || spent(l, "a") != want {
			t.Errorf("asked %v, made %v: charged %s, want %s, %v", test.asked, test.made, made.Neurons, want, err)
		}
	}
}

// painter makes pictures of one size, of which only the head is there.
type painter struct {
	mute
	size neuron.Size
}

func (b painter) Paint(context.Context, string, backend.Painting) (chat.Image, error) {
	if b.size.Width == 0 {
		return chat.Image{Type: "image/webp", Bytes: []byte("RIFF")}, nil
	}
	w, h := uint16(min(b.size.Width, math.MaxUint16)), uint16(min(b.size.Height, math.MaxUint16))
	gif := []byte{'G', 'I', 'F', '8', '9', 'a', byte(w), byte(w >> 8), byte(h), byte(h >> 8), 0, 0, 0, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0}
	return chat.Image{Type: "image/gif", Bytes: gif}, nil
}
