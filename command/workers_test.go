//go:build unix

package command_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nearside/client"
	"nearside/llm/backend/backendtest"
)

// workersCatalogue has the models of the Worker in testdata/workers answered by a server of the tests.
const workersCatalogue = `backends:
  - {name: talker, kind: openai, url: "%s/v1"}
models:
  - {id: "@cf/meta/llama-3.3-70b-instruct-fp8-fast", backends: [{kind: talker, model: chat}]}
  - {id: "@cf/openai/whisper", backends: [{kind: talker, model: chat}]}
  - {id: "@cf/deepgram/aura-1", backends: [{kind: talker, model: chat}]}
`

// startForWorkers runs nearside with these models on an address.
func startForWorkers(t *testing.T, data, address string) (*process, *client.Client) {
	t.Helper()
	talker := backendtest.New(t)
	talker.Answer(backendtest.Answer{Pieces: []string{"The sky", " is blue."}})
	catalogue := filepath.Join(t.TempDir(), "models.yaml")
	if err := os.WriteFile(catalogue, fmt.Appendf(nil, workersCatalogue, talker.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, data, "--ollama", "off", "--models-file", catalogue, "--addr", address)
	return p, p.ready()
}

// everythingElse returns what came of all that is not ours.
func everythingElse(t *testing.T, address string) map[string]any {
	t.Helper()
	bodyOf(t, address+"/cdn-cgi/handler/scheduled?cron=0+*+*+*+*")
	var came map[string]any
	if body := bodyOf(t, address+"/else"); json.Unmarshal([]byte(body), &came) != nil || len(came) != 18 {
		t.Fatalf("the Worker answers %s", body)
	}
	return came
}

// worked returns the calls that came out right, and fails the test for the others.
func worked(t *testing.T, body string) []string {
	t.Helper()
	var outcome struct {
		Worked []string
		Failed map[string]string
	}
	lines := strings.Split(body, "\n") // a program may have said more around it
	at := slices.IndexFunc(lines, func(line string) bool { return json.Unmarshal([]byte(line), &outcome) == nil })
	if at < 0 {
		t.Fatalf("there are no calls in\n%s", body)
	}
	for _, call := range slices.Sorted(maps.Keys(outcome.Failed)) {
		t.Errorf("%s: %s", call, outcome.Failed[call])
	}
	return outcome.Worked
}

// devIndexes says how dev init makes the indexes that the projects of testdata/workers name.
var devIndexes = []string{"--index", "docs=3,cosine,genre:string", "--index", "gone=3,cosine"}

// withoutGone deletes an index to which the projects are bound, so that calls of it fail.
func withoutGone(t *testing.T, api *client.Client) {
	t.Helper()
	if err := api.Do(t.Context(), http.MethodDelete, "/vectorize/v2/indexes/gone", nil, nil); err != nil {
		t.Fatal(err)
	}
}

// initWithoutGone runs dev init for a server, after which one of the indexes is no more.
func (p project) initWithoutGone(api *client.Client, args ...string) {
	p.t.Helper()
	p.init(slices.Concat([]string{"--url", api.URL}, devIndexes, args)...)
	withoutGone(p.t, api)
}

// TestAWorkersProjectHasEveryCallAfterDevInit has wrangler run a Worker in the
// environment of `nearside dev init`, and holds the table in docs/workers.md against what was seen.
func TestAWorkersProjectHasEveryCallAfterDevInit(t *testing.T) {
	clientsDir(t)
	var seen workersSeen
	parts := 0
	part := func(client string, run func(t *testing.T) (calls []string)) {
		parts++
		t.Run(client, func(t *testing.T) { seen.add(client, run(t)) })
	}
	for _, w := range []wrangler{newest, miniflare4} {
		part("`wrangler dev` "+w.version, func(t *testing.T) []string { return wranglerDevAfterInit(t, w) })
		part("`getPlatformProxy` "+w.version, func(t *testing.T) []string { return platformProxyAfterInit(t, w) })
	}
	part("`vite dev`", func(t *testing.T) []string { return viteCalls(t, viteProjectAfterInit(t)) })
	part("`vitest`", func(t *testing.T) []string { return vitestCalls(t, viteProjectAfterInit(t)) })
	part("`workerd` alone", workerdAfterInit)
	if !t.Failed() && len(seen.clients) == parts { // not with -run of a part
		holdWorkersTable(t, byPlugin, seen)
	}
}

// wranglerDevAfterInit sees also to what is not ours, and to what comes of a server that is away.
func wranglerDevAfterInit(t *testing.T, w wrangler) []string {
	data := t.TempDir()
	server, api := startForWorkers(t, data, "127.0.0.1:0")
	p := newProject(t, w, "shop", "wrangler.jsonc")
	if err := os.Rename(filepath.Join(p.dir, "dev.vars"), filepath.Join(p.dir, ".dev.vars")); err != nil {
		t.Fatal(err)
	}
	before := p.text()
	address, stop := p.wranglerDev("--local") // without ai and vectorize
	elseBefore := everythingElse(t, address)
	stop()

	made := slices.Concat([]string{"--url", api.URL}, devIndexes)
	if out := p.init(made...); !strings.Contains(out, "made the index docs") || !strings.Contains(out, "npx wrangler dev --env local") {
		t.Errorf("dev init printed\n%s", out)
	}
	after := p.text()
	if out := p.init(made...); !bytes.Equal(p.text(), after) || strings.Contains(out, "made") {
		t.Errorf("a second dev init changed something; it printed\n%s", out)
	}
	withoutGone(t, api)
	address, stop = p.wranglerDev("--env", "local")
	if now := everythingElse(t, address); !reflect.DeepEqual(now, elseBefore) {
		t.Errorf("with the environment, the rest of the Worker does\n%v\nbefore\n%v", now, elseBefore)
	}
	calls := worked(t, bodyOf(t, address+"/calls"))

	server.stop()
	want := "INDEX_GET_ERROR (code = 3040): nearside does not answer at " + api.URL + "; start it with: nearside serve"
	if got := bodyOf(t, address+"/query"); got != want {
		t.Errorf("without nearside, the Worker's error is %q, want %q", got, want)
	}
	startForWorkers(t, data, strings.TrimPrefix(api.URL, "http://"))
	if got := bodyOf(t, address+"/query"); !strings.Contains(got, `"vectorCount":0`) {
		t.Errorf("with nearside back, the Worker answers %q", got)
	}
	stop()
	p.undo(before)
	return calls
}

func platformProxyAfterInit(t *testing.T, w wrangler) []string {
	_, api := startForWorkers(t, t.TempDir(), "127.0.0.1:0")
	p := newProject(t, w, "platform", "wrangler.toml")
	before := p.text()
	p.initWithoutGone(api)
	out, err := p.command("node", "platform.mjs").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p.undo(before)
	return worked(t, string(out))
}

func workerdAfterInit(t *testing.T) []string {
	_, api := startForWorkers(t, t.TempDir(), "127.0.0.1:0")
	p := newProject(t, newest, "platform", "wrangler.toml")
	before := p.text()
	p.initWithoutGone(api)
	if out, err := p.command("wrangler", "deploy", "--dry-run", "--outdir", "dist").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	nearside(t, t.Context(), "dev", "workerd", filepath.Join(p.dir, "dist", "index.js"), "--config", p.config)
	address, stop := p.dev("workerd", "serve", filepath.Join(p.dir, ".nearside", "workerd.capnp"), "--socket-addr=http=127.0.0.1:{port}")
	body := bodyOf(t, address+"/calls")
	if !strings.Contains(body, `"greeting":"hello"`) {
		t.Errorf("the Worker has no vars: %s", body)
	}
	stop()
	p.undo(before)
	return worked(t, body)
}
