package workers_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nearside/workers"
	"nearside/workers/traffic"
)

// sound is a configuration in which nothing is to be found.
const sound = `{
  "name": "shop", // the Worker
  "main": "src/index.ts",
  "compatibility_date": "2026-01-01",
  "ai": { "binding": "AI" },
  "vectorize": [
    { "binding": "OTHER", "index_name": "other" },
    { "binding": "VECTORIZE", "index_name": "docs" },
  ],
  "vars": { "LIMIT": 3 },
}
`

const soundTOML = `name = "shop"
main = "src/index.ts"
compatibility_date = "2026-01-01"

[ai]
binding = "AI"

[[vectorize]]
binding = "OTHER"
index_name = "other"

[[vectorize]]
binding = "VECTORIZE"
index_name = "docs"
`

// known are models as a catalogue may have them.
var known = map[string]workers.Model{
	"@cf/good/chat":  {ID: "@cf/good/chat", Task: "Text Generation", Cloudflare: true, Priced: true},
	"@cf/good/alias": {ID: "@cf/good/chat", Task: "Text Generation", Cloudflare: true, Priced: true},
	"@cf/old/chat":   {ID: "@cf/old/chat", Cloudflare: true, Priced: true, Deprecated: "2026-05-30", Successor: "@cf/good/chat"},
	"@cf/dear/chat":  {ID: "@cf/dear/chat", Task: "Text Generation", Cloudflare: true, Priced: true, Paid: true},
	"@cf/odd/chat":   {ID: "@cf/odd/chat", Cloudflare: true},
	"@nearside/auto": {ID: "@nearside/auto"},
}

// seen is a report of one day.
func seen(change func(r *traffic.Report)) *traffic.Report {
	r := &traffic.Report{Total: &traffic.Record{}, Days: []traffic.Spent{{Day: "2026-11-20", Calls: 7}}}
	change(r)
	return r
}

// index is what was done with the index docs.
func index(x traffic.Index) *traffic.Report {
	if x.Methods == nil {
		x.Methods = map[string]*traffic.Count{"query": {Calls: 2}, "queryById": {Calls: 1}, "upsert": {Calls: 4}, "getByIds": {Calls: 5}, "deleteByIds": {Calls: 6}}
	}
	return seen(func(r *traffic.Report) { r.Total.Indexes = map[string]*traffic.Index{"docs": &x} })
}

// model is what a model was asked.
func model(id string, m traffic.Model) *traffic.Report {
	m.Calls = 9
	return seen(func(r *traffic.Report) { r.Total.Models = map[string]*traffic.Model{id: &m} })
}

// state is how the index docs is.
func state(x traffic.State) *traffic.Report {
	x.Name = "docs"
	return seen(func(r *traffic.Report) { r.Indexes = []traffic.State{x} })
}

// spent is what days cost, each in neurons and queried dimensions.
func spent(days ...[2]int64) *traffic.Report {
	return seen(func(r *traffic.Report) {
		r.Days = nil
		for _, d := range days {
			r.Days = append(r.Days, traffic.Spent{Day: "2026-11-20", Calls: 1, MicroNeurons: d[0] * 1e6, Dimensions: d[1]})
		}
	})
}

// checkTest is a project and the one thing that is to be found in it.
type checkTest struct {
	name    string
	config  string // "" = sound
	source  string // of src/index.ts
	traffic *traffic.Report
	plan    workers.Plan // "" = paid
	times   int64
	want    string // level, rule and place; "" = nothing is found
	says    string // in what, there or do
}

// replaced is the sound configuration with another word in place of one.
func replaced(old, new string) string { return strings.Replace(sound, old, new, 1) }

var checkTests = []checkTest{
	{name: "nothing"},
	{name: "calls within every limit", traffic: index(traffic.Index{Batch: 1000, TopK: 100, TopKFull: 50, GetIDs: 20, DeleteIDs: 100, MetadataBytes: 10240})},

	{name: "no date", config: replaced(`"compatibility_date": "2026-01-01",`, ""), want: "breaks compatibility-date wrangler.jsonc", says: "2026-11-21"},
	{name: "a date to come", config: replaced("2026-01-01", "2026-11-22"), want: "breaks compatibility-date wrangler.jsonc:4", says: "future"},
	{name: "a date that is none", config: replaced(`"2026-01-01"`, `20260101`)},
	{name: "today", config: replaced("2026-01-01", "2026-11-21")},
	{name: "an old date", config: replaced("2026-01-01", "2023-11-07"), want: "differs compatibility-date wrangler.jsonc:4", says: "whole vector"},
	{name: "an old date without an index", config: replaced(`"vectorize"`, `"x"`)},
	{name: "an old date that is not too old", config: replaced("2026-01-01", "2023-11-08")},
	{name: "an environment without its bindings", config: replaced(`"vars"`, `"env": { "production": {"ai": {"binding": "AI"}, "vectorize": [{"binding": "OTHER", "index_name": "x"}]} }, "vars"`),
		want: "breaks environment wrangler.jsonc:10", says: "env.VECTORIZE"},
	{name: "an environment with all of them", config: replaced(`"vars"`, `"env": { "production": {"ai": {"binding": "AI"}, "vectorize": [{"binding": "OTHER", "index_name": "x"}, {"binding": "VECTORIZE", "index_name": "y"}]} }, "vars"`)},

	{name: "a call of what is not bound", source: "\n  await env.VECTORISE.upsert(vectors);", want: "breaks binding src/index.ts:2", says: "env.VECTORISE"},
	{name: "a model called through what is not bound", source: `await c.env.MODELS.run("@cf/good/chat", {})`, want: "breaks binding src/index.ts:1", says: "env.MODELS"},
	{name: "calls of what is bound", source: "await env.VECTORIZE.upsert(v); env.AI.run('@cf/good/chat'); env.DB.query(); env.LIMIT.upsert(1)"},
	{name: "a call in a comment", source: "// env.VECTORISE.upsert(vectors)\n * env.VECTORISE.upsert(vectors)"},
	{name: "nearside's address", source: "fetch(`http://localhost:8810/x`)", want: "breaks only-nearside src/index.ts:1"},
	{name: "a route of nearside's alone", source: "fetch(`${base}/accounts/${id}/nearside/indexes/docs/search`)", want: "breaks only-nearside src/index.ts:1"},
	{name: "another address", source: "fetch(`http://localhost:8787/nearside`)"},

	{name: "a model", source: `run("@cf/good/chat"); run("@cf/good/alias")`},
	{name: "a package", source: `import { env } from "@nearside/workers"`},
	{name: "no model", source: `run('@cf/good/chap')`, want: "breaks model-unknown src/index.ts:1", says: "@cf/good/chap"},
	{name: "no model in vars", config: replaced(`"LIMIT": 3`, `"LIMIT": "@cf/good/chap"`), want: "breaks model-unknown wrangler.jsonc:10"},
	{name: "no model in what was called", traffic: model("@cf/good/chap", traffic.Model{}), want: "breaks model-unknown 9 calls of env.AI.run"},
	{name: "a model of nearside's", source: "run(`@nearside/auto`)", want: "breaks model-nearside src/index.ts:1"},
	{name: "a model that was given up, twice", source: `a("@cf/old/chat")` + "\n" + `b("@cf/old/chat")`, want: "breaks model-deprecated src/index.ts:1, src/index.ts:2", says: "@cf/good/chat"},
	{name: "a model for who pays", source: `run("@cf/dear/chat")`, plan: workers.Free, want: "breaks model-paid src/index.ts:1", says: "5035"},
	{name: "a model for who pays, who does", source: `run("@cf/dear/chat")`},
	{name: "a model without a price", source: `run("@cf/odd/chat")`, want: "costs model-unpriced src/index.ts:1"},
	{name: "a model that another answered for", traffic: model("@cf/good/chat", traffic.Model{Substitute: 3, Served: "mini"}), want: "differs model-substitute 9 calls of env.AI.run", says: "3 of 9 calls of @cf/good/chat were answered by mini"},
	{name: "as many calls a minute as may be", traffic: model("@cf/good/chat", traffic.Model{Peak: 300})},
	{name: "one more", traffic: model("@cf/good/chat", traffic.Model{Peak: 301}), want: "breaks rate-limit 9 calls of env.AI.run", says: "300 a minute of Text Generation"},
	{name: "one more in production", traffic: model("@cf/good/chat", traffic.Model{Peak: 31}), times: 10, want: "breaks rate-limit 9 calls of env.AI.run", says: "taken 10 times"},
	{name: "more calls of a model for who pays", traffic: model("@cf/dear/chat", traffic.Model{Peak: 21}), want: "breaks rate-limit 9 calls of env.AI.run", says: "20 a minute"},

	{name: "a large batch", traffic: index(traffic.Index{Batch: 1001}), want: "breaks batch wrangler.jsonc:8, among 4 calls of env.VECTORIZE.upsert", says: "1,001 vectors"},
	{name: "a large topK", traffic: index(traffic.Index{TopK: 101}), want: "breaks topk wrangler.jsonc:8, among 3 calls of env.VECTORIZE.query, env.VECTORIZE.queryById", says: "at most 100"},
	{name: "a large topK with values", traffic: index(traffic.Index{TopKFull: 51}), want: "breaks topk-full wrangler.jsonc:8, among 3 calls of env.VECTORIZE.query, env.VECTORIZE.queryById", says: "at most 50"},
	{name: "many ids", traffic: index(traffic.Index{GetIDs: 21}), want: "breaks get-ids wrangler.jsonc:8, among 5 calls of env.VECTORIZE.getByIds", says: "40007"},
	{name: "many ids to delete", traffic: index(traffic.Index{DeleteIDs: 101}), want: "breaks delete-ids wrangler.jsonc:8, among 6 calls of env.VECTORIZE.deleteByIds", says: "40007"},
	{name: "long metadata", traffic: index(traffic.Index{MetadataBytes: 10241}), want: "breaks metadata wrangler.jsonc:8, among 4 calls of env.VECTORIZE.upsert", says: "10,240"},
	{name: "a filter in vain", traffic: index(traffic.Index{Unindexed: map[string]int64{"genre": 2}}), want: "breaks filter wrangler.jsonc:8, among 3 calls of env.VECTORIZE.query, env.VECTORIZE.queryById", says: "--property-name=genre"},
	{name: "a read at once", traffic: index(traffic.Index{Early: 1, EarlyBy: 12}), want: "differs read-after-write wrangler.jsonc:8, among 8 calls of env.VECTORIZE.query, env.VECTORIZE.queryById, env.VECTORIZE.getByIds", says: "1 read of docs came within 5 seconds of a write to it, the first after 12 ms"},
	{name: "calls of version 1", traffic: index(traffic.Index{Methods: map[string]*traffic.Count{"v1.query": {Calls: 1}}}), want: "breaks vectorize-v1 wrangler.jsonc:8, 1 call of env.VECTORIZE.v1.query"},
	{name: "an index that is not bound", traffic: seen(func(r *traffic.Report) {
		r.Total.Indexes = map[string]*traffic.Index{"films": {Batch: 1001, Methods: map[string]*traffic.Count{"insert": {Calls: 1}}}}
	}), want: "breaks batch 1 call of env.VECTORIZE.insert"},

	{name: "a metadata index that came late", traffic: state(traffic.State{Vectors: 5000, Metadata: []traffic.MetadataIndex{{Property: "genre", Type: "string", Hidden: 1000, More: true}, {Property: "year", Type: "number"}}}),
		want: "differs metadata-index-late wrangler.jsonc:8", says: `at least 1,000 of 5,000 vectors in docs have "genre"`},
	{name: "too many metadata indexes", traffic: state(traffic.State{Metadata: make([]traffic.MetadataIndex, 11)}), want: "breaks metadata-indexes wrangler.jsonc:8", says: "at most 10"},
	{name: "as many namespaces as may be", traffic: state(traffic.State{Namespaces: 1000, Metadata: make([]traffic.MetadataIndex, 10)}), plan: workers.Free},
	{name: "too many namespaces", traffic: state(traffic.State{Namespaces: 1001}), plan: workers.Free, want: "breaks namespaces wrangler.jsonc:8", says: "at most 1,000 namespaces on the free plan"},
	{name: "who pays may have more", traffic: state(traffic.State{Namespaces: 1001})},
	{name: "too many vectors", traffic: state(traffic.State{Vectors: 20_000_001}), want: "breaks vectors wrangler.jsonc:8"},
	{name: "a server without limits", traffic: seen(func(r *traffic.Report) { r.Relaxed = true }), want: "differs relaxed nearside serve --relaxed"},
	{name: "a gateway", traffic: seen(func(r *traffic.Report) { r.Total.Gateways = map[string]int64{"mine": 4, "default": 1} }), want: "differs gateway 4 calls of env.AI", says: "mine"},

	{name: "the free neurons of a day", traffic: spent([2]int64{10_000, 0}), plan: workers.Free},
	{name: "one neuron more", traffic: spent([2]int64{10_001, 0}, [2]int64{1, 0}), plan: workers.Free, want: "breaks neurons the traffic seen", says: "10,001 neurons"},
	{name: "one neuron more, paid", traffic: spent([2]int64{10_001, 0}), want: "costs neurons the traffic seen", says: "$0.01 a month"},
	{name: "a neuron more in production", traffic: spent([2]int64{101, 0}), plan: workers.Free, times: 100, want: "breaks neurons the traffic seen, taken 100 times", says: "10,100 neurons"},
	{name: "the queries that are free", traffic: spent([2]int64{0, 1_000_000}), plan: workers.Free},
	{name: "more queries", traffic: spent([2]int64{0, 1_000_001}), plan: workers.Free, want: "costs queried-dimensions the traffic seen", says: "not stated"},
	{name: "more queries, paid", traffic: spent([2]int64{0, 2_000_000}), want: "costs queried-dimensions the traffic seen", says: "$0.10 a month"},
	{name: "what can be stored", traffic: state(traffic.State{Vectors: 5000, Dimensions: 1000}), plan: workers.Free},
	{name: "more that is stored", traffic: state(traffic.State{Vectors: 5001, Dimensions: 1000}), plan: workers.Free, want: "costs stored-dimensions the traffic seen", says: "5,001,000 dimensions"},
}

// check checks a test's project.
func (test checkTest) check(t *testing.T, path, config string) *workers.Report {
	t.Helper()
	f, err := workers.New(path, []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	plan := test.plan
	if plan == "" {
		plan = workers.Paid
	}
	report, err := workers.Check(workers.Project{
		File: f, Sources: []workers.Source{{Path: "src/index.ts", Text: test.source}}, Traffic: test.traffic, Plan: plan, Times: test.times,
		Models: func(id string) (workers.Model, bool) { m, ok := known[id]; return m, ok },
		Now:    time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestEachThingThatDiffersIsFoundAndNothingElse(t *testing.T) {
	for _, test := range checkTests {
		t.Run(test.name, func(t *testing.T) {
			config := test.config
			if config == "" {
				config = sound
			}
			report := test.check(t, "/shop/wrangler.jsonc", config)
			switch {
			case test.want == "" && len(report.Findings) == 0:
			case len(report.Findings) != 1:
				t.Errorf("found %+v, want %q", report.Findings, test.want)
			default:
				f := report.Findings[0]
				if got := string(f.Level) + " " + f.Rule + " " + strings.Join(f.Where, ", "); got != test.want {
					t.Errorf("found %q, want %q", got, test.want)
				}
				if all := f.What + "|" + f.There + "|" + f.Do; !strings.Contains(all, test.says) || f.What == "" || f.There == "" || f.Do == "" {
					t.Errorf("no %q in %q", test.says, all)
				}
				if report.Breaks() != (f.Level == workers.Breaks) {
					t.Errorf("of the level %s, and Breaks is %t", f.Level, report.Breaks())
				}
			}
		})
	}
}

func TestPlacesAreFoundInTOMLToo(t *testing.T) {
	late := soundTOML + "\n[env.production.vars]\nMODEL = \"@cf/good/chap\"\n"
	var got []string
	for _, f := range (checkTest{traffic: index(traffic.Index{Batch: 1001})}).check(t, "/shop/wrangler.toml", strings.Replace(late, "2026-01-01", "2030-01-01", 1)).Findings {
		got = append(got, f.Rule+" "+f.Where[0])
	}
	if want := []string{"batch wrangler.toml:12", "compatibility-date wrangler.toml:3", "environment wrangler.toml:16", "model-unknown wrangler.toml:17"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What nearside dev init added says nothing of its own.
func TestTheEnvironmentOfNearsideIsPassedOver(t *testing.T) {
	for path, config := range map[string]string{"/shop/wrangler.jsonc": replaced(`"LIMIT": 3`, `"MODEL": "@cf/old/chat"`), "/shop/wrangler.toml": soundTOML + "\n[vars]\nMODEL = \"@cf/old/chat\"\n"} {
		f, err := workers.New(path, []byte(config))
		if err != nil {
			t.Fatal(err)
		}
		with, _, err := f.Init("local", "/shop/.nearside/plugin.cjs", nil)
		if err != nil {
			t.Fatal(err)
		}
		report := checkTest{}.check(t, path, string(with))
		if len(report.Findings) != 1 || len(report.Findings[0].Where) != 1 {
			t.Errorf("%s: %+v", path, report.Findings)
		}
	}
}

func TestTheHeaviestIsFirst(t *testing.T) {
	test := checkTest{source: `run("@cf/odd/chat"); run("@cf/old/chat")`, traffic: seen(func(r *traffic.Report) { r.Relaxed = true })}
	var got []string
	for _, f := range test.check(t, "/shop/wrangler.jsonc", sound).Findings {
		got = append(got, string(f.Level))
	}
	if want := []string{"breaks", "differs", "costs"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestAMonthIsThirtyDaysOfThoseSeen(t *testing.T) {
	test := checkTest{times: 2, traffic: seen(func(r *traffic.Report) {
		r.Days = []traffic.Spent{{Day: "2026-11-18", Calls: 3, MicroNeurons: 10_000_000_000, Dimensions: 1_000_000}, {Day: "2026-11-20", Calls: 4, MicroNeurons: 1, Dimensions: 3_000_000}}
		r.Indexes = []traffic.State{{Name: "docs", Dimensions: 1000, Vectors: 210_000, Metric: "cosine", Metadata: []traffic.MetadataIndex{{Property: "genre", Type: "string"}}}, {Name: "other", Preset: "@cf/baai/bge-base-en-v1.5"}}
		r.Total.AI = map[string]*traffic.Count{"run": {Calls: 7}}
	})}
	report := test.check(t, "/shop/wrangler.jsonc", sound)
	if s := report.Seen; s == nil || s.Days != 2 || s.From != "2026-11-18" || s.To != "2026-11-20" || s.Calls != 7 {
		t.Errorf("seen %+v", s)
	}
	// Twice 10,000 neurons a day are 10,000 beyond the free ones, on every second day of 30: $1.65.
	// Twice 4 million dimensions in two days are 120 million, and 210 million stored ones count too: 280 million beyond, $2.80.
	// 200 million stored beyond 10 million: $0.10.
	var got []string
	for _, row := range report.Cost.Rows {
		got = append(got, row.Of, row.USD)
	}
	if want := []string{"neurons", "1.65", "dimensions queried", "2.80", "dimensions stored", "0.10"}; !slices.Equal(got, want) || report.Cost.USD != "4.55" {
		t.Errorf("got %q, $%s", got, report.Cost.USD)
	}
	if m := report.Cost.Rows[0].Month; m != 300_001 {
		t.Errorf("%d neurons a month", m)
	}
	want := []string{
		"npx wrangler vectorize create docs --dimensions=1000 --metric=cosine",
		"npx wrangler vectorize create-metadata-index docs --property-name=genre --type=string",
		"npx wrangler vectorize create other --preset=@cf/baai/bge-base-en-v1.5",
	}
	if !slices.Equal(report.Prepare, want) {
		t.Errorf("to prepare: %q", report.Prepare)
	}
}

func TestWithoutACallThereIsNoCost(t *testing.T) {
	report := checkTest{traffic: seen(func(r *traffic.Report) { r.Days = nil })}.check(t, "/shop/wrangler.jsonc", sound)
	if report.Cost != nil || report.Seen != nil || !slices.Contains(report.Notes, "no call of this project was seen yet: run the Worker with nearside, use it, and check again") {
		t.Errorf("got %+v", report)
	}
}

func TestAnIndexThatTheServerLacksIsNoted(t *testing.T) {
	notes := checkTest{traffic: state(traffic.State{})}.check(t, "/shop/wrangler.jsonc", sound).Notes
	if len(notes) != 1 || !strings.HasPrefix(notes[0], "the index other of env.OTHER is not on the server") {
		t.Errorf("got %q", notes)
	}
}

func TestSourceIsWhatPeopleWroteForTheWorker(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"wrangler.jsonc", "src/index.ts", "src/deep/er/x.mjs", "src/readme.md", "src/index.test.ts", "test/a.ts", "node_modules/a/b.js", ".wrangler/tmp/a.js", "dist/index.js", "worker.py"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := workers.Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	sources, whole, err := f.Sources()
	if err != nil || !whole {
		t.Fatalf("%t, %v", whole, err)
	}
	var got []string
	for _, s := range sources {
		got = append(got, s.Path)
	}
	if want := []string{"src/deep/er/x.mjs", "src/index.ts", "worker.py"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
