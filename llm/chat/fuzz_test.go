package chat_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"nearside/fault"
	"nearside/llm/chat"
)

// seeds are bodies of every dialect, good and bad.
var seeds = []string{
	``, `{`, `[]`, `null`, `{}`, `{"prompt":"a"}`, `{"prompt":"a","raw":true,"image":[1,2,3]}`, `{"model":"m","prompt":["a"]}`, `{"model":"m","prompt":[[1]]}`,
	`{"messages":[{"role":"user","content":"a"}],"max_tokens":1e300,"temperature":-0.0,"top_k":1.5,"seed":99999999999999999999}`,
	`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw=="}}]}]}`,
	`{"messages":[{"role":"assistant","tool_calls":[{"name":"f","arguments":"{\"a\":1}"},{"id":"x","type":"function","function":{"name":"g"}}]},{"role":"tool","content":"b"}]}`,
	`{"messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"tool_choice":{"type":"function","function":{"name":"f"}}}`,
	`{"prompt":"a","response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#"}}}}}}`,
	`{"prompt":"a","guided_json":{"type":"object","properties":{"a":{"pattern":"("}},"minimum":1e999}}`,
	`{"model":"m","input":[{"role":"user","content":"a"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"b"}],"text":{"format":{"type":"json_object"}},"reasoning":{"effort":"low"}}`,
	`{"model":"m","input":"a","instructions":"b","stream":true,"previous_response_id":null,"tools":[{"type":"function","name":"f"}]}`,
	`{"messages":[{"role":"\ud800","content":"\u0000"}],"options":{"rejectIfBusy":1},"stream_options":[]}`,
}

// fuzzParser checks that a parser never panics, that what it refuses it refuses
// as a fault of the input, and that what it takes can be estimated and is in range.
func fuzzParser(f *testing.F, parse func([]byte) (*chat.Request, error)) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := parse(body)
		if err != nil {
			fl := fault.As(err)
			if q != nil || fl == nil || fl.Reason != chat.ReasonInput || !strings.HasPrefix(fl.Message, "AiError: Bad input: Error: ") {
				t.Fatalf("%q: %v, %v", body, q, err)
			}
			if !utf8.ValidString(fl.Message) && utf8.Valid(body) {
				t.Fatalf("%q: the message %q is no UTF-8", body, fl.Message)
			}
			return
		}
		if (q.Prompt == "") == (len(q.Messages) == 0) {
			t.Fatalf("%q: not one of prompt and messages: %+v", body, q)
		}
		if chat.EstimateTokens(q) < 0 || q.MaxTokens < 0 || q.Temperature != nil && (*q.Temperature < 0 || *q.Temperature > 5) || q.TopK != nil && (*q.TopK < 1 || *q.TopK > 50) {
			t.Fatalf("%q: out of range: %+v", body, q)
		}
		for _, m := range q.Messages {
			for _, c := range m.ToolCalls {
				if c.ID == "" || c.Name == "" || !json.Valid(c.Arguments) || c.Arguments[0] != '{' {
					t.Fatalf("%q: call %+v", body, c)
				}
			}
			for _, i := range m.Images {
				if len(i.Bytes) == 0 {
					t.Fatalf("%q: an empty picture", body)
				}
			}
		}
		if q.Format != nil {
			if _, err := q.Format.Check(`{"a":[1,"b",null,{"c":1.5}]}`); err != nil {
				chat.Repair(q, "{}", err)
			}
		}
	})
}

func FuzzParseNative(f *testing.F)          { fuzzParser(f, chat.ParseNative) }
func FuzzParseChatCompletions(f *testing.F) { fuzzParser(f, chat.ParseChatCompletions) }
func FuzzParseCompletions(f *testing.F)     { fuzzParser(f, chat.ParseCompletions) }
func FuzzParseResponses(f *testing.F)       { fuzzParser(f, chat.ParseResponses) }

// FuzzSieve checks that a text says the same however it is cut, that nothing that
// comes out is broken UTF-8, and that without thinking and tools nothing is lost.
func FuzzSieve(f *testing.F) {
	for _, s := range append(fragments, "<think>a\xe2</think>\n<tool_call>{\"name\":\"weather\",\"parameters\":{}}</tool_call> b", `[{"name":"weather","arguments":"{}"}]`) {
		f.Add(s, uint8(3), true)
		f.Add(s, uint8(1), false)
	}
	f.Fuzz(func(t *testing.T, text string, size uint8, reasoning bool) {
		for _, q := range []*chat.Request{{}, weather} {
			whole, wholeEnd := sift(t, q, reasoning, chat.Piece{Content: text})
			var pieces []chat.Piece
			for rest := text; rest != ""; {
				n := min(int(size)%7+1, len(rest))
				pieces = append(pieces, chat.Piece{Content: rest[:n]})
				rest = rest[n:]
			}
			cut, cutEnd := sift(t, q, reasoning, pieces...)
			for _, p := range cut {
				if !utf8.ValidString(p.Content) || !utf8.ValidString(p.Reasoning) {
					t.Fatalf("%q: piece %q is no UTF-8", text, p)
				}
			}
			a := together(cut)
			if got, want := shown(a), shown(together(whole)); got != want || cutEnd != wholeEnd {
				t.Fatalf("%q in pieces of %d: %s; whole: %s", text, size%7+1, got, want)
			}
			if q != weather && !reasoning && utf8.ValidString(text) && a.Content != text {
				t.Fatalf("%q came out as %q", text, a.Content)
			}
		}
	})
}

// FuzzCheck checks that no schema and no answer make a check panic.
func FuzzCheck(f *testing.F) {
	f.Add(personSchema, `{"name":"Ada"}`)
	f.Add(`{"$ref":"#"}`, `{}`)
	f.Add(`{"items":{"$dynamicRef":"#a"},"$dynamicAnchor":"a","multipleOf":0.1}`, "```json\n[1e400, 0.3]\n```")
	f.Add(`{"$schema":"http://json-schema.org/draft-04/schema#","id":"x","properties":{"a":{"$ref":"x"}}}`, `{"a":{"a":1}}`)
	f.Fuzz(func(t *testing.T, schema, answer string) {
		raw, err := (&chat.Format{Schema: json.RawMessage(schema)}).Check(answer)
		if err == nil && !json.Valid(raw) {
			t.Fatalf("%q, %q: %q is not JSON", schema, answer, raw)
		}
	})
}
