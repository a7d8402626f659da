//go:build unix

package command_test

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearside/client"
	"nearside/edge"
)

// edgeIsFree fails the test if it cannot have the port.
func edgeIsFree(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", edge.Address)
	if err != nil {
		t.Fatalf("this test needs %s, the one address that wrangler calls: %v; end what has it, or run the test as one who may open it", edge.Address, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// useEdge sets what `nearside dev env` says, for all programs that the test runs.
func useEdge(t *testing.T, api *client.Client, data string) {
	t.Helper()
	var variables map[string]string
	if err := json.Unmarshal([]byte(nearside(t, t.Context(), "dev", "env", "--json", "--url", api.URL, "--data", data)), &variables); err != nil {
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

// makeDocs makes the index that the projects of testdata/workers name.
func makeDocs(t *testing.T, api *client.Client) {
	t.Helper()
	create := func(path string, body map[string]any) {
		t.Helper()
		if err := api.Do(t.Context(), http.MethodPost, "/vectorize/v2/indexes"+path, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	create("", map[string]any{"name": "docs", "config": map[string]any{"dimensions": 3, "metric": "cosine"}})
	create("/docs/metadata_index/create", map[string]any{"propertyName": "genre", "indexType": "string"})
}

// TestAProjectThatWasNotChangedHasEveryCall has the newest wrangler, getPlatformProxy and
// Pages run a project as it is, against `serve --workers-edge`.
func TestAProjectThatWasNotChangedHasEveryCall(t *testing.T) {
	clientsDir(t)
	edgeIsFree(t)
	t.Setenv("NEARSIDE_WORKERS_EDGE", edge.Address+",[::1]:443")
	data := t.TempDir()
	server, api := startForWorkers(t, data, "127.0.0.1:0")
	makeDocs(t, api)
	useEdge(t, api, data)
	p := newProject(t, "edge", "wrangler.jsonc")
	before := p.text()

	address, stop := p.wranglerDev()
	all := worked(t, bodyOf(t, address+"/calls"))
	if len(all) < 19 {
		t.Errorf("the Worker made the calls %q only", all)
	}

	// The session outlives the server: not even the first call after a restart fails.
	server.stop()
	_, _ = startForWorkers(t, data, strings.TrimPrefix(api.URL, "http://"))
	if got := bodyOf(t, address+"/query"); got != `{"count":0,"matches":[]}` {
		t.Errorf("after a restart of nearside the Worker answers %q", got)
	}
	stop()

	out, err := p.command("node", "platform.mjs").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := worked(t, string(out)); !slices.Equal(got, all) {
		t.Errorf("by getPlatformProxy there are %q, by wrangler dev %q", got, all)
	}
	if !bytes.Equal(p.text(), before) {
		t.Errorf("the configuration was changed into\n%s", p.text())
	}

	pages := p
	pages.dir = filepath.Join(p.dir, "pages")
	address, _ = pages.dev("wrangler", "pages", "dev", "--port", "{port}", "--ip", "127.0.0.1", "--inspector-port", "0", "--persist-to", t.TempDir())
	if got := worked(t, bodyOf(t, address+"/calls")); !slices.Equal(got, all) {
		t.Errorf("by wrangler pages dev there are %q, by wrangler dev %q", got, all)
	}
}
