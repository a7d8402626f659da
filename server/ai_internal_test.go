package server

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/catalog"
	"nearside/catalog/manifest"
	"nearside/disk"
	"nearside/embed"
	"nearside/index"
	"nearside/jobs"
	"nearside/llm"
	"nearside/llm/backend"
	"nearside/llm/batch"
	"nearside/llm/finetune"
	"nearside/llm/gateway"
	"nearside/llm/neuron"
	"nearside/llm/neuron/neurontest"
	"nearside/rag"
	"nearside/vectorize"
)

// weights embeds a text to the sum of its words' axes, one token a word, 8 at most.
type weights struct {
	model       string
	fingerprint embed.Fingerprint
}

func (w weights) Model() string                  { return w.model }
func (w weights) Fingerprint() embed.Fingerprint { return w.fingerprint }
func (w weights) Dimensions() int                { return 384 }
func (w weights) Window() int                    { return 8 }
func (w weights) Embed(ctx context.Context, texts []string) ([]embed.Embedding, error) {
	out := make([]embed.Embedding, len(texts))
	for i, text := range texts {
		words := strings.Fields(strings.ToLower(text))
		read := words[:min(len(words), 8)]
		out[i] = embed.Embedding{Values: make([]float32, 384), Tokens: len(read), Dropped: len(words) - len(read)}
		for _, word := range read {
			axis := 0
			for _, r := range word {
				axis = (31*axis + int(r)) % 384
			}
			out[i].Values[axis]++
		}
	}
	return out, ctx.Err()
}

var encoder = weights{"@nearside/all-minilm-l6-v2", "minilm-1"}

// shipped is the built-in catalogue, read once for all tests: it does not change.
var shipped = sync.OnceValues(func() (*llm.Catalogue, error) {
	source, err := os.ReadFile("../models.yaml")
	if err != nil {
		return nil, err
	}
	return llm.Load(source)
})

// domain makes everything behind a server, in a directory of its own.
func domain(t *testing.T, embedders ...embed.Embedder) Parts {
	t.Helper()
	return domainWith(t, embedders)
}

// domainWith is domain with model servers.
func domainWith(t *testing.T, embedders []embed.Embedder, servers ...backend.Backend) Parts {
	t.Helper()
	models, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := disk.OpenDir(t.TempDir(), disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	entries, err := catalog.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	logs, err := gateway.OpenLogs(dir, gateway.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tunes, err := finetune.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	manifests, err := manifest.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, closing := range []func() error{manifests.Close, tunes.Close, logs.Close, entries.Close, dir.Close} {
			if err := closing(); err != nil {
				t.Error(err)
			}
		}
	})
	indexes, err := vectorize.Open(t.Context(), entries, index.NewMemory(time.Now), vectorize.Options{Limits: vectorize.Cloudflare()})
	if err != nil {
		t.Fatal(err)
	}
	ledger := neurontest.Open(t, neuron.Options{})
	batches, err := batch.Open(dir, batch.Options{Ledger: ledger, Grace: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	work, err := jobs.Open(dir, jobs.Options{Ledger: ledger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(work.Close(), batches.Close()); err != nil {
			t.Error(err)
		}
	})
	router, err := llm.NewRouter(llm.Options{Catalogue: models, Embedders: embedders, Backends: servers, Pins: rag.Pins{Catalog: entries}, Ledger: ledger, Finetunes: tunes})
	if err != nil {
		t.Fatal(err)
	}
	texts := rag.New(indexes, router, entries)
	spool, err := jobs.OpenSpool(dir.Sub("spool"), 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	files, err := rag.NewLoading(rag.LoadingParts{Texts: texts, Jobs: work, Spool: spool, Sources: manifests, Ledger: ledger})
	if err != nil {
		t.Fatal(err)
	}
	reembeddings, err := rag.NewReembeddings(t.Context(), texts, work, nil)
	if err != nil {
		t.Fatal(err)
	}
	return Parts{Projects: entries, Vectorize: indexes, Models: router, Ledger: ledger, Batches: batches, Jobs: work, Reembeddings: reembeddings, Files: files, Finetunes: tunes, Sources: manifests, Gateway: logs, Texts: texts}
}

const (
	home = "/client/v4/accounts/local"
	bge  = "@cf/baai/bge-base-en-v1.5"
)

// post sends JSON.
func (h *harness) post(path, body string) answer {
	h.t.Helper()
	return h.do("POST", path, strings.NewReader(body), "Content-Type: application/json")
}

// result decodes an envelope's result.
func result[T any](t *testing.T, a answer) T {
	t.Helper()
	a.want(t, 200, 0)
	var envelope struct{ Result T }
	if err := json.Unmarshal([]byte(a.body), &envelope); err != nil {
		t.Fatalf("%v: %.300s", err, a.body)
	}
	return envelope.Result
}

func TestModelsRunByPlainAndByEscapedPath(t *testing.T) {
	h := startWith(t, Config{}, domain(t, encoder))
	for _, model := range []string{"@cf/baai/bge-base-en-v1.5", "@cf%2Fbaai%2Fbge-base-en-v1.5", "%40cf/baai/bge-base-en-v1.5"} {
		a := h.post(home+"/ai/run/"+model, `{"text":["a cat","a dog and a cat"]}`)
		got := result[embeddings](t, a)
		if got.Shape != [2]int{2, 768} || len(got.Data) != 2 || len(got.Data[1]) != 768 || got.Pooling != "mean" {
			t.Errorf("%s: shape %v, %d vectors, pooling %q", model, got.Shape, len(got.Data), got.Pooling)
		}
		for name, want := range map[string]string{
			"nearside-model": "@nearside/all-minilm-l6-v2", "nearside-backend": "builtin", "nearside-route": "substitute",
			"cf-ai-neurons": "0.042406", "nearside-truncated": "", "Content-Type": "application/json",
		} {
			if a.header.Get(name) != want {
				t.Errorf("%s: header %s is %q, want %q", model, name, a.header.Get(name), want)
			}
		}
		if len(a.header.Get("cf-ai-req-id")) != 36 {
			t.Errorf("cf-ai-req-id is %q", a.header.Get("cf-ai-req-id"))
		}
		if !strings.HasPrefix(a.body, `{"result":{"shape":[2,768],"data":[[`) || !strings.HasSuffix(a.body, `,"success":true,"errors":[],"messages":[]}`) {
			t.Errorf("the envelope is %.60s … %s", a.body, a.body[len(a.body)-60:])
		}
	}
}

func TestOneTextGivesOneRow(t *testing.T) {
	h := startWith(t, Config{}, domain(t, encoder))
	if got := result[embeddings](t, h.post(home+"/ai/run/"+bge, `{"text":"a cat"}`)); got.Shape != [2]int{1, 768} {
		t.Errorf("shape %v", got.Shape)
	}
}

func TestWhatWasNotReadIsReported(t *testing.T) {
	h := startWith(t, Config{}, domain(t, encoder))
	a := h.post(home+"/ai/run/"+bge, `{"text":["short","one two three four five six seven eight nine ten"]}`)
	a.want(t, 200, 0, "1 of 2 texts are longer than @nearside/all-minilm-l6-v2 reads: 2 tokens were not read")
	if a.header.Get("nearside-truncated") != "1" || a.header.Get("nearside-warning") == "" {
		t.Errorf("headers %v", a.header)
	}
}

func TestPoolingThatIsNotToBeHadIsSaid(t *testing.T) {
	h := startWith(t, Config{}, domain(t, encoder))
	a := h.post(home+"/ai/run/"+bge, `{"text":"a cat","pooling":"cls"}`)
	a.want(t, 200, 0, `"pooling":"mean"`, "cls was asked for")
}

func TestWithoutWeightsTheLexicalFallbackIsNamed(t *testing.T) {
	h := startWith(t, Config{}, domain(t, weights{embed.LexicalModel, "lexical-1"}))
	a := h.post(home+"/ai/run/"+bge, `{"text":"a cat"}`)
	a.want(t, 200, 0, "finds shared words, not meaning")
	if a.header.Get("nearside-model") != embed.LexicalModel {
		t.Errorf("nearside-model is %q", a.header.Get("nearside-model"))
	}
}

func TestModelErrorsAreCloudflares(t *testing.T) {
	h := startWith(t, Config{}, domain(t, encoder))
	hundred := strings.TrimSuffix(strings.Repeat(`"a",`, 100), ",")
	tests := []struct {
		path, body   string
		status, code int
		fragment     string
	}{
		{"/ai/run/@cf/x/y", `{"text":"a"}`, 400, 5007, "No such model @cf/x/y or task"},
		{"/ai/run/" + bge, "", 400, 3003, "the body is missing"},
		{"/ai/run/" + bge, "  ", 400, 3003, "the body is missing"},
		{"/ai/run/" + bge, "{", 400, 5006, "AiError: AiError: Bad input: Error: "},
		{"/ai/run/" + bge, `{}`, 400, 5006, "required properties at '/' are 'text'"},
		{"/ai/run/" + bge, `{"prompt":"hi"}`, 400, 5006, "required properties at '/' are 'text'"},
		{"/ai/run/" + bge, `{"text":7}`, 400, 5006, "'/text', 'number' not in 'string'"},
		{"/ai/run/" + bge, `{"text":["a",""]}`, 400, 5006, "Length of '/text/1' must be >= 1"},
		{"/ai/run/" + bge, `{"text":[` + hundred + `]}`, 200, 0, `"shape":[100,768]`},
		{"/ai/run/" + bge, `{"text":[` + hundred + `,"a"]}`, 400, 5006, "Length of '/text' must be <= 100, and is 101"},
		{"/ai/run/" + bge, `{"text":"\ud800"}`, 400, 5006, "lone surrogate"},
		{"/ai/run/" + bge, strings.Repeat("[", 10_000), 400, 5006, "nests deeper"},
		{"/ai/run/@cf/baai/bge-m3", `{"text":"a"}`, 503, 7009, "ollama (bge-m3)"},
		{"/ai/run/@cf/baai/bge-m3", `{"requests":[{"text":"a"}]}`, 400, 5006, "queued with ?queueRequest=true"},
		{"/ai/run/@cf/baai/bge-m3", `{"query":7,"contexts":[{"text":"a"}]}`, 400, 5006, "'/query', 'number' not in 'string'"},
		{"/ai/run/@cf/baai/bge-m3", `{"contexts":[{}]}`, 400, 5006, "required properties at '/contexts/0' are 'text'"},
		{"/ai/v1/chat/completions", `{}`, 400, 5006, "'model'"},
		{"/ai/v1/audio/speech", `{}`, 501, 10501, "OpenAI-compatible"},
	}
	for _, test := range tests {
		a := h.post(home+test.path, test.body)
		a.want(t, test.status, test.code, test.fragment)
		if test.status != 200 && !strings.HasPrefix(a.body, `{"result":{},"success":false,"errors":[{"code":`) {
			t.Errorf("%s: the envelope is %.100s", test.path, a.body)
		}
	}
}

func TestABodyLargerThanAModelTakesIsRefused(t *testing.T) {
	h := startWith(t, Config{}, domain(t, encoder))
	at := func(size int) string {
		frame := `{"text":""}`
		return `{"text":"` + strings.Repeat("a", size-len(frame)) + `"}`
	}
	h.post(home+"/ai/run/"+bge, at(maxModelInput)).want(t, 200, 0)
	h.post(home+"/ai/run/"+bge, at(maxModelInput+1)).want(t, 413, 3006, "16,777,216")
}

func TestEmbeddingsInBothEncodings(t *testing.T) {
	h := startWith(t, Config{}, domain(t, encoder))
	for _, path := range []string{"/v1/embeddings", home + "/ai/v1/embeddings"} {
		plain := h.post(path, `{"model":"`+bge+`","input":["a cat","a dog"]}`)
		plain.want(t, 200, 0)
		var floats struct {
			Object, Model string
			Data          []struct {
				Object    string
				Index     int
				Embedding []float32
			}
			Usage usageObject
		}
		if err := json.Unmarshal([]byte(plain.body), &floats); err != nil {
			t.Fatal(err)
		}
		if floats.Object != "list" || floats.Model != bge || len(floats.Data) != 2 || floats.Data[1].Index != 1 || floats.Usage != (usageObject{4, 4}) {
			t.Errorf("%s: got %+v", path, floats)
		}
		packed := h.post(path, `{"model":"`+bge+`","input":["a cat","a dog"],"encoding_format":"base64"}`)
		var encoded struct{ Data []struct{ Embedding string } }
		if err := json.Unmarshal([]byte(packed.body), &encoded); err != nil {
			t.Fatal(err)
		}
		raw, err := base64.StdEncoding.DecodeString(encoded.Data[1].Embedding)
		if err != nil || len(raw) != 4*768 {
			t.Fatalf("%d bytes, %v", len(raw), err)
		}
		for i, want := range floats.Data[1].Embedding {
			if got := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])); got != want {
				t.Fatalf("number %d: %v in base64, %v in JSON", i, got, want)
			}
		}
	}
}

func TestEmbeddingsErrorsReachOpenAIClients(t *testing.T) {
	h := startWith(t, Config{}, domain(t, encoder))
	list := func(n int) string {
		return `{"model":"` + bge + `","input":[` + strings.TrimSuffix(strings.Repeat(`"a",`, n), ",") + `]}`
	}
	tests := []struct {
		body         string
		status, code int
		fragment     string
	}{
		{"", 400, 3003, "the body is missing"},
		{"[]", 400, 5006, "expected an object"},
		{`{"input":"a"}`, 400, 5006, "'model'"},
		{`{"model":"no-such-model","input":"a"}`, 400, 5007, "No such model no-such-model or task"},
		{`{"model":"` + bge + `"}`, 400, 5006, "required properties at '/' are 'input'"},
		{`{"model":"` + bge + `","input":""}`, 400, 5006, "Length of '/input' must be >= 1"},
		{`{"model":"` + bge + `","input":[]}`, 400, 5006, "Length of '/input' must be >= 1"},
		{`{"model":"` + bge + `","input":[1,2]}`, 400, 5006, "which no model here shares"},
		{`{"model":"` + bge + `","input":[[1,2]]}`, 400, 5006, "which no model here shares"},
		{`{"model":"` + bge + `","input":["a",null]}`, 400, 5006, "Type mismatch of '/input/1', 'null' not in 'string'"},
		{`{"model":"` + bge + `","input":"a","encoding_format":"hex"}`, 400, 5006, "'/encoding_format'"},
		{`{"model":"` + bge + `","input":"a","dimensions":768}`, 200, 0, ""},
		{`{"model":"` + bge + `","input":"a","dimensions":256}`, 400, 5006, "makes vectors of 768 dimensions"},
		{list(maxInputs - 1), 200, 0, ""},
		{list(maxInputs), 200, 0, ""},
		{list(maxInputs + 1), 400, 5006, "Length of '/input' must be <= 2048, and is 2049"},
	}
	for _, test := range tests {
		a := h.post("/v1/embeddings", test.body)
		a.want(t, test.status, test.code, test.fragment)
		var reply struct {
			Error *struct {
				Message, Type string
				Code          int
			}
		}
		if err := json.Unmarshal([]byte(a.body), &reply); err != nil {
			t.Fatal(err)
		}
		if test.status != 200 && (reply.Error == nil || reply.Error.Type != "invalid_request_error" || reply.Error.Code != test.code || reply.Error.Message == "") {
			t.Errorf("%.60s: the error object is %+v", test.body, reply.Error)
		}
	}
	a := h.post("/v1/audio/speech", `{}`)
	a.want(t, 501, 10501, `"error":{`, "server_error")
}

func TestTheDefaultAccountsModelsNeedItsKey(t *testing.T) {
	h := startWith(t, Config{}, domain(t, encoder))
	own := h.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Read})
	foreign := h.keys.add(t, catalog.Key{Account: "other", Permission: catalog.Admin})
	body := `{"model":"` + bge + `","input":"a"}`
	for secret, status := range map[string]int{"": 401, "wrong": 401, own: 200, foreign: 403} {
		for _, request := range [][2]string{{"POST", "/v1/embeddings"}, {"GET", "/v1/models"}, {"GET", "/v1/models/" + bge}} {
			a := h.do(request[0], request[1], strings.NewReader(body), "Content-Type: application/json", "Authorization: Bearer "+secret)
			if a.status != status {
				t.Errorf("%v with key %q: got %d, want %d: %.200s", request, secret, a.status, status, a.body)
			}
		}
	}
}

func TestModelPagesEndWithAnEmptyOne(t *testing.T) {
	parts := domain(t, encoder)
	h := startWith(t, Config{}, parts)
	var names []string
	for page := 1; ; page++ {
		part := result[[]modelObject](t, h.do("GET", fmt.Sprintf("%s/ai/models/search?per_page=16&page=%d", home, page), nil))
		if len(part) == 0 {
			break
		}
		for _, m := range part {
			names = append(names, m.Name)
		}
	}
	if want := countModels(parts, func(m llm.Model) bool { return m.Deprecated == "" }); len(names) != want {
		t.Errorf("the pages hold %d models, the catalogue %d", len(names), want)
	}
}

// countModels counts models of the catalogue.
func countModels(parts Parts, wanted func(llm.Model) bool) (n int) {
	for _, m := range parts.Models.Catalogue().Models() {
		if wanted(m) {
			n++
		}
	}
	return n
}

func TestModelsAreFoundByTheirParameters(t *testing.T) {
	parts := domain(t, encoder)
	h := startWith(t, Config{}, parts)
	for query, wanted := range map[string]func(llm.Model) bool{
		"":                        func(m llm.Model) bool { return m.Deprecated == "" },
		"unknown=x":               func(m llm.Model) bool { return m.Deprecated == "" },
		"include_deprecated=true": func(llm.Model) bool { return true },
		"search=BGE-":             func(m llm.Model) bool { return m.Deprecated == "" && strings.Contains(m.ID, "bge-") },
		"search=nothing-has-this": func(llm.Model) bool { return false },
		"task=text+embeddings":    func(m llm.Model) bool { return m.Deprecated == "" && m.Task == llm.Embeddings },
		"author=baai":             func(m llm.Model) bool { return m.Deprecated == "" && strings.HasPrefix(m.ID, "@cf/baai/") },
		"source=3":                func(m llm.Model) bool { return m.Deprecated == "" && strings.HasPrefix(m.ID, "@nearside/") },
		"search=bge&author=qwen":  func(llm.Model) bool { return false },
		"page=2":                  func(llm.Model) bool { return false },
	} {
		got := result[[]modelObject](t, h.do("GET", home+"/ai/models/search?per_page=1000&"+query, nil))
		if want := countModels(parts, wanted); len(got) != want {
			t.Errorf("%s: got %d models, want %d", query, len(got), want)
		}
	}
	for query, status := range map[string]int{"page=0": 400, "page=x": 400, "per_page=0": 400, "per_page=1001": 400, "format=xml": 400} {
		if a := h.do("GET", home+"/ai/models/search?"+query, nil); a.status != status {
			t.Errorf("%s: got %d, want %d", query, a.status, status)
		}
	}
}

func TestAModelSaysWhatCloudflareSaysOfIt(t *testing.T) {
	h := startWith(t, Config{}, domain(t, encoder))
	a := h.do("GET", home+"/ai/models/search?search=bge-small", nil)
	a.want(t, 200, 0, `"name":"@cf/baai/bge-small-en-v1.5"`, `"task":{"id":"0137cdcf-162a-4108-94f2-1ca59e8c65ee","name":"Text Embeddings"`,
		`{"property_id":"max_input_tokens","value":"512"}`, `{"property_id":"output_dimensions","value":"384"}`,
		`{"property_id":"price","value":[{"unit":"per M input tokens","price":0.020,"currency":"USD"}]}`,
		`"result_info":{"page":1,"per_page":50,"count":1,"total_count":1,"total_pages":1}`)
}

func TestSchemasTasksAuthorsAndFinetunes(t *testing.T) {
	h := startWith(t, Config{}, domain(t, encoder))
	for _, model := range []string{bge, "@cf%2Fbaai%2Fbge-m3", "@cf/qwen/qwen3-embedding-0.6b"} {
		h.do("GET", home+"/ai/models/schema?model="+model, nil).want(t, 200, 0, `"input":{`, `"output":{`)
	}
	h.do("GET", home+"/ai/models/schema?model=@cf/x/y", nil).want(t, 404, 6002, "@cf/x/y")
	h.do("GET", home+"/ai/tasks/search", nil).want(t, 200, 0, `"name":"Text Embeddings"`)
	h.do("GET", home+"/ai/authors/search", nil).want(t, 200, 0, `{"name":"baai"}`, `{"name":"nearside"}`)
	h.do("GET", home+"/ai/finetunes", nil).want(t, 200, 0, `"result":[]`)
	h.do("GET", home+"/ai/finetunes/public", nil).want(t, 200, 0, `"result":[]`)
}

func TestOpenAIModelsAreThoseThatAnswer(t *testing.T) {
	h := startWith(t, Config{}, domain(t, encoder))
	for _, path := range []string{"/v1/models", home + "/ai/v1/models"} {
		a := h.do("GET", path, nil)
		a.want(t, 200, 0, `{"object":"list","data":[{"id":"@nearside/all-minilm-l6-v2","object":"model","created":0,"owned_by":"nearside"}`, `"owned_by":"baai"`)
		if strings.Contains(a.body, "bge-m3") || strings.Contains(a.body, "lexical") {
			t.Errorf("%s lists models that do not answer: %s", path, a.body)
		}
		h.do("GET", path+"/"+bge, nil).want(t, 200, 0, `{"id":"`+bge+`"`)
		h.do("GET", path+"/nothing", nil).want(t, 404, 3042, "does not exist")
	}
}

func TestOurOwnModelRoutesTellAndSwitch(t *testing.T) {
	h := startWith(t, Config{}, domain(t, encoder))
	h.post(home+"/ai/run/"+bge, `{"text":"a cat"}`).want(t, 200, 0)
	h.do("GET", home+"/nearside/models", nil).want(t, 200, 0,
		`{"name":"@cf/baai/bge-base-en-v1.5","task":"Text Embeddings","input":"text","dimensions":768,"backends":["openai (BAAI/bge-base-en-v1.5)",`, `"served_by":"@nearside/all-minilm-l6-v2","backend":"builtin","route":"substitute"}`, `"missing":"@cf/baai/bge-m3 is in the catalogue`)
	h.do("GET", home+"/nearside/usage", nil).want(t, 200, 0, `{"model":"@cf/baai/bge-base-en-v1.5","calls":1,`, `"units":{"input_tokens":2},"neurons":0.012116,`)
	h.do("GET", "/client/v4/accounts/other/nearside/usage", nil).want(t, 200, 0, `"rows":[]`)
	h.post(home+"/nearside/models/switch", `{"model":"@nearside/all-minilm-l6-v2"}`).want(t, 200, 0, `"was":"","now":"minilm-1"`)
	h.post(home+"/nearside/models/switch", `{"model":"x"}`).want(t, 400, 5007)
	h.do("GET", "/metrics", nil).want(t, 200, 0, `nearside_model_calls_total{model="@cf/baai/bge-base-en-v1.5"} 1`)
}
