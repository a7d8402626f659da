//go:build unix

package command_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nearside/command"
	"nearside/workers"
)

// devCheck runs `nearside dev check` in this process on a configuration.
func devCheck(t *testing.T, config string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	models, err := os.ReadFile("../models.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code = command.Run(t.Context(), append([]string{"dev", "check", "--config", config}, args...), nil, &out, &errs, command.Assets{Models: models})
	return out.String(), errs.String(), code
}

// plainProject writes a project of two files, which no server knows, and returns its configuration.
func plainProject(t *testing.T, config, source string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"wrangler.jsonc": config, "index.js": source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "wrangler.jsonc")
}

const plainConfig = `{"name": "shop", "main": "index.js", "compatibility_date": "2026-01-01", "ai": {"binding": "AI"}}`

func TestAProjectThatNoServerKnowsIsCheckedByItsFilesAlone(t *testing.T) {
	for name, test := range map[string]struct {
		source string
		code   int
		says   string
	}{
		"sound":              {`env.AI.run("@cf/baai/bge-m3")`, 0, "breaks: 0, differs: 0, costs: 0"},
		"a price unknown":    {`env.AI.run("@cf/google/embeddinggemma-300m")`, 0, "breaks: 0, differs: 0, costs: 1"},
		"given up":           {`env.AI.run("@cf/meta/llama-3.1-8b-instruct")`, 3, "index.js:1"},
		"another's own name": {`env.AI.run("@nearside/auto")`, 3, "[model-nearside]"},
	} {
		out, stderr, code := devCheck(t, plainProject(t, plainConfig, test.source))
		if code != test.code || !strings.Contains(out, test.says) || !strings.Contains(out, "no server knows the project yet. Run nearside dev init") {
			t.Errorf("%s: exit code %d, want %d\n%s%s", name, code, test.code, out, stderr)
		}
	}
}

func TestWhatCannotBeCheckedFails(t *testing.T) {
	config := plainProject(t, plainConfig, "")
	for name, test := range map[string]struct {
		config string
		args   []string
		says   string
	}{
		"no configuration":      {filepath.Join(t.TempDir(), "wrangler.jsonc"), nil, "does not exist"},
		"a broken one":          {plainProject(t, `{"name": `, ""), nil, "cannot be read"},
		"no such plan":          {config, []string{"--plan", "gold"}, "use free or paid"},
		"no day":                {config, []string{"--days", "0"}, "1 to 31"},
		"more than all days":    {config, []string{"--days", "32"}, "1 to 31"},
		"no traffic at all":     {config, []string{"--times", "0"}, "1 to 1000000"},
		"nothing to forget yet": {config, []string{"--anew"}, "nearside dev init"},
	} {
		if out, stderr, code := devCheck(t, test.config, test.args...); code != 1 || !strings.Contains(stderr, test.says) || out != "" {
			t.Errorf("%s: exit code %d\n%s%s", name, code, out, stderr)
		}
	}
}

func TestTheCheckIsTheSameAsJSON(t *testing.T) {
	out, _, code := devCheck(t, plainProject(t, plainConfig, `run("@cf/meta/llama-3.1-8b-instruct")`), "--json", "--plan", "free")
	var report workers.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 3 {
		t.Fatalf("%v, exit code %d: %s", err, code, out)
	}
	if len(report.Findings) != 1 || report.Findings[0].Rule != "model-deprecated" || report.Findings[0].Level != workers.Breaks || report.Plan != workers.Free || report.Seen != nil || len(report.Notes) != 1 {
		t.Errorf("got %+v", report)
	}
}

// rules are what a report of the text form names, in its order.
func rules(out string) []string {
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^(?:breaks|differs|costs) .*\[([a-z0-9-]+)\]$`).FindAllStringSubmatch(out, -1) {
		names = append(names, m[1])
	}
	return names
}

// TestAWorkerIsToldWhatWouldDifferOnCloudflare has wrangler run a Worker that gets along
// here only, and holds what dev check says of it against what docs/workers.md shows.
func TestAWorkerIsToldWhatWouldDifferOnCloudflare(t *testing.T) {
	clientsDir(t)
	data := t.TempDir()
	server, api := startForWorkers(t, data, "127.0.0.1:0")
	p := newProject(t, newest, "hasty", "wrangler.jsonc")
	p.init("--url", api.URL, "--index", "docs=3,cosine")
	address, stop := p.wranglerDev("--env", "local")
	var came struct {
		Found, Filtered int
		Refused, Said   string
	}
	if body := bodyOf(t, address+"/calls"); json.Unmarshal([]byte(body), &came) != nil || came.Found != 3 || came.Filtered != 0 || !strings.Contains(came.Refused, "40025") || came.Said != "The sky is blue." {
		t.Fatalf("the Worker answers %s", body)
	}
	stop()
	// The metadata index comes after the vectors: a filter sees none of them.
	if err := api.Do(t.Context(), http.MethodPost, "/vectorize/v2/indexes/docs/metadata_index/create", map[string]string{"propertyName": "genre", "indexType": "string"}, nil); err != nil {
		t.Fatal(err)
	}

	check := func(args ...string) (string, int) {
		t.Helper()
		return nearsideCode(t, t.Context(), append([]string{"dev", "check", "--config", p.config}, args...)...)
	}
	out, code := check()
	want := []string{"batch", "filter", "model-deprecated", "topk-full", "gateway", "metadata-index-late", "read-after-write"}
	if got := rules(out); code != 3 || !slices.Equal(got, want) {
		t.Errorf("exit code %d, found %q, want %q in\n%s", code, got, want, out)
	}
	shown(t, out)

	server.stop()
	server, _ = startForWorkers(t, data, strings.TrimPrefix(api.URL, "http://"))
	if again, code := check(); code != 3 || again != out {
		t.Errorf("after a restart of the server: exit code %d\n%s", code, again)
	}
	if out, code = check("--plan", "free", "--times", "1000000"); code != 3 || !slices.Contains(rules(out), "neurons") || !slices.Contains(rules(out), "rate-limit") {
		t.Errorf("with a million times the traffic: exit code %d\n%s", code, out)
	}
	check("--anew")
	if out, code = check(); code != 3 || !slices.Equal(rules(out), []string{"model-deprecated", "metadata-index-late"}) || !strings.Contains(out, "no call of this project was seen yet") {
		t.Errorf("after --anew: exit code %d\n%s", code, out)
	}
	server.stop()
	if out, code = check(); code != 3 || !slices.Equal(rules(out), []string{"model-deprecated"}) || !strings.Contains(out, "start one with: nearside serve") {
		t.Errorf("without a server: exit code %d\n%s", code, out)
	}
}

// passing are the parts of a report that are others each time.
var passing = regexp.MustCompile(`\d+ reads?|the first after \d+ ms|20\d\d-\d\d-\d\d`)

// shown holds a report against the one in docs/workers.md.
func shown(t *testing.T, out string) {
	t.Helper()
	document, err := os.ReadFile("../docs/workers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(document), "<!-- said in TestAWorkerIsToldWhatWouldDifferOnCloudflare -->\n```\n")
	block, _, found := strings.Cut(after, "```\n<!-- end -->")
	if same := passing.ReplaceAllString(block, "…") == passing.ReplaceAllString(out, "…"); !found || !same {
		t.Errorf("docs/workers.md does not show what was said, which is\n%s", out)
	}
}
