package workers_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/fault"
	"nearside/workers"
)

var update = flag.Bool("update", false, "write the golden files anew")

const plugin = "/home/me/shop/.nearside/plugin.cjs"

// configurations are the files of testdata, without the golden ones.
func configurations(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.*")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range paths {
		if !strings.HasSuffix(path, ".golden") {
			found = append(found, path)
		}
	}
	if len(found) < 7 {
		t.Fatalf("testdata has %d configurations", len(found))
	}
	return found
}

func open(t *testing.T, path string, text []byte) *workers.File {
	t.Helper()
	f, err := workers.New(path, text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return f
}

func initialize(t *testing.T, path string, text []byte, before *workers.Added) ([]byte, workers.Added) {
	t.Helper()
	with, added, err := open(t, path, text).Init("local", plugin, before)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return with, added
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestInitAddsTheEnvironmentAndLeavesEveryOtherByte(t *testing.T) {
	for _, path := range configurations(t) {
		with, added := initialize(t, path, read(t, path), nil)
		if !bytes.Contains(with, []byte(added.Part)) {
			t.Errorf("%s: the part that was added is not in the text", path)
		}
		golden := path + ".golden"
		if *update {
			if err := os.WriteFile(golden, with, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if want := read(t, golden); !bytes.Equal(with, want) {
			t.Errorf("%s became\n%s\nwant\n%s", path, with, want)
		}
	}
}

func TestUndoGivesBackTheBytesAndASecondInitChangesNothing(t *testing.T) {
	for _, path := range configurations(t) {
		text := read(t, path)
		with, added := initialize(t, path, text, nil)
		for _, before := range []*workers.Added{&added, nil} {
			again, second := initialize(t, path, with, before)
			if !bytes.Equal(again, with) || before != nil && second != added {
				t.Errorf("%s: a second Init changed\n%s\nto\n%s", path, with, again)
			}
			back, err := open(t, path, with).Undo("local", before)
			if err != nil || !bytes.Equal(back, text) {
				t.Errorf("%s: Undo gave (%v)\n%s\nwant\n%s", path, err, back, text)
			}
		}
	}
}

// TestUndoAfterLaterEditsTakesOutItsPartOnly edits before, behind and beside the environment.
func TestUndoAfterLaterEditsTakesOutItsPartOnly(t *testing.T) {
	for _, c := range []struct{ path, text, old, new, want string }{
		{"a.jsonc", "{\n  \"ai\": {\"binding\": \"AI\"}\n}\n", "{\n  \"ai\"", "{\n  // new\n  \"vars\": {\"A\": \"1\"},\n  \"ai\"", "{\n  // new\n  \"vars\": {\"A\": \"1\"},\n  \"ai\": {\"binding\": \"AI\"}\n}\n"},
		{"a.jsonc", "{\n  \"ai\": {\"binding\": \"AI\"}\n}\n", "\n}\n", ",\n  \"main\": \"x.js\"\n}\n", "{\n  \"ai\": {\"binding\": \"AI\"},\n  \"main\": \"x.js\"\n}\n"},
		{"a.jsonc", "{\n  \"ai\": {\"binding\": \"AI\"}\n}\n", "\n  }\n}\n", ",\n    \"staging\": {}\n  }\n}\n", "{\n  \"ai\": {\"binding\": \"AI\"},\n  \"env\": {\n    \"staging\": {}\n  }\n}\n"},
		{"a.jsonc", "{\n  \"ai\": {\"binding\": \"AI\"},\n}\n", "{\n  \"ai\"", "{\n  /* why */ \"ai\"", "{\n  /* why */ \"ai\": {\"binding\": \"AI\"},\n}\n"},
		{"a.toml", "[ai]\nbinding = \"AI\"\n", "[ai]", "name = \"x\"\n[ai]", "name = \"x\"\n[ai]\nbinding = \"AI\"\n"},
		{"a.toml", "[ai]\nbinding = \"AI\"\n", "local.\n", "local.\n\n[env.staging]\n", "[ai]\nbinding = \"AI\"\n\n[env.staging]\n"},
	} {
		with, added := initialize(t, c.path, []byte(c.text), nil)
		at := strings.LastIndex(string(with), c.old)
		if at < 0 {
			t.Fatalf("no %q in\n%s", c.old, with)
		}
		edited := string(with)[:at] + c.new + string(with)[at+len(c.old):]
		back, err := open(t, c.path, []byte(edited)).Undo("local", &added)
		if err != nil || string(back) != c.want {
			t.Errorf("%s\nbecame (%v)\n%s\nwant\n%s", edited, err, back, c.want)
		}
	}
}

func TestInitFollowsLaterEditsOfTheTopLevel(t *testing.T) {
	for _, c := range []struct{ path, text, old, new, want string }{
		{"a.jsonc", `{"ai": {"binding": "AI"}}`, `{"ai"`, `{"vars": {"A": "1"}, "ai"`, "\n      \"vars\": {\n        \"A\": \"1\""},
		{"a.toml", "[ai]\nbinding = \"AI\"\n", "[ai]", "vars = { A = \"1\" }\n[ai]", "[env.local.vars]\nA = '1'"},
	} {
		with, added := initialize(t, c.path, []byte(c.text), nil)
		edited := strings.Replace(string(with), c.old, c.new, 1)
		again, _ := initialize(t, c.path, []byte(edited), &added)
		if !strings.Contains(string(again), c.want) {
			t.Errorf("no %q in\n%s", c.want, again)
		}
		moved, _, err := open(t, c.path, with).Init("local", "/elsewhere/plugin.cjs", nil)
		if err != nil || !strings.Contains(string(moved), "/elsewhere/plugin.cjs") || strings.Contains(string(moved), plugin) {
			t.Errorf("in another folder, what was written became (%v)\n%s", err, moved)
		}
	}
}

func TestWhatPeopleWroteIsNeitherReplacedNorRemoved(t *testing.T) {
	for _, c := range []struct{ path, text, old, new string }{
		{"a.jsonc", `{"ai": {"binding": "AI"}}`, `"unsafe"`, `"vars": {"MINE": "1"}, "unsafe"`},
		{"a.toml", "[ai]\nbinding = \"AI\"\n", "[env.local.unsafe]", "vars = { MINE = \"1\" }\n[env.local.unsafe]"},
	} {
		with, added := initialize(t, c.path, []byte(c.text), nil)
		edited := strings.Replace(string(with), c.old, c.new, 1)
		for _, before := range []*workers.Added{&added, nil} {
			_, _, err := open(t, c.path, []byte(edited)).Init("local", plugin, before)
			wantFault(t, err, fault.Conflict, "changed since")
			_, err = open(t, c.path, []byte(edited)).Undo("local", before)
			wantFault(t, err, fault.Conflict, "changed since")
		}
	}
	for path, text := range map[string]string{
		"a.jsonc": `{"ai": {"binding": "AI"}, "env": {"local": {"vars": {}}}}`,
		"a.toml":  "ai = { binding = \"AI\" }\n[env.local]\n",
	} {
		_, _, err := open(t, path, []byte(text)).Init("local", plugin, nil)
		wantFault(t, err, fault.Conflict, "--env")
		if with, _, err := open(t, path, []byte(text)).Init("nearside", plugin, nil); err != nil || !strings.Contains(string(with), "nearside-ai") {
			t.Errorf("beside it, another name gives %v", err)
		}
		_, err = open(t, path, []byte(text)).Undo("local", nil)
		wantFault(t, err, fault.Conflict, "not nearside's")
		_, err = open(t, path, []byte(text)).Undo("other", nil)
		wantFault(t, err, fault.NotFound, "nothing to take out")
	}
}

// TestUndoRefusesWhatWouldSayLess has a comment swallow what was written behind the environment.
func TestUndoRefusesWhatWouldSayLess(t *testing.T) {
	with, added := initialize(t, "a.jsonc", []byte("{\n  \"ai\": {\"binding\": \"AI\"}\n}\n"), nil)
	edited := strings.Replace(string(with), "\n  \"env\"", "\n  // for nearside\n  \"env\"", 1)
	edited = strings.TrimSuffix(edited, "\n}\n") + ", \"main\": \"x.js\"\n}\n"
	_, err := open(t, "a.jsonc", []byte(edited)).Undo("local", &added)
	wantFault(t, err, fault.Conflict, "changed since")
}

func TestWhatCannotBeAddedIsRefusedWithTheReason(t *testing.T) {
	for _, c := range []struct {
		path, text string
		kind       fault.Kind
		says       string
	}{
		{"a.jsonc", `{"name": "x"}`, fault.Invalid, "neither ai nor vectorize"},
		{"a.jsonc", `{"ai": {"binding": "AI"}, "pages_build_output_dir": "dist"}`, fault.Unsupported, "Pages"},
		{"a.jsonc", `{"ai": {"binding": "AI"}, "env": 1}`, fault.Invalid, "env is no object"},
		{"a.toml", "env = { staging = {} }\n[ai]\nbinding = \"AI\"\n", fault.Unsupported, "as tables"},
	} {
		_, _, err := open(t, c.path, []byte(c.text)).Init("local", plugin, nil)
		wantFault(t, err, c.kind, c.says)
	}
	for path, text := range map[string]string{"a.jsonc": "{\n\n  nonsense}", "a.toml": "\n\nnonsense", "a.yaml": ""} {
		_, err := workers.New(path, []byte(text))
		wantFault(t, err, fault.Invalid, map[string]string{"a.jsonc": "line 3", "a.toml": "line 3", "a.yaml": ".jsonc"}[path])
	}
	_, _, err := open(t, "a.jsonc", []byte(`{"ai": {"binding": "AI"}}`)).Init("a.b", plugin, nil)
	wantFault(t, err, fault.Invalid, `"a.b"`)
}

func wantFault(t *testing.T, err error, kind fault.Kind, says string) {
	t.Helper()
	if f := fault.As(err); f == nil || f.Kind != kind || !strings.Contains(err.Error(), says) {
		t.Errorf("the error is %v, want %v with %q", err, kind, says)
	}
}

func TestFindLooksAboveAsWranglerDoes(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "src", "deep")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := workers.Find(deep)
	wantFault(t, err, fault.NotFound, "wrangler.jsonc")
	for _, name := range []string{"wrangler.toml", "wrangler.jsonc", "wrangler.json"} { // each comes before the last
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		text := `{"name": "found", "ai": {"binding": "MODELS"}, "vectorize": [{"binding": "V", "index_name": "v"}]}`
		if strings.HasSuffix(name, "toml") {
			text = "name = \"found\"\nai = { binding = \"MODELS\" }\nvectorize = [{ binding = \"V\", index_name = \"v\" }]\n"
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := workers.Find(deep)
		if err != nil || f.Path != path || f.Name() != "found" {
			t.Fatalf("Find: %v, %v; want %s", f, err, path)
		}
		b, err := f.Bindings()
		if err != nil || b.AI != "MODELS" || len(b.Indexes) != 1 || b.Indexes[0] != (workers.Index{Binding: "V", Name: "v"}) {
			t.Errorf("%s has the bindings %+v, %v", name, b, err)
		}
	}
}
