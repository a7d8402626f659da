package openai_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"nearside/llm/backend"
	"nearside/llm/backend/backendtest"
	"nearside/llm/chat"
	"nearside/llm/openai"
)

// real runs TestARealServer against a server with the models of -openai-chat and -openai-embed.
var (
	real      = flag.String("openai", "", "URL of a real server to test against, such as http://127.0.0.1:11434/v1")
	realChat  = flag.String("openai-chat", "", "a model there that generates text")
	realEmbed = flag.String("openai-embed", "", "a model there that makes embeddings")
)

// open returns a backend for a test server.
func open(t testing.TB, s *backendtest.Server) *openai.Backend {
	t.Helper()
	return openURL(t, s.URL+"/v1")
}

func openURL(t testing.TB, url string) *openai.Backend {
	t.Helper()
	b, err := openai.New(openai.Options{Name: "mine", URL: url, Key: "sesame"})
	return backendtest.Opened(t, b, err)
}

func TestAnswersComePieceByPieceAndCounted(t *testing.T) {
	s := backendtest.New(t)
	s.Answer(backendtest.Answer{Reasoning: []string{"let ", "me think"}, Pieces: []string{"It", " is", " blue"}, Cached: 3})
	var pieces []chat.Piece
	end, err := open(t, s).Chat(t.Context(), "chat", backendtest.Hello(), func(p chat.Piece) error { pieces = append(pieces, p); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(pieces); got != "[{ let  []} { me think []} {It  []} { is  []} { blue  []}]" {
		t.Errorf("pieces: %s", got)
	}
	if want := (chat.End{Reason: chat.Stopped, Usage: chat.Usage{Prompt: 4, Cached: 3, Completion: 5}, Counted: true}); end != want {
		t.Errorf("end: %+v", end)
	}
	for _, r := range s.Requests() {
		if r.Header.Get("Authorization") != "Bearer sesame" {
			t.Errorf("%s came without the key", r.Path)
		}
	}
}

func TestARequestHasWhatWasAskedForAndNothingElse(t *testing.T) {
	number, count, seed, yes := 0.5, 7, int64(42), true
	all := &chat.Request{
		Messages: []chat.Message{
			{Role: chat.System, Content: "be brief"},
			{Role: chat.User, Content: "look", Images: []chat.Image{{Type: "image/png", Bytes: []byte("png")}}},
			{Role: chat.Assistant, ToolCalls: []chat.ToolCall{{ID: "c0", Name: "f", Arguments: json.RawMessage(`{"a":1}`)}, {ID: "c1", Name: "g"}}},
			{Role: chat.ToolRole, Name: "f", ToolCallID: "c0", Content: "2"},
		},
		Tools:     []chat.Tool{{Name: "f", Description: "d", Parameters: json.RawMessage(`{"type":"object"}`)}, {Name: "g"}},
		MaxTokens: 20, Temperature: &number, TopP: &number, TopK: &count, Seed: &seed, RepetitionPenalty: &number,
		FrequencyPenalty: &number, PresencePenalty: &number, Stop: []string{"x"}, ToolChoice: "f", ParallelTools: &yes,
		Thinking: &yes, Effort: "low", Format: &chat.Format{Schema: json.RawMessage(`{"type":"object"}`)},
	}
	tests := map[string]struct {
		q          *chat.Request
		path, want string
	}{
		"all": {all, "/v1/chat/completions", `{"model":"chat","messages":[{"role":"system","content":"be brief"},{"role":"user","content":[{"text":"look","type":"text"},{"image_url":{"url":"data:image/png;base64,cG5n"},"type":"image_url"}]},{"role":"assistant","content":"","tool_calls":[{"id":"c0","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"c1","type":"function","function":{"name":"g","arguments":"{}"}}]},{"role":"tool","content":"2","name":"f","tool_call_id":"c0"}],"stream":true,"stream_options":{"include_usage":true},"max_tokens":20,"temperature":0.5,"top_p":0.5,"top_k":7,"seed":42,"repetition_penalty":0.5,"repeat_penalty":0.5,"frequency_penalty":0.5,"presence_penalty":0.5,"stop":["x"],"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}},{"type":"function","function":{"name":"g"}}],"tool_choice":{"function":{"name":"f"},"type":"function"},"parallel_tool_calls":true,"response_format":{"json_schema":{"name":"answer","schema":{"type":"object"}},"type":"json_schema"},"reasoning_effort":"low","chat_template_kwargs":{"enable_thinking":true}}`},
		"little": {&chat.Request{Prompt: "hi"}, "/v1/chat/completions",
			`{"model":"chat","messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_usage":true}}`},
		"raw": {&chat.Request{Prompt: "hi", Raw: true, Format: &chat.Format{}}, "/v1/completions",
			`{"model":"chat","prompt":"hi","stream":true,"stream_options":{"include_usage":true},"response_format":{"type":"json_object"}}`},
	}
	for name, test := range tests {
		s := backendtest.New(t)
		if a, err := backendtest.Say(t.Context(), open(t, s), "chat", test.q); err != nil || a.Content != "The sky is blue." {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
		if asked := s.Asked(test.path); len(asked) != 1 || string(asked[0]) != test.want {
			t.Errorf("%s: %s", name, asked)
		}
	}
}

func TestCallsOfToolsAreJoinedFromTheirParts(t *testing.T) {
	s := backendtest.New(t)
	s.Answer(backendtest.Answer{Pieces: []string{"Well"}, Tools: []chat.ToolCall{
		{ID: "c1", Name: "weather", Arguments: json.RawMessage(`{"city":"Oslo","days":3}`)},
		{ID: "c2", Name: "time", Arguments: json.RawMessage(`{}`)},
		{ID: "c3", Name: "weather", Arguments: json.RawMessage(`{"city":"a much longer name of a city"}`)},
	}})
	alive := 0
	var a chat.Answer
	end, err := open(t, s).Chat(t.Context(), "chat", backendtest.Hello(), func(p chat.Piece) error {
		if p.Content == "" && p.ToolCalls == nil {
			alive++
		}
		a.Add(p)
		return nil
	})
	if err != nil || end.Reason != chat.CalledTools || alive < 10 {
		t.Errorf("end %+v, %v, %d signs of life", end, err, alive)
	}
	if got := fmt.Sprintf("%s", a.ToolCalls); got != `[{c1 weather {"city":"Oslo","days":3}} {c2 time {}} {c3 weather {"city":"a much longer name of a city"}}]` {
		t.Errorf("calls: %s", got)
	}
}

func TestEveryLieOfAStreamIsFoundOut(t *testing.T) {
	tests := map[backendtest.Lie]struct {
		kind    backend.Kind
		started bool
	}{
		backendtest.CloseAfterHeaders: {backend.Unreachable, false},
		backendtest.CloseMidway:       {backend.Broken, true},
		backendtest.HalfFrame:         {backend.Broken, true},
		backendtest.NoLastFrame:       {backend.Broken, true},
		backendtest.LongLine:          {backend.Broken, true},
		backendtest.Endless:           {backend.Broken, true},
		backendtest.Garbage:           {backend.Broken, true},
		backendtest.ErrorFrame:        {backend.Broken, true},
		backendtest.Status400:         {backend.Refused, false},
		backendtest.Status429:         {backend.Busy, false},
		backendtest.Status500:         {backend.Broken, false},
		backendtest.Status503:         {backend.Busy, false},
	}
	for lie, want := range tests {
		t.Run(string(lie), func(t *testing.T) {
			s := backendtest.New(t)
			b := open(t, s)
			s.Lie(lie)
			a, err := backendtest.Say(t.Context(), b, "chat", backendtest.Hello())
			var e *backend.Error
			if !errors.As(err, &e) || e.Kind != want.kind || e.Started != want.started || e.Model != "chat" || e.Backend != "mine" {
				t.Fatalf("got %v", err)
			}
			if (a.Usage.Completion > 0) != want.started || (a.Usage.Prompt > 0) != want.started || a.Counted {
				t.Errorf("counted %+v of %d bytes", a.End, len(a.Content))
			}
			if lie == backendtest.Status429 && e.RetryAfter != 7*time.Second {
				t.Errorf("retry after %v", e.RetryAfter)
			}
			s.Lie(backendtest.Honest)
			if _, err := backendtest.Say(t.Context(), b, "chat", backendtest.Hello()); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestAStalledStreamEndsWithItsContext(t *testing.T) {
	for _, lie := range []backendtest.Lie{backendtest.SlowHeaders, backendtest.StallFirst, backendtest.StallMidway} {
		s := backendtest.New(t)
		b := open(t, s)
		if _, err := b.List(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Lie(lie)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := backendtest.Say(ctx, b, "chat", backendtest.Hello())
		cancel()
		if err != context.DeadlineExceeded {
			t.Errorf("%s: %v", lie, err)
		}
	}
}

func TestAnUncountedAnswerIsEstimated(t *testing.T) {
	s := backendtest.New(t)
	s.Lie(backendtest.NoUsage)
	a, err := backendtest.Say(t.Context(), open(t, s), "chat", backendtest.Hello())
	if err != nil || a.Counted || a.Usage.Prompt < 4 || a.Usage.Completion < 4 || a.Reason != chat.Stopped {
		t.Errorf("got %+v, %v", a.End, err)
	}
}

func TestAModelThatIsNotListedIsMissing(t *testing.T) {
	s := backendtest.New(t)
	b := open(t, s)
	if _, err := backendtest.Say(t.Context(), b, "absent", backendtest.Hello()); backendtest.KindOf(err) != backend.Missing {
		t.Errorf("got %v", err)
	}
	if n := len(s.Asked("/v1/chat/completions")); n != 0 {
		t.Errorf("it was asked for %d times", n)
	}
	s = backendtest.New(t)
	s.Lack("/v1/models")
	b = open(t, s)
	if _, err := backendtest.Say(t.Context(), b, "chat", backendtest.Hello()); err != nil {
		t.Errorf("without a list: %v", err)
	}
	if _, err := backendtest.Say(t.Context(), b, "absent", backendtest.Hello()); backendtest.KindOf(err) != backend.Missing {
		t.Errorf("without a list, absent: %v", err)
	}
}

func TestAServerThatIsGoneIsUnreachableAndIsFoundAgain(t *testing.T) {
	s := backendtest.New(t)
	b := open(t, s)
	if _, err := backendtest.Say(t.Context(), b, "chat", backendtest.Hello()); err != nil {
		t.Fatal(err)
	}
	s.Down()
	if _, err := backendtest.Say(t.Context(), b, "chat", backendtest.Hello()); backendtest.KindOf(err) != backend.Unreachable {
		t.Errorf("got %v", err)
	}
	s.Up()
	if _, err := backendtest.Say(t.Context(), b, "chat", backendtest.Hello()); err != nil {
		t.Errorf("after it came back: %v", err)
	}
}

func TestEmbeddingsComeInOrderFromManyBatches(t *testing.T) {
	s := backendtest.New(t)
	b := open(t, s)
	var texts []string
	for i := range 100 {
		texts = append(texts, fmt.Sprintf("text number %d", i))
	}
	v, err := b.Embed(t.Context(), "embed", texts)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		if fmt.Sprint(v.Values[i]) != fmt.Sprint(backendtest.Vector(backendtest.Model{Name: "embed"}, text)) {
			t.Fatalf("vector %d is another text's", i)
		}
	}
	if n := len(s.Asked("/v1/embeddings")); n != 4 || v.Tokens != 300 || !v.Counted {
		t.Errorf("%d calls, %d tokens, counted %v", n, v.Tokens, v.Counted)
	}
	f, err := b.Fingerprint(t.Context(), "embed")
	if err != nil || f != v.Fingerprint || !strings.HasPrefix(f, "mine/127.0.0.1:") || !strings.Contains(f, "/embed@") {
		t.Errorf("fingerprints %q and %q, %v", f, v.Fingerprint, err)
	}
}

func TestEveryLieAboutEmbeddingsIsFoundOut(t *testing.T) {
	for lie, want := range map[backendtest.Lie]backend.Kind{
		backendtest.NaN:               backend.Broken, // in base64, which is read too
		backendtest.FewVectors:        backend.Broken,
		backendtest.WrongDimensions:   backend.Broken,
		backendtest.Garbage:           backend.Broken,
		backendtest.LongLine:          backend.Broken,
		backendtest.Endless:           backend.Broken,
		backendtest.CloseMidway:       backend.Unreachable,
		backendtest.CloseAfterHeaders: backend.Unreachable,
		backendtest.Status400:         backend.Refused,
		backendtest.Status429:         backend.Busy,
		backendtest.Status500:         backend.Broken,
	} {
		s := backendtest.New(t)
		s.Lie(lie)
		if v, err := open(t, s).Embed(t.Context(), "embed", []string{"a", "b"}); backendtest.KindOf(err) != want || v.Values != nil {
			t.Errorf("%s: %v", lie, err)
		}
	}
	s := backendtest.New(t)
	s.Lie(backendtest.NoUsage)
	if v, err := open(t, s).Embed(t.Context(), "embed", []string{"a", "b"}); err != nil || v.Counted || v.Tokens == 0 {
		t.Errorf("uncounted: %+v, %v", v, err)
	}
}

func TestScoresComeInTheOrderOfTheTexts(t *testing.T) {
	for _, lack := range []string{"", "/v1/rerank", "/rerank"} {
		s := backendtest.New(t)
		s.Lack(lack)
		scores, tokens, err := open(t, s).Rank(t.Context(), "embed", "blue sky", []string{"a dog", "the sky is blue", "the sky"})
		if err != nil || fmt.Sprint(scores) != "[0 2 1]" || tokens != 10 {
			t.Errorf("without %q: %v, %d tokens, %v", lack, scores, tokens, err)
		}
	}
	s := backendtest.New(t)
	s.Lack("/v1/rerank", "/rerank")
	if _, _, err := open(t, s).Rank(t.Context(), "embed", "q", []string{"a"}); backendtest.KindOf(err) != backend.Unable {
		t.Errorf("without a reranker: %v", err)
	}
	for lie, want := range map[backendtest.Lie]backend.Kind{backendtest.FewVectors: backend.Broken, backendtest.Garbage: backend.Broken, backendtest.Status500: backend.Broken} {
		s := backendtest.New(t)
		s.Lie(lie)
		if _, _, err := open(t, s).Rank(t.Context(), "embed", "q", []string{"a", "b"}); backendtest.KindOf(err) != want {
			t.Errorf("%s: %v", lie, err)
		}
	}
}

func TestSpeechIsWrittenDownWithItsTimes(t *testing.T) {
	s := backendtest.New(t)
	q := backend.Transcribing{Audio: backend.Audio{Type: "audio/mpeg", Bytes: []byte("sound")}, Language: "en", Prompt: "names"}
	got, err := open(t, s).Transcribe(t.Context(), "chat", q)
	if err != nil || got.Text != "hello there" || got.Language != "en" || got.Duration != 1500*time.Millisecond || *got.Segments[0].LogProb != -.25 || *got.Segments[0].NoSpeech != .125 || len(got.Segments) != 1 || got.Segments[0].End != 1.5 || len(got.Words) != 2 || got.Words[1].Start != 0.8 {
		t.Errorf("got %+v, %v", got, err)
	}
	body := string(s.Asked("/v1/audio/transcriptions")[0])
	for _, want := range []string{`name="model"`, "verbose_json", "timestamp_granularities[]", `filename="audio.mp3"`, "sound", "names"} {
		if !strings.Contains(body, want) {
			t.Errorf("%s was not sent", want)
		}
	}
	q.Translate = true
	if _, err := open(t, s).Transcribe(t.Context(), "chat", q); err != nil || len(s.Asked("/v1/audio/translations")) != 1 {
		t.Errorf("translation: %v", err)
	}
	s.LieTimes(backendtest.Status400, 1)
	if _, err := open(t, s).Transcribe(t.Context(), "chat", q); err != nil || !strings.Contains(string(s.Asked("/v1/audio/translations")[2]), "\r\n\r\njson\r\n") {
		t.Errorf("a model that knows no times: %v", err)
	}
	s.Lie(backendtest.Garbage)
	if _, err := open(t, s).Transcribe(t.Context(), "chat", q); backendtest.KindOf(err) != backend.Broken {
		t.Errorf("garbage: %v", err)
	}
}

func TestTextsAreSpokenAndPicturesPainted(t *testing.T) {
	s := backendtest.New(t)
	b := open(t, s)
	sound, err := b.Speak(t.Context(), "chat", backend.Speaking{Text: "hi", Voice: "anna"})
	if err != nil || sound.Type != "audio/mpeg" || string(sound.Bytes) != string(backendtest.Sound) {
		t.Errorf("sound: %+v, %v", sound, err)
	}
	if got := string(s.Asked("/v1/audio/speech")[0]); got != `{"input":"hi","model":"chat","response_format":"mp3","voice":"anna"}` {
		t.Errorf("asked: %s", got)
	}
	seed := int64(7)
	picture, err := b.Paint(t.Context(), "chat", backend.Painting{Prompt: "a cat", Negative: "a dog", Width: 64, Height: 32, Steps: 4, Seed: &seed})
	if err != nil || picture.Type != "image/png" || string(picture.Bytes) != string(backendtest.Picture(64, 32)) {
		t.Errorf("picture: %+v, %v", picture, err)
	}
	if got := string(s.Asked("/v1/images/generations")[0]); got != `{"model":"chat","prompt":"a cat","n":1,"size":"64x32","response_format":"b64_json","negative_prompt":"a dog","steps":4,"step":4,"seed":7}` {
		t.Errorf("asked: %s", got)
	}
	s.Lie(backendtest.Garbage)
	if _, err := b.Speak(t.Context(), "chat", backend.Speaking{Text: "hi"}); backendtest.KindOf(err) != backend.Broken {
		t.Errorf("a page for a sound: %v", err)
	}
	if _, err := b.Paint(t.Context(), "chat", backend.Painting{}); backendtest.KindOf(err) != backend.Broken {
		t.Errorf("a page for a picture: %v", err)
	}
}

func TestAPictureMayBeginFromOthers(t *testing.T) {
	s := backendtest.New(t)
	b := open(t, s)
	strength, seed := 0.25, int64(3)
	mask := chat.Image{Type: "image/png", Bytes: []byte("the mask")}
	from := chat.Image{Type: "image/jpeg", Bytes: []byte("the first")}
	q := backend.Painting{Prompt: "a cat", Width: 32, Height: 16, Steps: 4, Seed: &seed, Strength: &strength, Images: []chat.Image{from}, Mask: &mask}
	picture, err := b.Paint(t.Context(), "chat", q)
	if err != nil || string(picture.Bytes) != string(backendtest.Picture(32, 16)) {
		t.Errorf("got %d bytes of %q, %v", len(picture.Bytes), picture.Type, err)
	}
	body := string(s.Asked("/v1/images/edits")[0])
	for _, want := range []string{
		"name=\"prompt\"\r\n\r\na cat\r\n", "name=\"size\"\r\n\r\n32x16\r\n", "name=\"strength\"\r\n\r\n0.25\r\n", "name=\"steps\"\r\n\r\n4\r\n", "name=\"seed\"\r\n\r\n3\r\n",
		"name=\"image\"; filename=\"image.jpeg\"\r\nContent-Type: image/jpeg\r\n\r\nthe first\r\n", "name=\"mask\"; filename=\"image.png\"\r\nContent-Type: image/png\r\n\r\nthe mask\r\n",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q was not sent: %s", want, body)
		}
	}
	q.Images = append(q.Images, from)
	if _, err := b.Paint(t.Context(), "chat", q); err != nil || strings.Count(string(s.Asked("/v1/images/edits")[1]), `name="image[]"`) != 2 {
		t.Errorf("two pictures: %v", err)
	}
	s.Lack("/v1/images/edits")
	if _, err := b.Paint(t.Context(), "chat", q); backendtest.KindOf(err) != backend.Unable {
		t.Errorf("a server that cannot: %v", err)
	}
}

func TestWhatIsNoSoundAndNoPictureIsNotPassedOn(t *testing.T) {
	s := backendtest.New(t)
	b := open(t, s)
	for _, lie := range []backendtest.Lie{backendtest.Empty, backendtest.WrongType} {
		s.Lie(lie)
		if _, err := b.Speak(t.Context(), "chat", backend.Speaking{Text: "hi"}); backendtest.KindOf(err) != backend.Broken {
			t.Errorf("%s: a sound: %v", lie, err)
		}
		if _, err := b.Paint(t.Context(), "chat", backend.Painting{Prompt: "a cat"}); backendtest.KindOf(err) != backend.Broken {
			t.Errorf("%s: a picture: %v", lie, err)
		}
	}
	if _, err := b.Transcribe(t.Context(), "chat", backend.Transcribing{}); backendtest.KindOf(err) != backend.Broken {
		t.Errorf("a number for a text: %v", err)
	}
}

func TestTheBaseMayBeGivenWithOrWithoutItsPath(t *testing.T) {
	s := backendtest.New(t)
	for _, url := range []string{s.URL, s.URL + "/", s.URL + "/v1", s.URL + "/v1/"} {
		if list, err := openURL(t, url).List(t.Context()); err != nil || len(list) != 2 || list[0].Name != "chat" || list[0].Context != 4096 {
			t.Errorf("%s: %+v, %v", url, list, err)
		}
	}
}

func TestARealServer(t *testing.T) {
	if *real == "" {
		t.Skip("-openai names no server")
	}
	b := openURL(t, *real)
	if _, err := backendtest.Say(t.Context(), b, "no-such-model-here", backendtest.Hello()); backendtest.KindOf(err) != backend.Missing {
		t.Errorf("a missing model: %v", err)
	}
	if *realChat != "" {
		q := backendtest.Hello()
		q.MaxTokens = 8
		a, err := backendtest.Say(t.Context(), b, *realChat, q)
		if err != nil || !a.Counted || a.Usage.Prompt == 0 || a.Usage.Completion == 0 {
			t.Errorf("chat: %+v, %v", a, err)
		}
	}
	if *realEmbed != "" {
		v, err := b.Embed(t.Context(), *realEmbed, []string{"one", "two"})
		if err != nil || len(v.Values) != 2 || v.Tokens == 0 {
			t.Errorf("embed: %d vectors, %d tokens, %v", len(v.Values), v.Tokens, err)
		}
	}
}
