package command_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/client"
)

// boundToNotes is the configuration of a Worker with one index.
const boundToNotes = `{"name": "notes", "main": "index.js", "vectorize": [{"binding": "V", "index_name": "notes"}, {"binding": "AGAIN", "index_name": "notes"}]}`

// What --index says of an index that is there already holds, is made to hold, or is refused; never is it passed over.
func TestDevInitBringsAnIndexToWhatWasSaid(t *testing.T) {
	api := start(t, t.TempDir(), "--ollama", "off", "--models", t.TempDir()).ready()
	config := filepath.Join(t.TempDir(), "wrangler.json")
	if err := os.WriteFile(config, []byte(boundToNotes), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		says, want string
		code       int
	}{
		{"768,cosine,lang:string", "made the index notes: 768,cosine, metadata index lang:string\n", 0},
		{"768,cosine,lang:string", "has already the environment local", 0},
		{"@cf/baai/bge-base-en-v1.5", "has already the environment local", 0},
		{"384,cosine", "the index notes is there already, as 768,cosine; --index says 384,cosine. Leave --index out", 1},
		{"768,euclidean", "--index says 768,euclidean", 1},
		{"@cf/baai/bge-small-en-v1.5", "--index says @cf/baai/bge-small-en-v1.5", 1},
		{"@cf/nobody/nothing", "--index says @cf/nobody/nothing", 1},
		{"768,cosine,lang:number", "the metadata index lang of notes is there already, as string; --index says number", 1},
		{"768,cosine,year:number", "made the metadata index year:number of notes\n", 0},
		{"768,cosine,year:number,kind:boolean", "made the metadata index kind:boolean of notes; it does not see what was there before it (vectors: 1): put that again", 0},
		{"", "has already the environment local", 0},
	} {
		if strings.Contains(step.says, "kind") {
			put(t, api, "notes", 768)
		}
		args := []string{"dev", "init", "--config", config, "--url", api.URL}
		if step.says != "" {
			args = append(args, "--index", "notes="+step.says)
		}
		out, code := nearsideCode(t, t.Context(), args...)
		if code != step.code || !strings.Contains(out, step.want) || strings.Contains(step.want, "already the environment") && strings.Contains(out, "made") {
			t.Errorf("--index notes=%s: exit code %d, want %d and %q in\n%s", step.says, code, step.code, step.want, out)
		}
	}
	var properties struct {
		MetadataIndexes []struct{ PropertyName string }
	}
	if err := api.Do(t.Context(), http.MethodGet, "/vectorize/v2/indexes/notes/metadata_index/list", nil, &properties); err != nil {
		t.Fatal(err)
	}
	if len(properties.MetadataIndexes) != 3 {
		t.Errorf("the index has the metadata indexes %v", properties)
	}
}

// put writes one vector.
func put(t *testing.T, api *client.Client, index string, dimensions int) {
	t.Helper()
	line := `{"id": "a", "values": [1` + strings.Repeat(",0", dimensions-1) + `]}`
	res, err := http.Post(api.URL+"/client/v4/accounts/local/vectorize/v2/indexes/"+index+"/upsert", "application/x-ndjson", strings.NewReader(line))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("writing a vector: %s", res.Status)
	}
}
