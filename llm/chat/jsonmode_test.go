package chat_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"nearside/fault"
	"nearside/llm/chat"
)

const personSchema = `{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0}},"required":["name"],"additionalProperties":false}`

func TestTheFormOfTheAnswerComesInAllSpellings(t *testing.T) {
	const free = "free text"
	for _, test := range []struct{ dialect, fields, want string }{
		{"native", `"response_format":{"type":"text"}`, free},
		{"native", `"response_format":null`, free},
		{"native", `"response_format":{"type":"json_object"}`, ""},
		{"native", `"response_format":{"type":"json_schema","json_schema":` + personSchema + `}`, personSchema},
		{"native", `"response_format":{"type":"json_schema","json_schema":{"name":"p","strict":true,"schema":` + personSchema + `}}`, personSchema},
		{"native", `"response_format":{"type":"json_object","schema":` + personSchema + `}`, personSchema},
		{"native", `"guided_json":` + personSchema, personSchema},
		{"native", `"response_format":{"type":"json_schema","json_schema":{"type":"object","properties":{"schema":{}},"schema":{}}}`, `{"type":"object","properties":{"schema":{}},"schema":{}}`},
		{"chat.completions", `"response_format":{"type":"json_schema","json_schema":{"name":"p","schema":` + personSchema + `}}`, personSchema},
		{"responses", `"text":{"format":{"type":"text"}}`, free},
		{"responses", `"text":{"format":{"type":"json_object"}}`, ""},
		{"responses", `"text":{"format":{"type":"json_schema","name":"p","schema":` + personSchema + `}}`, personSchema},
		{"responses", `"text":{"verbosity":"low"}`, free},
	} {
		q := parse(t, test.dialect, with(test.dialect, test.fields))
		got := free
		if q.Format != nil {
			got = string(q.Format.Schema)
		}
		if got != test.want {
			t.Errorf("%s: %s: got %s", test.dialect, test.fields, got)
		}
	}
}

func TestASchemaThatCannotBeCheckedIsRefusedAtOnce(t *testing.T) {
	for _, test := range []struct{ dialect, fields, words string }{
		{"native", `"response_format":{"type":"xml"}`, `'/response_format/type' must be one of 'text', 'json_object', 'json_schema', and is "xml"`},
		{"native", `"response_format":{}`, "required properties at '/response_format' are 'type'"},
		{"native", `"response_format":{"type":"json_schema"}`, "required properties at '/response_format' are 'json_schema'"},
		{"native", `"response_format":{"type":"json_schema","json_schema":[]}`, "Type mismatch of '/response_format/json_schema', 'array' not in 'object'"},
		{"native", `"response_format":{"type":"json_schema","json_schema":{"type":"objekt"}}`, "'/response_format/json_schema' is not a JSON schema that can be checked: at '/type'"},
		{"native", `"guided_json":{"pattern":"("}`, "'/guided_json' is not a JSON schema that can be checked"},
		{"native", `"guided_json":{"$ref":"#/$defs/nowhere"}`, "is not a JSON schema that can be checked"},
		{"native", `"guided_json":{"$ref":"file:///etc/passwd"}`, "refers to another schema"},
		{"native", `"guided_json":{"$ref":"https://example.com/a.json"}`, "refers to another schema"},
		{"native", `"guided_json":{"$schema":"https://example.com/a.json"}`, "refers to another schema"},
		{"native", `"guided_json":{"minimum":1e1000000000}`, "too large an exponent"},
		{"responses", `"text":{"format":{"type":"json_schema"}}`, "required properties at '/text/format' are 'schema'"},
	} {
		refused(t, test.dialect, with(test.dialect, test.fields), test.words)
	}
}

func TestJSONModeDoesNotStream(t *testing.T) {
	for dialect, format := range map[string]string{
		"native": `"response_format":{"type":"json_object"}`, "chat.completions": `"response_format":{"type":"json_object"}`, "responses": `"text":{"format":{"type":"json_object"}}`,
	} {
		refused(t, dialect, with(dialect, format+`,"stream":true`), "JSON mode does not stream")
		parse(t, dialect, with(dialect, format+`,"stream":false`))
	}
	parse(t, "native", with("native", `"response_format":{"type":"text"},"stream":true`))
}

func TestAnAnswerIsCheckedAgainstTheSchema(t *testing.T) {
	object, person := &chat.Format{}, &chat.Format{Schema: json.RawMessage(personSchema)}
	for _, test := range []struct {
		format            *chat.Format
		answer, want, why string
	}{
		{object, `{"a": 1}`, `{"a":1}`, ""},
		{object, "\n {\"a\":\n1}\n", `{"a":1}`, ""},
		{object, "```json\n{\"a\":1}\n```", `{"a":1}`, ""},
		{object, "```\n{\"a\":1}```", `{"a":1}`, ""},
		{object, "Here it is:\n```json\n{\"a\":1}\n```\nEnjoy!", `{"a":1}`, ""},
		{object, "{\"a\":\"``` and ```\"}", "{\"a\":\"``` and ```\"}", ""},
		{object, "```{}``` or ```{}```", "", "the answer is not JSON"},
		{object, `[1]`, "", "must be a JSON object"},
		{object, `Sure!`, "", "the answer is not JSON"},
		{object, ``, "", "the answer is not JSON"},
		{object, `{"a":`, "", "the answer is not JSON"},
		{object, `{"a":1} {"b":2}`, "", "the answer is not JSON"},
		{person, `{"name":"Ada","age":36}`, `{"name":"Ada","age":36}`, ""},
		{person, `{"name":"Ada","age":3.6}`, "", "at '/age': got number, want integer"},
		{person, `{"age":-1,"pet":"cat"}`, "", "at '/age': minimum: got -1, want 0"},
		{person, `{"age":1}`, "", "at '/': missing property 'name'"},
		{person, `{"name":"Ada","age":1e1000000000}`, "", "too large an exponent"},
		{&chat.Format{Schema: json.RawMessage(`{"type":"array","items":{"type":"integer"}}`)}, `[1,2]`, `[1,2]`, ""},
	} {
		got, err := test.format.Check(test.answer)
		switch {
		case test.why == "" && (err != nil || string(got) != test.want):
			t.Errorf("%q: got %s, %v", test.answer, got, err)
		case test.why != "" && (err == nil || !strings.Contains(err.Error(), test.why)):
			t.Errorf("%q: got %s, %v, want %q", test.answer, got, err, test.why)
		}
	}
}

func TestASchemaCannotMakeACheckEndless(t *testing.T) {
	var defs []string
	for i := range 40 {
		defs = append(defs, fmt.Sprintf(`"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]}`, i, i+1, i+1))
	}
	for _, schema := range []string{
		`{"$ref":"#/$defs/d0","$defs":{` + strings.Join(defs, ",") + `,"d40":{"type":"object"}}}`,
		`{"$ref":"#/$defs/d","$defs":{"d":{"anyOf":[{"properties":{"a":{"$ref":"#/$defs/d"}},"required":["b"]},{"properties":{"a":{"$ref":"#/$defs/d"}},"required":["c"]}]}}}`,
	} {
		q := parse(t, "native", with("native", `"guided_json":`+schema))
		_, err := q.Format.Check(strings.Repeat(`{"a":`, 40) + "{}" + strings.Repeat("}", 40))
		if err == nil || !strings.Contains(err.Error(), "too laborious") {
			t.Errorf("got %v", err)
		}
	}
	cycle := parse(t, "native", with("native", `"guided_json":{"$ref":"#"}`))
	if _, err := cycle.Format.Check(`{}`); err == nil {
		t.Error("a schema that is only itself was met")
	}
	deep := &chat.Format{Schema: json.RawMessage(`{"properties":{"a":{"$ref":"#"}}}`)}
	if _, err := deep.Check(strings.Repeat(`{"a":`, 5000) + "{}" + strings.Repeat("}", 5000)); err != nil {
		t.Errorf("deep, and valid: %v", err)
	}
}

func TestARepairShowsTheModelWhatItSaid(t *testing.T) {
	q := parse(t, "native", with("native", `"guided_json":`+personSchema+`,"temperature":0,"tools":[{"name":"f"}]`))
	_, why := q.Format.Check(`{"age":1}`)
	next := chat.Repair(q, `{"age":1}`, why)
	if len(q.Messages) != 1 || len(next.Messages) != 3 || *next.Temperature != 0 || next.Format != q.Format || next.Tools != nil {
		t.Fatalf("got %+v", next)
	}
	if m := next.Messages[1]; m.Role != chat.Assistant || m.Content != `{"age":1}` {
		t.Errorf("got %+v", m)
	}
	if m := next.Messages[2]; m.Role != chat.User || !strings.Contains(m.Content, "missing property 'name'") || !strings.Contains(m.Content, personSchema) {
		t.Errorf("got %+v", m)
	}
	prompted := chat.Repair(&chat.Request{Prompt: "Go", Raw: true, Format: &chat.Format{}}, "x", why)
	if len(prompted.Messages) != 3 || prompted.Messages[0].Content != "Go" || prompted.Prompt != "" || prompted.Raw {
		t.Errorf("got %+v", prompted)
	}
}

func TestAnUnmetFormIsAFaultThatDoesNotQuoteTheAnswer(t *testing.T) {
	person := &chat.Format{Schema: json.RawMessage(personSchema)}
	for answer, words := range map[string]string{
		"secret": "is not JSON", `{"secret":1}`: "does not fit the schema", `{"name":1,"age":"secret"}`: "does not fit the schema",
	} {
		_, why := person.Check(answer)
		f := fault.As(chat.Unmet(why))
		if f.Reason != chat.ReasonJSONMode || !strings.Contains(f.Message, "JSON Mode couldn't be met") || !strings.Contains(f.Message, words) || strings.Contains(f.Error(), "secret") {
			t.Errorf("%s: got %v", answer, f)
		}
	}
}

func TestAWrongSchemaIsToldInOneLine(t *testing.T) {
	_, err := chat.ParseNative([]byte(`{"prompt":"a","response_format":{"type":"json_schema","json_schema":{"type":"nonsense","minLength":-1}}}`))
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "'/response_format/json_schema' is not a JSON schema that can be checked: at '/") || !strings.Contains(err.Error(), "; at '/") {
		t.Errorf("got %v", err)
	}
}
