package command_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"nearside/llm/backend/backendtest"
)

const (
	account  = "/client/v4/accounts/local"
	llama    = "@cf/meta/llama-3.1-8b-instruct-fp8"       // answers in Cloudflare's own form
	gptOSS   = "@cf/openai/gpt-oss-20b"                   // answers as a chat.completion
	llama33  = "@cf/meta/llama-3.3-70b-instruct-fp8-fast" // takes batches
	bgeM3    = "@cf/baai/bge-m3"
	stalling = "@test/stalls" // its answers stop after two pieces, and never end
)

// way is a call that may cost something.
type way struct {
	route    string // as in docs/routes.md
	path     string
	model    string // who is paid
	body     map[string]any
	wrap     func(body map[string]any) any // makes the body of the request; nil: it is body
	header   map[string]string
	streams  bool
	free     bool // no model works, or it has no price
	batch    bool // it costs something later
	bound    bool // it is a Worker's env.AI, which a project pays for
	like     *way // what it may cost is what this may cost; nil: it can be asked itself
	estimate int64
	hangsUp  bool
	lines    int // of the reply, after which the caller hangs up
	dryRun   bool
}

// everyWay lists calls for every route that can cost something.
func everyWay() []way {
	const run = "/client/v4/accounts/{account}/ai/run/{model...}"
	hello := []any{map[string]any{"role": "user", "content": "why is the sky blue"}}
	type object = map[string]any
	var all []way
	model := func(id string, streams bool, body object) {
		all = append(all, way{route: run, path: account + "/ai/run/" + id, model: id, body: body, streams: streams})
	}
	model(llama, true, object{"messages": hello})
	model(llama, true, object{"prompt": "why is the sky blue", "raw": true})
	model(llama, false, object{"prompt": "a number", "response_format": object{"type": "json_schema", "json_schema": object{
		"type": "object", "required": []string{"n"}, "properties": object{"n": object{"type": "integer"}}}}})
	model(gptOSS, true, object{"messages": hello})
	model(gptOSS, true, object{"input": "why is the sky blue"})
	model(stalling, true, object{"messages": hello})
	model(bgeM3, false, object{"text": []string{"a cat", "a dog and a cat"}})
	model(bgeM3, false, object{"query": "a cat", "contexts": []any{object{"text": "dogs"}, object{"text": "a cat sat"}}})
	model("@cf/baai/bge-base-en-v1.5", false, object{"text": "what the built-in encoder reads"})
	model("@cf/facebook/bart-large-cnn", false, object{"input_text": "a long text", "max_length": 100})
	all[len(all)-1].free = true // it is withdrawn and has no price
	model("@cf/meta/m2m100-1.2b", false, object{"text": "the sky is blue", "target_lang": "de"})
	model("@cf/ai4bharat/indictrans2-en-indic-1B", false, object{"text": []string{"one", "two"}, "target_language": "hin_Deva"})
	model("@cf/huggingface/distilbert-sst-2-int8", false, object{"text": "what a day"})
	model("@cf/deepgram/aura-1", false, object{"text": "the sky is blue"})
	model("@cf/openai/whisper-large-v3-turbo", false, object{"audio": base64.StdEncoding.EncodeToString(backendtest.Sound)})
	model("@cf/black-forest-labs/flux-1-schnell", false, object{"prompt": "a blue sky"})
	model("@cf/moondream/moondream3.1-9B-A2B", false, object{"task": "caption", "image": "data:image/png;base64," + base64.StdEncoding.EncodeToString(backendtest.Picture(2, 2))})
	model("@cf/baai/bge-reranker-base", false, object{"query": "a cat", "contexts": []any{object{"text": "dogs"}, object{"text": "a cat sat"}}})
	all[len(all)-1].like = &way{path: account + "/ai/run/" + llama, body: object{"messages": hello}} // a model that chats may stand in, for more tokens than a ranker reads
	for _, base := range [][2]string{{"/v1", "/v1"}, {"/client/v4/accounts/{account}/ai/v1", account + "/ai/v1"}} {
		openai := func(path, id string, streams bool, body object) {
			body["model"] = id
			all = append(all, way{route: base[0] + path, path: base[1] + path, model: id, body: body, streams: streams})
		}
		openai("/chat/completions", gptOSS, true, object{"messages": hello})
		openai("/completions", llama, true, object{"prompt": "why is the sky blue"})
		openai("/responses", gptOSS, true, object{"input": "why is the sky blue"})
		openai("/embeddings", bgeM3, false, object{"input": []string{"a cat", "a dog"}})
	}
	all = append(append(all, everyWayThroughAGateway()...), everyWayOfAWorker()...)
	all = append(all, way{route: run, path: account + "/ai/run/" + llama33 + "?queueRequest=true", model: llama33, batch: true,
		body: object{"requests": []any{object{"prompt": "one"}, object{"messages": hello}}}})
	embeds := &way{path: account + "/ai/run/" + bgeM3, body: object{"text": []string{strings.Repeat("a cat and a dog ", 8)}}}
	index := func(path string, free bool, body object) {
		all = append(all, way{route: "/client/v4/accounts/{account}/nearside/indexes" + path, path: account + "/nearside/indexes" + strings.ReplaceAll(path, "{index}", "notes"),
			model: bgeM3, body: body, free: free, like: embeds})
	}
	index("", true, object{"name": "notes", "model": bgeM3})
	index("/{index}/texts", false, object{"texts": []any{object{"id": "1", "text": "a cat and a dog"}}})
	index("/{index}/texts", false, object{"texts": []any{object{"id": strings.Repeat("x", 1000), "text": "has too long an id"}}})
	index("/{index}/search", false, object{"query": "a cat", "topK": 1})
	index("/{index}/search", false, object{"query": "a cat", "topK": 1_000_000})
	return all
}

// everyWayThroughAGateway lists calls at the paths of gateway.ai.cloudflare.com.
func everyWayThroughAGateway() []way {
	const paths = "/v1/{account}/{gateway}"
	type object = map[string]any
	hello := object{"messages": []any{object{"role": "user", "content": "why is the sky blue"}}}
	direct := &way{path: account + "/ai/run/" + llama, body: hello}
	steps := func(body object) any {
		return []any{object{"provider": "nobody", "endpoint": "x", "query": object{}}, object{"provider": "workers-ai", "endpoint": llama, "query": body}}
	}
	return []way{
		{route: paths, path: "/v1/local/mine", model: llama, body: hello, wrap: steps, streams: true, like: direct},
		{route: paths + "/workers-ai/{endpoint...}", path: "/v1/local/mine/workers-ai/run/" + llama, model: llama, body: hello, streams: true},
		{route: paths + "/compat/{endpoint...}", path: "/v1/local/mine/compat/chat/completions", model: gptOSS, streams: true,
			body: object{"model": "workers-ai/" + gptOSS, "messages": hello["messages"]}},
	}
}

// everyWayOfAWorker lists calls of env.AI, as the runtime makes them.
func everyWayOfAWorker() []way {
	type object = map[string]any
	hello := object{"messages": []any{object{"role": "user", "content": "why is the sky blue"}}}
	w := way{model: llama, body: hello, streams: true, bound: true, like: &way{path: account + "/ai/run/" + llama, body: hello},
		wrap: func(body object) any { return object{"inputs": body, "options": object{}} }}
	through := w
	w.path, through.path = "/run?version=3", "/ai-gateway/run?version=3"
	through.wrap = func(body object) any {
		return object{"inputs": body, "options": object{"gateway": object{"id": "mine"}}}
	}
	return []way{w, through}
}

// varied is the way as it is gone this time.
func (w way) varied(random *rand.Rand) way {
	w.body = maps.Clone(w.body)
	stalls := w.model == stalling
	if w.streams && (stalls || random.IntN(2) == 0) {
		w.body["stream"] = true
	}
	switch random.IntN(8) {
	case 0, 1, 2:
		w.header = map[string]string{"cf-aig-cache-ttl": "60"}
	case 3:
		w.header = map[string]string{"cf-aig-max-attempts": "3", "cf-aig-retry-delay": "1"}
		w.estimate *= 3
	}
	switch {
	case stalls:
		w.hangsUp, w.lines = true, random.IntN(4)
	case random.IntN(4) == 0:
		w.hangsUp, w.lines = true, random.IntN(40)
	case w.like == nil && random.IntN(10) == 0:
		w.dryRun = true
	}
	return w
}

// priced is a call that can be asked what it may cost.
func (w way) priced() way {
	if w.like != nil {
		return *w.like
	}
	return w
}

var errHungUp = errors.New("the caller has hung up")

// send makes a call and returns its reply, as far as it came; header is nil if none did.
func (s *spending) send(w way, key apiKey, dryRun bool) (status int, header http.Header, body []byte, err error) {
	if dryRun {
		w.body = maps.Clone(w.body)
		w.body["dry_run"] = true
	}
	var sent any = w.body
	if w.wrap != nil {
		sent = w.wrap(w.body)
	}
	encoded, err := json.Marshal(sent)
	if err != nil {
		s.t.Error(err)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+w.path, bytes.NewReader(encoded))
	if err != nil {
		s.t.Error(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if w.bound {
		req.Header.Set("X-Binding-Type", "ai")
		req.Header.Set("X-Binding-Secret", key.Secret)
		req.Header.Set("cf-consn-model-id", w.model)
	} else {
		req.Header.Set("Authorization", "Bearer "+key.Secret)
	}
	for name, value := range w.header {
		req.Header.Set(name, value)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer res.Body.Close()
	if !w.hangsUp {
		body, err = io.ReadAll(res.Body)
		return res.StatusCode, res.Header, body, err
	}
	reader := bufio.NewReader(res.Body)
	for range w.lines {
		line, err := reader.ReadBytes('\n')
		if body = append(body, line...); err == io.EOF {
			return res.StatusCode, res.Header, body, nil
		} else if err != nil {
			return res.StatusCode, res.Header, body, err
		}
	}
	return res.StatusCode, res.Header, body, errHungUp
}

var toldInBody = regexp.MustCompile(`"neurons":([0-9.]+)`)

// toldBy is what a reply says that it cost: in its header, or in the last usage of a stream.
func toldBy(header http.Header, body []byte) (told string, ok bool) {
	if told = header.Get("cf-ai-neurons"); told != "" {
		return told, true
	}
	if !strings.HasPrefix(header.Get("Content-Type"), "text/event-stream") {
		return "", false
	}
	whole := body[:bytes.LastIndexByte(body, '\n')+1] // of a line cut short the last digits may be missing
	if found := toldInBody.FindAllSubmatch(whole, -1); found != nil {
		return string(found[len(found)-1][1]), true
	}
	return "", false
}

// millionths reads a number of neurons with at most six decimals.
func millionths(t *testing.T, neurons string) int64 {
	whole, fraction, _ := strings.Cut(neurons, ".")
	n, err := strconv.ParseInt(whole+(fraction + "000000")[:6], 10, 64)
	if err != nil || len(fraction) > 6 {
		t.Errorf("%q are not neurons with six decimals at most", neurons)
	}
	return n
}

func TestEveryRouteThatCanCostSomethingIsGone(t *testing.T) {
	table, err := os.ReadFile("../docs/routes.md")
	if err != nil {
		t.Fatal(err)
	}
	gone := map[string]bool{}
	for _, w := range everyWay() {
		gone[w.route] = true
	}
	gone["/client/v4/accounts/{account}/ai/tomarkdown"] = true // the model that looks at its pictures has no price
	// What a job costs no reply tells: the job does (TestAJobThatIsKilledAgainAndAgainLeavesOneCleanIndex compares it with the ledger).
	gone["/client/v4/accounts/{account}/nearside/indexes/{index}/files"] = true
	gone["/client/v4/accounts/{account}/nearside/indexes/{index}/reembed"] = true
	found := regexp.MustCompile("(?m)^\\| POST \\| `([^`]+)` .*\\| yes \\|$").FindAllSubmatch(table, -1)
	for _, route := range found {
		if !gone[string(route[1])] {
			t.Errorf("%s reaches a model, and no way of the random test goes there: add one to everyWay", route[1])
		}
	}
	if len(found) < 15 {
		t.Errorf("docs/routes.md lists %d routes that reach a model; it has changed its form", len(found))
	}
}
