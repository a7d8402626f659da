//go:build unix

package command_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// edit replaces what stands once in a file of the project.
func (p project) edit(path, old, new string) {
	p.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	if strings.Count(string(text), old) != 1 {
		p.t.Fatalf("%q stands %d times in %s", old, strings.Count(string(text), old), path)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), old, new, 1)), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// TestEditsReachARunningWorker edits a Worker while `wrangler dev --env local` runs: its
// source, and its bindings, after which dev init is run once more.
func TestEditsReachARunningWorker(t *testing.T) {
	clientsDir(t)
	_, api := startForWorkers(t, t.TempDir(), "127.0.0.1:0")
	p := newProject(t, newest, "edge", "wrangler.jsonc")
	before := p.text()
	p.initWithoutGone(api)
	address, stop := p.wranglerDev("--env", "local")
	const nothing = `{"count":0,"matches":[]}`
	if got := bodyOf(t, address+"/query"); got != nothing {
		t.Errorf("before any edit, the Worker answers %q", got)
	}

	p.edit(filepath.Join(p.dir, "index.js"), "there is nothing here", "there is still nothing here")
	eventually(t, "the Worker answers as it is now", func() bool { return bodyOf(t, address+"/none") == "there is still nothing here" })
	if got := bodyOf(t, address+"/query"); got != nothing {
		t.Errorf("after an edit of its source, the Worker answers %q", got)
	}

	if got := bodyOf(t, address+"/more"); got != `"not yet"` {
		t.Errorf("a binding that is not there yet answers %q", got)
	}
	const binding = `{ "binding": "MORE", "index_name": "more" }, `
	p.edit(p.config, `"vectorize": [`, `"vectorize": [`+binding)
	p.init(slices.Concat([]string{"--url", api.URL, "--index", "more=2,cosine"}, devIndexes)...)
	eventually(t, "the Worker has the new binding", func() bool { return strings.Contains(bodyOf(t, address+"/more"), `"dimensions":2`) })
	if got := bodyOf(t, address+"/query"); got != nothing {
		t.Errorf("with another binding beside it, the first answers %q", got)
	}
	stop()
	p.undo([]byte(strings.Replace(string(before), `"vectorize": [`, `"vectorize": [`+binding, 1)))
}
