package llm_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"nearside/fault"
	"nearside/llm"
)

const (
	native     = "@cf/meta/llama-3.1-8b-instruct"
	vision     = "@cf/meta/llama-3.2-11b-vision-instruct"
	completion = "@cf/qwen/qwen3-30b-a3b-fp8"
	responses  = "@cf/openai/gpt-oss-20b"
)

func TestInputsOfEveryTaskAreAccepted(t *testing.T) {
	c := shipped(t)
	tests := []struct{ model, body string }{
		{native, `{"prompt":"Hi"}`},
		{native, `{"messages":[{"role":"user","content":"Hi"}],"unknown":{"a":[1]}}`},
		{native, `{"prompt":"Hi","max_tokens":256,"temperature":5,"top_p":0.001,"top_k":50,"seed":9999999999,"repetition_penalty":0,"frequency_penalty":-2,"presence_penalty":2,"stream":true,"raw":true,"lora":"mine","stop":["a"],"options":{"rejectIfBusy":true}}`},
		{native, `{"prompt":null,"messages":[{"role":"developer","content":""}],"seed":null,"tools":null}`},
		{native, `{"messages":[{"role":"system","content":"a"},{"role":"assistant","content":"","tool_calls":[{"name":"f","arguments":{}}]},{"role":"tool","name":"f","content":"1"}],"tools":[{"name":"f","description":"d","parameters":{"type":"object"}},{"type":"function","function":{"name":"g"}}],"tool_choice":"auto"}`},
		{native, `{"messages":[{"role":"user","content":"a"}],"tool_choice":{"type":"function","function":{"name":"f"}},"response_format":{"type":"json_schema","json_schema":{"type":"object"}}}`},
		{native, `{"messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_object"},"functions":[{"name":"f","code":"x"}]}`},
		{vision, `{"messages":[{"role":"user","content":[{"type":"text","text":"what?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO"}}]}]}`},
		{vision, `{"prompt":"what?","image":[137,80,78,71]}`},
		{completion, `{"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"1"}],"max_completion_tokens":5,"chat_template_kwargs":{"enable_thinking":false},"reasoning_effort":"low"}`},
		{completion, `{"messages":[{"role":"assistant"}]}`},
		{responses, `{"input":"Hi","instructions":"be short","reasoning":{"effort":"low"}}`},
		{responses, `{"input":[{"role":"user","content":"Hi"}]}`},
		{"@nearside/auto", `{"messages":[{"role":"user","content":"Hi"}]}`},
		{"@cf/meta/llama-guard-3-8b", `{"messages":[{"role":"user","content":"Hi"}]}`},
		{"@cf/baai/bge-base-en-v1.5", `{"text":["a"],"pooling":"cls"}`},
		{"@cf/baai/bge-m3", `{"contexts":[{"text":"a"}],"truncate_inputs":true}`},
		{"@cf/baai/bge-m3", `{"query":"q","contexts":[{"text":"a"}]}`},
		{"@cf/qwen/qwen3-embedding-0.6b", `{"queries":"q","documents":["d"],"instruction":"i"}`},
		{"@cf/baai/bge-reranker-base", `{"query":"q","contexts":[{"text":"a"},{"text":"b"}],"top_k":1}`},
		{"@cf/huggingface/distilbert-sst-2-int8", `{"text":"good"}`},
		{"@cf/meta/m2m100-1.2b", `{"text":"Hello","target_lang":"es"}`},
		{"@cf/ai4bharat/indictrans2-en-indic-1B", `{"text":["a","b"],"target_language":"hin_Deva"}`},
		{"@cf/facebook/bart-large-cnn", `{"input_text":"long","max_length":1024}`},
		{"@cf/microsoft/resnet-50", `{"image":[0,255]}`},
		{"@cf/facebook/detr-resnet-50", `{"image":[0, 255 , 7]}`},
		{"@cf/llava-hf/llava-1.5-7b-hf", `{"image":[1],"prompt":"what?","max_tokens":512}`},
		{"@cf/moondream/moondream3.1-9B-A2B", `{"task":"point","image":"data:image/png;base64,iVBO","target":"cat"}`},
		{"@cf/openai/whisper", `{"audio":[1,2],"source_lang":"en"}`},
		{"@cf/openai/whisper-large-v3-turbo", `{"audio":"UklG","task":"translate","vad_filter":true}`},
		{"@cf/deepgram/nova-3", `{"audio":{"body":{},"contentType":"audio/mpeg"}}`},
		{"@cf/myshell-ai/melotts", `{"prompt":"Hi","lang":"en"}`},
		{"@cf/deepgram/aura-1", `{"text":"Hi","speaker":"angus","encoding":"mp3"}`},
		{"@cf/stabilityai/stable-diffusion-xl-base-1.0", `{"prompt":"a cat","negative_prompt":"a dog","width":1024,"height":1024,"num_steps":20,"guidance":7.5,"strength":1,"seed":7}`},
		{"@cf/runwayml/stable-diffusion-v1-5-inpainting", `{"prompt":"a cat","image":[1],"mask":[1],"image_b64":"AA=="}`},
		{"@cf/leonardo/lucid-origin", `{"prompt":"a cat","num_steps":10}`},
		{"@cf/black-forest-labs/flux-1-schnell", `{"prompt":"a cat","steps":4}`},
		{"@cf/black-forest-labs/flux-2-dev", `{"multipart":{"body":{},"contentType":"multipart/form-data"}}`},
		{"@cf/pipecat-ai/smart-turn-v2", `{"audio":{"body":{},"contentType":"audio/wav"}}`},
		{"@cf/cloudflare/clef", `{"anything":"goes"}`},
	}
	tried := map[llm.Task]bool{}
	for _, test := range tests {
		m := model(t, c, test.model)
		tried[m.Task] = true
		if err := m.Validate([]byte(test.body)); err != nil {
			t.Errorf("%s %s: %v", test.model, test.body, err)
		}
	}
	for _, task := range c.Tasks() {
		if !tried[task.Name] && task.Name != llm.ImageEmbeddings { // which is tried as image classification
			t.Errorf("no input for %s was tried", task.Name)
		}
	}
}

func TestWrongInputsAreToldInTheWordsOfTheRealService(t *testing.T) {
	c := shipped(t)
	tests := []struct{ model, body, want string }{
		// The texts that replies of the real service were seen with.
		{native, `{"messages":[{"role":"user","content":["Hi"]}]}`,
			"oneOf at '/' not met, 0 matches: required properties at '/' are 'prompt', Type mismatch of '/messages/0/content', 'array' not in 'string'"},
		{native, `{"prompt":"Hi","top_k":51}`, "'/top_k' must be <= 50"},

		{native, ``, "the body is not JSON"},
		{native, `{"prompt":`, "the body is not JSON"},
		{native, `[]`, "Type mismatch of '/', 'array' not in 'object'"},
		{native, `{}`, "oneOf at '/' not met, 0 matches: required properties at '/' are 'prompt', required properties at '/' are 'messages'"},
		{native, `{"prompt":null}`, "required properties at '/' are 'messages'"},
		{native, `{"prompt":""}`, "Length of '/prompt' must be >= 1"},
		{native, `{"prompt":"` + strings.Repeat("x", 131073) + `"}`, "Length of '/prompt' must be <= 131072, and is 131073"},
		{native, `{"prompt":"a","messages":[{"role":"user","content":"b"}]}`, "oneOf at '/' not met, 2 matches"},
		{native, `{"messages":[]}`, "Length of '/messages' must be >= 1"},
		{native, `{"messages":[{"role":"user"}]}`, "required properties at '/messages/0' are 'content'"},
		{native, `{"messages":[{"role":"user","content":null}]}`, "Type mismatch of '/messages/0/content', 'null' not in 'string'"},
		{native, `{"messages":["Hi"]}`, "Type mismatch of '/messages/0', 'string' not in 'object'"},
		{native, `{"prompt":"Hi","top_k":0}`, "'/top_k' must be >= 1, and is 0"},
		{native, `{"prompt":"Hi","top_k":1.5}`, "Type mismatch of '/top_k', 'number' not in 'integer'"},
		{native, `{"prompt":"Hi","temperature":5.5}`, "'/temperature' must be <= 5, and is 5.5"},
		{native, `{"prompt":"Hi","temperature":-0.1}`, "'/temperature' must be >= 0, and is -0.1"},
		{native, `{"prompt":"Hi","temperature":1e300}`, "'/temperature' must be <= 5"},
		{native, `{"prompt":"Hi","temperature":1e999}`, "'/temperature' holds a number that is too large"},
		{native, `{"prompt":"Hi","temperature":"hot"}`, "Type mismatch of '/temperature', 'string' not in 'number'"},
		{native, `{"prompt":"Hi","top_p":0}`, "'/top_p' must be >= 0.001, and is 0"},
		{native, `{"prompt":"Hi","seed":10000000000}`, "'/seed' must be <= 9999999999, and is 10000000000"},
		{native, `{"prompt":"Hi","repetition_penalty":2.5}`, "'/repetition_penalty' must be <= 2, and is 2.5"},
		{native, `{"prompt":"Hi","frequency_penalty":-2.5,"presence_penalty":3}`, "'/frequency_penalty' must be >= -2, and is -2.5, '/presence_penalty' must be <= 2, and is 3"},
		{native, `{"prompt":"Hi","stream":"yes"}`, "Type mismatch of '/stream', 'string' not in 'boolean'"},
		{native, `{"messages":[{"role":"user","content":"a"}],"response_format":{"type":"xml"}}`, "'/response_format/type' must be one of 'text', 'json_object', 'json_schema', and is \"xml\""},
		{native, `{"messages":[{"role":"user","content":"a"}],"tools":{}}`, "Type mismatch of '/tools', 'object' not in 'array'"},
		{vision, `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/cat.png"}}]}]}`, "'/messages/0/content/0/image_url/url' must be a data URI"},
		{vision, `{"prompt":"a","image":[1,300]}`, "'/image/1' must be a whole number from 0 to 255, and is 300"},
		{completion, `{"messages":[{"content":"a"}]}`, "required properties at '/messages/0' are 'role'"},
		{responses, `{}`, "required properties at '/' are 'input'"},
		{"@cf/baai/bge-reranker-base", `{"contexts":[{}]}`, "required properties at '/' are 'query', required properties at '/contexts/0' are 'text'"},
		{"@cf/baai/bge-reranker-base", `{}`, "required properties at '/' are 'query', 'contexts'"},
		{"@cf/meta/m2m100-1.2b", `{"text":"a"}`, "required properties at '/' are 'target_lang'"},
		{"@cf/huggingface/distilbert-sst-2-int8", `{"text":["a"]}`, "Type mismatch of '/text', 'array' not in 'string'"},
		{"@cf/facebook/bart-large-cnn", `{"input_text":""}`, "Length of '/input_text' must be >= 1"},
		{"@cf/openai/whisper", `{}`, "required properties at '/' are 'audio'"},
		{"@cf/openai/whisper", `{"audio":"UklG"}`, "Type mismatch of '/audio', 'string' not in 'array'"},
		{"@cf/openai/whisper", `{"audio":[1,"2"]}`, "Type mismatch of '/audio/1', 'string' not in 'number'"},
		{"@cf/openai/whisper-large-v3-turbo", `{"audio":"UklG","task":"sing"}`, "'/task' must be one of 'transcribe', 'translate', and is \"sing\""},
		{"@cf/black-forest-labs/flux-1-schnell", `{"prompt":"a","steps":9}`, "'/steps' must be <= 8, and is 9"},
		{"@cf/stabilityai/stable-diffusion-xl-base-1.0", `{"prompt":"a","num_steps":21}`, "'/num_steps' must be <= 20, and is 21"},
		{"@cf/moondream/moondream3.1-9B-A2B", `{"task":"sing","image":""}`, "Length of '/image' must be >= 1, '/task' must be one of"},
	}
	for _, test := range tests {
		err := model(t, c, test.model).Validate([]byte(test.body))
		f := fault.As(err)
		if f == nil || f.Reason != llm.ReasonInput || !strings.HasPrefix(f.Message, "AiError: Bad input: Error: ") || !strings.Contains(f.Message, test.want) {
			t.Errorf("%s %.100s: got %v, want %q", test.model, test.body, err, test.want)
		}
	}
}

func TestFaultsComeInTheSameOrderEveryTime(t *testing.T) {
	m := model(t, shipped(t), native)
	body := []byte(`{"messages":[{"role":1,"content":2}],"top_k":0,"seed":0,"stream":1,"raw":1,"lora":1,"stop":1}`)
	first := m.Validate(body)
	for range 50 {
		if again := m.Validate(body); again.Error() != first.Error() {
			t.Fatalf("%v\n%v", first, again)
		}
	}
}

func TestAMessageTellsAFewOfManyFaults(t *testing.T) {
	messages := strings.TrimSuffix(strings.Repeat(`{"role":"user","content":7},`, 1000), ",")
	err := model(t, shipped(t), native).Validate([]byte(`{"messages":[` + messages + `]}`))
	if err == nil || len(err.Error()) > 2000 || !strings.Contains(err.Error(), "and more") {
		t.Errorf("%.3000v", err)
	}
}

func TestABodyOfMoreValuesThanTheSchemaLooksAtIsRefused(t *testing.T) {
	m := model(t, shipped(t), native)
	for n, want := range map[int]bool{llm.MaxValues - 1: true, llm.MaxValues: true, llm.MaxValues + 1: false, 10 * llm.MaxValues: false} {
		// Two values are the prompt and the list itself; a key that the schema does not know is only counted.
		body := `{"prompt":"a","unknown":` + list(n-2) + `}`
		if err := m.Validate([]byte(body)); (err == nil) != want {
			t.Errorf("%d values: %v", n, err)
		}
	}
}

func TestAMessageRepeatsLittleOfTheInput(t *testing.T) {
	secret := strings.Repeat("secret", 100)
	for _, body := range []string{
		fmt.Sprintf(`{"messages":[{"role":"user","content":"a"}],"response_format":{"type":%q}}`, secret),
		fmt.Sprintf(`{"prompt":7,"%s":1e999}`, secret),
		fmt.Sprintf(`{"messages":%q}`, secret),
	} {
		if err := model(t, shipped(t), native).Validate([]byte(body)); err == nil || len(err.Error()) > 400 {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestInputsOfEmbeddingsAreJudgedAsTheirParserDoes(t *testing.T) {
	c := shipped(t)
	for _, id := range []string{"@cf/baai/bge-base-en-v1.5", "@cf/baai/bge-m3", "@cf/qwen/qwen3-embedding-0.6b"} {
		m := model(t, c, id)
		for _, body := range []string{
			`{}`, `[]`, `{"text":"a"}`, `{"text":["a","b"]}`, `{"text":""}`, `{"text":[]}`, `{"text":["a",""]}`, `{"text":7}`, `{"text":["a",7]}`,
			`{"text":` + list(100) + `}`, `{"text":` + list(101) + `}`, `{"contexts":[{"text":"a"}]}`, `{"contexts":[{}]}`, `{"contexts":[]}`,
			`{"queries":["q"],"instruction":"i"}`, `{"queries":["q"],"instruction":7}`, `{"queries":{}}`, `{"text":"a","pooling":"cls"}`,
		} {
			_, parsed := llm.ParseEmbedding(m.Input, []byte(body))
			if valid := m.Validate([]byte(body)); (valid == nil) != (parsed == nil) {
				t.Errorf("%s %.60s: parsed %v, validated %v", id, body, parsed, valid)
			}
		}
	}
}

func TestAPictureOfAMillionNumbersIsCheckedNumberByNumber(t *testing.T) {
	m := model(t, shipped(t), "@cf/microsoft/resnet-50")
	const numbers = 1 << 20
	many := strings.Repeat("255,", numbers)
	if err := m.Validate([]byte(`{"image":[` + many + `0]}`)); err != nil {
		t.Error(err)
	}
	if err := m.Validate([]byte(`{"image":[` + many + `256]}`)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("'/image/%d' must be", numbers)) {
		t.Error(err)
	}
}

func TestByteListsAreRead(t *testing.T) {
	for raw, want := range map[string][]byte{"[0]": {0}, "[1,2 , 255]": {1, 2, 255}, " [ 7 ] ": {7}} {
		if got, err := llm.ByteList("/image", json.RawMessage(raw)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v, %v", raw, got, err)
		}
	}
	for raw, want := range map[string]string{
		"[]": "Length of '/image' must be >= 1", `"AA"`: "Type mismatch of '/image', 'string' not in 'array'", "[1,[2,3]]": "Type mismatch of '/image/1', 'array' not in 'number'",
		"[-1]": "'/image/0' must be a whole number from 0 to 255, and is -1", "[1.5]": "and is 1.5", "[1e2]": "and is 1e2", "[256]": "and is 256", "[0,null]": "'null' not in 'number'",
		`["a,b"]`: "Type mismatch of '/image/0', 'string'", "[" + strings.Repeat("9", 1000) + "]": "'/image/0' must be",
	} {
		if _, err := llm.ByteList("/image", json.RawMessage(raw)); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 300 {
			t.Errorf("%.50s: got %v, want %q", raw, err, want)
		}
	}
}

func FuzzValidate(f *testing.F) {
	for _, seed := range []string{`{"prompt":"a"}`, `{"messages":[{"role":"user","content":"a"}]}`, `{"image":[1,2]}`, `{"audio":"a"}`, `{"text":["a",1]}`, `{"top_k":1e400}`, `[`, `{"~/":{"a/b":1e999}}`} {
		f.Add(seed)
	}
	models := shipped(f).Models()
	f.Fuzz(func(t *testing.T, body string) {
		for _, m := range models {
			if err := m.Validate([]byte(body)); err != nil && !fault.Is(err, fault.Invalid) {
				t.Errorf("%s %q: %v", m.ID, body, err)
			}
		}
	})
}

func BenchmarkValidate(b *testing.B) {
	m, err := shipped(b).Model(native)
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(`{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"` + strings.Repeat("word ", 400) + `"}],"stream":true,"max_tokens":256}`)
	for b.Loop() {
		if err := m.Validate(body); err != nil {
			b.Fatal(err)
		}
	}
}

// The ranges of developers.cloudflare.com/workers-ai/models, at both ends and beyond them.
func TestTheSchemasHaveTheRangesOfTheParameters(t *testing.T) {
	c := shipped(t)
	for _, test := range []struct{ key, least, most, below, above string }{
		{"temperature", "0", "5", "-0.001", "5.001"},
		{"top_p", "0.001", "1", "0.0009", "1.001"},
		{"top_k", "1", "50", "0", "51"},
		{"seed", "1", "9999999999", "0", "10000000000"},
		{"repetition_penalty", "0", "2", "-0.1", "2.1"},
		{"frequency_penalty", "-2", "2", "-2.1", "2.1"},
		{"presence_penalty", "-2", "2", "-2.1", "2.1"},
	} {
		for _, id := range []string{native, vision, completion, responses, "@cf/meta/llama-guard-3-8b"} {
			m := model(t, c, id)
			for _, body := range []string{`{"messages":[{"role":"user","content":"Hi"}],%q:%s}`, `{"prompt":"Hi",%q:%s}`} {
				if m.Input == llm.GuardShape && strings.Contains(body, "prompt") {
					continue
				}
				check := func(value string) error { return m.Validate(fmt.Appendf(nil, body, test.key, value)) }
				for _, value := range []string{test.least, test.most, "null"} {
					if err := check(value); err != nil {
						t.Errorf("%s %s %s: %v", id, test.key, value, err)
					}
				}
				for value, want := range map[string]string{test.below: ">= " + test.least, test.above: "<= " + test.most, `"1"`: "'string' not in"} {
					if err := check(value); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "'/"+test.key+"'") {
						t.Errorf("%s %s %s: got %v, want %q", id, test.key, value, err, want)
					}
				}
			}
		}
	}
	for _, id := range []string{native, vision, completion} {
		m := model(t, c, id)
		prompt := func(n int) error { return m.Validate([]byte(`{"prompt":"` + strings.Repeat("é", n) + `"}`)) }
		for n, want := range map[int]string{0: "must be >= 1", 1: "", 131072: "", 131073: "must be <= 131072, and is 131073"} {
			if err := prompt(n); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: a prompt of %d characters: %v", id, n, err)
			}
		}
		if err := m.Validate([]byte(`{"prompt":"a","messages":[{"role":"user","content":"a"}]}`)); err == nil {
			t.Errorf("%s takes a prompt and messages", id)
		}
	}
}
