package llm_test

import (
	"fmt"
	"strings"
	"testing"

	"nearside/fault"
	"nearside/llm"
)

func TestInputsOfEveryShapeAreRead(t *testing.T) {
	tests := []struct {
		shape llm.Shape
		body  string
		want  llm.Input
	}{
		{llm.TextShape, `{"text":"a"}`, llm.Input{Texts: []string{"a"}}},
		{llm.TextShape, ` { "text" : [ "a" , "b" ] , "pooling":"cls", "more":1 } `, llm.Input{Texts: []string{"a", "b"}, Pooling: "cls"}},
		{llm.BGEM3Shape, `{"text":["a"],"truncate_inputs":true}`, llm.Input{Texts: []string{"a"}}},
		{llm.BGEM3Shape, `{"contexts":[{"text":"a"},{"text":"b"}]}`, llm.Input{Texts: []string{"a", "b"}, Contexts: true}},
		{llm.Qwen3Shape, `{"queries":"q","documents":["d","e"],"instruction":"i"}`, llm.Input{Texts: []string{"Instruct: i\nQuery:q", "d", "e"}}},
		{llm.Qwen3Shape, `{"queries":["q","r"]}`, llm.Input{Texts: []string{
			"Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:q",
			"Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:r"}}},
		{llm.Qwen3Shape, `{"queries":"q","instruction":""}`, llm.Input{Texts: []string{"q"}}},
		{llm.Qwen3Shape, `{"documents":"d","instruction":"i"}`, llm.Input{Texts: []string{"d"}}},
		{llm.Qwen3Shape, `{"text":"t"}`, llm.Input{Texts: []string{"t"}}},
	}
	for _, test := range tests {
		got, err := llm.ParseEmbedding(test.shape, []byte(test.body))
		if err != nil || fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s %s: got %+v, %v", test.shape, test.body, got, err)
		}
	}
}

// list writes a JSON list of n texts.
func list(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(`"a",`, n), ",") + "]" }

func TestWrongInputsAreToldByPath(t *testing.T) {
	tests := []struct {
		shape      llm.Shape
		body, want string
	}{
		{llm.TextShape, ``, "the body is not JSON"},
		{llm.TextShape, `{"text":"a"`, "the body is not JSON"},
		{llm.TextShape, `[]`, "Type mismatch of '/', 'array' not in 'object'"},
		{llm.TextShape, `"a"`, "Type mismatch of '/', 'string' not in 'object'"},
		{llm.TextShape, `null`, "required properties at '/' are 'text'"},
		{llm.TextShape, `{}`, "required properties at '/' are 'text'"},
		{llm.TextShape, `{"text":7}`, "Type mismatch of '/text', 'number' not in 'string', Type mismatch of '/text', 'number' not in 'array'"},
		{llm.TextShape, `{"text":null}`, "Type mismatch of '/text', 'null' not in 'string'"},
		{llm.TextShape, `{"text":""}`, "Length of '/text' must be >= 1"},
		{llm.TextShape, `{"text":[]}`, "Length of '/text' must be >= 1"},
		{llm.TextShape, `{"text":["a",""]}`, "Length of '/text/1' must be >= 1"},
		{llm.TextShape, `{"text":["a",true]}`, "Type mismatch of '/text/1', 'boolean' not in 'string'"},
		{llm.TextShape, `{"text":` + list(101) + `}`, "Length of '/text' must be <= 100, and is 101"},
		{llm.TextShape, `{"text":` + list(100_000) + `}`, "Length of '/text' must be <= 100, and is 100000"},
		{llm.TextShape, `{"text":"a","pooling":"max"}`, `'/pooling' must be one of 'mean', 'cls', and is "max"`},
		{llm.TextShape, `{"text":"a","pooling":3}`, `'/pooling' must be one of 'mean', 'cls', and is 3`},
		{llm.TextShape, `{"text":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `}`, "the body is not JSON"},
		{llm.BGEM3Shape, `{}`, "required properties at '/' are 'contexts', required properties at '/' are 'text'"},
		{llm.BGEM3Shape, `{"contexts":{}}`, "Type mismatch of '/contexts', 'object' not in 'array'"},
		{llm.BGEM3Shape, `{"contexts":["a"]}`, "Type mismatch of '/contexts/0', 'string' not in 'object'"},
		{llm.BGEM3Shape, `{"contexts":[{"text":"a"},{}]}`, "required properties at '/contexts/1' are 'text'"},
		{llm.BGEM3Shape, `{"contexts":[{"text":["a"]}]}`, "Type mismatch of '/contexts/0/text', 'array' not in 'string'"},
		{llm.BGEM3Shape, `{"text":"a","truncate_inputs":"yes"}`, "Type mismatch of '/truncate_inputs', 'string' not in 'boolean'"},
		{llm.Qwen3Shape, `{}`, "anyOf at '/' not met"},
		{llm.Qwen3Shape, `{"queries":{}}`, "Type mismatch of '/queries', 'object' not in 'string'"},
		{llm.Qwen3Shape, `{"text":"a","instruction":[]}`, "Type mismatch of '/instruction', 'array' not in 'string'"},
	}
	for _, test := range tests {
		_, err := llm.ParseEmbedding(test.shape, []byte(test.body))
		f := fault.As(err)
		if f == nil || f.Reason != llm.ReasonInput || !strings.HasPrefix(f.Message, "AiError: Bad input: Error: ") || !strings.Contains(f.Message, test.want) {
			t.Errorf("%s %.60s: got %v, want %q", test.shape, test.body, err, test.want)
		}
	}
}

func TestAHundredTextsAreTaken(t *testing.T) {
	for _, n := range []int{99, 100} {
		if in, err := llm.ParseEmbedding(llm.TextShape, []byte(`{"text":`+list(n)+`}`)); err != nil || len(in.Texts) != n {
			t.Errorf("%d texts: got %d, %v", n, len(in.Texts), err)
		}
	}
}

func TestAQueryWithContextsAsksForARanking(t *testing.T) {
	in, err := llm.ParseEmbedding(llm.BGEM3Shape, []byte(`{"query":"q","contexts":[{"text":"a"}]}`))
	if err != nil || in.Query != "q" || !in.Contexts || len(in.Texts) != 1 {
		t.Errorf("got %+v, %v", in, err)
	}
	if _, err := llm.ParseEmbedding(llm.BGEM3Shape, []byte(`{"requests":[]}`)); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "queueRequest=true") {
		t.Errorf("a list of requests: got %v", err)
	}
}

func FuzzParseEmbedding(f *testing.F) {
	for _, seed := range []string{`{"text":"a"}`, `{"text":["a",1]}`, `{"contexts":[{"text":"a"},null]}`, `{"queries":["q"],"instruction":"i"}`, `{"text":"\ud800"}`, `[`, ``} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, shape := range []llm.Shape{llm.TextShape, llm.BGEM3Shape, llm.Qwen3Shape} {
			in, err := llm.ParseEmbedding(shape, []byte(body))
			if err != nil && fault.As(err) == nil {
				t.Errorf("%s %q: %v is no fault", shape, body, err)
			}
			if err == nil && len(in.Texts) == 0 {
				t.Errorf("%s %q: nothing to embed", shape, body)
			}
			for _, text := range in.Texts {
				if err == nil && text == "" {
					t.Errorf("%s %q: an empty text", shape, body)
				}
			}
		}
	})
}
