package llm_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"nearside/llm"
)

// compiled compiles a schema as models/schema gives it out.
func compiled(t *testing.T, name string, schema json.RawMessage) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema:"+name, document); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	compiled, err := compiler.Compile("schema:" + name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return compiled
}

func TestEveryModelHasSchemasThatCompileAndStandAlone(t *testing.T) {
	seen := map[llm.Shape]bool{}
	for _, m := range shipped(t).Models() {
		input, output := m.Schema()
		if seen[m.Input] {
			continue
		}
		seen[m.Input] = true
		for _, schema := range []json.RawMessage{input, output} {
			compiled(t, string(m.Input), schema)
			if strings.Contains(string(schema), "$") {
				t.Errorf("%s: a reference is left: %s", m.Input, schema)
			}
		}
	}
	if len(seen) < 25 {
		t.Errorf("only %d shapes are used", len(seen))
	}
}

// outputs are answers of the real service, as its contract has them.
var outputs = []struct{ model, body string }{
	{"@cf/meta/llama-3.1-8b-instruct", `{"response":"Hi there","tool_calls":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}`},
	{"@cf/meta/llama-3.1-8b-instruct", `{"response":{"a":1}}`},
	{"@cf/ibm-granite/granite-4.0-h-micro", `{"response":"","tool_calls":[{"name":"getWeather","arguments":{"city":"Oslo"}}]}`},
	{"@cf/zai-org/glm-4.7-flash", `{"id":"c1","object":"chat.completion","created":1790000000,"model":"@cf/zai-org/glm-4.7-flash","choices":[{"index":0,"message":{"role":"assistant","content":"Hi","reasoning_content":null,"tool_calls":[]},"finish_reason":"stop","logprobs":null}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":0},"neurons":0.2}}`},
	{"@cf/openai/gpt-oss-20b", `{"id":"r","object":"response","created_at":1,"status":"completed","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi"}]}],"usage":{"input_tokens":1,"output_tokens":1,"total_tokens":2}}`},
	{"@cf/meta/llama-guard-3-8b", `{"response":{"safe":false,"categories":["S1"]}}`},
	{"@cf/baai/bge-base-en-v1.5", `{"shape":[1,3],"data":[[1,0,0]],"pooling":"mean"}`},
	{"@cf/baai/bge-m3", `{"response":[[1,0]],"shape":[1,2],"pooling":"cls"}`},
	{"@cf/baai/bge-m3", `{"response":[{"id":0,"score":0.5}]}`},
	{"@cf/qwen/qwen3-embedding-0.6b", `{"data":[[1]],"shape":[1,1]}`},
	{"@cf/baai/bge-reranker-base", `{"response":[{"id":1,"score":0.9},{"id":0,"score":0.1}]}`},
	{"@cf/huggingface/distilbert-sst-2-int8", `[{"label":"NEGATIVE","score":0.1},{"label":"POSITIVE","score":0.9}]`},
	{"@cf/meta/m2m100-1.2b", `{"translated_text":"Hola"}`},
	{"@cf/ai4bharat/indictrans2-en-indic-1B", `{"translations":["a","b"]}`},
	{"@cf/facebook/bart-large-cnn", `{"summary":"short"}`},
	{"@cf/microsoft/resnet-50", `[{"label":"cat","score":1}]`},
	{"@cf/facebook/detr-resnet-50", `[{"score":0.9,"label":"cat","box":{"xmin":1,"ymin":2,"xmax":3,"ymax":4}}]`},
	{"@cf/llava-hf/llava-1.5-7b-hf", `{"description":"a cat"}`},
	{"@cf/moondream/moondream3.1-9B-A2B", `{"finish_reason":"stop","metrics":{},"answer":"a cat"}`},
	{"@cf/openai/whisper", `{"text":"hi","word_count":1,"words":[{"word":"hi","start":0,"end":0.5}],"vtt":"WEBVTT"}`},
	{"@cf/openai/whisper-large-v3-turbo", `{"transcription_info":{"language":"en","language_probability":1,"duration":2.5,"duration_after_vad":2},"text":"hi","word_count":1,"segments":[{"start":0,"end":1,"text":"hi","temperature":0,"avg_logprob":-0.1,"compression_ratio":1,"no_speech_prob":0,"words":[]}],"vtt":""}`},
	{"@cf/deepgram/nova-3", `{"results":{"channels":[{"alternatives":[{"transcript":"hi","confidence":1,"words":[]}]}]}}`},
	{"@cf/myshell-ai/melotts", `{"audio":"SUQz"}`},
	{"@cf/black-forest-labs/flux-1-schnell", `{"image":"iVBO"}`},
	{"@cf/black-forest-labs/flux-2-dev", `{"image":"iVBO"}`},
	{"@cf/leonardo/lucid-origin", `{"image":"iVBO"}`},
	{"@cf/pipecat-ai/smart-turn-v2", `{"is_complete":true,"probability":0.9}`},
	{"@cf/openai/clip-vit-base-patch32", `{"shape":[1,2],"data":[[0,1]]}`},
}

func TestOutputSchemasAcceptWhatTheRealServiceAnswers(t *testing.T) {
	c := shipped(t)
	for _, o := range outputs {
		_, output := model(t, c, o.model).Schema()
		answer, err := jsonschema.UnmarshalJSON(strings.NewReader(o.body))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled(t, o.model, output).Validate(answer); err != nil {
			t.Errorf("%s %s: %v", o.model, o.body, err)
		}
		if err := compiled(t, o.model, output).Validate(7.0); err == nil {
			t.Errorf("%s may answer 7", o.model)
		}
	}
}
