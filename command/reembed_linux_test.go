package command_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestFromWordsToMeaning re-embeds an index of the lexical fallback by the built-in encoder: a question without a
// word of the passage finds it afterwards, and not before.
func TestFromWordsToMeaning(t *testing.T) {
	p := start(t, t.TempDir(), "--models", filepath.Dir(encoderDir(t)), "--ollama", "off", "--openai", "off")
	api := p.ready()
	if err := api.Do(t.Context(), http.MethodPost, "/nearside/indexes", map[string]any{"name": "shelf", "model": lexical}, nil); err != nil {
		t.Fatal(err)
	}
	passages := []string{
		"Customers get their money back within thirty days.", "The shop opens at nine in the morning.", "Parcels leave the warehouse every evening.",
		"Our bicycles are repaired by two mechanics.", "Gift vouchers are valid for three years.", "The cafeteria serves soup and bread.",
	}
	var texts []storedText
	for i, text := range passages {
		texts = append(texts, storedText{ID: fmt.Sprint("p", i), Text: text})
	}
	postJSON(t, api, "/nearside/indexes/shelf/texts", map[string]any{"texts": texts}, nil)
	best := func() string {
		var found struct{ Passages []struct{ Text string } }
		postJSON(t, api, "/nearside/indexes/shelf/search", map[string]any{"query": "who can fix a broken bike", "topK": 1}, &found)
		return found.Passages[0].Text
	}
	if got := best(); got == passages[3] {
		t.Error("the words alone find the passage: the question is too easy")
	}
	out, code := nearsideCode(t, t.Context(), "reembed", "shelf", "--model", miniLM, "--dry-run", "--url", api.URL)
	if code != 0 || !strings.Contains(out, "as a sample of the texts took") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	nearside(t, t.Context(), "reembed", "shelf", "--model", miniLM, "--yes", "--url", api.URL)
	if got := best(); got != passages[3] {
		t.Errorf("found %q", got)
	}
	p.stop()
}
