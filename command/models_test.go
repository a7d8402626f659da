package command_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/llm/backend/backendtest"
)

// serveModels starts a server with two models of the user's behind a model server:
// @my/chat, which is there, and @my/gone, which is not.
func serveModels(t *testing.T) (url string, behind *backendtest.Server) {
	t.Helper()
	behind = backendtest.New(t)
	data := t.TempDir()
	file := `backends: [{name: ollama, url: "` + behind.URL + `"}]
models:
  - {id: "@my/chat", task: Text Generation, backends: [{kind: ollama, model: chat}]}
  - {id: "@my/gone", task: Text Generation, backends: [{kind: ollama, model: gone}]}
`
	if err := os.WriteFile(filepath.Join(data, "models.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, data, "--models", t.TempDir())
	return p.ready().URL, behind
}

// listedModel is what `models list --json` and `models check --json` say of a model.
type listedModel struct {
	Name, Model, Route, Missing, Error string
	OK                                 bool
	Served                             string `json:"served_by"`
	Backend                            string
	Skipped                            []string
}

// jsonOf runs a command line that prints JSON.
func jsonOf(t *testing.T, want int, args ...string) []listedModel {
	t.Helper()
	out, stderr, code := runHere(t, append(args, "--json")...)
	if code != want {
		t.Fatalf("nearside %s: exit code %d, want %d: %s", strings.Join(args, " "), code, want, stderr)
	}
	var list []listedModel
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("nearside %s: %v: %.300s", strings.Join(args, " "), err, out)
	}
	return list
}

func TestModelsListSaysWhoAnswersAndWhy(t *testing.T) {
	url, _ := serveModels(t)
	by := map[string]listedModel{}
	for _, m := range jsonOf(t, 0, "models", "list", "--url", url) {
		by[m.Name] = m
	}
	if m := by["@my/chat"]; m.Served != "chat" || m.Backend != "ollama" || m.Route != "first" || m.Missing != "" {
		t.Errorf("%+v", m)
	}
	if m := by["@my/gone"]; m.Served != "" || m.Missing == "" || len(m.Skipped) != 1 || !strings.Contains(m.Skipped[0], "gone") {
		t.Errorf("%+v", m)
	}
	served := jsonOf(t, 0, "models", "list", "--served", "--task", "Text Generation", "--url", url)
	if len(served) != 2 || served[0].Name != "@nearside/auto" || served[1].Name != "@my/chat" {
		t.Errorf("%+v", served)
	}
	out, _, code := runHere(t, "models", "list", "--url", url)
	for _, want := range []string{"ollama (chat)", "builtin (@nearside/lexical-hash)", "none of these is set up: openai (nova-3)"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, and the list lacks %q:\n%s", code, want, out)
		}
	}
}

func TestModelsCheckAsksWhatIsServedAndNothingElse(t *testing.T) {
	url, behind := serveModels(t)
	checked := jsonOf(t, 0, "models", "check", "@my/chat", "--url", url)
	if len(checked) != 1 || !checked[0].OK || checked[0].Served != "chat" || checked[0].Route != "first" {
		t.Errorf("%+v", checked)
	}
	asked := len(behind.Asked("/api/chat"))
	if asked != 1 {
		t.Errorf("the model server was asked %d times", asked)
	}
	for line, want := range map[string]int{"@my/gone": 1, "@my/gone @my/chat": 1, "@my/nobody": 1} {
		_, _, code := runHere(t, append([]string{"models", "check", "--url", url}, strings.Fields(line)...)...)
		if code != want {
			t.Errorf("check %s: exit code %d, want %d", line, code, want)
		}
	}
	if now := len(behind.Asked("/api/chat")); now != asked+1 {
		t.Errorf("%d further calls for one model that is there", now-asked)
	}
	for task, least := range map[string]int{"Text Generation": 2, "Text Embeddings": 5} {
		all := jsonOf(t, 0, "models", "check", "--task", task, "--url", url)
		if len(all) < least {
			t.Errorf("%s: %+v", task, all)
		}
		for _, m := range all {
			if !m.OK || m.Served == "" {
				t.Errorf("%+v", m)
			}
		}
	}
}

func TestModelsCheckNamesWhatWentWrong(t *testing.T) {
	url, behind := serveModels(t)
	behind.Lie(backendtest.Status500)
	checked := jsonOf(t, 1, "models", "check", "@my/chat", "--url", url)
	if len(checked) != 1 || checked[0].OK || checked[0].Error == "" || checked[0].Served != "chat" {
		t.Errorf("%+v", checked)
	}
}

// Whatever a backend says, each model has one line that begins with its name.
func TestModelsCheckHasALineForEachModel(t *testing.T) {
	url, behind := serveModels(t)
	behind.Add(backendtest.Model{Name: "llama3.2"}, backendtest.Model{Name: "gemma3"}) // stand in for others, and say nothing to the point
	listed := jsonOf(t, 0, "models", "list", "--served", "--url", url)
	out, stderr, code := runHere(t, "models", "check", "--url", url)
	if code != 1 || !strings.Contains(stderr, "models failed") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")[1:]
	if len(lines) != len(listed) {
		t.Errorf("%d lines for %d models:\n%s", len(lines), len(listed), out)
	}
	for i, line := range lines {
		if i < len(listed) && (!strings.HasPrefix(line, listed[i].Name+" ") || !strings.Contains(line, " ok") && !strings.Contains(line, "FAILED: ")) {
			t.Errorf("the line of %s is %q", listed[i].Name, line)
		}
	}
	if !strings.Contains(out, "substitute") || !strings.Contains(out, "FAILED: AiError: JSON Mode couldn't be met") {
		t.Errorf("no stand-in failed:\n%s", out)
	}
}

func TestModelsSwitchSaysWhatAnswersFromNowOn(t *testing.T) {
	url, _ := serveModels(t)
	out, stderr, code := runHere(t, "models", "switch", "@cf/baai/bge-base-en-v1.5", "--url", url)
	if code != 0 || !strings.Contains(out, "@cf/baai/bge-base-en-v1.5 is answered by") || !strings.Contains(out, "from now on") {
		t.Errorf("exit code %d: %s%s", code, out, stderr)
	}
	out, _, code = runHere(t, "models", "switch", "@cf/baai/bge-base-en-v1.5", "--url", url)
	if code != 0 || !strings.Contains(out, "as before") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if _, stderr, code = runHere(t, "models", "switch", "@my/chat", "--url", url); code != 1 || !strings.Contains(stderr, "Text Generation") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

func TestAWrongModelsFileKeepsTheServerFromStarting(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, []byte("models:\n  - id: mine\n    task: Juggling\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := runHere(t, "serve", "--data", t.TempDir(), "--models", t.TempDir(), "--addr", "127.0.0.1:0", "--models-file", file)
	if code != 1 || !strings.Contains(stderr, file+":3: model \"mine\" has the task \"Juggling\"") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
