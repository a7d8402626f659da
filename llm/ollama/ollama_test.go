package ollama_test

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
	"nearside/llm/ollama"
)

// real runs TestARealServer against a server with the models of -ollama-chat and -ollama-embed.
var (
	real      = flag.String("ollama", "", "URL of a real Ollama server to test against")
	realChat  = flag.String("ollama-chat", "", "a model there that generates text")
	realEmbed = flag.String("ollama-embed", "", "a model there that makes embeddings")
)

// open returns a backend for a test server.
func open(t testing.TB, s *backendtest.Server) *ollama.Backend {
	t.Helper()
	return openURL(t, s.URL)
}

func openURL(t testing.TB, url string) *ollama.Backend {
	t.Helper()
	b, err := ollama.New(ollama.Options{Name: "ollama", URL: url})
	return backendtest.Opened(t, b, err)
}

// sent decodes the latest body that was sent to a path.
func sent(t *testing.T, s *backendtest.Server, path string) map[string]any {
	t.Helper()
	asked := s.Asked(path)
	if len(asked) == 0 {
		t.Fatalf("nothing was sent to %s", path)
	}
	var body map[string]any
	if err := json.Unmarshal(asked[len(asked)-1], &body); err != nil {
		t.Fatal(err)
	}
	return body
}

func TestAnswersComePieceByPieceAndCounted(t *testing.T) {
	s := backendtest.New(t)
	s.Answer(backendtest.Answer{Reasoning: []string{"let ", "me think"}, Pieces: []string{"It", " is", " blue"}})
	var pieces []chat.Piece
	end, err := open(t, s).Chat(t.Context(), "chat", backendtest.Hello(), func(p chat.Piece) error { pieces = append(pieces, p); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(pieces); got != "[{ let  []} { me think []} {It  []} { is  []} { blue  []}]" {
		t.Errorf("pieces: %s", got)
	}
	if want := (chat.End{Reason: chat.Stopped, Usage: chat.Usage{Prompt: 4, Completion: 5}, Counted: true}); end != want {
		t.Errorf("end: %+v", end)
	}
}

func TestParametersGoByTheirNamesHere(t *testing.T) {
	s := backendtest.New(t)
	number, count, seed, yes := 0.5, 7, int64(42), true
	q := backendtest.Hello()
	q.Temperature, q.TopP, q.TopK, q.Seed, q.RepetitionPenalty = &number, &number, &count, &seed, &number
	q.FrequencyPenalty, q.PresencePenalty, q.Stop, q.Thinking = &number, &number, []string{"x"}, &yes
	q.Format = &chat.Format{Schema: json.RawMessage(`{"type":"object"}`)}
	if _, err := backendtest.Say(t.Context(), open(t, s), "chat", q); err != nil {
		t.Fatal(err)
	}
	body := sent(t, s, "/api/chat")
	got, _ := json.Marshal(body["options"])
	want := `{"frequency_penalty":0.5,"num_ctx":4096,"num_predict":20,"presence_penalty":0.5,"repeat_penalty":0.5,"seed":42,"stop":["x"],"temperature":0.5,"top_k":7,"top_p":0.5}`
	if string(got) != want {
		t.Errorf("options: %s", got)
	}
	if body["stream"] != true || body["truncate"] != false || body["shift"] != false || body["think"] != true || fmt.Sprint(body["format"]) != "map[type:object]" {
		t.Errorf("body: %v", body)
	}
}

func TestNothingIsSentThatNobodyAskedFor(t *testing.T) {
	s := backendtest.New(t)
	if _, err := backendtest.Say(t.Context(), open(t, s), "chat", &chat.Request{Messages: backendtest.Hello().Messages}); err != nil {
		t.Fatal(err)
	}
	body := sent(t, s, "/api/chat")
	for _, name := range []string{"think", "tools", "format", "keep_alive"} {
		if body[name] != nil {
			t.Errorf("%s: %v", name, body[name])
		}
	}
	if got := fmt.Sprint(body["options"]); got != "map[num_ctx:4096]" {
		t.Errorf("options: %s", got)
	}
}

func TestTheContextFitsTheCallButNotMoreThanTheModel(t *testing.T) {
	s := backendtest.New(t)
	s.Add(backendtest.Model{Name: "long", Context: 20_000})
	b := open(t, s)
	tests := []struct {
		maxTokens int
		want      float64
	}{
		{20, 4096},
		{5_000, 8192},
		{20, 8192}, // a shorter context would have the model loaded anew
		{15_000, 16384},
		{17_000, 20_000},
		{1_000_000, 20_000},
	}
	for _, test := range tests {
		q := backendtest.Hello()
		q.MaxTokens = test.maxTokens
		if _, err := backendtest.Say(t.Context(), b, "long", q); err != nil {
			t.Fatal(err)
		}
		if got := sent(t, s, "/api/chat")["options"].(map[string]any)["num_ctx"]; got != test.want {
			t.Errorf("max_tokens %d: num_ctx %v, want %v", test.maxTokens, got, test.want)
		}
	}
	if n := len(s.Asked("/api/show")); n != 1 {
		t.Errorf("the model was asked about %d times", n)
	}
	if n := len(s.Asked("/api/tags")); n != 1 {
		t.Errorf("the list was fetched %d times", n)
	}
}

func TestToolsAndTheirResultsGoThereAndCallsComeBack(t *testing.T) {
	s := backendtest.New(t)
	s.Answer(backendtest.Answer{Tools: []chat.ToolCall{{ID: "c1", Name: "weather", Arguments: json.RawMessage(`{"b":1,"a":"Oslo"}`)}}})
	q := backendtest.Hello()
	q.Messages = append(q.Messages,
		chat.Message{Role: chat.Assistant, ToolCalls: []chat.ToolCall{{ID: "c0", Name: "weather", Arguments: json.RawMessage(`{"a":"Rome"}`)}}},
		chat.Message{Role: chat.ToolRole, Name: "weather", ToolCallID: "c0", Content: "sun"})
	q.Tools = []chat.Tool{
		{Name: "weather", Description: "of a city", Parameters: json.RawMessage(`{"type":"object","required":["a"],"properties":{"a":{"type":"string"}}}`)},
		{Name: "time"},
	}
	a, err := backendtest.Say(t.Context(), open(t, s), "chat", q)
	if err != nil {
		t.Fatal(err)
	}
	if a.Reason != chat.CalledTools || len(a.ToolCalls) != 1 || a.ToolCalls[0].ID != "c1" || string(a.ToolCalls[0].Arguments) != `{"b":1,"a":"Oslo"}` {
		t.Errorf("answer: %+v", a)
	}
	body := string(s.Asked("/api/chat")[0])
	for _, want := range []string{
		`"tool_calls":[{"id":"c0","function":{"index":0,"name":"weather","arguments":{"a":"Rome"}}}]`,
		`"content":"sun","tool_name":"weather","tool_call_id":"c0"`,
		`{"type":"function","function":{"name":"weather","description":"of a city","parameters":{"type":"object","required":["a"],"properties":{"a":{"type":"string"}}}}}`,
		`{"type":"function","function":{"name":"time","parameters":{"type":"object","properties":{}}}}`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not in %s", want, body)
		}
	}
}

func TestAChoiceOfToolsLeavesThoseThatMayBeCalled(t *testing.T) {
	s := backendtest.New(t)
	b := open(t, s)
	for choice, want := range map[chat.ToolChoice]int{chat.ToolAuto: 2, chat.ToolRequired: 2, chat.ToolNone: 0, "time": 1} {
		q := backendtest.Hello()
		q.Tools, q.ToolChoice = []chat.Tool{{Name: "weather"}, {Name: "time"}}, choice
		if _, err := backendtest.Say(t.Context(), b, "chat", q); err != nil {
			t.Fatal(err)
		}
		if list, _ := sent(t, s, "/api/chat")["tools"].([]any); len(list) != want {
			t.Errorf("choice %q: %d tools", choice, len(list))
		}
	}
}

func TestAPromptGoesToGenerateAndPicturesAreBytes(t *testing.T) {
	s := backendtest.New(t)
	b := open(t, s)
	a, err := backendtest.Say(t.Context(), b, "chat", &chat.Request{Prompt: "the sky is", Raw: true})
	if err != nil || a.Content != "The sky is blue." {
		t.Errorf("got %+v, %v", a, err)
	}
	if body := sent(t, s, "/api/generate"); body["raw"] != true || body["prompt"] != "the sky is" {
		t.Errorf("body: %v", body)
	}
	q := backendtest.Hello()
	q.Messages[0].Images = []chat.Image{{Type: "image/png", Bytes: []byte("png")}}
	if _, err := backendtest.Say(t.Context(), b, "chat", q); err != nil {
		t.Fatal(err)
	}
	if body := string(s.Asked("/api/chat")[0]); !strings.Contains(body, `"images":["cG5n"]`) {
		t.Errorf("body: %s", body)
	}
}

func TestWhatTheModelCannotDoIsRefusedBeforeItIsAsked(t *testing.T) {
	s := backendtest.New(t)
	s.Add(backendtest.Model{Name: "plain", Capabilities: []string{"completion"}}, backendtest.Model{Name: "encoder", Capabilities: []string{"embedding"}})
	picture, tools, lora := backendtest.Hello(), backendtest.Hello(), backendtest.Hello()
	picture.Messages[0].Images = []chat.Image{{Bytes: []byte("x")}}
	tools.Tools = []chat.Tool{{Name: "t"}}
	lora.LoRA = "mine"
	for name, test := range map[string]struct {
		model string
		q     *chat.Request
		kind  backend.Kind
	}{
		"picture": {"plain", picture, backend.Unable},
		"tools":   {"plain", tools, backend.Unable},
		"lora":    {"plain", lora, backend.Unable},
		"encoder": {"encoder", backendtest.Hello(), backend.Unable},
		"absent":  {"absent", backendtest.Hello(), backend.Missing},
	} {
		_, err := backendtest.Say(t.Context(), open(t, s), test.model, test.q)
		if backendtest.KindOf(err) != test.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(s.Asked("/api/chat")); n != 0 {
		t.Errorf("%d chats were asked for", n)
	}
	thinking, yes := backendtest.Hello(), true
	thinking.Thinking = &yes
	if _, err := backendtest.Say(t.Context(), open(t, s), "plain", thinking); err != nil || sent(t, s, "/api/chat")["think"] != nil {
		t.Errorf("a model that does not think was asked to: %v", err)
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
			var given strings.Builder
			end, err := b.Chat(t.Context(), "chat", backendtest.Hello(), func(p chat.Piece) error { given.WriteString(p.Content); return nil })
			var e *backend.Error
			if !errors.As(err, &e) || e.Kind != want.kind || e.Started != want.started || e.Model != "chat" {
				t.Fatalf("got %v", err)
			}
			if (end.Usage.Completion > 0) != want.started || (end.Usage.Prompt > 0) != want.started || end.Counted {
				t.Errorf("counted %+v of %d bytes", end, given.Len())
			}
			if lie == backendtest.Status429 && e.RetryAfter != 7*time.Second {
				t.Errorf("retry after %v", e.RetryAfter)
			}
			if strings.Contains(err.Error(), "sky") || strings.Contains(err.Error(), "colour") {
				t.Errorf("the error has text of the prompt or the answer: %v", err)
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

func TestAnErrorOfTheCallerEndsTheCallAndComesBack(t *testing.T) {
	s := backendtest.New(t)
	s.Lie(backendtest.Endless)
	enough, pieces := errors.New("enough"), 0
	end, err := open(t, s).Chat(t.Context(), "chat", backendtest.Hello(), func(chat.Piece) error {
		if pieces++; pieces == 3 {
			return enough
		}
		return nil
	})
	if err != enough || end.Usage.Completion == 0 {
		t.Errorf("got %+v, %v", end, err)
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
	if _, err := openURL(t, s.URL).List(t.Context()); backendtest.KindOf(err) != backend.Unreachable {
		t.Errorf("list: %v", err)
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
		if fmt.Sprint(v.Values[i]) != fmt.Sprint(backendtest.Vector(backendtest.Model{Name: "embed", Digest: digest(t, b, "embed")}, text)) {
			t.Fatalf("vector %d is another text's", i)
		}
	}
	if n := len(s.Asked("/api/embed")); n != 4 || v.Tokens != 300 || !v.Counted || v.Dropped != nil {
		t.Errorf("%d calls, %d tokens, counted %v, dropped %v", n, v.Tokens, v.Counted, v.Dropped)
	}
	f, err := b.Fingerprint(t.Context(), "embed")
	if err != nil || f != v.Fingerprint || !strings.HasPrefix(f, "ollama/embed:latest@") {
		t.Errorf("fingerprints %q and %q, %v", f, v.Fingerprint, err)
	}
}

func TestVectorsAreNamedByTheWeightsThatMadeThem(t *testing.T) {
	s := backendtest.New(t)
	b := open(t, s)
	before, err := b.Fingerprint(t.Context(), "embed") // the list is kept now
	if err != nil {
		t.Fatal(err)
	}
	s.Add(backendtest.Model{Name: "embed", Digest: strings.Repeat("0123456789abcdef", 4)})
	v, err := b.Embed(t.Context(), "embed", []string{"a"})
	if err != nil || v.Fingerprint != "ollama/embed:latest@0123456789abcdef01234567" || v.Fingerprint == before {
		t.Errorf("vectors of new weights are named %s, %v; before it was %s", v.Fingerprint, err, before)
	}
	if after, err := b.Fingerprint(t.Context(), "embed"); err != nil || after != v.Fingerprint {
		t.Errorf("the list that is kept still says %s, %v", after, err)
	}
}

func digest(t *testing.T, b backend.Backend, name string) string {
	t.Helper()
	list, err := b.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if m.Name == name+":latest" {
			return m.Digest
		}
	}
	t.Fatalf("%s is not listed: %+v", name, list)
	return ""
}

func TestATextThatIsTooLongIsCutAndReported(t *testing.T) {
	s := backendtest.New(t)
	s.Add(backendtest.Model{Name: "short", Context: 10, Capabilities: []string{"embedding"}})
	long := strings.Repeat("word ", 30)
	v, err := open(t, s).Embed(t.Context(), "short", []string{"one", long, "three", long, "five"})
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Dropped) != 5 || v.Dropped[0] != 0 || v.Dropped[1] < 1 || v.Dropped[2] != 0 || v.Dropped[3] != v.Dropped[1] || v.Dropped[4] != 0 {
		t.Errorf("dropped: %v", v.Dropped)
	}
	if len(v.Values) != 5 || v.Tokens != 23 {
		t.Errorf("%d vectors of %d tokens", len(v.Values), v.Tokens)
	}
	if options := sent(t, s, "/api/embed")["options"].(map[string]any); options["num_ctx"] != 10.0 || options["num_batch"] != 10.0 {
		t.Errorf("options: %v", options)
	}
}

func TestEveryLieAboutEmbeddingsIsFoundOut(t *testing.T) {
	for lie, want := range map[backendtest.Lie]backend.Kind{
		backendtest.NaN:               backend.Broken,
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

func TestNothingIsEverPulledCreatedOrDeleted(t *testing.T) {
	s := backendtest.New(t)
	b := open(t, s)
	_, _ = b.List(t.Context())
	_, _ = backendtest.Say(t.Context(), b, "chat", backendtest.Hello())
	_, _ = backendtest.Say(t.Context(), b, "absent", backendtest.Hello())
	_, _ = b.Embed(t.Context(), "absent", []string{"a"})
	_, _ = b.Embed(t.Context(), "embed", []string{"a"})
	allowed := map[string]bool{"/api/tags": true, "/api/show": true, "/api/chat": true, "/api/embed": true}
	for _, r := range s.Requests() {
		if !allowed[r.Path] {
			t.Errorf("%s %s was asked", r.Method, r.Path)
		}
	}
}

func TestAModelThatWasRemovedIsMissing(t *testing.T) {
	s := backendtest.New(t)
	b := open(t, s)
	if _, err := backendtest.Say(t.Context(), b, "chat", backendtest.Hello()); err != nil {
		t.Fatal(err)
	}
	s.Remove("chat") // the list that is kept still has it
	if _, err := backendtest.Say(t.Context(), b, "chat", backendtest.Hello()); backendtest.KindOf(err) != backend.Missing {
		t.Errorf("got %v", err)
	}
	if _, err := backendtest.Say(t.Context(), b, "chat", backendtest.Hello()); backendtest.KindOf(err) != backend.Missing {
		t.Errorf("by the list: %v", err)
	}
	if n := len(s.Asked("/api/chat")); n != 2 {
		t.Errorf("the model was asked for %d times", n)
	}
}

func TestAddressesThatAreNoneAreRefused(t *testing.T) {
	for _, url := range []string{"", "127.0.0.1:11434", "ftp://a", "http://", "http://user:key@host", "http://host?key=1", "http://[::1"} {
		if _, err := ollama.New(ollama.Options{Name: "mine", URL: url}); err == nil || !strings.Contains(err.Error(), `"mine"`) {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestARealServer(t *testing.T) {
	if *real == "" {
		t.Skip("-ollama names no server")
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
		if a, err = backendtest.Say(t.Context(), b, *realChat, &chat.Request{Prompt: "Once", MaxTokens: 4}); err != nil || a.Usage.Completion == 0 {
			t.Errorf("prompt: %+v, %v", a, err)
		}
	}
	if *realEmbed != "" {
		v, err := b.Embed(t.Context(), *realEmbed, []string{"one", "two", ""})
		if err != nil || len(v.Values) != 3 || v.Tokens == 0 {
			t.Errorf("embed: %d vectors, %d tokens, %v", len(v.Values), v.Tokens, err)
		}
		if v, err = b.Embed(t.Context(), *realEmbed, []string{"short", strings.Repeat("word ", 200_000)}); err != nil || len(v.Dropped) != 2 || v.Dropped[1] == 0 {
			t.Errorf("too long: dropped %v, %v", v.Dropped, err)
		}
	}
}
