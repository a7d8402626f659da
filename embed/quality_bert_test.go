package embed_test

import (
	"os"
	"path/filepath"
	"testing"

	"nearside/embed/bert"
)

// all-MiniLM-L6-v2's published nDCG@10 on xquad's English part is 0.944.
func TestEncoderFindsByMeaningAsWellAsPublished(t *testing.T) {
	if !*long {
		t.Skip("1,430 texts take half a minute; -long runs them")
	}
	c := readJudged(t, "xquad", "en")
	models := os.Getenv("NEARSIDE_MODELS")
	if models == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		models = filepath.Join(home, ".cache", "nearside", "models")
	}
	e, err := bert.Open(filepath.Join(models, "all-minilm-l6-v2"), bert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := c.ndcg10(t, e)
	t.Logf("nDCG@10 %.4f", got)
	if got < 0.939 || got > 0.949 {
		t.Errorf("nDCG@10 %.4f; published is 0.944", got)
	}
}
