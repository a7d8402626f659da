package chat_test

import (
	"fmt"
	"strings"
	"testing"

	"nearside/llm/chat"
)

func TestToolsComeInBothForms(t *testing.T) {
	const schema = `{"type":"object","properties":{"city":{"type":"string"}}}`
	for _, form := range []string{
		`{"name":"weather","description":"Tells it","parameters":` + schema + `}`,
		`{"type":"function","function":{"name":"weather","description":"Tells it","parameters":` + schema + `}}`,
		`{"type":"function","name":"weather","description":"Tells it","parameters":` + schema + `,"strict":true}`,
	} {
		for _, dialect := range []string{"native", "chat.completions", "responses"} {
			q := parse(t, dialect, with(dialect, `"tools":[`+form+`],"parallel_tool_calls":false`))
			if len(q.Tools) != 1 || q.Tools[0].Name != "weather" || q.Tools[0].Description != "Tells it" || string(q.Tools[0].Parameters) != schema {
				t.Errorf("%s: %s: got %+v", dialect, form, q.Tools)
			}
			if q.ParallelTools == nil || *q.ParallelTools {
				t.Errorf("%s: parallel_tool_calls got lost", dialect)
			}
		}
	}
	if q := parse(t, "native", with("native", `"tools":[{"name":"now","parameters":null}]`)); q.Tools[0].Parameters != nil {
		t.Errorf("got %s", q.Tools[0].Parameters)
	}
	for form, words := range map[string]string{
		`{}`:                                "required properties at '/tools/0' are 'name'",
		`{"type":"function","function":{}}`: "required properties at '/tools/0/function' are 'name'",
		`{"name":""}`:                       "Length of '/tools/0/name' must be >= 1",
		`{"name":1}`:                        "Type mismatch of '/tools/0/name', 'number' not in 'string'",
		`{"name":"f","parameters":[]}`:      "Type mismatch of '/tools/0/parameters', 'array' not in 'object'",
		`{"type":"web_search"}`:             `'/tools/0/type' must be 'function', and is "web_search"`,
		`7`:                                 "Type mismatch of '/tools/0', 'number' not in 'object'",
	} {
		refused(t, "native", with("native", `"tools":[`+form+`]`), words)
	}
	refused(t, "native", with("native", `"tools":{}`), "Type mismatch of '/tools', 'object' not in 'array'")
}

func TestToolChoiceComesInAllSpellings(t *testing.T) {
	for choice, want := range map[string]chat.ToolChoice{
		`null`: chat.ToolAuto, `"auto"`: chat.ToolAuto, `{"type":"auto"}`: chat.ToolAuto,
		`"none"`: chat.ToolNone, `{"type":"none"}`: chat.ToolNone,
		`"required"`: chat.ToolRequired, `"any"`: chat.ToolRequired, `{"type":"any"}`: chat.ToolRequired,
		`"f"`: "f", `{"type":"function","function":{"name":"f"}}`: "f", `{"type":"function","name":"f"}`: "f", `{"function":{"name":"f"}}`: "f", `{"type":"tool","name":"f"}`: "f",
		`{"type":"function","function":{"name":"none"}}`: chat.ToolRequired,
	} {
		q := parse(t, "native", with("native", `"tools":[{"name":"f"},{"name":"none"}],"tool_choice":`+choice))
		if q.ToolChoice != want {
			t.Errorf("%s: got %q, want %q", choice, q.ToolChoice, want)
		}
	}
	for choice, words := range map[string]string{
		`"g"`: "'/tool_choice' must be one of 'auto', 'none', 'required', or the name of one of the tools",
		`{"type":"function","function":{"name":"g"}}`: "or the name of one of the tools",
		`{"type":"function"}`:                         "required properties at '/tool_choice' are 'name'",
		`7`:                                           "Type mismatch of '/tool_choice', 'number' not in 'string, object'",
	} {
		refused(t, "native", with("native", `"tools":[{"name":"f"}],"tool_choice":`+choice), words)
	}
	refused(t, "native", with("native", `"tool_choice":"required"`), "there are no tools")
}

// calls writes what a conversation has of calls and results.
func calls(q *chat.Request) string {
	var out []string
	for _, m := range q.Messages {
		for _, c := range m.ToolCalls {
			out = append(out, fmt.Sprintf("call %s %s %s", c.ID, c.Name, c.Arguments))
		}
		if m.Role == chat.ToolRole {
			out = append(out, fmt.Sprintf("result %s %s %s", m.ToolCallID, m.Name, m.Content))
		}
	}
	return strings.Join(out, "; ")
}

func TestResultsFindTheirCalls(t *testing.T) {
	for _, test := range []struct{ messages, want string }{
		{ // OpenAI's
			`{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}},{"id":"c2","type":"function","function":{"name":"g","arguments":""}}]},
			 {"role":"tool","tool_call_id":"c2","content":"two"},{"role":"tool","tool_call_id":"c1","content":"one"}`,
			`call c1 f {"a":1}; call c2 g {}; result c2 g two; result c1 f one`,
		},
		{ // Cloudflare's, flat and without ids
			`{"role":"assistant","content":"","tool_calls":[{"name":"f","arguments":{"a":1}},{"name":"g","arguments":{}}]},
			 {"role":"tool","name":"g","content":"two"},{"role":"tool","name":"f","content":"one"}`,
			`call call_0 f {"a":1}; call call_1 g {}; result call_1 g two; result call_0 f one`,
		},
		{ // nested, with an object; results that say nothing are in order
			`{"role":"assistant","tool_calls":[{"id":"x","type":"function","function":{"name":"f","arguments":{"a":1}}},{"name":"f"}]},
			 {"role":"tool","content":"one"},{"role":"tool","content":"two"}`,
			`call x f {"a":1}; call call_0 f {}; result x f one; result call_0 f two`,
		},
		{`{"role":"tool","tool_call_id":"lost","content":"one"}`, `result lost  one`},
		{`{"role":"function","name":"f","content":"one"}`, `result  f one`},
	} {
		q := parse(t, "native", []byte(`{"messages":[`+test.messages+`]}`))
		if got := calls(q); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestAResultIsSoughtAmongTheLastCallsOnly(t *testing.T) {
	for after, found := range map[int]bool{127: true, 128: false, 10_000: false} {
		body := `{"messages":[{"role":"assistant","tool_calls":[{"id":"c","name":"first"}` + strings.Repeat(`,{"name":"f"}`, after) + `]},{"role":"tool","name":"first","content":""}]}`
		q := parse(t, "native", []byte(body))
		if got := q.Messages[1].ToolCallID == "c"; got != found {
			t.Errorf("%d calls later: found is %t", after, got)
		}
	}
}

func TestItemsOfResponsesBecomeMessages(t *testing.T) {
	q := parse(t, "responses", []byte(`{"model":"m","instructions":"Be brief.","max_output_tokens":9,"reasoning":{"effort":"high"},"input":[
		{"role":"user","content":"Weather?"},
		{"type":"reasoning","id":"rs_1","summary":[]},
		{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Let me see."}]},
		{"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{\"a\":1}"},
		{"type":"function_call","call_id":"c2","name":"f","arguments":"{}"},
		{"type":"function_call_output","call_id":"c1","output":"sun"},
		{"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"rain"}]},
		{"type":"message","role":"user","content":[{"type":"input_text","text":"And this?"},{"type":"input_image","image_url":"data:image/png;base64,iVBORw==","detail":"auto"}]}]}`))
	var said []string
	for _, m := range q.Messages {
		said = append(said, fmt.Sprintf("%s: %s (%d calls, %d images)", m.Role, m.Content, len(m.ToolCalls), len(m.Images)))
	}
	want := []string{
		"system: Be brief. (0 calls, 0 images)", "user: Weather? (0 calls, 0 images)", "assistant: Let me see. (2 calls, 0 images)",
		"tool: sun (0 calls, 0 images)", "tool: rain (0 calls, 0 images)", "user: And this? (0 calls, 1 images)",
	}
	if got := strings.Join(said, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s", got)
	}
	if got := calls(q); got != `call c1 f {"a":1}; call c2 f {}; result c1 f sun; result c2 f rain` {
		t.Error(got)
	}
	if q.MaxTokens != 9 || q.Effort != "high" {
		t.Errorf("got %d, %q", q.MaxTokens, q.Effort)
	}
	for input, words := range map[string]string{
		`null`: "required properties at '/' are 'input'", `[]`: "Length of '/input' must be >= 1", `""`: "Length of '/input' must be >= 1", `7`: "'number' not in 'string, array'",
		`[{"type":"item_reference","id":"a"}]`:                                             "'/input/0' refers to an item of another response",
		`[{"type":"computer_call"}]`:                                                       "'/input/0/type' must be one of 'message', 'function_call', 'function_call_output', 'reasoning'",
		`[{"role":"user"}]`:                                                                "required properties at '/input/0' are 'content'",
		`[{"type":"function_call","name":"f"}]`:                                            "required properties at '/input/0' are 'name', 'call_id'",
		`[{"type":"function_call_output","output":"a"}]`:                                   "required properties at '/input/0' are 'call_id'",
		`[{"type":"function_call_output","call_id":"a"}]`:                                  "required properties at '/input/0' are 'output'",
		`[{"role":"user","content":[{"type":"input_file"}]}]`:                              "'/input/0/content/0/type' must be one of",
		`[{"role":"user","content":[{"type":"input_image","file_id":"f"}]}]`:               "required properties at '/input/0/content/0' are 'image_url'",
		`[{"role":"user","content":[{"type":"input_image","image_url":"https://a.b/c"}]}]`: "is an address",
	} {
		refused(t, "responses", []byte(`{"model":"m","input":`+input+`}`), words)
	}
}
