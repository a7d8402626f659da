package chat_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"nearside/fault"
	"nearside/llm/chat"
)

var seed = flag.Uint64("seed", 0, "of the random tests; 0 = one by chance")

func random(t *testing.T) *rand.Rand {
	t.Helper()
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("-seed %d", *seed)
	return rand.New(rand.NewPCG(*seed, 1))
}

const requestID = "0f8fad5b-d9cb-469f-a165-70867728950e"

// weather is a request with a tool that is called weather.
var weather = &chat.Request{Tools: []chat.Tool{{Name: "weather"}}}

// sift passes pieces through a sieve, and returns what comes out, piece by piece.
func sift(t testing.TB, q *chat.Request, reasoning bool, pieces ...chat.Piece) ([]chat.Piece, chat.End) {
	t.Helper()
	s := chat.NewSieve(q, requestID, reasoning)
	var out []chat.Piece
	for _, p := range pieces {
		told, err := s.Piece(p)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, told)
	}
	last, end, err := s.End(chat.End{Reason: chat.Stopped})
	if err != nil {
		t.Fatal(err)
	}
	return append(out, last), end
}

// together is all pieces as one answer.
func together(pieces []chat.Piece) chat.Answer {
	var a chat.Answer
	for _, p := range pieces {
		a.Add(p)
	}
	return a
}

// shown writes an answer in one line.
func shown(a chat.Answer) string {
	out := fmt.Sprintf("thought %q, said %q", a.Reasoning, a.Content)
	for _, c := range a.ToolCalls {
		out += fmt.Sprintf(", called %s(%s)", c.Name, c.Arguments)
	}
	return out
}

// cuts returns a text cut in two at every byte, in bytes, and whole.
func cuts(text string) [][]chat.Piece {
	all := [][]chat.Piece{{{Content: text}}}
	var bytes []chat.Piece
	for i := range len(text) {
		all = append(all, []chat.Piece{{Content: text[:i]}, {Content: text[i:]}})
		bytes = append(bytes, chat.Piece{Content: text[i : i+1]})
	}
	return append(all, bytes)
}

func TestThinkingIsTakenOutWhereverTheTextIsCut(t *testing.T) {
	for text, want := range map[string]string{
		"Hello":                                  `thought "", said "Hello"`,
		"<think>Hm.</think>Hello":                `thought "Hm.", said "Hello"`,
		"\n<think>\nHm.\n\n</think>\n\nHello":    `thought "Hm.", said "Hello"`,
		"<think></think>Hello":                   `thought "", said "Hello"`,
		"<think>a </thin b</think> c </think> d": `thought "a </thin b", said "c </think> d"`,
		"<think>Never said":                      `thought "Never said", said ""`,
		"<think>Cut </thi":                       `thought "Cut </thi", said ""`,
		"<think>Hm.</think>\n":                   `thought "Hm.", said ""`,
		"<thi":                                   `thought "", said "<thi"`,
		"  <b>":                                  `thought "", said "  <b>"`,
		"  \n":                                   `thought "", said "  \n"`,
		"First <think>Hm.</think>":               `thought "", said "First <think>Hm.</think>"`,
		"":                                       `thought "", said ""`,
	} {
		for _, pieces := range cuts(text) {
			out, _ := sift(t, &chat.Request{}, true, pieces...)
			if got := shown(together(out)); got != want {
				t.Fatalf("%q: got %s, want %s", pieces, got, want)
			}
		}
		out, _ := sift(t, &chat.Request{}, false, chat.Piece{Content: text})
		if got := together(out); got.Content != text || got.Reasoning != "" {
			t.Errorf("%q: of a model that does not think: %s", text, shown(got))
		}
	}
}

func TestThinkingIsToldAsItComes(t *testing.T) {
	out, _ := sift(t, &chat.Request{}, true, chat.Piece{Content: "<think>One"}, chat.Piece{Content: " two"}, chat.Piece{Content: "</think>\n"}, chat.Piece{Content: "Three"}, chat.Piece{Content: " four"})
	want := []string{`thought "One", said ""`, `thought " two", said ""`, `thought "", said ""`, `thought "", said "Three"`, `thought "", said " four"`, `thought "", said ""`}
	for i, p := range out {
		if got := shown(together([]chat.Piece{p})); got != want[i] {
			t.Errorf("piece %d: got %s, want %s", i, got, want[i])
		}
	}
	apart, _ := sift(t, &chat.Request{}, true, chat.Piece{Reasoning: "Hm."}, chat.Piece{Content: "Hello"})
	if got := shown(together(apart)); got != `thought "Hm.", said "Hello"` {
		t.Errorf("thinking that the backend told apart: %s", got)
	}
}

func TestCallsThatWereWrittenAsTextAreCalls(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{`<tool_call>{"name":"weather","arguments":{"city":"Oslo"}}</tool_call>`, `said "", called weather({"city":"Oslo"})`},
		{"\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>\n", `said "", called weather({"city":"Oslo"})`},
		{`Let me see. <tool_call>{"name":"weather","parameters":{}}</tool_call>`, `said "Let me see. ", called weather({})`},
		{"<tool_call>{\"name\":\"weather\",\"arguments\":{\"a\":1}}</tool_call>\n<tool_call>{\"name\":\"weather\",\"arguments\":{\"a\":2}}</tool_call>", `said "", called weather({"a":1}), called weather({"a":2})`},
		{`<tool_call>{"name":"weather","arguments":{}}`, `said "", called weather({})`},
		{`{"name": "weather", "parameters": {"city": "Oslo"}}`, `said "", called weather({"city":"Oslo"})`},
		{` {"type":"function","function":{"name":"weather","arguments":"{\"city\":\"Oslo\"}"}} `, `said "", called weather({"city":"Oslo"})`},
		{`[{"name":"weather","arguments":{"a":1}}, {"name":"weather","arguments":{"a":2}}]`, `said "", called weather({"a":1}), called weather({"a":2})`},
		// What only looks like a call stays what it is.
		{`{"name":"launch","parameters":{}}`, ``},
		{`{"name":"weather"}`, ``},
		{`{"name":"weather","parameters":{},"note":"no"}`, ``},
		{`{"name":"weather","parameters":[1]}`, ``},
		{`{"name":"weather","parameters":{}} is how to call it`, ``},
		{`For example: {"name":"weather","parameters":{}}`, ``},
		{`[{"name":"weather","arguments":{}}, 7]`, ``},
		{`[]`, ``}, {`[`, ``}, {`{`, ``}, {`{"na`, ``}, {"  ", ``},
		{`{"city":"Oslo"}`, ``},
		{`<tool_call>not JSON</tool_call> after`, ``},
		{`<tool_call>{"name":"launch","arguments":{}}</tool_call>`, ``},
		{`<tool_call>`, ``}, {`a < b and <tool`, ``}, {`<tool`, ``}, {`</tool_call>`, ``},
	} {
		want := test.want
		if want == "" {
			want = fmt.Sprintf("said %q", test.text)
		}
		for _, pieces := range cuts(test.text) {
			out, end := sift(t, weather, false, pieces...)
			a := together(out)
			if got := shown(a); got != `thought "", `+want {
				t.Fatalf("%q:\n got %s\nwant %s", pieces, got, want)
			}
			if wantReason := map[bool]chat.Reason{true: chat.CalledTools, false: chat.Stopped}[len(a.ToolCalls) > 0]; end.Reason != wantReason {
				t.Errorf("%q: ended with %s, want %s", test.text, end.Reason, wantReason)
			}
		}
		for name, q := range map[string]*chat.Request{"no tools": {}, "tool_choice none": {Tools: weather.Tools, ToolChoice: chat.ToolNone}} {
			out, _ := sift(t, q, false, chat.Piece{Content: test.text})
			if got := together(out); got.Content != test.text || len(got.ToolCalls) > 0 {
				t.Errorf("%s: %q: got %s", name, test.text, shown(got))
			}
		}
	}
}

func TestTextIsHeldBackOnlyWhileItMayBeACall(t *testing.T) {
	for text, held := range map[string]bool{
		"Hello": false, `{"city`: false, `[1`: false, `{"name": "wea`: true, `[ {"name`: true, `{ "par`: true, `<tool_c`: true, `a<tool_c`: false, `<b`: false,
	} {
		out, _ := sift(t, weather, false, chat.Piece{Content: text})
		if got := out[0].Content == ""; got != held {
			t.Errorf("%q: held back is %t", text, got)
		}
	}
}

func TestEveryCallHasAnIDAndAnObject(t *testing.T) {
	out, end := sift(t, weather, false,
		chat.Piece{ToolCalls: []chat.ToolCall{{Name: "a"}, {ID: "mine", Name: "b", Arguments: json.RawMessage(`"{\"x\": 1}"`)}}},
		chat.Piece{ToolCalls: []chat.ToolCall{{Name: "c", Arguments: json.RawMessage(`{"y": 2}`)}}},
		chat.Piece{Content: `<tool_call>{"name":"weather","arguments":{}}</tool_call>`})
	var got []string
	for _, c := range together(out).ToolCalls {
		got = append(got, fmt.Sprintf("%s %s %s", c.ID, c.Name, c.Arguments))
	}
	const prefix = "call_0f8fad5bd9cb469fa1657086_"
	want := []string{prefix + "0 a {}", `mine b {"x":1}`, prefix + `2 c {"y":2}`, prefix + "3 weather {}"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || end.Reason != chat.CalledTools {
		t.Errorf("got %q, %s", got, end.Reason)
	}
	for _, arguments := range []string{`[1]`, `7`, `"a"`, `"[]"`, `{"x":`} {
		s := chat.NewSieve(weather, requestID, false)
		_, err := s.Piece(chat.Piece{ToolCalls: []chat.ToolCall{{Name: "a", Arguments: json.RawMessage(arguments)}}})
		if f := fault.As(err); f == nil || f.Reason != chat.ReasonToolCall || strings.Contains(f.Error(), arguments) {
			t.Errorf("%s: got %v", arguments, err)
		}
	}
}

func TestOneCallIsMadeWhereParallelOnesAreNotWanted(t *testing.T) {
	no := false
	q := &chat.Request{Tools: weather.Tools, ParallelTools: &no}
	out, _ := sift(t, q, false, chat.Piece{ToolCalls: []chat.ToolCall{{Name: "a"}, {Name: "b"}}}, chat.Piece{ToolCalls: []chat.ToolCall{{Name: "c"}}})
	if calls := together(out).ToolCalls; len(calls) != 1 || calls[0].Name != "a" {
		t.Errorf("got %+v", calls)
	}
}

func TestTheReasonIsTheOneThatHolds(t *testing.T) {
	for _, test := range []struct {
		said  chat.Reason
		calls int
		want  chat.Reason
	}{
		{chat.Stopped, 0, chat.Stopped}, {"", 0, chat.Stopped}, {chat.CalledTools, 0, chat.Stopped}, {chat.Length, 0, chat.Length},
		{chat.Stopped, 1, chat.CalledTools}, {"", 1, chat.CalledTools}, {chat.Length, 1, chat.Length},
	} {
		s := chat.NewSieve(weather, requestID, false)
		if _, err := s.Piece(chat.Piece{ToolCalls: make([]chat.ToolCall, test.calls)}); err != nil {
			t.Fatal(err)
		}
		if _, end, err := s.End(chat.End{Reason: test.said}); err != nil || end.Reason != test.want {
			t.Errorf("%q with %d calls: got %q, %v", test.said, test.calls, end.Reason, err)
		}
	}
}

func TestCharactersThatAreCutArriveWhole(t *testing.T) {
	for text, want := range map[string]string{
		"aäℵ😀z": "aäℵ😀z", "\xff": "\uFFFD", "a\xe2\x84": "a\uFFFD\uFFFD", "\xe2a": "\uFFFDa", "\x80\x80": "\uFFFD\uFFFD", "\xf0\x9f\x98": "\uFFFD\uFFFD\uFFFD",
	} {
		for _, pieces := range cuts(text) {
			for _, kind := range []string{"content", "reasoning"} {
				given := pieces
				if kind == "reasoning" {
					given = nil
					for _, p := range pieces {
						given = append(given, chat.Piece{Reasoning: p.Content})
					}
				}
				out, _ := sift(t, &chat.Request{}, false, given...)
				for _, p := range out {
					if !utf8.ValidString(p.Content + p.Reasoning) {
						t.Fatalf("%q: piece %q is no UTF-8", given, p)
					}
				}
				if a := together(out); a.Content+a.Reasoning != want {
					t.Fatalf("%q: got %s, want %q", given, shown(a), want)
				}
			}
		}
	}
}
