//go:build unix

package command_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nearside/client"
	"nearside/llm/ollama/tinymodel"
)

// The tests of examples/: their commands are those of their READMEs, word by word, so that
// what newcomers are told to type cannot rot.

// example is one of them, copied to a folder of its own, while `wrangler dev` runs it.
type example struct {
	project
	api    *client.Client
	ollama *ollamaServer
	readme readme
	url    string   // of the Worker
	tried  []string // what the commands of "Try it" printed
}

// readme is what a README of an example tells to type.
type readme struct{ here, try, cloudflare []string }

// readReadme reads one: five lines, of which three begin with what they are for and have commands in them.
func readReadme(t *testing.T, path string) (r readme) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) != 5 {
		t.Fatalf("%s has %d lines, want 5", path, len(lines))
	}
	for i, part := range []struct {
		name string
		into *[]string
	}{{"- On this machine: ", &r.here}, {"- Try it: ", &r.try}, {"- On Cloudflare: ", &r.cloudflare}} {
		line, ok := strings.CutPrefix(lines[2+i], part.name)
		if !ok {
			t.Fatalf("%s: line %d does not begin with %q", path, 3+i, part.name)
		}
		for _, found := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(line, -1) {
			*part.into = append(*part.into, found[1])
		}
	}
	return r
}

// newExample copies an example, and gives it the packages that `npm install` would.
func newExample(t *testing.T, name string) project {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, name)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "examples", name))); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(clientsDir(t), "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return project{t, dir, filepath.Join(dir, "wrangler.jsonc")}
}

// shell runs a command in the example's folder, as people type it, and returns what it printed.
func (e *example) shell(command string, env ...string) string {
	e.t.Helper()
	path, err := buildOnce()
	if err != nil {
		e.t.Fatal(err)
	}
	// npx looks for programs in the network; what it would run is here.
	command = strings.TrimPrefix(command, "npx ")
	cmd := e.command("sh", "-c", command)
	cmd.Path, cmd.Args[0] = "/bin/sh", "sh"
	cmd.Env = append(cmd.Env, "PATH="+filepath.Dir(path)+":"+filepath.Join(clientsDir(e.t), "node_modules", ".bin")+":"+os.Getenv("PATH"), "NEARSIDE_URL="+e.api.URL)
	cmd.Env = append(cmd.Env, env...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		e.t.Fatalf("%s: %v\n%s%s", command, err, &out, &stderr)
	}
	return out.String()
}

// here types what the README says for this machine, and returns how to end what that started.
func (e *example) here(more ...string) (stop func()) {
	e.t.Helper()
	for _, command := range e.readme.here {
		words := strings.Fields(command)
		switch {
		case command == "npm install":
			e.installed()
		case strings.HasPrefix(command, "ollama pull "):
			if _, ok := pulled[words[2]]; !ok {
				e.t.Fatalf("the README pulls %s, and the tests have no model of this name", words[2])
			}
		case strings.HasPrefix(command, "nearside dev init"):
			e.shell(command)
		case strings.HasPrefix(command, "npx wrangler dev "):
			// The data is deleted with the test; everything else is the command's.
			e.url, stop = e.wranglerDev(append(words[3:], more...)...)
		default:
			e.t.Fatalf("the README says %q, and the test does not know how to run that", command)
		}
	}
	if stop == nil {
		e.t.Fatal("the README runs no wrangler dev")
	}
	return stop
}

// installed compares what package.json asks for with the packages that are there.
func (e *example) installed() {
	e.t.Helper()
	var asked struct{ DevDependencies map[string]string }
	e.readJSON("package.json", &asked)
	for name, want := range asked.DevDependencies {
		var there struct{ Version string }
		e.readJSON(filepath.Join("node_modules", name, "package.json"), &there)
		if there.Version != strings.TrimPrefix(want, "^") {
			e.t.Errorf("package.json asks for %s %s, and %s was tested", name, want, there.Version)
		}
	}
}

func (e *example) readJSON(name string, into any) {
	e.t.Helper()
	text, err := os.ReadFile(filepath.Join(e.dir, name))
	if err != nil {
		e.t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		e.t.Fatalf("%s: %v", name, err)
	}
}

// try types the commands of "Try it".
func (e *example) try() {
	e.t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		e.t.Fatal("the commands of the READMEs need curl; install it")
	}
	for _, command := range e.readme.try {
		command = strings.ReplaceAll(strings.Replace(command, "curl ", "curl -sS ", 1), "localhost:8787", strings.TrimPrefix(e.url, "http://"))
		e.tried = append(e.tried, e.shell(command, "NO_PROXY=*"))
	}
}

// onCloudflare types what the README says for Cloudflare, with another account of nearside in
// its place: the indexes must become what they are here, and the Worker must bundle.
func (e *example) onCloudflare() {
	e.t.Helper()
	account := "in-production-" + filepath.Base(e.dir)
	for _, command := range e.readme.cloudflare {
		if command == "npx wrangler deploy" {
			command += " --dry-run --outdir " + e.t.TempDir()
		}
		e.shell(command, "CLOUDFLARE_API_BASE_URL="+e.api.URL+"/client/v4", "CLOUDFLARE_API_TOKEN=local", "CLOUDFLARE_ACCOUNT_ID="+account)
	}
	there := indexesOf(e.t, &client.Client{URL: e.api.URL, Account: account})
	here := indexesOf(e.t, e.api)
	for name, made := range there {
		if here[name] != made {
			e.t.Errorf("on Cloudflare the index %s is %s, here %s", name, made, here[name])
		}
	}
	config := string(e.text())
	for name := range here {
		if strings.Contains(config, `"`+name+`"`) && there[name] == "" {
			e.t.Errorf("the README makes no index %s on Cloudflare", name)
		}
	}
}

// devCheck has `nearside dev check` look at all that the example did: nothing may break on
// Cloudflare, and the README must make there what it says is to be made.
func (e *example) devCheck() {
	e.t.Helper()
	found := e.shell("nearside dev check") // it fails when something would break
	var made []string
	for _, command := range e.readme.cloudflare {
		if strings.HasPrefix(command, "npx wrangler vectorize ") {
			made = append(made, command)
		}
	}
	if want := regexp.MustCompile(`npx wrangler vectorize .*`).FindAllString(found, -1); !slices.Equal(made, want) {
		e.t.Errorf("on Cloudflare the README says %q, and nearside dev check %q", made, want)
	}
}

// indexesOf returns how each index of an account is made, metadata indexes included.
func indexesOf(t *testing.T, api *client.Client) map[string]string {
	t.Helper()
	var all []struct {
		Name   string
		Config struct {
			Dimensions int
			Metric     string
		}
	}
	if err := api.Do(t.Context(), http.MethodGet, "/vectorize/v2/indexes", nil, &all); err != nil {
		t.Fatal(err)
	}
	made := map[string]string{}
	for _, x := range all {
		var properties struct {
			MetadataIndexes []struct{ PropertyName, IndexType string }
		}
		if err := api.Do(t.Context(), http.MethodGet, "/vectorize/v2/indexes/"+x.Name+"/metadata_index/list", nil, &properties); err != nil {
			t.Fatal(err)
		}
		how, err := json.Marshal([]any{x.Config, properties})
		if err != nil {
			t.Fatal(err)
		}
		made[x.Name] = string(how)
	}
	return made
}

// called is an answer of a Worker.
type called struct {
	status int
	header http.Header
	body   string
}

// call sends a request to the Worker.
func (e *example) call(method, path, body string) called {
	e.t.Helper()
	q, err := http.NewRequest(method, e.url+path, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		e.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return called{res.StatusCode, res.Header, string(text)}
}

// refused is a request that the Worker must refuse with a sentence.
type refused struct {
	method, path, body string
	status             int
}

func (e *example) refuses(requests ...refused) {
	e.t.Helper()
	for _, q := range requests {
		got := e.call(q.method, q.path, q.body)
		var sentence struct{ Error string }
		if got.status != q.status || json.Unmarshal([]byte(got.body), &sentence) != nil || sentence.Error == "" {
			e.t.Errorf("%s %s %.60q: %d %s, want %d and a sentence", q.method, q.path, q.body, got.status, got.body, q.status)
		}
	}
}

// decode reads JSON that a Worker sent.
func decode[T any](t *testing.T, body string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}

// pulled are the models that the READMEs have Ollama pull, and one that nobody pulls; each
// says what its script says. llama-guard3 finds one text unsafe.
var pulled = map[string]tinymodel.Script{
	"llama3.2":     {Say: []string{"Boats", " are", " returned", " by", " six", " in", " the", " evening", " [1].", " Dogs", " sing", " opera", " [2].", " Cake", " is", " free", " [9]."}},
	"llama-guard3": {Say: []string{"safe"}, Call: []string{"unsafe", "\nS1"}},
	"gpt-oss:20b":  {Say: []string{"Use", " a", " map", "."}},
}

// threat is the text that llama-guard3 finds unsafe.
const threat = "I will burn down your house tonight."

// guardTemplate has the guard go by what it reads, as tinymodel.Template goes by the tools that were offered.
var guardTemplate = strings.Replace(tinymodel.Template, "and .Tools (not $answered)", `eq (index .Messages 0).Content "`+threat+`"`, 1)

// pull has Ollama have the models as they were pulled, whatever the example before did to them.
func (e *example) pull() {
	e.t.Helper()
	for name, script := range pulled {
		file, err := tinymodel.Talker(script)
		if err != nil {
			e.t.Fatalf("%s: %v", name, err)
		}
		template := tinymodel.Template
		if name == "llama-guard3" {
			template = guardTemplate
		}
		e.ollama.create(name, template, file)
	}
}

// TestExamplesDoWhatTheirREADMEsSay runs every example end to end: with a real wrangler, a real
// Ollama and the built-in encoder, by the commands that its README has.
func TestExamplesDoWhatTheirREADMEsSay(t *testing.T) {
	clientsDir(t)
	s := startOllama(t)
	api := start(t, t.TempDir(), "--ollama", s.url()).ready()
	checks := map[string]func(*example){
		"document-search":    checkDocumentSearch,
		"question-answering": checkQuestionAnswering,
		"recommendations":    checkRecommendations,
		"moderation":         checkModeration,
		"model-router":       checkModelRouter,
	}
	entries, err := os.ReadDir(filepath.Join("..", "examples"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() && checks[entry.Name()] == nil {
			t.Errorf("nothing tests examples/%s", entry.Name())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(checks)) {
		t.Run(name, func(t *testing.T) {
			p := newExample(t, name)
			before := p.text()
			e := &example{project: p, api: api, ollama: s, readme: readReadme(t, filepath.Join(p.dir, "README.md"))}
			e.pull()
			e.shell("tsc --noEmit")
			stop := e.here()
			e.try()
			if !t.Failed() {
				checks[name](e)
			}
			e.devCheck()
			stop()
			p.undo(before)
			e.onCloudflare()
		})
	}
}

// The table of examples/README.md has them all.
func TestTheExamplesAreInTheirTable(t *testing.T) {
	table, err := os.ReadFile(filepath.Join("..", "examples", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join("..", "examples"))
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, found := range regexp.MustCompile(`(?m)^\| \[([\w-]+)\]\(([\w-]+)/?\)`).FindAllStringSubmatch(string(table), -1) {
		if found[1] != found[2] {
			t.Errorf("%s leads to %s", found[1], found[2])
		}
		named = append(named, found[1])
	}
	var there []string
	for _, entry := range entries {
		if entry.IsDir() {
			there = append(there, entry.Name())
			readReadme(t, filepath.Join("..", "examples", entry.Name(), "README.md"))
		}
	}
	slices.Sort(named)
	if !slices.Equal(named, there) {
		t.Errorf("the table has %q, the folder %q", named, there)
	}
}
