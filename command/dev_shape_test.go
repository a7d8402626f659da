package command_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Of an index of which nobody says how it is to be made, the source tells it if it names one kind of vectors.
func TestDevInitMakesTheIndexThatTheSourceNeeds(t *testing.T) {
	api := start(t, t.TempDir(), "--ollama", "off", "--models", t.TempDir()).ready()
	for name, c := range map[string]struct {
		source, want string
		code         int
	}{
		"one":     {`const v = await env.AI.run("@cf/baai/bge-base-en-v1.5", {text});`, "made the index one: 768,cosine, because src/index.ts:2 asks @cf/baai/bge-base-en-v1.5 for vectors; if it is to be another: nearside index delete one", 0},
		"alike":   {`run("@cf/baai/bge-large-en-v1.5"); run("@cf/baai/bge-m3"); run("@cf/meta/llama-3.2-3b-instruct")`, "made the index alike: 1024,cosine, because", 0},
		"several": {`run("@cf/baai/bge-base-en-v1.5"); run("@cf/baai/bge-m3")`, "the index several does not exist; say how long its vectors are", 1},
		"none":    {`// "@cf/baai/bge-base-en-v1.5" was used here`, "the index none does not exist; say how long its vectors are", 1},
	} {
		dir := t.TempDir()
		config := filepath.Join(dir, "wrangler.json")
		for file, text := range map[string]string{
			config:                                `{"name": "notes", "main": "src/index.ts", "vectorize": [{"binding": "V", "index_name": "` + name + `"}]}`,
			filepath.Join(dir, "src", "index.ts"): "export default {}\n" + c.source + "\n",
		} {
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, code := nearsideCode(t, t.Context(), "dev", "init", "--config", config, "--url", api.URL)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit code %d, want %d and %q in\n%s", name, code, c.code, c.want, out)
		}
	}
}
