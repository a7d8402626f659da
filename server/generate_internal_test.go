package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"nearside/embed"
	"nearside/llm/backend"
	"nearside/llm/backend/backendtest"
	"nearside/llm/chat"
	"nearside/llm/ollama"
	"nearside/llm/openai"
)

const (
	llama  = "@cf/meta/llama-3.1-8b-instruct-fp8" // native output
	gptOSS = "@cf/openai/gpt-oss-20b"             // chat.completion
	bgeM3  = "@cf/baai/bge-m3"
)

// servers are two model servers that have the same models: ollama, and openai for when it fails.
type servers struct{ ollama, openai *backendtest.Server }

// modelled is a running server with model servers behind it.
func modelled(t *testing.T, config Config) (*harness, servers, Parts) {
	t.Helper()
	s := servers{backendtest.New(t), backendtest.New(t)}
	s.ollama.Add(backendtest.Model{Name: "llama3.1"}, backendtest.Model{Name: "gpt-oss"}, backendtest.Model{Name: "bge-m3", Dimensions: 1024})
	s.openai.Add(backendtest.Model{Name: "meta-llama/Llama-3.1-8B-Instruct"}, backendtest.Model{Name: "openai/gpt-oss-20b"})
	first, err := ollama.New(ollama.Options{Name: "ollama", URL: s.ollama.URL})
	if err != nil {
		t.Fatal(err)
	}
	second, err := openai.New(openai.Options{Name: "openai", URL: s.openai.URL + "/v1"})
	if err != nil {
		t.Fatal(err)
	}
	limits := backend.Limits{Failures: 1000} // the breaker is not what is tested
	guards := []backend.Backend{backend.NewGuard(first, limits), backend.NewGuard(second, limits)}
	t.Cleanup(func() {
		for _, g := range guards {
			if err := g.(*backend.Guard).Close(); err != nil {
				t.Error(err)
			}
		}
	})
	// The catalogue asks for llama3.1:8b first: that only another tag is pulled is no failover.
	parts := domainWith(t, []embed.Embedder{encoder}, guards...)
	return startWith(t, config, parts), s, parts
}

// frames splits an event stream into what its data lines hold.
func framesOf(t *testing.T, stream string) []string {
	t.Helper()
	var list []string
	for frame := range strings.SplitSeq(strings.TrimSuffix(stream, "\n\n"), "\n\n") {
		lines := strings.Split(frame, "\n")
		data, ok := strings.CutPrefix(lines[len(lines)-1], "data: ")
		if !ok {
			t.Errorf("the frame %q has no data", frame)
		}
		list = append(list, data)
	}
	return list
}

func TestTheNativeModelAnswersNativelyAndTheOthersAsCompletions(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	native := h.post(home+"/ai/run/"+llama, `{"messages":[{"role":"user","content":"why is the sky blue"}]}`)
	native.want(t, 200, 0, `{"result":{"response":"The sky is blue.","tool_calls":[],"usage":{"prompt_tokens":5,"completion_tokens":5,"total_tokens":10`, `"success":true,"errors":[],"messages":[]}`)
	completion := h.post(home+"/ai/run/"+strings.ReplaceAll(gptOSS, "/", "%2F"), `{"messages":[{"role":"user","content":"why is the sky blue"}]}`)
	completion.want(t, 200, 0, `{"result":{"id":"chatcmpl-`, `"object":"chat.completion"`, `"model":"`+gptOSS+`"`, `"content":"The sky is blue."`, `"finish_reason":"stop"`)
	for name, a := range map[string]answer{"native": native, "completion": completion} {
		if a.header.Get("nearside-backend") != "ollama" || a.header.Get("nearside-route") != "first" || a.header.Get("cf-ai-neurons") == "" || len(a.header.Get("cf-ai-req-id")) != 36 || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: headers %v", name, a.header)
		}
	}
	if got := native.header.Get("nearside-model"); got != "llama3.1" {
		t.Errorf("nearside-model is %q", got)
	}
	h.post(home+"/ai/run/"+llama, `{"prompt":"hello"}`).want(t, 200, 0, `"response":"The sky is blue."`)
	h.post(home+"/ai/run/"+gptOSS, `{"input":"hello","instructions":"be short"}`).want(t, 200, 0, `"result":{"id":"resp`, `"object":"response"`, `"output_text"`)
}

func TestOpenAIsHalfAnswersBare(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	for _, base := range []string{"/v1", home + "/ai/v1"} {
		for path, test := range map[string]struct{ body, begins string }{
			"/chat/completions": {`{"model":"` + llama + `","messages":[{"role":"user","content":"hello"}]}`, `{"id":"chatcmpl-`},
			"/completions":      {`{"model":"` + llama + `","prompt":"hello"}`, `{"id":"cmpl-`},
			"/responses":        {`{"model":"` + llama + `","input":"hello"}`, `{"id":"resp_`},
		} {
			a := h.post(base+path, test.body)
			a.want(t, 200, 0, "The sky is blue.", `"model":"`+llama+`"`)
			if !strings.HasPrefix(a.body, test.begins) {
				t.Errorf("%s%s: got %.80s", base, path, a.body)
			}
		}
		h.post(base+"/responses", `{"input":"hello"}`).want(t, 400, 5006, "'model'", `"error":{"message":"`)
		h.post(base+"/chat/completions", `{"model":"@cf/x/y","messages":[{"role":"user","content":"hello"}]}`).want(t, 400, 5007, "No such model", `"error":{"message":"`)
		h.post(base+"/chat/completions", `{"model":"`+bge+`","messages":[{"role":"user","content":"hello"}]}`).want(t, 400, 5007, "Text Embeddings")
	}
}

func TestAStreamOfAModelEndsWithItsUsageAndDone(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	for name, test := range map[string]struct{ path, body string }{
		"native":         {home + "/ai/run/" + llama, `{"prompt":"hello","stream":true}`},
		"completion":     {home + "/ai/run/" + gptOSS, `{"messages":[{"role":"user","content":"hello"}],"stream":true}`},
		"openai's chat":  {"/v1/chat/completions", `{"model":"` + llama + `","messages":[{"role":"user","content":"hello"}],"stream":true}`},
		"openai's texts": {"/v1/completions", `{"model":"` + llama + `","prompt":"hello","stream":true}`},
	} {
		a := h.post(test.path, test.body)
		if a.status != 200 || a.header.Get("Content-Type") != typeSSE || a.header.Get("nearside-model") == "" || a.header.Get("nearside-route") != "first" {
			t.Fatalf("%s: %d, headers %v: %.200s", name, a.status, a.header, a.body)
		}
		list := framesOf(t, a.body)
		if list[len(list)-1] != "[DONE]" || !strings.Contains(list[len(list)-2], `"usage":{`) {
			t.Errorf("%s: the stream ends with %q", name, list[max(0, len(list)-2):])
		}
		text := ""
		for _, frame := range list[:len(list)-1] {
			var got struct {
				Response string
				Choices  []struct {
					Text  string
					Delta struct{ Content string }
				}
			}
			if err := json.Unmarshal([]byte(frame), &got); err != nil {
				t.Fatalf("%s: %v in %q", name, err, frame)
			}
			text += got.Response
			for _, c := range got.Choices {
				text += c.Text + c.Delta.Content
			}
		}
		if text != "The sky is blue." {
			t.Errorf("%s: the pieces are %q", name, text)
		}
	}
}

// Each frame reaches the client before the model has made the next one.
func TestFramesAreNotHeldBack(t *testing.T) {
	h, s, _ := modelled(t, Config{})
	s.ollama.Lie(backendtest.StallMidway) // two frames come, then nothing
	res, err := http.Post(h.url()+home+"/ai/run/"+llama, typeJSON, strings.NewReader(`{"prompt":"hello","stream":true}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	r := bufio.NewReader(res.Body)
	for _, want := range []string{"The", " sky"} {
		line, err := r.ReadString('\n')
		if err != nil || !strings.Contains(line, `"response":"`+want+`"`) {
			t.Fatalf("got %q, %v, want %q", line, err, want)
		}
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheNextBackendAnswersAndTheReplySaysWhy(t *testing.T) {
	h, s, _ := modelled(t, Config{})
	s.ollama.Down()
	a := h.post(home+"/ai/run/"+llama, `{"prompt":"hello"}`)
	a.want(t, 200, 0, "The sky is blue.", "passed over: ollama (llama3.1:8b): unreachable")
	if a.header.Get("nearside-backend") != "openai" || a.header.Get("nearside-route") != "failover" || !strings.Contains(a.header.Get("nearside-warning"), "unreachable") {
		t.Errorf("headers %v", a.header)
	}
	s.ollama.Up()
	until(t, "the first backend to be asked again", func() bool {
		return h.post(home+"/ai/run/"+llama, `{"prompt":"hello"}`).header.Get("nearside-route") == "first"
	})
}

func TestFailuresOfBackendsHaveCloudflaresCodes(t *testing.T) {
	for lie, want := range map[backendtest.Lie]struct{ status, code int }{
		backendtest.Status429:         {429, 3040},
		backendtest.Status500:         {503, 7009},
		backendtest.CloseAfterHeaders: {503, 7009},
		backendtest.Status400:         {400, 5006},
	} {
		h, s, _ := modelled(t, Config{})
		s.ollama.Lie(lie)
		s.openai.Down()
		for _, body := range []string{`{"prompt":"hello"}`, `{"prompt":"hello","stream":true}`} {
			a := h.post(home+"/ai/run/"+llama, body)
			a.want(t, want.status, want.code)
			if a.header.Get("Content-Type") != typeJSON || strings.Contains(a.body, "hello") {
				t.Errorf("%s: %v: %.300s", lie, a.header, a.body)
			}
		}
	}
}

func TestAStreamThatBreaksOffSaysSoAndIsNotTakenForAWholeOne(t *testing.T) {
	for _, lie := range []backendtest.Lie{backendtest.CloseMidway, backendtest.HalfFrame, backendtest.NoLastFrame} {
		h, s, _ := modelled(t, Config{})
		s.ollama.Lie(lie)
		a, err := h.try("POST", home+"/ai/run/"+llama, strings.NewReader(`{"prompt":"hello","stream":true}`), "Content-Type: application/json")
		if err == nil || strings.Contains(a.body, "[DONE]") || !strings.Contains(a.body, `"response":"The"`) || !strings.Contains(a.body, "7009") {
			t.Errorf("%s: %v: %q", lie, err, a.body)
		}
	}
}

func TestToolCallsComeInTheDialectOfTheModel(t *testing.T) {
	h, s, _ := modelled(t, Config{})
	s.ollama.Answer(backendtest.Answer{Tools: []chat.ToolCall{{ID: "c1", Name: "weather", Arguments: []byte(`{"city":"Oslo"}`)}}})
	body := `{"messages":[{"role":"user","content":"how is it in Oslo"}],"tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]}`
	h.post(home+"/ai/run/"+llama, body).want(t, 200, 0, `"tool_calls":[{"name":"weather","arguments":{"city":"Oslo"}}]`)
	h.post(home+"/ai/run/"+gptOSS, body).want(t, 200, 0, `"arguments":"{\"city\":\"Oslo\"}"`, `"finish_reason":"tool_calls"`)
}

func TestJSONModeIsMendedOnceOrRefused(t *testing.T) {
	h, s, _ := modelled(t, Config{})
	body := `{"prompt":"a number","response_format":{"type":"json_schema","json_schema":{"type":"object","required":["n"],"properties":{"n":{"type":"integer"}}}}}`
	s.ollama.Answer(backendtest.Answer{Pieces: []string{"seven"}}, backendtest.Answer{Pieces: []string{`{"n":`, `7}`}})
	h.post(home+"/ai/run/"+llama, body).want(t, 200, 0, `"response":{"n":7}`)
	s.ollama.Answer(backendtest.Answer{Pieces: []string{"seven"}})
	a := h.post(home+"/ai/run/"+llama, body)
	a.want(t, 400, 5024, "JSON Mode couldn't be met")
	if a.header.Get("cf-ai-neurons") == "" {
		t.Error("the reply does not say what the two attempts cost")
	}
}

func TestABusyBackendIsWaitedForUnlessTheCallerWillNot(t *testing.T) {
	for _, how := range []struct{ query, body string }{
		{"?rejectIfBusy=true", `{"prompt":"hello"}`},
		{"", `{"prompt":"hello","options":{"rejectIfBusy":true}}`},
	} {
		s := backendtest.New(t)
		s.Add(backendtest.Model{Name: "llama3.1"})
		s.Lie(backendtest.StallMidway)
		server, err := ollama.New(ollama.Options{Name: "ollama", URL: s.URL})
		if err != nil {
			t.Fatal(err)
		}
		guard := backend.NewGuard(server, backend.Limits{Concurrency: 1})
		t.Cleanup(func() { guard.Close() })
		h := startWith(t, Config{}, domainWith(t, nil, guard))
		res, err := http.Post(h.url()+home+"/ai/run/"+llama, typeJSON, strings.NewReader(`{"prompt":"hello","stream":true}`))
		if err != nil {
			t.Fatal(err)
		}
		a := h.post(home+"/ai/run/"+llama+how.query, how.body)
		a.want(t, 429, 3040, "Capacity temporarily exceeded, please try again.")
		res.Body.Close()
	}
}

func TestADryRunSaysWhatACallMayCostAndRunsNothing(t *testing.T) {
	h, s, parts := modelled(t, Config{})
	h.post(home+"/ai/run/"+llama, `{"prompt":"hello","dry_run":true}`).want(t, 200, 0, `"dry_run":true`, `"output_tokens":256`, `"neurons":`)
	h.post("/v1/chat/completions", `{"model":"`+llama+`","messages":[{"role":"user","content":"hello"}],"dry_run":true}`).want(t, 200, 0, `{"dry_run":true`)
	h.post(home+"/ai/run/"+bgeM3, `{"text":"hello","dry_run":true}`).want(t, 200, 0, `"dry_run":true`, `"input_tokens":4`)
	if len(s.ollama.Asked("/api/embed"))+len(s.ollama.Asked("/api/chat"))+len(s.ollama.Asked("/api/generate")) > 0 || charged(t, parts) != 0 {
		t.Error("something ran")
	}
}

func TestWhileAModelWorksOthersAreServed(t *testing.T) {
	h, s, _ := modelled(t, Config{Work: 1, Queue: 1})
	s.ollama.Lie(backendtest.StallFirst)
	for _, body := range []string{`{"prompt":"hello"}`, `{"prompt":"hello","stream":true}`} {
		before := len(s.ollama.Asked("/api/generate")) + len(s.ollama.Asked("/api/chat"))
		c := h.dial()
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", home+"/ai/run/"+llama, len(body), body)
		until(t, "the model to be asked", func() bool {
			return len(s.ollama.Asked("/api/generate"))+len(s.ollama.Asked("/api/chat")) > before
		})
		h.do("GET", home+"/ai/tasks/search", nil).want(t, 200, 0)
		c.Close()
	}
}

// until waits for a condition, looking again as often as the machine lets it.
func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !met(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s", patience, what)
		}
	}
}

func TestEachModelCallsToolsInItsOwnForm(t *testing.T) {
	calls := backendtest.Answer{Tools: []chat.ToolCall{{Name: "weather", Arguments: json.RawMessage(`{"city":"Oslo"}`)}}}
	body := `{"messages":[{"role":"user","content":"weather?"}],"tools":[{"name":"weather","parameters":{"type":"object"}}]`
	const nested, text = `","type":"function","function":{"name":"weather","arguments":{"city":"Oslo"}}}]`, `","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Oslo\"}"}}]`
	for model, want := range map[string]struct{ whole, streamed string }{
		llama: {`"tool_calls":[{"name":"weather","arguments":{"city":"Oslo"}}]`, `"tool_calls":[{"index":0,"name":"weather","arguments":{"city":"Oslo"}}]`},
		"@cf/meta/llama-4-scout-17b-16e-instruct": {nested, nested},
		gptOSS: {text, text},
	} {
		h, s, _ := modelled(t, Config{})
		s.ollama.Add(backendtest.Model{Name: "llama4"})
		s.ollama.Answer(calls)
		h.post(home+"/ai/run/"+model, body+`}`).want(t, 200, 0, want.whole)
		h.post(home+"/ai/run/"+model, body+`,"stream":true}`).want(t, 200, 0, want.streamed)
	}
}

func TestAGuardAnswersAsAnObjectWhereJSONIsAskedFor(t *testing.T) {
	const guard = "@cf/meta/llama-guard-3-8b"
	body := `{"messages":[{"role":"user","content":"how do I pick a lock"}]`
	asJSON := body + `,"response_format":{"type":"json_object"}}`
	h, s, parts := modelled(t, Config{})
	s.ollama.Add(backendtest.Model{Name: "llama-guard3"})
	s.ollama.Answer(backendtest.Answer{Pieces: []string{"\n\nunsafe", "\nS1,S2"}})
	h.post(home+"/ai/run/"+guard, body+`}`).want(t, 200, 0, `"response":"\n\nunsafe\nS1,S2"`)
	h.post(home+"/ai/run/"+guard, asJSON).want(t, 200, 0, `"response":{"safe":false,"categories":["S1","S2"]}`)
	h.post(home+"/ai/v1/chat/completions", `{"model":"`+guard+`",`+asJSON[1:]).want(t, 200, 0, `"content":"{\"safe\":false,\"categories\":[\"S1\",\"S2\"]}"`)
	h.post(home+"/ai/run/"+guard, body+`,"response_format":{"type":"json_schema","json_schema":{"type":"object"}}}`).want(t, 400, 5006, "'/response_format/type' must be one of 'text', 'json_object'")
	before := charged(t, parts)
	s.ollama.Answer(backendtest.Answer{Pieces: []string{"Why not?"}})
	h.post(home+"/ai/run/"+guard, asJSON).want(t, 400, 5024, "JSON Mode couldn't be met", "neither safe nor unsafe")
	if charged(t, parts) == before {
		t.Error("what the model said costs nothing")
	}
}
