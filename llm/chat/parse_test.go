package chat_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"nearside/fault"
	"nearside/llm/chat"
)

// parsers are the ways in, each with a body that it takes, to which fields are added.
var parsers = map[string]struct {
	parse func([]byte) (*chat.Request, error)
	body  string
}{
	"native":           {chat.ParseNative, `{"messages":[{"role":"user","content":"Hi"}]%s}`},
	"chat.completions": {chat.ParseChatCompletions, `{"model":"m","messages":[{"role":"user","content":"Hi"}]%s}`},
	"completions":      {chat.ParseCompletions, `{"model":"m","prompt":"Hi"%s}`},
	"responses":        {chat.ParseResponses, `{"model":"m","input":"Hi"%s}`},
}

// with is a dialect's body with fields added to it.
func with(dialect, fields string) []byte {
	if fields != "" {
		fields = "," + fields
	}
	return fmt.Appendf(nil, parsers[dialect].body, fields)
}

// parse reads a body that must be good.
func parse(t *testing.T, dialect string, body []byte) *chat.Request {
	t.Helper()
	q, err := parsers[dialect].parse(body)
	if err != nil {
		t.Fatalf("%s: %s: %v", dialect, body, err)
	}
	return q
}

// refused checks that a body is refused for its input, in the given words.
func refused(t *testing.T, dialect string, body []byte, words string) {
	t.Helper()
	q, err := parsers[dialect].parse(body)
	if err == nil {
		t.Errorf("%s: %s: taken as %+v, want %q", dialect, body, q, words)
		return
	}
	f := fault.As(err)
	if f == nil || f.Kind != fault.Invalid || f.Reason != chat.ReasonInput {
		t.Errorf("%s: %s: %v is no fault of the input", dialect, body, err)
		return
	}
	if !strings.HasPrefix(f.Message, "AiError: Bad input: Error: ") || !strings.Contains(f.Message, words) {
		t.Errorf("%s: %s:\n got %q\nwant %q", dialect, body, f.Message, words)
	}
}

func TestEachNumberHasItsRange(t *testing.T) {
	const all, chats = "native chat.completions completions responses", "native chat.completions completions"
	openAI := "chat.completions completions responses"
	for _, test := range []struct {
		dialects, key, least, most, below, above string
	}{
		{all, "temperature", "0", "5", "-0.001", "5.001"},
		{"native", "top_p", "0.001", "1", "0.0009", "1.001"},
		{openAI, "top_p", "0", "1", "-0.1", "1.001"},
		{all, "top_k", "1", "50", "0", "51"},
		{"native", "seed", "1", "9999999999", "0", "10000000000"},
		{openAI, "seed", "-9223372036854775808", "9223372036854775807", "", ""},
		{all, "repetition_penalty", "0", "2", "-0.1", "2.1"},
		{all, "frequency_penalty", "-2", "2", "-2.1", "2.1"},
		{all, "presence_penalty", "-2", "2", "-2.1", "2.1"},
		{chats, "max_tokens", "1", "2147483647", "0", "2147483648"},
		{chats, "max_completion_tokens", "1", "2147483647", "-1", "1e300"},
		{"responses", "max_output_tokens", "1", "2147483647", "0", "2147483648"},
		{"chat.completions completions", "n", "1", "1", "0", "2"},
		{"completions", "best_of", "1", "1", "0", "2"},
	} {
		for _, dialect := range strings.Fields(test.dialects) {
			field := func(value string) []byte { return with(dialect, `"`+test.key+`":`+value) }
			parse(t, dialect, field(test.least))
			parse(t, dialect, field(test.most))
			parse(t, dialect, field("null"))
			if test.below != "" {
				refused(t, dialect, field(test.below), "'/"+test.key+"' must be >= "+test.least)
			}
			if test.above != "" {
				refused(t, dialect, field(test.above), "'/"+test.key+"' must be <= "+test.most)
			}
			parse(t, dialect, field("\t"+test.least+" \n"))
			for value, kind := range map[string]string{`"1"`: "string", `true`: "boolean", `[1]`: "array", `{}`: "object"} {
				refused(t, dialect, field(value), "Type mismatch of '/"+test.key+"', '"+kind+"' not in 'number'")
			}
		}
	}
}

func TestWholeNumbersMayHaveAPointAndNoFraction(t *testing.T) {
	q := parse(t, "native", with("native", `"max_tokens":256.0,"top_k":1e1,"seed":12.0`))
	if q.MaxTokens != 256 || *q.TopK != 10 || *q.Seed != 12 {
		t.Errorf("got %d, %d, %d", q.MaxTokens, *q.TopK, *q.Seed)
	}
	refused(t, "native", with("native", `"top_k":1.5`), "Type mismatch of '/top_k', 'number' not in 'integer'")
}

func TestEveryParameterArrives(t *testing.T) {
	q := parse(t, "native", with("native", `"max_tokens":7,"temperature":0.5,"top_p":0.25,"top_k":3,"seed":11,
		"repetition_penalty":1.5,"frequency_penalty":-1,"presence_penalty":1,"stop":["a","b"],"lora":"my-lora","stream":true,
		"functions":[{"name":"f","code":"x"}],"options":{"rejectIfBusy":true,"other":1},"dry_run":true,"stream_options":{"include_usage":true},
		"reasoning_effort":"low","chat_template_kwargs":{"enable_thinking":false,"clear_thinking":true},"nobody_knows":{}`))
	got, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"Messages":[{"Role":"user","Content":"Hi","Images":null,"Name":"","ToolCalls":null,"ToolCallID":""}],"Prompt":"","Raw":false,` +
		`"Tools":null,"ToolChoice":"","ParallelTools":null,"Format":null,"MaxTokens":7,"Temperature":0.5,"TopP":0.25,"TopK":3,"Seed":11,` +
		`"RepetitionPenalty":1.5,"FrequencyPenalty":-1,"PresencePenalty":1,"Stop":["a","b"],"Thinking":false,"Effort":"low","LoRA":"my-lora","Stream":true,` +
		`"Options":{"Model":"","RejectIfBusy":true,"DryRun":true,"IncludeUsage":true}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAnInputHasExactlyOneOfPromptAndMessages(t *testing.T) {
	refused(t, "native", []byte(`{}`), "oneOf at '/' not met, 0 matches: required properties at '/' are 'prompt', required properties at '/' are 'messages'")
	refused(t, "native", []byte(`{"prompt":null}`), "oneOf at '/' not met, 0 matches")
	refused(t, "native", []byte(`{"prompt":"a","messages":[{"role":"user","content":"b"}]}`), "prompt and messages are mutually exclusive")
	refused(t, "native", []byte(`{"messages":[]}`), "Length of '/messages' must be >= 1")
	refused(t, "native", []byte(`[]`), "Type mismatch of '/', 'array' not in 'object'")
	refused(t, "native", []byte(`{"prompt":`), "the body is not JSON")
	q := parse(t, "native", []byte(`{"prompt":"a","raw":true}`))
	if q.Prompt != "a" || !q.Raw || q.Messages != nil {
		t.Errorf("got %+v", q)
	}
}

func TestAPromptHasALengthInCharacters(t *testing.T) {
	for _, test := range []struct {
		length int
		words  string
	}{{1, ""}, {chat.MaxPrompt, ""}, {0, "Length of '/prompt' must be >= 1"}, {chat.MaxPrompt + 1, "Length of '/prompt' must be <= 131072, and is 131073"}, {10 * chat.MaxPrompt, "must be <= 131072"}} {
		letter := "ü"
		if test.length > chat.MaxPrompt+1 {
			letter = "u"
		}
		body := []byte(`{"prompt":"` + strings.Repeat(letter, test.length) + `"}`)
		if test.words == "" {
			parse(t, "native", body)
		} else if _, err := chat.ParseNative(body); err == nil || !strings.Contains(err.Error(), test.words) {
			t.Errorf("%d characters: %v, want %q", test.length, err, test.words)
		}
	}
}

func TestFaultsInMessagesNameTheirPath(t *testing.T) {
	for _, test := range []struct{ messages, words string }{
		{`{"content":"a"}`, "required properties at '/messages/0' are 'role'"},
		{`{"role":"user"}`, "required properties at '/messages/0' are 'content'"},
		{`{"role":"user","content":null}`, "required properties at '/messages/0' are 'content'"},
		{`{"role":"robot","content":"a"}`, `'/messages/0/role' must be one of 'system', 'user', 'assistant', 'tool', and is "robot"`},
		{`{"role":"user","content":1}`, "Type mismatch of '/messages/0/content', 'number' not in 'string, array'"},
		{`{"role":"user","content":["a"]}`, "Type mismatch of '/messages/0/content/0', 'string' not in 'object'"},
		{`{"role":"user","content":[{"text":"a"}]}`, "required properties at '/messages/0/content/0' are 'type'"},
		{`{"role":"user","content":[{"type":"text"}]}`, "required properties at '/messages/0/content/0' are 'text'"},
		{`{"role":"user","content":[{"type":"input_audio"}]}`, "'/messages/0/content/0/type' must be one of"},
		{`{"role":"user","content":"a","name":7}`, "Type mismatch of '/messages/0/name', 'number' not in 'string'"},
		{`{"role":"assistant","tool_calls":[{"name":""}]}`, "Length of '/messages/0/tool_calls/0/name' must be >= 1"},
		{`{"role":"assistant","tool_calls":[{"function":{}}]}`, "required properties at '/messages/0/tool_calls/0/function' are 'name'"},
		{`{"role":"assistant","tool_calls":[{"name":"f","arguments":"[1]"}]}`, "'/messages/0/tool_calls/0/arguments' must be an object"},
		{`"a"`, "Type mismatch of '/messages/0', 'string' not in 'object'"},
	} {
		refused(t, "native", []byte(`{"messages":[`+test.messages+`]}`), test.words)
		refused(t, "chat.completions", []byte(`{"model":"m","messages":[`+test.messages+`]}`), test.words)
	}
}

func TestContentMayComeInParts(t *testing.T) {
	q := parse(t, "native", []byte(`{"messages":[{"role":"developer","content":"Be brief."},{"role":"user","content":[
		{"type":"text","text":"What"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw=="}},{"type":"text","text":"is it?"},
		{"type":"image_url","image_url":"data:image/jpeg;base64,/9j/"}]},{"role":"assistant","content":null}]}`))
	if q.Messages[0].Role != chat.System || q.Messages[1].Content != "What\nis it?" || q.Messages[2].Content != "" {
		t.Errorf("got %+v", q.Messages)
	}
	images := q.Messages[1].Images
	if len(images) != 2 || images[0].Type != "image/png" || string(images[0].Bytes) != "\x89PNG" || images[1].Type != "image/jpeg" {
		t.Errorf("got %q", images)
	}
}

func TestPicturesAreSentAndNotFetched(t *testing.T) {
	for _, test := range []struct{ url, words string }{
		{"https://example.com/a.png", "'/messages/0/content/0/image_url/url' is an address; nothing is fetched"},
		{"http://example.com/a.png", "is an address"},
		{"file:///etc/passwd", "must be a data URI"},
		{"iVBORw==", "must be a data URI"},
		{"data:text/plain;base64,aGk=", "must hold a picture"},
		{"data:image/png,abc", "must be in base64"},
		{"data:image/png;base64,", "is not base64"},
		{"data:image/png;base64,*", "is not base64"},
		{"data:image/png;base64", "is not base64"},
	} {
		refused(t, "native", []byte(`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"`+test.url+`"}}]}]}`), test.words)
	}
}

func TestAPictureMayBeAnArrayOfItsBytes(t *testing.T) {
	q := parse(t, "native", []byte(`{"prompt":"What is it?","image":[137,80,78,71,13,10,26,10]}`))
	if len(q.Messages) != 1 || q.Messages[0].Content != "What is it?" || q.Messages[0].Images[0].Type != "image/png" || q.Prompt != "" {
		t.Errorf("got %+v", q)
	}
	bare := parse(t, "native", []byte(`{"prompt":"a","image":"iVBORw0KGgo="}`))
	if i := bare.Messages[0].Images[0]; i.Type != "image/png" || len(i.Bytes) != 8 {
		t.Errorf("got %+v", i)
	}
	refused(t, "native", []byte(`{"prompt":"a","image":"aGVsbG8="}`), "'/image' must be a data URI")
	for value, words := range map[string]string{
		`[256]`: "'/image/0' must be <= 255, and is 256", `[-1]`: "each a number from 0 to 255", `[]`: "at least one byte", `7`: "'number' not in 'string, array'",
	} {
		refused(t, "native", []byte(`{"prompt":"a","image":`+value+`}`), words)
	}
	refused(t, "native", []byte(`{"messages":[{"role":"system","content":"a"}],"image":[1]}`), "belongs to a message of the user")
	image, err := chat.ParseImage("/image", json.RawMessage(`"data:image/gif;base64,R0lGOA"`))
	if err != nil || image.Type != "image/gif" || string(image.Bytes) != "GIF8" {
		t.Errorf("got %v, %v", image, err)
	}
}

func TestStopIsOneTextOrSome(t *testing.T) {
	for value, want := range map[string]int{`"END"`: 1, `""`: 0, `["a","","b"]`: 2, `[]`: 0, `null`: 0} {
		if q := parse(t, "native", with("native", `"stop":`+value)); len(q.Stop) != want {
			t.Errorf("%s: %q", value, q.Stop)
		}
	}
	list := func(n int) string { return `"stop":["` + strings.Repeat(`a","`, n-1) + `a"]` }
	parse(t, "native", with("native", list(chat.MaxStops)))
	refused(t, "native", with("native", list(chat.MaxStops+1)), "Length of '/stop' must be <= 16, and is 17")
	refused(t, "native", with("native", list(1000*chat.MaxStops)), "Length of '/stop' must be <= 16")
	refused(t, "native", with("native", `"stop":[1]`), "Type mismatch of '/stop/0', 'number' not in 'string'")
	refused(t, "native", with("native", `"stop":1`), "Type mismatch of '/stop', 'number' not in 'string, array'")
}

func TestThinkingIsAskedForInEveryWay(t *testing.T) {
	off, on := false, true
	for _, test := range []struct {
		fields   string
		thinking *bool
		effort   string
	}{
		{``, nil, ""},
		{`"chat_template_kwargs":{}`, nil, ""},
		{`"chat_template_kwargs":{"enable_thinking":true}`, &on, ""},
		{`"chat_template_kwargs":{"enable_thinking":false}`, &off, ""},
		{`"reasoning_effort":"none"`, &off, ""},
		{`"reasoning_effort":"minimal"`, nil, "low"},
		{`"reasoning_effort":"medium"`, nil, "medium"},
		{`"reasoning_effort":"xhigh"`, nil, "high"},
		{`"reasoning_effort":null`, nil, ""},
	} {
		q := parse(t, "native", with("native", test.fields))
		if q.Effort != test.effort || (q.Thinking == nil) != (test.thinking == nil) || q.Thinking != nil && *q.Thinking != *test.thinking {
			t.Errorf("%s: %v, %q", test.fields, q.Thinking, q.Effort)
		}
	}
	refused(t, "native", with("native", `"reasoning_effort":"most"`), `'/reasoning_effort' must be one of 'none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max', and is "most"`)
	refused(t, "native", with("native", `"chat_template_kwargs":{"enable_thinking":1}`), "Type mismatch of '/chat_template_kwargs/enable_thinking', 'number' not in 'boolean'")
}

func TestOpenAIDialectsNameTheModel(t *testing.T) {
	for _, dialect := range []string{"chat.completions", "completions", "responses"} {
		if q := parse(t, dialect, with(dialect, "")); q.Options.Model != "m" {
			t.Errorf("%s: model %q", dialect, q.Options.Model)
		}
	}
	refused(t, "chat.completions", []byte(`{"messages":[{"role":"user","content":"a"}]}`), "required properties at '/' are 'model'")
	refused(t, "chat.completions", []byte(`{"model":"m"}`), "required properties at '/' are 'model', 'messages'")
	refused(t, "completions", []byte(`{"prompt":"a"}`), "required properties at '/' are 'model'")
	refused(t, "completions", []byte(`{"model":"","prompt":"a"}`), "Length of '/model' must be >= 1")
	if q, err := chat.ParseResponses([]byte(`{"input":"a"}`)); err != nil || q.Options.Model != "" {
		t.Errorf("responses for …/ai/run: %v", err)
	}
}

func TestWhatWouldChangeTheAnswerIsRefusedAndTheRestIgnored(t *testing.T) {
	for _, test := range []struct{ dialect, fields, words string }{
		{"chat.completions", `"n":3`, "an answer has one choice here"},
		{"chat.completions", `"logprobs":true`, "'/logprobs' is not served"},
		{"chat.completions", `"logprobs":false,"top_logprobs":0,"logit_bias":{}`, ""},
		{"chat.completions", `"top_logprobs":2`, "'/top_logprobs' is not served"},
		{"chat.completions", `"logit_bias":{"50256":-100}`, "'/logit_bias' is not served"},
		{"chat.completions", `"functions":[]`, "send the functions as tools"},
		{"chat.completions", `"modalities":["text","audio"]`, "'/modalities/1' must be 'text'"},
		{"chat.completions", `"modalities":["text"]`, ""},
		{"chat.completions", `"audio":{"voice":"a"}`, "'/audio' is not served"},
		{"chat.completions", `"web_search_options":{}`, "'/web_search_options' is not served"},
		{"chat.completions", `"user":"u","store":true,"metadata":{},"service_tier":"auto","prediction":{},"verbosity":"low"`, ""},
		{"completions", `"logprobs":5`, "'/logprobs' is not served"},
		{"completions", `"suffix":"b"`, "'/suffix' is not served"},
		{"completions", `"echo":true`, "'/echo' must be false"},
		{"completions", `"echo":false,"suffix":null,"logprobs":null`, ""},
		{"responses", `"previous_response_id":"resp_1"`, "responses are not stored. Send the whole conversation as input"},
		{"responses", `"conversation":"c"`, "conversations are not stored"},
		{"responses", `"prompt":{"id":"p"}`, "prompts are not stored"},
		{"responses", `"background":true`, "while the caller waits"},
		{"responses", `"background":false,"store":true,"metadata":{},"truncation":"auto","include":[],"previous_response_id":null`, ""},
		{"responses", `"tools":[{"type":"web_search"}]`, "'/tools/0/type' must be 'function'"},
	} {
		if test.words == "" {
			parse(t, test.dialect, with(test.dialect, test.fields))
		} else {
			refused(t, test.dialect, with(test.dialect, test.fields), test.words)
		}
	}
}

func TestLegacyCompletionsTakeOnePrompt(t *testing.T) {
	if q := parse(t, "completions", []byte(`{"model":"m","prompt":["Once"],"raw":true}`)); q.Prompt != "Once" || !q.Raw {
		t.Errorf("got %+v", q)
	}
	for prompt, words := range map[string]string{
		`["a","b"]`: "Length of '/prompt' must be 1, and is 2; send each prompt in a call of its own",
		`[]`:        "Length of '/prompt' must be 1, and is 0",
		`[1,2]`:     "'/prompt' holds tokens", `[[1,2]]`: "'/prompt' holds tokens",
		`[""]`: "Length of '/prompt' must be >= 1", `7`: "Type mismatch of '/prompt', 'number' not in 'string'",
	} {
		refused(t, "completions", []byte(`{"model":"m","prompt":`+prompt+`}`), words)
	}
}

func TestOptionsStandBesideAnyInput(t *testing.T) {
	options, err := chat.ParseOptions([]byte(`{"text":["a"],"model":"m","options":{"rejectIfBusy":true},"dry_run":true}`))
	if err != nil || options != (chat.Options{Model: "m", RejectIfBusy: true, DryRun: true}) {
		t.Errorf("got %+v, %v", options, err)
	}
	if _, err := chat.ParseImage("/image", json.RawMessage(`"data:`)); err == nil {
		t.Error("half a string was taken for a picture")
	}
	if _, err := chat.ParseOptions([]byte(`{"options":7}`)); err == nil || !strings.Contains(err.Error(), "Type mismatch of '/options', 'number' not in 'object'") {
		t.Errorf("got %v", err)
	}
	for body, want := range map[string]bool{`{"input":"a"}`: true, `{"input":"a","prompt":"b"}`: false, `{"messages":[]}`: false, `{`: false, `{"input":null}`: false} {
		if got := chat.UsesResponses([]byte(body)); got != want {
			t.Errorf("%s: %t", body, got)
		}
	}
}

func TestNumbersAreReadExactly(t *testing.T) {
	q := parse(t, "responses", with("responses", fmt.Sprintf(`"seed":%d`, int64(math.MaxInt64))))
	if *q.Seed != math.MaxInt64 {
		t.Errorf("got %d", *q.Seed)
	}
}
