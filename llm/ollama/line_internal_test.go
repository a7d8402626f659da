package ollama

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"nearside/llm/backend"
	"nearside/llm/backend/wire"
	"nearside/llm/chat"
)

// FuzzLine proves that no line of a server makes us panic, and that what is given
// out is JSON where it should be.
func FuzzLine(f *testing.F) {
	for _, seed := range []string{
		`{"model":"m","message":{"role":"assistant","content":"a","thinking":"b"},"done":false}`,
		`{"message":{"tool_calls":[{"id":"c","function":{"name":"f","arguments":{"a":[1,{"b":null}]}}}]}}`,
		`{"message":{"tool_calls":[{"function":{"name":"f","arguments":null}}]}}`,
		`{"response":"a","done":true,"done_reason":"length","prompt_eval_count":3,"eval_count":-2}`,
		`{"error":"the model runner has unexpectedly stopped"}`, `{"error":null}`, `{`, `null`, `[]`, `7`,
	} {
		f.Add([]byte(seed))
	}
	b, err := New(Options{Name: "ollama", URL: "http://127.0.0.1:1"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		tally := &wire.Tally{Client: b.client, Yield: func(p chat.Piece) error {
			for _, c := range p.ToolCalls {
				if !json.Valid(c.Arguments) || !bytes.HasPrefix(c.Arguments, []byte("{")) {
					t.Errorf("arguments are no object: %s", c.Arguments)
				}
			}
			return nil
		}}
		end, err := b.line("m", line, tally)
		var e *backend.Error
		if err != nil && (!errors.As(err, &e) || end != nil) {
			t.Errorf("an error of no kind, or with an end: %v", err)
		}
		if end != nil && (end.Usage.Prompt < 0 || end.Usage.Completion < 0) {
			t.Errorf("less than nothing was counted: %+v", end)
		}
	})
}
