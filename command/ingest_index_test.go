package command_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nearside/client"
)

// loaded is a record as an index holds it.
type loaded struct {
	ID        string
	Namespace string
	Values    []float64
	Metadata  map[string]any
	Title     string
	Text      string
}

// createFor makes an index for texts.
func createFor(t *testing.T, api *client.Client, name, model string) {
	t.Helper()
	if err := api.Do(t.Context(), http.MethodPost, "/nearside/indexes", map[string]any{"name": name, "model": model}, nil); err != nil {
		t.Fatal(err)
	}
}

func dropIndex(t *testing.T, api *client.Client, name string) {
	t.Helper()
	if err := api.Do(t.Context(), http.MethodDelete, "/nearside/indexes/"+name, nil, nil); err != nil {
		t.Fatal(err)
	}
}

// recordsOf returns all that an index holds, by id.
func recordsOf(t *testing.T, api *client.Client, index string) map[string]loaded {
	t.Helper()
	all := map[string]loaded{}
	for cursor := ""; ; {
		var page struct {
			Vectors    []struct{ ID string }
			NextCursor *string
		}
		about := map[string]any{"count": 1000}
		if cursor != "" {
			about["cursor"] = cursor
		}
		postJSON(t, api, "/nearside/indexes/"+index+"/list", about, &page)
		ids := make([]string, len(page.Vectors))
		for i, v := range page.Vectors {
			ids[i] = v.ID
		}
		for some := range slices.Chunk(ids, 500) {
			var got []loaded
			postJSON(t, api, "/nearside/indexes/"+index+"/get", map[string]any{"ids": some}, &got)
			for _, r := range got {
				all[r.ID] = r
			}
		}
		if page.NextCursor == nil {
			return all
		}
		cursor = *page.NextCursor
	}
}

func postJSON(t *testing.T, api *client.Client, path string, body, reply any) {
	t.Helper()
	if err := api.Do(context.WithoutCancel(t.Context()), http.MethodPost, path, body, reply); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// differences says in a few lines how what an index holds is not what it should hold; "" if it is.
func differences(got, want map[string]loaded) string {
	var all []string
	for _, id := range slices.Sorted(maps.Keys(want)) {
		switch g, ok := got[id]; {
		case !ok:
			all = append(all, "missing "+want[id].short())
		case !reflect.DeepEqual(g, want[id]):
			all = append(all, fmt.Sprintf("it has  %s\nbut should have %s", g.short(), want[id].short()))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[id]; !ok {
			all = append(all, "too many "+got[id].short())
		}
	}
	if len(all) > 6 {
		all = append(all[:6], fmt.Sprintf("and %d more", len(all)-6))
	}
	return strings.Join(all, "\n")
}

func (r loaded) short() string {
	metadata, _ := json.Marshal(r.Metadata) // it was JSON
	return fmt.Sprintf("%s %.60q %s, %d values from %.5f", r.ID, r.Text, metadata, len(r.Values), r.Values[:min(1, len(r.Values))])
}

// ingestReport is the last line of --json.
type ingestReport struct {
	Event  string
	Report struct {
		Items, Loaded, Unchanged, Failed, Gone, Pruned, Chunks, Stored, Deleted, Tokens int64
		Complete                                                                        bool
		PruneRefused                                                                    bool `json:"prune_refused"`
		Error                                                                           string
		Seconds                                                                         float64
		Failures                                                                        []struct{ Path, Reason string }
	}
}

// reportOf reads the report out of what --json printed.
func reportOf(t *testing.T, out string) ingestReport {
	t.Helper()
	var r ingestReport
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil || r.Event != "done" {
		t.Fatalf("%v: the last line is no report:\n%s", err, out)
	}
	return r
}
