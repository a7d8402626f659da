//go:build unix

package command_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"nearside/client"
	"nearside/edge"
)

// useEdge sets what `nearside dev env` says, for all programs that the test runs.
func useEdge(t *testing.T, api *client.Client, data string) {
	t.Helper()
	var variables map[string]string
	if err := json.Unmarshal([]byte(nearside(t, t.Context(), "dev", "env", "--json", "--url", api.URL, "--key", api.Key, "--data", data)), &variables); err != nil {
		t.Fatal(err)
	}
	if len(variables) != 4 {
		t.Fatalf("dev env says %v", variables)
	}
	for name, value := range variables {
		t.Setenv(name, value)
	}
	t.Setenv("CLOUDFLARE_CF_FETCH_ENABLED", "false") // there is no network to ask for request.cf
}

// makeDocs makes the index that the projects of testdata/workers name, and has the other be no more.
func makeDocs(t *testing.T, api *client.Client) {
	t.Helper()
	create := func(path string, body map[string]any) {
		t.Helper()
		if err := api.Do(t.Context(), http.MethodPost, "/vectorize/v2/indexes"+path, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"docs", "gone"} {
		create("", map[string]any{"name": name, "config": map[string]any{"dimensions": 3, "metric": "cosine"}})
	}
	withoutGone(t, api)
	create("/docs/metadata_index/create", map[string]any{"propertyName": "genre", "indexType": "string"})
}

// startForUnchanged runs nearside with --workers-edge, and sets what is needed to come to it.
func startForUnchanged(t *testing.T, data, address string) (*process, *client.Client) {
	t.Helper()
	t.Setenv("NEARSIDE_WORKERS_EDGE", edge.Address+",[::1]:443") // in the tests' network, both are free
	return startForWorkers(t, data, address)
}

// TestAProjectThatWasNotChangedHasEveryCall has every client run a project as it is, against
// `serve --workers-edge`, and holds the table in docs/workers.md against what was seen.
func TestAProjectThatWasNotChangedHasEveryCall(t *testing.T) {
	clientsDir(t)
	whole := t // for what outlives a part
	data := t.TempDir()
	server, api := startForUnchanged(t, data, "127.0.0.1:0")
	makeDocs(t, api)
	useEdge(t, api, data)
	var seen workersSeen
	parts := 0
	part := func(client string, run func(t *testing.T) (calls []string)) {
		parts++
		t.Run(client, func(t *testing.T) { seen.add(client, run(t)) })
	}
	for _, w := range []wrangler{newest, miniflare4} {
		part("`wrangler dev` "+w.version, func(t *testing.T) []string {
			address, stop := newProject(t, w, "edge", "wrangler.jsonc").wranglerDev()
			calls := worked(t, bodyOf(t, address+"/calls"))
			// The session outlives the server: not even the first call after a restart fails, but
			// for that of Miniflare 4, which may send it on a connection that is gone.
			server.stop()
			server, _ = startForWorkers(whole, data, strings.TrimPrefix(api.URL, "http://"))
			got := bodyOf(t, address+"/query")
			if w == miniflare4 && strings.Contains(got, "503") {
				got = bodyOf(t, address+"/query")
			}
			if got != `{"count":0,"matches":[]}` {
				t.Errorf("after a restart of nearside the Worker answers %q", got)
			}
			stop()
			return calls
		})
		part("`getPlatformProxy` "+w.version, func(t *testing.T) []string {
			out, err := newProject(t, w, "edge", "wrangler.jsonc").command("node", "platform.mjs").CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			return worked(t, string(out))
		})
		part("`wrangler pages dev` "+w.version, func(t *testing.T) []string {
			p := newProject(t, w, filepath.Join("edge", "pages"), "wrangler.jsonc")
			address, _ := p.dev("wrangler", "pages", "dev", "--port", "{port}", "--ip", "127.0.0.1", "--inspector-port", "0", "--persist-to", t.TempDir())
			return worked(t, bodyOf(t, address+"/calls"))
		})
	}
	part("`vite dev`", func(t *testing.T) []string { return viteCalls(t, newProject(t, newest, "edge", "wrangler.jsonc")) })
	part("`vitest`", func(t *testing.T) []string { return vitestCalls(t, newProject(t, newest, "edge", "wrangler.jsonc")) })
	if !t.Failed() && len(seen.clients) == parts { // not with -run of a part
		holdWorkersTable(t, byEdge, seen)
	}
}
