package chat_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"nearside/llm/chat"
	"nearside/llm/neuron"
)

var update = flag.Bool("update", false, "write the golden files anew")

var head = chat.Head{ID: "r1", Model: "@cf/x/y", Created: time.Unix(1790000000, 0)}

// writers are the dialects.
var writers = map[string]func(q *chat.Request) chat.Writer{
	"native":            func(q *chat.Request) chat.Writer { return chat.NewNative(head, q) },
	"nested":            func(q *chat.Request) chat.Writer { return chat.NewNested(head, q) },
	"completion":        func(q *chat.Request) chat.Writer { return chat.NewCompletion(head, q, false) },
	"completion-strict": func(q *chat.Request) chat.Writer { return chat.NewCompletion(head, q, true) },
	"text":              func(q *chat.Request) chat.Writer { return chat.NewText(head, q, false) },
	"text-strict":       func(q *chat.Request) chat.Writer { return chat.NewText(head, q, true) },
	"responses":         func(q *chat.Request) chat.Writer { return chat.NewResponses(head, q) },
}

// answers are those of the golden files.
var answers = []struct {
	name   string
	q      *chat.Request
	pieces []chat.Piece
	end    chat.End
	cost   neuron.Micro
}{
	{
		name: "an answer", q: &chat.Request{},
		pieces: []chat.Piece{{Content: "Hel"}, {}, {Content: "lo <&> \u2028\n"}},
		end:    chat.End{Reason: chat.Stopped, Usage: chat.Usage{Prompt: 9, Completion: 3}}, cost: 200_000,
	},
	{
		name: "one that was thought about and cut off", q: &chat.Request{MaxTokens: 4, Options: chat.Options{IncludeUsage: true}},
		pieces: []chat.Piece{{Reasoning: "Hm"}, {Reasoning: "."}, {Content: "Well"}},
		end:    chat.End{Reason: chat.Length, Usage: chat.Usage{Prompt: 147, Cached: 100, Completion: 16}}, cost: 1_772_727,
	},
	{
		name: "calls", q: &chat.Request{Tools: []chat.Tool{{Name: "weather", Parameters: json.RawMessage(`{"type":"object"}`)}}, ToolChoice: "weather"},
		pieces: []chat.Piece{{ToolCalls: []chat.ToolCall{{ID: "call_1", Name: "weather", Arguments: json.RawMessage(`{"city":"Oslo"}`)}}}, {ToolCalls: []chat.ToolCall{{ID: "call_2", Name: "weather", Arguments: json.RawMessage(`{}`)}}}},
		end:    chat.End{Reason: chat.CalledTools, Usage: chat.Usage{Prompt: 20, Completion: 8}},
	},
	{
		name: "words and a call", q: &chat.Request{},
		pieces: []chat.Piece{{Content: "Let me see."}, {ToolCalls: []chat.ToolCall{{ID: "call_1", Name: "weather", Arguments: json.RawMessage(`{"city":"Oslo"}`)}}}, {Content: "Done."}},
		end:    chat.End{Reason: chat.CalledTools, Usage: chat.Usage{Prompt: 20, Completion: 8}}, cost: 12_345_678_000_000,
	},
	{
		name: "nothing", q: &chat.Request{},
		end: chat.End{Reason: chat.Stopped, Usage: chat.Usage{Prompt: 1}}, cost: 1,
	},
}

// stream writes an answer as a stream.
func stream(w chat.Writer, pieces []chat.Piece, end chat.End, cost neuron.Micro) []byte {
	out := w.Start(nil)
	for _, p := range pieces {
		out = w.Piece(out, p)
	}
	return w.End(out, end, cost)
}

// object writes an answer as one object.
func object(t testing.TB, w chat.Writer, pieces []chat.Piece, end chat.End, cost neuron.Micro) []byte {
	t.Helper()
	a := together(pieces)
	a.End = end
	out, err := w.Object(&a, cost)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRepliesAreThoseOfTheGoldenFiles(t *testing.T) {
	for dialect, open := range writers {
		var got bytes.Buffer
		for _, a := range answers {
			fmt.Fprintf(&got, "# %s, as an object\n%s\n\n# %s, as a stream\n%s", a.name, object(t, open(a.q), a.pieces, a.end, a.cost), a.name, stream(open(a.q), a.pieces, a.end, a.cost))
		}
		w := open(&chat.Request{})
		broken := w.Piece(w.Start(nil), chat.Piece{Content: "Hel"})
		broken = w.Fail(broken, chat.Failure{Code: 7009, Type: "server_error", Message: "the backend ollama broke off"})
		fmt.Fprintf(&got, "# a stream that broke off\n%s", broken)

		file := filepath.Join("testdata", dialect+".golden")
		if *update {
			if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s differs from %s (rewrite it with -update, and look at the difference):\n%s", dialect, file, got.Bytes())
		}
	}
}

func TestInJSONModeANativeResponseIsTheJSON(t *testing.T) {
	q := &chat.Request{Format: &chat.Format{}}
	for content, want := range map[string]string{`{"a":1}`: `{"response":{"a":1},`, `{"a":`: `{"response":"{\"a\":",`} {
		if got := object(t, chat.NewNative(head, q), []chat.Piece{{Content: content}}, chat.End{}, 0); !strings.HasPrefix(string(got), want) {
			t.Errorf("got %s", got)
		}
	}
	for _, dialect := range []string{"completion", "completion-strict"} {
		if got := object(t, writers[dialect](q), []chat.Piece{{Content: `{"a":1}`}}, chat.End{}, 0); !strings.Contains(string(got), `"content":"{\"a\":1}"`) {
			t.Errorf("got %s", got)
		}
	}
}

// reply is what a client reads out of an object or a stream of any dialect.
type reply struct {
	content, reasoning string
	calls              []string
	neurons            float64
	done               bool
}

// chunk has the keys of all dialects that a client looks at.
type chunk struct {
	Response  *string `json:"response"`
	Reasoning string  `json:"reasoning_content"`
	ToolCalls []struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"tool_calls"`
	Usage *struct {
		Neurons float64 `json:"neurons"`
	} `json:"usage"`
	Choices []struct {
		Text      string  `json:"text"`
		Reasoning string  `json:"reasoning_content"`
		Message   *spoken `json:"message"`
		Delta     *spoken `json:"delta"`
	} `json:"choices"`
	Type   string `json:"type"`
	Delta  string `json:"delta"`
	Output []item `json:"output"`
}

type spoken struct {
	Content   string `json:"content"`
	Reasoning string `json:"reasoning_content"`
	ToolCalls []struct {
		Function struct{ Name, Arguments string } `json:"function"`
	} `json:"tool_calls"`
}

type item struct {
	Type      string `json:"type"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
	Content   []struct {
		Text string `json:"text"`
	} `json:"content"`
}

// read adds what a chunk says.
func (r *reply) read(c chunk) {
	if c.Response != nil {
		r.content += *c.Response
	}
	r.reasoning += c.Reasoning
	for _, call := range c.ToolCalls {
		r.calls = append(r.calls, call.Name+string(call.Arguments))
	}
	if c.Usage != nil {
		r.neurons = c.Usage.Neurons
	}
	for _, choice := range c.Choices {
		r.content += choice.Text
		r.reasoning += choice.Reasoning
		for _, m := range []*spoken{choice.Message, choice.Delta} {
			if m == nil {
				continue
			}
			r.content += m.Content
			r.reasoning += m.Reasoning
			for _, call := range m.ToolCalls {
				r.calls = append(r.calls, call.Function.Name+call.Function.Arguments)
			}
		}
	}
	for _, out := range c.Output {
		switch out.Type {
		case "function_call":
			r.calls = append(r.calls, out.Name+out.Arguments)
		case "reasoning":
			r.reasoning += out.Content[0].Text
		default:
			r.content += out.Content[0].Text
		}
	}
}

// readStream reads a stream as a client does.
func readStream(t *testing.T, raw []byte) (r reply) {
	t.Helper()
	sequence := 0
	for frame := range strings.SplitSeq(strings.TrimSuffix(string(raw), "\n\n"), "\n\n") {
		if r.done {
			t.Fatalf("a frame after [DONE]: %q", frame)
		}
		if name, rest, named := strings.Cut(frame, "\n"); named {
			if frame = rest; !strings.Contains(frame, `{"type":"`+strings.TrimPrefix(name, "event: ")+`"`) {
				t.Fatalf("event %q has the data %q", name, frame)
			}
		}
		data, ok := strings.CutPrefix(frame, "data: ")
		if !ok || !utf8.ValidString(data) || strings.Contains(data, "\n") {
			t.Fatalf("frame %q", frame)
		}
		if data == "[DONE]" {
			r.done = true
			continue
		}
		var event struct {
			Type     string `json:"type"`
			Sequence int    `json:"sequence_number"`
			Delta    string `json:"delta"`
			Response json.RawMessage
			Item     *item `json:"item"`
		}
		if json.Unmarshal([]byte(data), &event) == nil && event.Type != "" {
			if event.Sequence != sequence {
				t.Fatalf("event %d is numbered %d", sequence, event.Sequence)
			}
			sequence++
			r.event(t, event.Type, event.Delta, event.Item, event.Response)
			continue
		}
		var c chunk
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		r.read(c)
	}
	return r
}

// event reads a typed event. What the last one has must be what the others added up to.
func (r *reply) event(t *testing.T, kind, delta string, done *item, whole json.RawMessage) {
	t.Helper()
	switch kind {
	case "response.output_text.delta":
		r.content += delta
	case "response.reasoning_text.delta":
		r.reasoning += delta
	case "response.output_item.done":
		if done.Type == "function_call" {
			r.calls = append(r.calls, done.Name+done.Arguments)
		}
	case "response.completed", "response.incomplete":
		var c chunk
		if err := json.Unmarshal(whole, &c); err != nil {
			t.Fatal(err)
		}
		var all reply
		all.read(c)
		r.neurons = all.neurons
		if fmt.Sprint(all) != fmt.Sprint(*r) {
			t.Fatalf("events say %+v, the response says %+v", *r, all)
		}
	}
}

// fragments are what random answers are made of.
var fragments = []string{
	"Hello", " ", "\n", "ä", "漢", "😀", "\xf0\x9f", "\x98\x80", "\xff", "<think>", "</think>", "<thi", "nk>", "<tool_call>", "</tool_call>",
	`{"name":"weather","arguments":{"city":"Oslo"}}`, `{"name":`, `"`, `}`, "[", "\u2028", "<&>", "data: [DONE]\n\n",
}

// randomPieces makes an answer by chance.
func randomPieces(r *rand.Rand) []chat.Piece {
	var pieces []chat.Piece
	for range r.IntN(12) {
		f := fragments[r.IntN(len(fragments))]
		switch r.IntN(8) {
		case 0:
			pieces = append(pieces, chat.Piece{Reasoning: f})
		case 1:
			pieces = append(pieces, chat.Piece{ToolCalls: []chat.ToolCall{{Name: "weather", Arguments: json.RawMessage(`{"n":1}`)}}})
		default:
			pieces = append(pieces, chat.Piece{Content: f})
		}
	}
	return pieces
}

func TestAStreamSaysWhatTheObjectSays(t *testing.T) {
	r := random(t)
	for range 500 {
		raw, reasoning := randomPieces(r), r.IntN(2) == 0
		pieces, end := sift(t, weather, reasoning, raw...)
		end.Usage = chat.Usage{Prompt: r.IntN(100), Completion: r.IntN(100)}
		cost := neuron.Micro(r.Int64N(10_000_000))
		a := together(pieces)
		for dialect, open := range writers {
			var c chunk
			if err := json.Unmarshal(object(t, open(weather), pieces, end, cost), &c); err != nil {
				t.Fatal(err)
			}
			var whole reply
			whole.read(c)
			streamed := readStream(t, stream(open(weather), pieces, end, cost))
			if !streamed.done {
				t.Fatalf("%s: no [DONE]", dialect)
			}
			streamed.done = false
			if fmt.Sprint(streamed) != fmt.Sprint(whole) {
				t.Fatalf("%s: %q:\nstream %+v\nobject %+v", dialect, raw, streamed, whole)
			}
			if whole.content != a.Content || whole.reasoning != a.Reasoning || whole.neurons != float64(cost)/1e6 {
				t.Fatalf("%s: %q:\nobject %+v\nanswer %s, %s neurons", dialect, raw, whole, shown(a), cost)
			}
			if !strings.HasPrefix(dialect, "text") && len(whole.calls) != len(a.ToolCalls) {
				t.Fatalf("%s: %d calls, want %d", dialect, len(whole.calls), len(a.ToolCalls))
			}
		}
	}
}

func TestAPieceThatSaysNothingIsNoFrame(t *testing.T) {
	for dialect, open := range writers {
		if got := open(&chat.Request{}).Piece(nil, chat.Piece{}); len(got) > 0 {
			t.Errorf("%s: %s", dialect, got)
		}
	}
}

func TestAStreamThatFailsDoesNotLookFinished(t *testing.T) {
	for dialect, open := range writers {
		w := open(&chat.Request{})
		got := string(w.Fail(w.Start(nil), chat.Failure{Code: 7009, Type: "server_error", Message: "gone"}))
		if strings.Contains(got, "[DONE]") || strings.Contains(got, `"finish_reason":"`) || strings.Contains(got, "response.completed") {
			t.Errorf("%s looks finished: %s", dialect, got)
		}
		if !strings.Contains(got, `"errors":[{"message":"gone","code":7009}],"success":false,"result":{},"messages":[],"error":{"message":"gone","type":"server_error","param":null,"code":7009}`) {
			t.Errorf("%s: %s", dialect, got)
		}
	}
}
