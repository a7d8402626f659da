package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/fault"
	"nearside/llm"
)

// filesWith is the built-in catalogue with files of the user's; "" = none.
func filesWith(t *testing.T, inData, named string) catalogueFiles {
	t.Helper()
	base, err := os.ReadFile("../models.yaml")
	if err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files := catalogueFiles{base: base, data: t.TempDir()}
	if inData != "" {
		write(filepath.Join(files.data, "models.yaml"), inData)
	}
	if named != "" {
		files.file = filepath.Join(t.TempDir(), "mine.yaml")
		write(files.file, named)
	}
	return files
}

const someChat = "@cf/meta/llama-3.1-8b-instruct"

func backendOf(t *testing.T, files catalogueFiles) llm.Backend {
	t.Helper()
	c, err := files.load()
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Model(someChat)
	if err != nil {
		t.Fatal(err)
	}
	return m.Backends[0]
}

func override(name string) string {
	return "models:\n  - id: \"" + someChat + "\"\n    backends: [{kind: ollama, model: " + name + "}]\n"
}

func TestTheNamedFileGoesBeforeTheDataDirectorysAndThatBeforeTheBuiltIn(t *testing.T) {
	for want, files := range map[string][2]string{
		"llama3.1:8b": {"", ""},
		"data":        {override("data"), ""},
		"named":       {"", override("named")},
		"both":        {override("data"), override("both")},
	} {
		if b := backendOf(t, filesWith(t, files[0], files[1])); b.Model != want {
			t.Errorf("%s is answered by %s, want %s", someChat, b, want)
		}
	}
}

func TestAWrongCatalogueFileIsNamedWithItsLine(t *testing.T) {
	wrong := "models:\n  - id: mine\n    task: Juggling\n"
	for _, files := range []catalogueFiles{filesWith(t, wrong, ""), filesWith(t, "", wrong)} {
		path := files.file
		if path == "" {
			path = filepath.Join(files.data, "models.yaml")
		}
		if _, err := files.load(); !fault.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), path+":3: ") {
			t.Errorf("got %v", err)
		}
	}
}

func TestANamedFileMustBeThere(t *testing.T) {
	files := filesWith(t, "", "")
	files.file = filepath.Join(files.data, "absent.yaml")
	if _, err := files.load(); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "--models-file "+files.file) {
		t.Errorf("got %v", err)
	}
}
