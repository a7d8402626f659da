package bert

import (
	"os"
	"path/filepath"
	"testing"
)

// collections returns the directory of the test collections.
func collections(t testing.TB) string {
	t.Helper()
	root := os.Getenv("NEARSIDE_COLLECTIONS")
	if root == "" {
		t.Skip("NEARSIDE_COLLECTIONS is not set: the test collections are needed")
	}
	return root
}

// modelDir returns the directory of the real model, in NEARSIDE_MODELS or where
// `nearside models pull` puts it. Where the collections are there it must be, too.
func modelDir(t testing.TB) string {
	t.Helper()
	models := os.Getenv("NEARSIDE_MODELS")
	if models == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		models = filepath.Join(home, ".cache", "nearside", "models")
	}
	dir := filepath.Join(models, "all-minilm-l6-v2")
	if _, err := os.Stat(filepath.Join(dir, "vocab.txt")); err != nil {
		if os.Getenv("NEARSIDE_COLLECTIONS") != "" {
			t.Fatalf("the model is missing (%v); get it: nearside models pull", err)
		}
		t.Skipf("the model is missing (%v); get it: nearside models pull", err)
	}
	return dir
}

func realTokenizer(t testing.TB) *tokenizer {
	t.Helper()
	f, err := os.Open(filepath.Join(modelDir(t), "vocab.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tok, err := newTokenizer(f, 30522)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}
