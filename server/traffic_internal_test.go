package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"nearside/catalog"
	"nearside/index"
	"nearside/llm"
	"nearside/vectorize"
	"nearside/workers/traffic"
)

// projectPath is where the only project of the account is.
func (w worker) projectPath() string {
	w.t.Helper()
	projects := resultOf[[]projectObject](w.t, w.do("GET", home+"/nearside/projects", nil))
	if len(projects) != 1 {
		w.t.Fatalf("%d projects", len(projects))
	}
	return home + "/nearside/projects/" + projects[0].ID
}

// traffic is what the project did, as it shows by its secret.
func (w worker) traffic(query string) traffic.Report {
	w.t.Helper()
	return resultOf[traffic.Report](w.t, w.do("GET", w.projectPath()+"/traffic"+query, nil, headerBindingSecret+": "+w.secret))
}

func TestEveryRouteOfABindingHasTheNameThatWorkersHaveForIt(t *testing.T) {
	routes := map[string]bool{}
	for _, table := range bindings {
		for _, r := range table {
			routes[r.Method+" "+r.Path] = true
			if boundMethods[r.Method+" "+r.Path] == "" {
				t.Errorf("%s %s has no name", r.Method, r.Path)
			}
		}
	}
	for _, r := range slices.Sorted(maps.Keys(boundMethods)) {
		if !routes[r] {
			t.Errorf("%s is no route", r)
		}
	}
}

// counts writes calls and failures by method.
func counts(methods map[string]*traffic.Count) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(methods)) {
		words = append(words, fmt.Sprintf("%s %d/%d", name, methods[name].Calls, methods[name].Failed))
	}
	return strings.Join(words, ", ")
}

func TestWhatABindingForVectorsDoesIsRecorded(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Relaxed(), func(t *testing.T, c *cloud) {
		c.films(index.Cosine)
		w := newWorker(c.harness)
		post := func(path, body string) answer { return w.vector("films", "POST", path, typeJSON, body) }
		w.vector("films", "GET", "/info", typeJSON, "")
		post("/insert", `{"vectors":[{"id":"a","values":[1,0,0],"metadata":{"secretkey":"secretvalue"}}]}`)
		w.vector("films", "POST", "/upsert", typeNDJSON, `{"id":"secretid","values":[0,1,0]}`+"\n"+`{"id":"c","values":[0,0,1]}`)
		post("/query", `{"topK":60,"returnMetadata":"all","vector":[1,0,0],"filter":{"genre":"secretnoir"}}`)
		post("/query", `{"topK":90,"vectorId":"a"}`)
		post("/query", `{"topK":90,"vector":[1,0]}`) // of the wrong length
		post("/getByIds", `{"ids":["a","b","c"]}`)
		post("/deleteByIds", `{"ids":["a","secretid"]}`)
		w.vector("", "POST", "/binding/indexes/films/query", typeJSON, `{"topK":1,"vector":[0,0,1]}`)
		w.vector("films", "GET", "/nothing", typeJSON, "")
		w.vector("", "POST", "/query", typeJSON, `{"vector":[1,2,3]}`)
		c.send("POST", v2+"/films/query", "", `{"vector":[1,0,0]}`) // from no project

		got := w.traffic("")
		x := got.Total.Indexes["films"]
		if x == nil || len(got.Total.Indexes) != 1 || len(got.Total.AI) != 0 {
			t.Fatalf("got %+v", got.Total)
		}
		if want := "deleteByIds 1/0, describe 1/0, getByIds 1/0, insert 1/0, query 2/1, queryById 1/0, upsert 1/0, v1.query 1/0"; counts(x.Methods) != want {
			t.Errorf("calls %s, want %s", counts(x.Methods), want)
		}
		if x.TopK != 90 || x.TopKFull != 60 || x.Batch != 2 || x.GetIDs != 3 || x.DeleteIDs != 2 || x.MetadataBytes != len(`{"secretkey":"secretvalue"}`) {
			t.Errorf("the largest: %+v", x)
		}
		if x.Written != 3 || x.Searched != 3 || x.Dimensions != 9 || x.Unindexed["genre"] != 1 || len(x.Unindexed) != 1 || x.Early != 4 || x.EarlyBy < 1 {
			t.Errorf("sums: %+v", x)
		}
		if len(got.Days) != 1 || got.Days[0].Calls != 9 || got.Days[0].Dimensions != 9 || !got.Relaxed {
			t.Errorf("days %+v, relaxed %t", got.Days, got.Relaxed)
		}
		kept := w.do("GET", w.projectPath()+"/traffic", nil)
		kept.lacks(t, "secret")
	})
}

func TestOnlyTheLargestBatchThatCameCountsAlsoIfItWasRefused(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.films(index.Cosine)
		w := newWorker(c.harness)
		lines := strings.Repeat(`{"id":"a","values":[0,1,0]}`+"\n", 5002)
		if got := w.vector("films", "POST", "/upsert", typeNDJSON, lines); got.status != 400 {
			t.Fatalf("got %d %.200s", got.status, got.body)
		}
		x := w.traffic("").Total.Indexes["films"]
		if x.Batch <= 5000 || x.Written != 0 || counts(x.Methods) != "upsert 1/1" {
			t.Errorf("got %+v, %s", x, counts(x.Methods))
		}
	})
}

func TestWhatABindingForModelsDoesIsRecorded(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	w := newWorker(h)
	w.run(llama, `{"messages":[{"role":"user","content":"why is the sky blue"}]}`, `{}`)
	w.run(llama, `{"prompt":"hello","stream":true}`, `{}`)
	w.run(llama, `{"prompt":"hello","dry_run":true}`, `{}`)
	w.run(llama, `{"prompt":5}`, `{}`)
	w.run(bgeM3, `{"text":["a secret cat"]}`, `{}`)
	w.run("@cf/nope/nope", `{"prompt":"x"}`, `{}`)
	w.ai("POST", "/ai-gateway/run?version=3", llama, typeJSON, `{"inputs":{"prompt":"hello"},"options":{"gateway":{"id":"mine"}}}`)
	w.ai("POST", "/ai-gateway/universal/run/theirs", "", typeJSON, elsewhere+`}}]`)
	w.ai("GET", "/ai-gateway/gateways/mine/url/workers-ai", "", typeJSON, "")
	w.ai("GET", "/ai-api/models/search", "", typeJSON, "")
	w.ai("GET", "/to-everything/markdown/supported", "", typeJSON, "")

	var got traffic.Report
	until(t, "the stream is over", func() bool {
		got = w.traffic("")
		return got.Total.AI["run"] != nil && got.Total.AI["run"].Calls == 7
	})
	if want := "gateway.getUrl 1/0, gateway.run 1/0, models 1/0, run 7/2, toMarkdown 1/0"; counts(got.Total.AI) != want {
		t.Errorf("calls %s, want %s", counts(got.Total.AI), want)
	}
	chat, vectors, none := got.Total.Models[llama], got.Total.Models[bgeM3], got.Total.Models["@cf/nope/nope"]
	if chat == nil || vectors == nil || none == nil || len(got.Total.Models) != 3 {
		t.Fatalf("models %v", slices.Sorted(maps.Keys(got.Total.Models)))
	}
	if chat.Calls != 5 || chat.Failed != 1 || chat.In == 0 || chat.Out == 0 || chat.Neurons == 0 || chat.Peak < 1 || chat.Served == "" || chat.Substitute != 0 {
		t.Errorf("chat: %+v", chat)
	}
	if want := len(`{"messages":[{"role":"user","content":"why is the sky blue"}]}`); chat.Input < want {
		t.Errorf("the largest input has %d bytes, it had %d", chat.Input, want)
	}
	if vectors.Calls != 1 || vectors.Neurons == 0 || none.Calls != 1 || none.Failed != 1 {
		t.Errorf("embeddings: %+v, of no model: %+v", vectors, none)
	}
	if n := got.Total.Gateways; n["mine"] != 1 || n["theirs"] != 1 || len(n) != 2 {
		t.Errorf("gateways %v", n)
	}
	spent := resultOf[UsageReport](t, h.do("GET", home+"/nearside/usage", nil))
	if micro := strings.Replace(spent.Total.Neurons.String(), ".", "", 1); strings.TrimLeft(micro, "0") != fmt.Sprint(got.Days[0].MicroNeurons) {
		t.Errorf("%d millionths of a neuron; the ledger has %s neurons", got.Days[0].MicroNeurons, spent.Total.Neurons)
	}
	if raw, err := json.Marshal(got); err != nil || strings.Contains(string(raw), "secret") || strings.Contains(string(raw), "sky") {
		t.Errorf("%v: %s", err, raw)
	}
}

func TestASubstituteIsRecordedAsOne(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	w := newWorker(h)
	got := w.run("@cf/baai/bge-base-en-v1.5", `{"text":["a cat"]}`, `{}`)
	if route := got.header.Get("nearside-route"); route != string(llm.Substitute) {
		t.Fatalf("%d by the route %q: %.200s", got.status, route, got.body)
	}
	if m := w.traffic("").Total.Models["@cf/baai/bge-base-en-v1.5"]; m == nil || m.Substitute != 1 || m.Served != got.header.Get("nearside-model") {
		t.Errorf("got %+v", m)
	}
}

// What a filter cannot see of an index is what was written before the metadata index.
func TestTrafficTellsHowTheIndexesAre(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.films(index.Euclidean, `{"id":"a","values":[1,0,0],"metadata":{"genre":"noir"}}`, `{"id":"b","values":[1,0,0],"metadata":{"genre":7}}`, `{"id":"c","values":[1,0,0]}`)
		c.send("POST", v2+"/films/metadata_index/create", "", `{"propertyName":"genre","indexType":"string"}`).want(t, 200, 0)
		c.send("POST", v2+"/films/upsert", typeNDJSON, `{"id":"d","values":[1,0,0],"metadata":{"genre":"noir"},"namespace":"x"}`).want(t, 200, 0)
		w := newWorker(c.harness)
		if got := w.traffic("").Indexes; len(got) != 0 {
			t.Errorf("of no index that was called: %+v", got)
		}
		states := w.traffic("?index=films&index=nowhere").Indexes
		want := traffic.State{Name: "films", Dimensions: 3, Metric: "euclidean", Vectors: 4, Namespaces: 1, Metadata: []traffic.MetadataIndex{{Property: "genre", Type: "string", Hidden: 1}}}
		if len(states) != 1 || fmt.Sprint(states[0]) != fmt.Sprint(want) {
			t.Errorf("got %+v, want %+v", states, want)
		}
	})
}

func TestTrafficIsForAdminsAndForTheProjectItself(t *testing.T) {
	c := newCloud(t, "memory", Config{}, vectorize.Cloudflare())
	w := newWorker(c.harness)
	c.films(index.Cosine)
	path := w.projectPath() + "/traffic"
	other := resultOf[projectObject](t, c.post(home+"/nearside/projects", `{"name":"other"}`))
	w.vector("films", "GET", "/info", typeJSON, "")
	admin, reader := c.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Admin}), c.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Read})
	for name, test := range map[string]struct {
		header string
		status int
	}{
		"nothing":             {"X-Nothing: 1", 401},
		"its secret":          {headerBindingSecret + ": " + w.secret, 200},
		"another's":           {headerBindingSecret + ": " + other.Secret, 401},
		"a key for all":       {"Authorization: Bearer " + admin, 200},
		"a key for reading":   {"Authorization: Bearer " + reader, 403},
		"its secret as a key": {"Authorization: Bearer " + w.secret, 401},
	} {
		if got := c.do("GET", path, nil, test.header); got.status != test.status {
			t.Errorf("with %s: %d %s", name, got.status, got.body)
		}
	}
	if got := c.do("GET", path, nil, headerBindingSecret+": "+w.secret, "Origin: https://evil.example"); got.status != 403 {
		t.Errorf("from a web page: %d %s", got.status, got.body)
	}
	if got := c.do("GET", strings.Replace(path, "/local/", "/other/", 1), nil, headerBindingSecret+": "+w.secret); got.status != 401 {
		t.Errorf("in another account: %d %s", got.status, got.body)
	}
	for _, query := range []string{"?days=0", "?days=32", "?days=x"} {
		if got := c.do("GET", path+query, nil, headerBindingSecret+": "+w.secret); got.status != 400 {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
	c.do("GET", home+"/nearside/projects/none/traffic", nil, "Authorization: Bearer "+admin).want(t, 404, 10404, "none")

	c.do("DELETE", path, nil, headerBindingSecret+": "+w.secret).want(t, 200, 0)
	if got := resultOf[traffic.Report](t, c.do("GET", path, nil, headerBindingSecret+": "+w.secret)); len(got.Days) != 0 || got.Total.Calls() != 0 {
		t.Errorf("after it was forgotten: %+v", got)
	}
}
