package server

import (
	"fmt"
	"strings"
	"testing"

	"nearside/catalog"
	"nearside/embed"
	"nearside/rag"
)

const shop = home + "/nearside/indexes/shop"

// shopServer is a server with an index "shop" that takes texts.
func shopServer(t *testing.T) *harness {
	t.Helper()
	h := startWith(t, Config{}, domain(t, encoder))
	h.post(home+"/nearside/indexes", `{"name":"shop","model":"@nearside/all-minilm-l6-v2"}`).want(t, 200, 0, `"fingerprint":"minilm-1"`)
	return h
}

const shopTexts = `{"texts":[
	{"id":"refund","title":"Refunds","text":"money back within thirty days"},
	{"id":"hours","title":"Opening hours","text":"the shop opens at nine","namespace":"eu","metadata":{ "kind" : "hours" }},
	{"id":"long","text":"one two three four five six seven eight nine","metadata":null}]}`

func TestTextsGoInAndPassagesComeOut(t *testing.T) {
	h := shopServer(t)
	a := h.post(shop+"/texts", shopTexts)
	a.want(t, 200, 0, `"mutationId":"`, `"count":3`, `"truncated":[{"id":"long","dropped":1}]`)
	if a.header.Get("nearside-truncated") != "1" || a.header.Get("nearside-model") != encoder.model || a.header.Get("nearside-route") != "first" {
		t.Errorf("headers %v", a.header)
	}
	a = h.post(shop+"/search", `{"query":"when opens the shop","topK":1,"explain":true}`)
	a.want(t, 200, 0, `"count":1,"passages":[{"id":"hours","score":0.`, `"title":"Opening hours","text":"the shop opens at nine","namespace":"eu","metadata":{"kind":"hours"}}]`,
		`"explain":{"plan":"scan","candidates":3,"matching":3,"exhaustive":true,"sequence":1}`)
	h.post(shop+"/search", `{"query":"the shop","namespace":"eu","returnMetadata":"none"}`).want(t, 200, 0, `"count":1`, `"namespace":"eu"}]}`)
	h.post(shop+"/search", `{"query":"the shop","filter":{"kind":"hours"}}`).want(t, 200, 0, `"count":0`, "which has no metadata index")
	h.post(shop+"/search", `{"query":"the shop","filter":{"$not":{"kind":{"$exists":true}}}}`).want(t, 200, 0, `"count":3`)
}

func TestTextsAreTakenAsLinesToo(t *testing.T) {
	h := shopServer(t)
	lines := "{\"id\":\"a\",\"text\":\"first\"}\r\n\n{\"id\":\"b\",\"text\":\"second\",\"namespace\":null}"
	h.do("POST", shop+"/texts", strings.NewReader(lines), "Content-Type: application/x-ndjson").want(t, 200, 0, `"count":2`, `"truncated":[]`)
	h.do("POST", shop+"/texts", strings.NewReader(lines+"\n{"), "Content-Type: application/x-ndjson").want(t, 400, 10400, "line 4: ")
}

func TestWrongTextsAndQuestionsAreNamed(t *testing.T) {
	h := shopServer(t)
	texts := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,{"id":"%d","text":"x"}`, i)
		}
		return `{"texts":[` + strings.TrimPrefix(b.String(), ",") + `]}`
	}
	tests := []struct {
		path, body   string
		status, code int
		fragment     string
	}{
		{"/texts", ``, 400, 10400, "the body is empty"},
		{"/texts", `{}`, 400, 10400, "the batch is empty"},
		{"/texts", `{"texts":{}}`, 400, 10400, "texts: expected an array"},
		{"/texts", `{"texts":[{"id":"a"}]}`, 400, 10400, `the text with id \"a\" is empty`},
		{"/texts", `{"texts":[{"id":"a","text":7}]}`, 400, 10400, "text: expected a string"},
		{"/texts", `{"texts":[{"text":"x"}]}`, 400, 10400, "texts[0] has no id"},
		{"/texts", `{"texts":[{"id":"a","text":"x","metadata":[1]}]}`, 400, 10400, "expected an object"},
		{"/texts", `{"texts":[{"id":"a","text":"\udc00"}]}`, 400, 10400, "lone surrogate"},
		{"/texts", `{"texts":[{"id":"` + strings.Repeat("x", 65) + `","text":"x"}]}`, 400, 40008, "max is 64 bytes, got 65"},
		{"/texts", texts(rag.MaxTexts), 200, 0, `"count":1000`},
		{"/texts", texts(rag.MaxTexts + 1), 400, 10400, "max batch size is 1000, got at least 1001"},
		{"/texts", texts(100 * rag.MaxTexts), 400, 10400, "max batch size is 1000, got at least 1001"},
		{"/search", `{}`, 400, 10400, "the query is empty"},
		{"/search", `{"query":"x","topK":0}`, 400, 40026, "topK is 0"},
		{"/search", `{"query":"x","topK":50}`, 200, 0, ""},
		{"/search", `{"query":"x","topK":51}`, 400, 40025, "max top K is 50"},
		{"/search", `{"query":"x","topK":100,"returnMetadata":"none"}`, 200, 0, ""},
		{"/search", `{"query":"x","returnMetadata":"some"}`, 400, 10400, "returnMetadata: expected value"},
		{"/search", `{"query":"x","filter":{"a":{"$near":1}}}`, 400, 40026, "$near"},
		{"/search?consistency=eventual", `{"query":"x"}`, 400, 10400, "consistency"},
	}
	for _, test := range tests {
		h.post(shop+test.path, test.body).want(t, test.status, test.code, test.fragment)
	}
	h.post(home+"/nearside/indexes/nowhere/search", `{"query":"x"}`).want(t, 404, 3000, "nowhere")
	h.do("POST", shop+"/texts", strings.NewReader("x"), "Content-Type: text/plain").want(t, 400, 1005)
}

func TestAnIndexForVectorsSaysThatItTakesNoTexts(t *testing.T) {
	h := shopServer(t)
	h.post(home+"/vectorize/v2/indexes", `{"name":"plain","config":{"dimensions":384,"metric":"cosine"}}`).want(t, 200, 0)
	h.post(home+"/nearside/indexes/plain/texts", shopTexts).want(t, 400, 10400, "takes vectors only", "nearside index create")
}

func TestOtherWeightsMeetAConflict(t *testing.T) {
	parts := domain(t, encoder)
	h := startWith(t, Config{}, parts)
	h.post(home+"/nearside/indexes", `{"name":"shop","model":"@nearside/all-minilm-l6-v2"}`).want(t, 200, 0)
	// The same data, seen by a server with other weights.
	later := domain(t, weights{encoder.model, "minilm-2"})
	later.Vectorize = parts.Vectorize
	later.Texts = rag.New(parts.Vectorize, later.Models, nil)
	startWith(t, Config{}, later).post(shop+"/search", `{"query":"x"}`).want(t, 409, 10409, "minilm-1", "minilm-2")
}

func TestAKeysNamespacesHoldForTexts(t *testing.T) {
	h := shopServer(t)
	h.post(shop+"/texts", shopTexts).want(t, 200, 0)
	secret := h.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Write, Limits: catalog.Limits{Namespaces: []string{"eu"}}})
	ask := func(path, body string) answer {
		return h.do("POST", shop+path, strings.NewReader(body), "Content-Type: application/json", "Authorization: Bearer "+secret)
	}
	ask("/search", `{"query":"one money shop"}`).want(t, 200, 0, `"count":1`, `"id":"hours"`)
	ask("/texts", `{"texts":[{"id":"x","text":"x"}]}`).want(t, 403, 10000)
	ask("/texts", `{"texts":[{"id":"x","text":"x","namespace":"eu"}]}`).want(t, 200, 0)
}

func TestTheLexicalFallbackIsNamedFromTheStart(t *testing.T) {
	h := startWith(t, Config{}, domain(t, weights{embed.LexicalModel, "lexical-1"}))
	h.post(home+"/nearside/indexes", `{"name":"shop","model":"@nearside/all-minilm-l6-v2"}`).want(t, 200, 0, "finds shared words, not meaning")
	if a := h.post(shop+"/texts", shopTexts); a.header.Get("nearside-model") != embed.LexicalModel || a.header.Get("nearside-warning") == "" {
		t.Errorf("headers %v", a.header)
	}
}
