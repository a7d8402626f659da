package command_test

import (
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nearside/client"
)

// clientsDir is where scripts/clients installed the real clients.
func clientsDir(t *testing.T) string {
	t.Helper()
	if !*long {
		t.Skip("runs with -long")
	}
	dir := os.Getenv("NEARSIDE_CLIENTS")
	if dir == "" {
		t.Fatal("NEARSIDE_CLIENTS is not set; install the clients with scripts/clients DIR and set it to DIR")
	}
	return dir
}

// runScript runs a script of testdata/clients, which fails by its exit code, and returns all it printed.
func runScript(t *testing.T, api *client.Client, name string, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "clients"))); err != nil {
		t.Fatal(err)
	}
	// A script finds packages beside itself.
	if err := os.Symlink(filepath.Join(clientsDir(t), "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return runIn(t, dir, api, name, args...)
}

// run runs a real client against the server and returns all it printed.
func run(t *testing.T, api *client.Client, name string, args ...string) string {
	t.Helper()
	return runIn(t, t.TempDir(), api, name, args...)
}

func runIn(t *testing.T, work string, api *client.Client, name string, args ...string) string {
	t.Helper()
	dir := clientsDir(t)
	if installed := filepath.Join(dir, "node_modules", ".bin", name); fileExists(installed) {
		name = installed // not the one that may be on the machine
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = work
	cmd.Env = append(os.Environ(),
		"PATH="+filepath.Join(dir, "node_modules", ".bin")+":"+os.Getenv("PATH"),
		"PYTHONPATH="+filepath.Join(dir, "python"),
		"NEARSIDE_URL="+api.URL,
		"CLOUDFLARE_API_BASE_URL="+api.URL+"/client/v4", "CLOUDFLARE_BASE_URL="+api.URL+"/client/v4",
		"CLOUDFLARE_API_TOKEN=local", "CLOUDFLARE_ACCOUNT_ID=local",
		"WRANGLER_SEND_METRICS=false", "WRANGLER_SEND_ERROR_REPORTS=false", "WRANGLER_HIDE_BANNER=true", "CI=true", "NO_COLOR=1",
		"HOME="+t.TempDir(),
	)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// adapterFolder returns a folder with the two files of a fine-tune, the smallest that can be one.
func adapterFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	header := `{"q_proj.lora_A.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}`
	weights := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header+"\x00\x00\x00\x00"...)
	for name, content := range map[string][]byte{"adapter_config.json": []byte(`{"peft_type":"LORA","r":1}`), "adapter_model.safetensors": weights} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestEveryWranglerCommandWorks drives the newest wrangler through the life of an
// index, and through what it has for models.
func TestEveryWranglerCommandWorks(t *testing.T) {
	clientsDir(t)
	api := start(t, t.TempDir()).ready()
	vectors := filepath.Join(t.TempDir(), "vectors.ndjson")
	lines := `{"id":"a","values":[1,0,0],"metadata":{"genre":"noir","year":1944}}
{"id":"b","values":[0,1,0],"namespace":"eu","metadata":{"genre":"noir","year":1950}}
{"id":"c","values":[0.6,0.8,0],"metadata":{"genre":"drama","year":1960}}`
	if err := os.WriteFile(vectors, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	adapter := adapterFolder(t)
	for _, step := range []struct {
		command string
		want    []string
		absent  []string
	}{
		{command: "whoami", want: []string{"local"}},
		{command: "vectorize create films --dimensions=3 --metric=cosine --description=demo", want: []string{"Successfully created a new Vectorize index: 'films'"}},
		{command: "vectorize create notes --preset=@cf/baai/bge-base-en-v1.5", want: []string{"'notes'"}},
		{command: "vectorize list", want: []string{"films", "notes", "768", "demo"}},
		{command: "vectorize list --json", want: []string{`"name": "films"`}},
		{command: "vectorize get films", want: []string{"films", "3", "cosine"}},
		{command: "vectorize create-metadata-index films --property-name=genre --type=string", want: []string{"Successfully enqueued"}},
		{command: "vectorize create-metadata-index films --property-name=year --type=number", want: []string{"Successfully enqueued"}},
		{command: "vectorize list-metadata-index films", want: []string{"genre", "year", "string", "number"}},
		{command: "vectorize insert films --file=" + vectors, want: []string{"3 vectors", "Mutation changeset identifier"}},
		{command: "vectorize upsert films --batch-size=2 --file=" + vectors, want: []string{"3 vectors"}},
		{command: "vectorize info films", want: []string{"3"}},
		{command: "vectorize list-vectors films --count 2", want: []string{"a", "b"}},
		{command: "vectorize query films --vector 1 0 0 --top-k 2 --return-values --return-metadata all", want: []string{`"id": "a"`, `"id": "c"`, `"genre": "drama"`, `"score": 1`}, absent: []string{`"id": "b"`}},
		{command: `vectorize query films --vector 1 0 0 --filter {"genre":"noir","year":{"$lt":1950}}`, want: []string{`"id": "a"`, `"count": 1`}},
		{command: "vectorize query films --vector 1 0 0 --namespace eu", want: []string{`"id": "b"`, `"count": 1`}},
		{command: "vectorize query films --vector-id a", want: []string{`"id": "a"`, `"id": "c"`}},
		{command: "vectorize get-vectors films --ids a b", want: []string{`"id": "a"`, `"namespace": "eu"`}},
		{command: "vectorize delete-vectors films --ids a b", want: []string{"Mutation changeset identifier"}},
		{command: "vectorize info films", want: []string{"1"}},
		{command: "vectorize delete-metadata-index films --property-name=year", want: []string{"Successfully enqueued"}},
		{command: "vectorize delete films --force", want: []string{"films"}},
		{command: "ai models list", want: []string{"@cf/baai/bge-base-en-v1.5"}},
		{command: "ai models schema @cf/baai/bge-base-en-v1.5", want: []string{"input", "output", "pooling"}},
		{command: "ai finetune list", want: []string{"No finetune assets found"}},
		{command: "ai finetune create @cf/meta/llama-3.2-3b-instruct mine " + adapter, want: []string{"couldn't be created", "takes no fine-tunes"}},
		{command: "ai finetune create @cf/mistral/mistral-7b-instruct-v0.2-lora mine " + adapter, want: []string{"Assets uploaded, finetune \"mine\" is ready to use"}},
		{command: "ai finetune create @cf/mistral/mistral-7b-instruct-v0.2-lora mine " + adapter, want: []string{"couldn't be created", "choose another name"}},
		{command: "ai finetune list", want: []string{"mine", "finetune_id"}},
		{command: "ai finetune list --json", want: []string{`"name": "mine"`, `"model": "@cf/mistral/mistral-7b-instruct-v0.2-lora"`}},
	} {
		out := run(t, api, "wrangler", strings.Fields(step.command)...)
		for _, want := range step.want {
			if !strings.Contains(out, want) {
				t.Errorf("wrangler %s: no %q in\n%s", step.command, want, out)
			}
		}
		for _, absent := range step.absent {
			if strings.Contains(out, absent) {
				t.Errorf("wrangler %s: %q in\n%s", step.command, absent, out)
			}
		}
		t.Logf("wrangler %s", step.command)
	}
}

// TestOfficialSDKsKeepVectors has Cloudflare's SDKs see an index through its life.
func TestOfficialSDKsKeepVectors(t *testing.T) {
	clientsDir(t)
	api := start(t, t.TempDir()).ready()
	for _, script := range [][]string{
		{"node", "cloudflare.mjs", "cloudflare", "ts7"},
		{"node", "cloudflare.mjs", "cloudflare-5", "ts5"},
		{"node", "cloudflare.mjs", "cloudflare-4", "ts4"},
		{"python3", "cloudflare_sdk.py", "py4"},
	} {
		t.Run(strings.Join(script[1:], " "), func(t *testing.T) {
			t.Log(runScript(t, api, script[0], script[1:]...))
		})
	}
}

// TestCommandLineLoadsAndSearches is the README's first minute, typed.
func TestCommandLineLoadsAndSearches(t *testing.T) {
	p := start(t, t.TempDir())
	api := p.ready()
	ctx := context.Background()
	notes := filepath.Join(t.TempDir(), "notes.jsonl")
	lines := `{"id":"refund","title":"Refunds","text":"You get your money back within thirty days of purchase.","metadata":{"kind":"policy"}}
{"id":"hours","title":"Opening hours","text":"The shop is open from nine to five on weekdays."}
{"id":"empty","text":""}`
	if err := os.WriteFile(notes, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	nearside(t, ctx, "index", "create", "notes", "--url", api.URL)
	out, code := nearsideCode(t, ctx, "ingest", notes, "--index", "notes", "--url", api.URL)
	if code != 3 || !strings.Contains(out, "notes.jsonl:3") || !strings.Contains(out, "2 records loaded") {
		t.Errorf("ingest with one bad line: exit code %d, want 3, output\n%s", code, out)
	}
	if out := nearside(t, ctx, "search", "notes", "when can I visit the shop?", "--top-k", "1", "--url", api.URL); !strings.Contains(out, "Opening hours") {
		t.Errorf("search found\n%s", out)
	}
	if out := nearside(t, ctx, "index", "list", "--json", "--url", api.URL); !strings.Contains(out, `"name": "notes"`) {
		t.Errorf("index list --json printed\n%s", out)
	}
	p.stop()
}
