package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/command"
)

// runHere runs a command line in this process.
func runHere(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	models, err := os.ReadFile("../models.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	assets := command.Assets{Models: models, Docs: os.DirFS("..")}
	code = command.Run(context.Background(), args, strings.NewReader(""), &out, &errs, assets)
	return out.String(), errs.String(), code
}

func TestEveryCommandExplainsItself(t *testing.T) {
	for _, line := range []string{"", "serve", "index", "index create", "index list", "index info", "index delete", "records", "records count",
		"records list", "records facets", "records update", "records delete", "search", "ingest", "keys", "keys create",
		"keys list", "keys revoke", "models", "models list", "models check", "models switch", "models pull", "snapshot", "snapshot create", "snapshot list", "snapshot verify", "snapshot restore",
		"usage", "check", "salvage", "export", "push", "pull", "eval", "parse", "version", "completion", "bench", "bench ann", "bench data", "bench filter", "bench churn", "bench build", "bench scale",
		"bench memory", "bench start", "bench http"} {
		out, _, code := runHere(t, append(strings.Fields(line), "--help")...)
		if code != 0 || !strings.Contains(out, "Usage:") {
			t.Errorf("nearside %s --help: exit code %d\n%s", line, code, out)
		}
	}
}

func TestMistakesAreNamedWithTheNextStep(t *testing.T) {
	empty := t.TempDir()
	for _, mistake := range []struct {
		line string
		want []string
	}{
		{"serve --no-such-flag", []string{"--no-such-flag", "nearside serve --help"}},
		{"serve --memory lots --data " + empty, []string{`"lots"`, "2GiB"}},
		{"serve --log xml --data " + empty, []string{`"xml"`, "text or json"}},
		{"serve --log-level loud --data " + empty, []string{`"loud"`, "warn"}},
		{"serve --addr 0.0.0.0:0 --data " + empty, []string{"0.0.0.0:0", "--tls-cert", "keys create"}},
		{"serve --consistency eventual --data " + empty, []string{`"eventual"`, "delayed"}},
		{"check " + empty, []string{empty, "nearside check --help"}},
		{"keys make", []string{`"make"`, "nearside keys --help"}},
		{"search notes hello --filter genre=noir", []string{"genre=noir", "not JSON"}},
		{"records count notes --filter genre=noir", []string{"genre=noir", "not JSON"}},
		{"records update notes --set [1", []string{"[1", "not JSON"}},
		{"records facets notes", []string{"2 arg"}},
		{"index list --url http://127.0.0.1:1", []string{"http://127.0.0.1:1", "nearside serve"}},
		{"index create notes --dimensions 3 --model m", []string{"--dimensions"}},
		{"ingest /no/such/file --index notes", []string{"/no/such/file"}},
		{"ingest " + empty + " --index notes --max-file-size large", []string{"large", "100MB"}},
		{"check --data /no/such/directory", []string{"/no/such/directory", "--data"}},
		{"eval " + empty + " --mode psychic", []string{`"psychic"`, "vector"}},
		{"eval " + empty, []string{"corpus.jsonl.gz"}},
		{"keys create --scope owner --data " + empty, []string{"owner", "admin"}},
	} {
		_, stderr, code := runHere(t, strings.Fields(mistake.line)...)
		if code != 1 {
			t.Errorf("nearside %s: exit code %d, want 1", mistake.line, code)
		}
		for _, want := range mistake.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("nearside %s: no %q in %q", mistake.line, want, stderr)
			}
		}
	}
}

func TestEveryFlagIsAnEnvironmentVariable(t *testing.T) {
	t.Setenv("NEARSIDE_URL", "http://127.0.0.1:2")
	if _, stderr, _ := runHere(t, "index", "list"); !strings.Contains(stderr, "http://127.0.0.1:2") {
		t.Errorf("NEARSIDE_URL was not read: %s", stderr)
	}
	if _, stderr, _ := runHere(t, "index", "list", "--url", "http://127.0.0.1:3"); !strings.Contains(stderr, "http://127.0.0.1:3") {
		t.Errorf("--url does not go before NEARSIDE_URL: %s", stderr)
	}
	t.Setenv("NEARSIDE_TOP_K", "many")
	if _, stderr, code := runHere(t, "search", "notes", "x"); code != 1 || !strings.Contains(stderr, `NEARSIDE_TOP_K="many"`) {
		t.Errorf("a wrong value was not named: %s", stderr)
	}
}

func TestKeysCanBeMadeBeforeTheServerRuns(t *testing.T) {
	data := t.TempDir()
	if _, stderr, code := runHere(t, "keys", "create", "--scope", "read", "--data", data); code != 1 || !strings.Contains(stderr, "admin") {
		t.Errorf("the first key may not be a read key: exit code %d, %s", code, stderr)
	}
	secret, _, code := runHere(t, "keys", "create", "--scope", "admin", "--name", "me", "--data", data)
	if code != 0 || !strings.HasPrefix(secret, "nsk_") {
		t.Fatalf("exit code %d, printed %q", code, secret)
	}
	var keys []struct{ Name, Scope, Secret string }
	out, _, _ := runHere(t, "keys", "list", "--json", "--data", data)
	if err := json.Unmarshal([]byte(out), &keys); err != nil {
		t.Fatal(err)
	}
	if out, stderr, code := runHere(t, "keys", "create", "--scope", "write", "--neurons-per-day", "500", "--json", "--data", data); code != 0 || !strings.Contains(out, `"neurons_per_day": 500`) {
		t.Errorf("exit code %d, printed %s%s", code, out, stderr)
	}
	if out, _, _ := runHere(t, "keys", "list", "--data", data); !strings.Contains(out, "500 neurons a day") {
		t.Errorf("keys list printed %s", out)
	}
	if len(keys) != 1 || keys[0].Name != "me" || keys[0].Scope != "admin" || keys[0].Secret != "" {
		t.Errorf("keys list printed %s", out)
	}
	if strings.Contains(out, strings.TrimSpace(secret)) {
		t.Error("keys list shows the secret")
	}
}

// TestTheGuideIsCutIntoSections holds what `serve --guide` loads: every section once, none empty.
func TestTheGuideIsCutIntoSections(t *testing.T) {
	texts, err := command.GuideTexts(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, text := range texts {
		if seen[text.ID] || text.Title == "" || len(text.Text) < 40 {
			t.Errorf("section %q (%q) is there twice, or has no title, or nearly no text", text.ID, text.Title)
		}
		seen[text.ID] = true
	}
	if !seen["data/damage-is-found"] || len(texts) < 30 {
		t.Errorf("%d sections, without data/damage-is-found", len(texts))
	}
}

func TestCheckAndSalvageWorkOnWhatAServerLeft(t *testing.T) {
	data, saved := t.TempDir(), t.TempDir()
	p := start(t, data)
	api := p.ready()
	notes := filepath.Join(t.TempDir(), "vectors.ndjson")
	if err := os.WriteFile(notes, []byte(`{"id":"a","values":[1,2,3]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	nearside(t, ctx, "index", "create", "points", "--dimensions", "3", "--url", api.URL)
	nearside(t, ctx, "ingest", notes, "--index", "points", "--url", api.URL)
	nearside(t, ctx, "snapshot", "create", "points", "--url", api.URL)
	if _, stderr, code := runHere(t, "check", "--data", data); code != 1 || !strings.Contains(stderr, "in use") {
		t.Errorf("check of a directory in use: exit code %d, %s", code, stderr)
	}
	p.stop()
	if _, stderr, code := runHere(t, "check", "--data", data); code != 0 || !strings.Contains(stderr, "1 indexes, everything is sound") {
		t.Errorf("check of a sound directory: exit code %d, %s", code, stderr)
	}
	if _, stderr, code := runHere(t, "salvage", "points", "--data", data, "--output", saved); code != 0 {
		t.Errorf("salvage: exit code %d, %s", code, stderr)
	}
	lines, err := os.ReadFile(filepath.Join(saved, "points.vectors.jsonl"))
	if err != nil || !strings.Contains(string(lines), `{"id":"a","values":[1,2,3]}`) {
		t.Errorf("salvaged %q, %v", lines, err)
	}
	kept, err := filepath.Glob(filepath.Join(data, "snapshots", "*.snapshot"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept %q, %v", kept, err)
	}
	if err := os.Truncate(kept[0], 20_000); err != nil {
		t.Fatal(err)
	}
	if stdout, _, code := runHere(t, "check", "--data", data); code != 1 || !strings.Contains(stdout, kept[0]) || !strings.Contains(stdout, "cut short") {
		t.Errorf("check of a snapshot that is cut short: exit code %d, %s", code, stdout)
	}
}
