//go:build unix

package command_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"nearside/client"
)

// failures returns what came of the calls that failed.
func failures(t *testing.T, body string) map[string]string {
	t.Helper()
	var outcome struct{ Failed map[string]string }
	if err := json.Unmarshal([]byte(body), &outcome); err != nil {
		t.Fatalf("%v in\n%s", err, body)
	}
	return outcome.Failed
}

// newKey makes a key at the server and returns its secret and its id.
func newKey(t *testing.T, api *client.Client, scope string) (secret, id string) {
	t.Helper()
	var key struct{ ID, Secret string }
	out := nearside(t, t.Context(), "keys", "create", "--url", api.URL, "--key", api.Key, "--scope", scope, "--json")
	if err := json.Unmarshal([]byte(out), &key); err != nil || key.Secret == "" {
		t.Fatalf("%v in %s", err, out)
	}
	return key.Secret, key.ID
}

// TestWorkersOfAServerWithKeys has wrangler run a Worker against a server where every call
// needs a key: after dev init with the key of an admin, and unchanged, with a key that only reads.
func TestWorkersOfAServerWithKeys(t *testing.T) {
	clientsDir(t)
	data := t.TempDir()
	_, api := startForUnchanged(t, data, "127.0.0.1:0")
	api.Key, _ = newKey(t, api, "admin")
	makeDocs(t, api)

	t.Run("after dev init", func(t *testing.T) {
		p := newProject(t, newest, "platform", "wrangler.toml")
		before := p.text()
		if out, code := nearsideCode(t, t.Context(), "dev", "init", "--config", p.config, "--url", api.URL, "--index", "gone=3,cosine"); code != 1 || !strings.Contains(out, "send a key") {
			t.Errorf("dev init without a key ended with %d and printed %s", code, out)
		}
		p.initWithoutGone(api, "--key", api.Key)
		address, stop := p.wranglerDev("--env", "local")
		worked(t, bodyOf(t, address+"/calls"))
		stop()
		p.undo(before, "--key", api.Key)
		var known []any
		if err := api.Do(t.Context(), http.MethodGet, "/nearside/projects", nil, &known); err != nil || len(known) != 0 {
			t.Errorf("after --undo the server knows the projects %v, %v", known, err)
		}
	})
	t.Run("unchanged", func(t *testing.T) {
		reader, id := newKey(t, api, "read")
		useEdge(t, &client.Client{URL: api.URL, Key: reader}, data)
		address, stop := newProject(t, newest, "edge", "wrangler.jsonc").wranglerDev()
		if got := bodyOf(t, address+"/query"); got != `{"count":0,"matches":[]}` {
			t.Errorf("with a key that reads, a query answers %q", got)
		}
		failed := failures(t, bodyOf(t, address+"/calls"))
		for call, words := range map[string]string{
			"VECTORIZE.insert":      "VECTOR_INSERT_ERROR (code = 10000): ",
			"VECTORIZE.upsert":      "VECTOR_UPSERT_ERROR (code = 10000): ",
			"VECTORIZE.deleteByIds": "VECTOR_DELETE_ERROR (code = 10000): ",
		} {
			if !strings.Contains(failed[call], words) || !strings.Contains(failed[call], "write") {
				t.Errorf("with a key that reads, %s: %q", call, failed[call])
			}
		}
		nearside(t, t.Context(), "keys", "revoke", "--url", api.URL, "--key", api.Key, id)
		if got := bodyOf(t, address+"/query"); !strings.HasPrefix(got, "VECTOR_QUERY_ERROR") {
			t.Errorf("after its key was revoked, the Worker's query answers %q", got)
		}
		stop()
	})
}
