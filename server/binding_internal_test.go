package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"nearside/catalog"
	"nearside/index"
	"nearside/llm/backend/backendtest"
	"nearside/vectorize"
)

// worker calls bindings as the Workers runtime does, for a project of the account local.
type worker struct {
	*harness
	secret string
}

func newWorker(h *harness) worker {
	h.t.Helper()
	project := resultOf[projectObject](h.t, h.post(home+"/nearside/projects", `{"name":"/home/ada/shop"}`))
	return worker{h, project.Secret}
}

// vector calls env.VECTORIZE of an index.
func (w worker) vector(index, method, path, contentType, body string) answer {
	w.t.Helper()
	return w.do(method, path, strings.NewReader(body), "Host: vector-search", "Content-Type: "+contentType,
		headerBindingType+": vectorize", headerResource+": "+index, headerBindingSecret+": "+w.secret)
}

// ai calls env.AI.
func (w worker) ai(method, path, model, contentType, body string) answer {
	w.t.Helper()
	return w.do(method, path, strings.NewReader(body), "Host: workers-binding.ai", "Content-Type: "+contentType,
		"cf-consn-sdk-version: 2.0.0", headerModel+": "+model, headerBindingType+": ai", headerBindingSecret+": "+w.secret)
}

// run calls env.AI.run.
func (w worker) run(model, inputs, options string) answer {
	w.t.Helper()
	return w.ai("POST", "/run?version=3", model, typeJSON, `{"inputs":`+inputs+`,"options":`+options+`}`)
}

func TestABindingForVectorsIsAnsweredWithoutAnEnvelope(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.films(index.Cosine, `{"id":"a","values":[1,0,0],"metadata":{"genre":"noir"}}`)
		w := newWorker(c.harness)
		const lines = `{"id":"b","values":[0,1,0]}` + "\n" + `{"id":"c","values":[0,0,1]}`
		for name, got := range map[string]answer{"insert": w.vector("films", "POST", "/insert", typeNDJSON, lines), "upsert": w.vector("films", "POST", "/upsert", typeNDJSON, lines)} {
			if got.status != 200 || !strings.HasPrefix(got.body, `{"mutationId":"`) || got.header.Get("Content-Type") != typeJSON {
				t.Errorf("%s: %d %s %s", name, got.status, got.header.Get("Content-Type"), got.body)
			}
		}
		equal := func(what string, got answer, want string) {
			t.Helper()
			if got.status != 200 || got.body != want {
				t.Errorf("%s: %d %s, want %s", what, got.status, got.body, want)
			}
		}
		equal("query", w.vector("films", "POST", "/query", typeJSON, `{"topK":1,"returnMetadata":"all","vector":[1,0,0]}`), `{"count":1,"matches":[{"id":"a","score":1,"metadata":{"genre":"noir"}}]}`)
		equal("query by id", w.vector("films", "POST", "/query", typeJSON, `{"topK":1,"returnMetadata":false,"vectorId":"b"}`), `{"count":1,"matches":[{"id":"b","score":1}]}`)
		equal("get", w.vector("films", "POST", "/getByIds", typeJSON, `{"ids":["b","none"]}`), `[{"id":"b","values":[0,1,0]}]`)
		if got := w.vector("films", "GET", "/info", typeJSON, ""); got.status != 200 || !strings.HasPrefix(got.body, `{"dimensions":3,"vectorCount":3,"processedUpToDatetime":"`) {
			t.Errorf("describe: %d %s", got.status, got.body)
		}
		if got := w.vector("films", "POST", "/deleteByIds", typeJSON, `{"ids":["b"]}`); got.status != 200 || !strings.HasPrefix(got.body, `{"mutationId":"`) {
			t.Errorf("delete: %d %s", got.status, got.body)
		}

		// The first version has the index in its paths.
		legacy := "/binding/indexes/films"
		equal("v1 query", w.vector("", "POST", legacy+"/query", typeJSON, `{"topK":1,"vector":[0,0,1],"compat":{"queryMetadataOptional":true}}`), `{"count":1,"matches":[{"id":"c","score":1}]}`)
		equal("v1 upsert", w.vector("", "POST", legacy+"/upsert", typeJSON, `{"vectors":[{"id":"d","values":[1,1,0]}]}`), `{"count":1,"ids":["d"]}`)
		equal("v1 delete", w.vector("", "POST", legacy+"/deleteByIds", typeJSON, `{"ids":["d"]}`), `{"count":1,"ids":["d"]}`)
		if got := w.vector("", "GET", legacy, typeJSON, ""); got.status != 200 || !strings.Contains(got.body, `"name":"films"`) || strings.Contains(got.body, `"success"`) {
			t.Errorf("v1 describe: %d %s", got.status, got.body)
		}
	})
}

func TestFailuresOfABindingForVectorsAreWhatItsObjectReads(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.films(index.Cosine)
		w := newWorker(c.harness)
		for _, test := range []struct {
			index, method, path, body string
			status, code              int
			says                      string
		}{
			{"films", "POST", "/query", `{"vector":[1,2]}`, 400, 40006, "3 dimensions"},
			{"nowhere", "POST", "/query", `{"vector":[1,2,3]}`, 404, 3000, "nowhere"},
			{"films", "POST", "/query", `{"vector":`, 400, 40026, ""},
			{"films", "GET", "/nothing", ``, 404, 7000, "No route"},
			{"films", "GET", "/query", ``, 405, 7001, "POST"},
			{"", "POST", "/query", `{"vector":[1,2,3]}`, 400, 7003, "index"},
			{"a%zz", "POST", "/query", `{"vector":[1,2,3]}`, 400, 7003, "index"},
		} {
			got := w.vector(test.index, test.method, test.path, typeJSON, test.body)
			var failure struct {
				Code  int
				Error string
			}
			if err := json.Unmarshal([]byte(got.body), &failure); err != nil || got.status != test.status || failure.Code != test.code || !strings.Contains(failure.Error, test.says) || strings.Contains(got.body, "success") {
				t.Errorf("%s %s of %q: %d %s", test.method, test.path, test.index, got.status, got.body)
			}
		}
	})
}

func TestABindingForModelsIsAnsweredWithTheBareResult(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	w := newWorker(h)
	got := w.run("workers-ai:"+llama, `{"messages":[{"role":"user","content":"why is the sky blue"}]}`, `{"tags":["x"]}`)
	if got.status != 200 || !strings.HasPrefix(got.body, `{"response":"The sky is blue.","tool_calls":[],"usage":{`) || got.header.Get("Content-Type") != typeJSON || len(got.header.Get("cf-ai-req-id")) != 36 {
		t.Errorf("chat: %d %v %s", got.status, got.header, got.body)
	}
	if got := w.run(bgeM3, `{"text":["a cat"]}`, `{}`); got.status != 200 || !strings.HasPrefix(got.body, `{"shape":[1,1024],"data":[[`) {
		t.Errorf("embeddings: %d %.200s", got.status, got.body)
	}
	stream := w.run(llama, `{"prompt":"hello","stream":true}`, `null`)
	if stream.status != 200 || stream.header.Get("Content-Type") != typeSSE || !strings.HasSuffix(stream.body, "data: [DONE]\n\n") {
		t.Errorf("stream: %d %s %q", stream.status, stream.header.Get("Content-Type"), stream.body)
	}
	through := w.ai("POST", "/ai-gateway/run?version=3", llama, typeJSON, `{"inputs":{"prompt":"hello"},"options":{"gateway":{"id":"mine","cacheTtl":60}}}`)
	if through.status != 200 || through.header.Get("cf-aig-log-id") == "" || through.header.Get("cf-aig-cache-status") != cacheMiss {
		t.Errorf("through a gateway: %d %v %s", through.status, through.header, through.body)
	}
	w.ai("GET", "/ai-gateway/gateways/mine/logs/"+through.header.Get("cf-aig-log-id"), "", typeJSON, "").want(t, 200, 0, `"model":"`+llama+`"`)
	w.ai("GET", "/ai-gateway/gateways/mine/url/workers-ai", "", typeJSON, "").want(t, 200, 0, `"result":{"url":"`+h.url()+`/v1/local/mine/workers-ai"}`)
	w.ai("POST", "/ai-gateway/universal/run/mine", "", typeJSON, elsewhere+`}}]`).want(t, 200, 0, "The sky is blue.")
	w.ai("GET", "/ai-api/models/search?search=bge-m3", "", typeJSON, "").want(t, 200, 0, `"result":[{`, bgeM3)
}

// A Worker that has nothing to say in options, or everything, or an empty input.
func TestTheOptionsOfABindingAreThoseOfThePublicAPI(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	w := newWorker(h)
	if got := w.run(llama, `{"prompt":"hello","dry_run":true}`, `{"rejectIfBusy":true}`); got.status != 200 || !strings.HasPrefix(got.body, `{"dry_run":true`) {
		t.Errorf("dry run: %d %s", got.status, got.body)
	}
	for _, body := range []string{``, `{}`, `{"inputs":null}`, `{"inputs":{ },"options":{"tags":[]}}`, `[1]`, `{"inputs":`} {
		if got := w.ai("POST", "/run?version=3", llama, typeJSON, body); got.status != 400 || !strings.Contains(got.body, `"internalCode":`) {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
}

func TestAStreamGivenToABindingIsTheInput(t *testing.T) {
	h, s, _ := modelled(t, Config{})
	s.openai.Add(backendtest.Model{Name: "whisper-1"})
	w := newWorker(h)
	inputs := url.QueryEscape(`{"source_lang":"en","beam_size":5}`)
	got := w.ai("POST", "/run?version=3&userInputs="+inputs, "@cf/openai/whisper", "audio/wav", string(silence()))
	if got.status != 200 || !strings.HasPrefix(got.body, `{"text":"`) {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if got := w.ai("POST", "/run?version=3&userInputs=%5B", "@cf/openai/whisper", "audio/wav", "x"); got.status != 400 || !strings.Contains(got.body, "userInputs") {
		t.Errorf("with inputs that are no object: %d %s", got.status, got.body)
	}
}

func TestFailuresOfABindingForModelsAreWhatItsObjectReads(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	w := newWorker(h)
	for _, test := range []struct {
		model, inputs string
		status, code  int
		says          string
	}{
		{"@cf/nope/nope", `{"prompt":"x"}`, 400, 5007, "No such model @cf/nope/nope"},
		{llama, `{"prompt":5}`, 400, 5006, "Type mismatch of '/prompt'"},
		{"", `{"prompt":"x"}`, 400, 3003, headerModel},
	} {
		got := w.run(test.model, test.inputs, `{}`)
		var failure aiFailure
		if err := json.Unmarshal([]byte(got.body), &failure); err != nil {
			t.Fatalf("%v: %s", err, got.body)
		}
		if got.status != test.status || failure.Code != test.code || failure.Name != "AiError" || failure.Status != test.status || !strings.Contains(failure.Description, test.says) ||
			len(failure.Errors) != 1 || failure.Errors[0].Code != test.code || strings.Contains(got.body, "success") {
			t.Errorf("%s: %d %s", test.model, got.status, got.body)
		}
	}
	if got := w.ai("GET", "/run?version=3&body=x", llama, typeJSON, ""); got.status != 501 || !strings.Contains(got.body, "WebSocket") {
		t.Errorf("a WebSocket: %d %s", got.status, got.body)
	}
}

// Whoever has no secret of a project gets nowhere, with keys and without, and
// neither does a web page that has one.
func TestOnlyProjectsCallBindings(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	w := newWorker(h)
	call := func(headers ...string) answer {
		return h.do("POST", "/run?version=3", strings.NewReader(`{"inputs":{"prompt":"x"}}`), append([]string{"Content-Type: application/json", headerModel + ": " + llama}, headers...)...)
	}
	for name, got := range map[string]answer{
		"no secret":       call(headerBindingType + ": ai"),
		"a wrong secret":  call(headerBindingType+": ai", headerBindingSecret+": "+w.secret+"x"),
		"another's type":  call(headerBindingType+": vectorize", headerBindingSecret+": nsw_x"),
		"a page":          call(headerBindingType+": ai", headerBindingSecret+": "+w.secret, "Origin: http://evil.example"),
		"a page's script": call(headerBindingType+": ai", headerBindingSecret+": "+w.secret, "Sec-Fetch-Site: same-origin"),
	} {
		if got.status != 401 && got.status != 403 || strings.Contains(got.body, "blue") {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if got := call(headerBindingType+": ai", headerBindingSecret+": nothing"); !strings.Contains(got.body, "nearside dev init") {
		t.Errorf("a stranger is not told what to do: %s", got.body)
	}
	if got := call(headerBindingType+": kv_namespace", headerBindingSecret+": "+w.secret); got.status != 501 {
		t.Errorf("an unknown type: %d %s", got.status, got.body)
	}
	// The secret opens nothing else.
	h.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Admin})
	if got := h.do("GET", home+"/ai/models/search", nil, "Authorization: Bearer "+w.secret); got.status != 401 {
		t.Errorf("the public API takes the secret: %d", got.status)
	}
	if got := w.run(llama, `{"prompt":"x"}`, `{}`); got.status != 200 {
		t.Errorf("once there are keys the project is refused: %d %s", got.status, got.body)
	}
}

// A program that is no Worker names an account instead, and needs what the public API needs.
func TestAProgramCallsBindingsByItsKey(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	call := func(headers ...string) answer {
		return h.do("POST", "/run?version=3", strings.NewReader(`{"inputs":{"prompt":"x"}}`),
			append([]string{"Content-Type: application/json", headerModel + ": " + llama, headerBindingType + ": ai"}, headers...)...)
	}
	if got := call(headerBindingAccount + ": local"); got.status != 200 || !strings.Contains(got.body, "blue") {
		t.Errorf("without keys: %d %s", got.status, got.body)
	}
	reader := h.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Read, Limits: catalog.Limits{Indexes: []string{"docs"}}})
	for name, c := range map[string]struct {
		got    answer
		status int
	}{
		"a key":             {call(headerBindingAccount+": local", "Authorization: Bearer "+reader), 200},
		"no key":            {call(headerBindingAccount + ": local"), 401},
		"a wrong key":       {call(headerBindingAccount+": local", "Authorization: Bearer "+reader+"x"), 401},
		"another account":   {call(headerBindingAccount+": else", "Authorization: Bearer "+reader), 403},
		"no account":        {call(headerBindingAccount+": a/b", "Authorization: Bearer "+reader), 400},
		"another's name":    {call(headerBindingAccount+": local", "Authorization: Bearer "+reader, "Host: evil.example"), 403},
		"a page":            {call(headerBindingAccount+": local", "Authorization: Bearer "+reader, "Origin: http://evil.example"), 403},
		"a page's script":   {call(headerBindingAccount+": local", "Authorization: Bearer "+reader, "Sec-Fetch-Site: same-origin"), 403},
		"no account at all": {call("Authorization: Bearer " + reader), 401},
	} {
		if c.got.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, c.got.status, c.got.body, c.status)
		}
	}
	for path, resource := range map[string]string{"/insert": "docs", "/query": "others", "/binding/indexes/others/query": "docs"} {
		got := h.do("POST", path, strings.NewReader(`{}`), headerBindingType+": vectorize", headerBindingAccount+": local", headerResource+": "+resource, "Authorization: Bearer "+reader)
		if got.status != 403 {
			t.Errorf("a key that reads docs, at %s of %s: %d %s", path, resource, got.status, got.body)
		}
	}
	patch := h.do("PATCH", "/ai-gateway/gateways/mine/logs/1", strings.NewReader(`{"score":1}`),
		"Content-Type: application/json", headerBindingType+": ai", headerBindingAccount+": local", "Authorization: Bearer "+reader)
	if patch.status != 403 {
		t.Errorf("a key that only reads changes a gateway's log: %d %s", patch.status, patch.body)
	}
}

func TestADeletedProjectIsRefused(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	w := newWorker(h)
	list := resultOf[[]projectObject](t, h.do("GET", home+"/nearside/projects", nil))
	if len(list) != 1 || list[0].Name != "/home/ada/shop" || list[0].Secret != "" {
		t.Fatalf("got %+v", list)
	}
	h.do("DELETE", home+"/nearside/projects/"+list[0].ID, nil).want(t, 200, 0, list[0].ID)
	if got := w.run(llama, `{"prompt":"x"}`, `{}`); got.status != 401 {
		t.Errorf("got %d", got.status)
	}
	h.do("DELETE", home+"/nearside/projects/"+list[0].ID, nil).want(t, 404, 10404, list[0].ID)
	h.post(home+"/nearside/projects", `{"name":""}`).want(t, 400, 10400, "1 to 1024")
}

// boundFree are those whose model has no price.
var boundFree = map[string]bool{"ai POST /to-everything/markdown/transformer": true}

// boundCharges has every other route of a binding that reaches a model.
var boundCharges = map[string]func(w worker, stream bool) answer{
	"ai POST /run": func(w worker, stream bool) answer {
		return w.run(llama, fmt.Sprintf(`{%s,"stream":%t}`, hello, stream), `{}`)
	},
	"ai POST /ai-gateway/run": func(w worker, stream bool) answer {
		return w.ai("POST", "/ai-gateway/run?version=3", llama, typeJSON, fmt.Sprintf(`{"inputs":{%s,"stream":%t},"options":{"gateway":{"id":"mine"}}}`, hello, stream))
	},
	"ai POST /ai-gateway/universal/run/{gateway}": func(w worker, stream bool) answer {
		return w.ai("POST", "/ai-gateway/universal/run/mine", "", typeJSON, elsewhere+fmt.Sprintf(`,"stream":%t}}]`, stream))
	},
}

func TestWhatABindingIsToldOfItsCostIsWhatIsCharged(t *testing.T) {
	for kind, table := range bindings {
		for _, r := range table {
			if name := kind + " " + r.Method + " " + r.Path; r.Reaches && boundCharges[name] == nil && !boundFree[name] {
				t.Errorf("%s %s of the binding %s reaches a model and has no charge test", r.Method, r.Path, kind)
			}
		}
	}
	for name, call := range boundCharges {
		t.Run(name, func(t *testing.T) {
			h, s, parts := modelled(t, Config{})
			w := newWorker(h)
			for _, stream := range []bool{false, true} {
				before := charged(t, parts)
				got := call(w, stream)
				if ledger := charged(t, parts) - before; got.status != 200 || ledger == 0 || !sameNumber(got.told(t), ledger.String()) {
					t.Errorf("stream %t: %d, told %s, charged %s", stream, got.status, got.told(t), ledger)
				}
			}
			before := charged(t, parts)
			s.ollama.Lie(backendtest.Status500)
			s.openai.Down()
			if got := call(w, false); got.status < 400 || charged(t, parts) != before || parts.Ledger.Reservations() != 0 {
				t.Errorf("a call that fails: %d, charged %s", got.status, charged(t, parts)-before)
			}
		})
	}
}

// silence is a tenth of a second of a WAV file.
func silence() []byte {
	const rate, samples = 8000, 800
	var b bytes.Buffer
	b.WriteString("RIFF\xb4\x06\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00@\x1f\x00\x00\x80>\x00\x00\x02\x00\x10\x00data@\x06\x00\x00")
	b.Write(make([]byte, 2*samples))
	return b.Bytes()
}
