package server

import (
	"strings"
	"testing"
	"time"

	"nearside/catalog"
	"nearside/llm/backend"
	"nearside/llm/backend/backendtest"
	"nearside/llm/ollama"
)

// failing is a call that Workers AI refuses, and how. Codes that cannot occur here
// are not listed: nothing needs a paid plan or an agreement (5016, 5018, 5035, 3023,
// 3041), no SDK is too old (5019), and requests are not limited by the minute (3021).
type failing struct {
	method, path, body, header string
	status, code               int
	text                       string // "" in the message
}

var failings = map[string]failing{
	"no such model":          {"POST", "/ai/run/@cf/no/such", `{"prompt":"a"}`, "", 400, 5007, "No such model @cf/no/such or task"},
	"not its task":           {"POST", "/ai/v1/embeddings", `{"model":"` + llama + `","input":"a"}`, "", 400, 5007, "is a model for Text Generation"},
	"beyond a range":         {"POST", "/ai/run/" + llama, `{"prompt":"a","top_k":51}`, "", 400, 5006, "AiError: AiError: Bad input: Error: oneOf at '/' not met, 0 matches: '/top_k' must be <= 50"},
	"neither prompt nor":     {"POST", "/ai/run/" + llama, `{}`, "", 400, 5006, "required properties at '/' are 'prompt'"},
	"both":                   {"POST", "/ai/run/" + llama, `{"prompt":"a","messages":[{"role":"user","content":"a"}]}`, "", 400, 5006, "oneOf at '/' not met"},
	"no base64":              {"POST", "/ai/run/@cf/openai/whisper-large-v3-turbo", `{"audio":"%%%"}`, "", 400, 5004, "wrong data type for base64 input"},
	"no body":                {"POST", "/ai/run/" + llama, ``, "", 400, 3003, "the body is missing"},
	"a fine-tune on another": {"POST", "/ai/run/" + llama, `{"prompt":"a","lora":"x"}`, "", 405, 5005, "takes no fine-tunes"},
	"no fine-tunes":          {"POST", "/ai/finetunes", `{"model":"` + llama + `","name":"x"}`, "", 400, 1000, "takes no fine-tunes"},
	"a model that is none":   {"GET", "/ai/v1/models/@cf/no/such", ``, "", 404, 3042, "does not exist"},
	"no schema":              {"GET", "/ai/models/schema?model=@cf/no/such", ``, "", 404, 6002, "no schema"},
	"no JSON mode":           {"POST", "/ai/run/" + llama, `{"prompt":"a","response_format":{"type":"json_object"}}`, "", 400, 5024, "JSON Mode couldn't be met"},
	"no route":               {"POST", "/ai/nothing", `{}`, "", 404, 7000, "No route for that URI"},
	"a broken path":          {"POST", "/ai/run/%2e%2e", `{}`, "", 400, 7003, "Could not route"},
	"an unknown key":         {"POST", "/ai/run/" + llama, `{"prompt":"a"}`, "wrong", 401, 10000, "Authentication error"},
	"a key that may not":     {"POST", "/ai/finetunes", `{"model":"` + llama + `","name":"x"}`, "read", 403, 10000, "read"},
	"nothing is here":        {"POST", "/ai/run/@cf/google/gemma-3-12b-it", `{"prompt":"a"}`, "", 503, 7009, "nothing here can answer for it"},
}

func TestEveryErrorOfWorkersAIHasItsCode(t *testing.T) {
	h, _, parts := modelled(t, Config{})
	keys := map[string]string{
		"":      h.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Admin}),
		"read":  h.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Read}),
		"wrong": "nsk_wrong",
	}
	for name, f := range failings {
		before := charged(t, parts)
		a := h.do(f.method, home+f.path, strings.NewReader(f.body), "Content-Type: application/json", "Authorization: Bearer "+keys[f.header])
		if a.status != f.status || a.code() != f.code || !strings.Contains(a.body, f.text) || !strings.HasPrefix(a.body, `{"result":{},"success":false,"errors":[{"code":`) || !strings.Contains(a.body, `"messages":[]`) {
			t.Errorf("%s: want %d with code %d and %q, got %d: %.400s", name, f.status, f.code, f.text, a.status, a.body)
		}
		if strings.HasPrefix(f.path, "/ai/v1/") != strings.Contains(a.body, `"error":{"message":`) {
			t.Errorf("%s: whether OpenAI's error stands beside: %.400s", name, a.body)
		}
		if f.code == 5006 && (a.header.Get("cf-ai-req-id") == "" || !strings.Contains(a.body, " ("+a.header.Get("cf-ai-req-id")+")\"")) {
			t.Errorf("%s: the message does not end with the request's id %s: %.400s", name, a.header.Get("cf-ai-req-id"), a.body)
		}
		if f.code != 5024 && charged(t, parts) != before {
			t.Errorf("%s is charged", name)
		}
	}
}

func TestWhatTakesTooLongOrHasNoRoomSaysSo(t *testing.T) {
	s := backendtest.New(t)
	s.Add(backendtest.Model{Name: "llama3.1"})
	b, err := ollama.New(ollama.Options{Name: "ollama", URL: s.URL})
	g := backendtest.Opened(t, backend.NewGuard(b, backend.Limits{Concurrency: 1, Queue: -1, FirstByte: 300 * time.Millisecond, Failures: 1000}), err)
	h := startWith(t, Config{Work: 1, Queue: 1, Patience: time.Nanosecond}, domainWith(t, nil, g))
	path := home + "/ai/run/" + llama
	s.Lie(backendtest.SlowHeaders)
	slow := make(chan answer, 1)
	background(t, func() { slow <- h.post(path, `{"prompt":"a"}`) })
	until(t, "the first call to be under way", func() bool { return g.State().InFlight == 1 })
	h.post(path, `{"prompt":"a","options":{"rejectIfBusy":true}}`).want(t, 429, 3040, `"message":"Capacity temporarily exceeded, please try again.`)
	h.post(path, `{"prompt":"a"}`).want(t, 429, 3040, `"message":"Capacity temporarily exceeded, please try again.`)
	await(t, "the silent call", slow).want(t, 408, 3007, "nothing came for 300ms")

	entered, release := make(chan struct{}), make(chan struct{})
	full := start(t, Config{Work: 1, Queue: 1, Patience: time.Nanosecond},
		Route{Method: "GET", Path: "/wait", Handle: func(_ *Server, c *call) error { entered <- struct{}{}; <-release; return c.reply("done") }},
		Route{Method: "GET", Path: "/ai", Family: workersAI, Handle: func(_ *Server, c *call) error { return c.reply(nil) }})
	done := make(chan answer, 1)
	background(t, func() { done <- full.do("GET", "/wait", nil) })
	await(t, "the one slot to be taken", entered)
	full.do("GET", "/ai", nil).want(t, 429, 3040, `"message":"Capacity temporarily exceeded, please try again. (Too Many Requests`)
	close(release)
	await(t, "the reply", done)
}
