package command

import (
	"testing"

	"nearside/llm"
	"nearside/llm/backend/backendtest"
)

func TestAddressesOfOllamaAreReadAsItsOwnProgramsDo(t *testing.T) {
	for address, want := range map[string]string{
		"":                           "",
		"off":                        "",
		"127.0.0.1":                  "http://127.0.0.1:11434",
		"127.0.0.1:1234":             "http://127.0.0.1:1234",
		":1234":                      "http://127.0.0.1:1234",
		"0.0.0.0":                    "http://127.0.0.1:11434",
		"[::]:1234":                  "http://127.0.0.1:1234",
		"box.lan":                    "http://box.lan:11434",
		"http://box.lan:1234/":       "http://box.lan:1234",
		"https://ollama.example.com": "https://ollama.example.com",
	} {
		if got, err := ollamaURL(address); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", address, got, err, want)
		}
	}
	for _, address := range []string{"ftp://box", "http://box:port"} {
		if got, err := ollamaURL(address); err == nil {
			t.Errorf("%q was read as %q", address, got)
		}
	}
}

// A server behind a proxy is asked with the key that its key_env names, whatever it speaks.
func TestBackendsAreAskedWithTheirKeys(t *testing.T) {
	for _, kind := range []llm.Kind{llm.Ollama, llm.OpenAI} {
		server := backendtest.New(t)
		g, err := openBackend{as: llm.Server{Name: "mine", Kind: kind, URL: server.URL}, key: "sesame"}.start()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := g.Close(); err != nil {
				t.Error(err)
			}
		})
		if _, err := g.List(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, r := range server.Requests() {
			if r.Header.Get("Authorization") != "Bearer sesame" {
				t.Errorf("%s: %s %s came with %q", kind, r.Method, r.Path, r.Header.Get("Authorization"))
			}
		}
		if len(server.Requests()) == 0 {
			t.Errorf("%s: nothing was asked", kind)
		}
	}
}

func TestFlagsGoBeforeTheCatalogue(t *testing.T) {
	t.Setenv("OLLAMA_HOST", "box:1")
	t.Setenv("A_KEY", "k")
	listed := func() []llm.Server {
		return []llm.Server{{Name: llm.Ollama, Kind: llm.Ollama, URL: "http://127.0.0.1:11434", Enabled: true}, {Name: llm.OpenAI, Kind: llm.OpenAI}, {Name: "mine", Kind: llm.Ollama, URL: "http://m", Enabled: true}}
	}
	for name, test := range map[string]struct {
		flags backendFlags
		want  map[llm.Kind]string
	}{
		"none":   {backendFlags{}, map[llm.Kind]string{llm.Ollama: "http://box:1", "mine": "http://m"}},
		"off":    {backendFlags{ollama: off}, map[llm.Kind]string{"mine": "http://m"}},
		"ollama": {backendFlags{ollama: "other"}, map[llm.Kind]string{llm.Ollama: "http://other:11434", "mine": "http://m"}},
		"openai": {backendFlags{ollama: off, openai: "http://o/v1", openaiKey: "A_KEY"}, map[llm.Kind]string{llm.OpenAI: "http://o/v1", "mine": "http://m"}},
	} {
		got, err := test.flags.apply(listed())
		if err != nil || len(got) != len(test.want) {
			t.Fatalf("%s: got %+v, %v", name, got, err)
		}
		for _, s := range got {
			if test.want[s.Name] != s.URL {
				t.Errorf("%s: %s is at %q", name, s.Name, s.URL)
			}
		}
	}
	if _, err := (&backendFlags{openaiKey: "NO_SUCH_KEY"}).apply(listed()); err == nil {
		t.Error("a key that is not set was accepted")
	}
}
