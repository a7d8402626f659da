package command_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestRecordsAreSelectedChangedAndDeleted(t *testing.T) {
	api := start(t, t.TempDir()).ready()
	definition := map[string]any{"name": "films", "config": map[string]any{"dimensions": 2, "metric": "cosine"}}
	lines := `{"id":"a/1","values":[1,0],"metadata":{"genre":"noir","year":1944}}
{"id":"a/2","values":[0,1],"metadata":{"genre":"comedy"}}
{"id":"b/1","values":[1,1],"namespace":"eu","metadata":{"genre":"noir"}}`
	const films = "/vectorize/v2/indexes/films/"
	for _, err := range []error{
		api.Do(t.Context(), http.MethodPost, "/nearside/indexes", definition, nil),
		api.Do(t.Context(), http.MethodPost, films+"metadata_index/create", map[string]string{"propertyName": "genre", "indexType": "string"}, nil),
		api.Send(t.Context(), http.MethodPost, films+"upsert", "application/x-ndjson", []byte(lines), nil),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		line string
		code int
		want string // on standard output, or on standard error if it fails
	}{
		{"count films", 0, "3\n"},
		{"count films --prefix a/ --json", 0, "{\n  \"count\": 2\n}\n"},
		{`count films --filter {"$or":[{"genre":"comedy"},{"genre":"noir"}]} --namespace eu`, 0, "1\n"},
		{"list films", 0, "a/1\na/2\nb/1\n"},
		{"list films --limit 2", 0, "a/1\na/2\n"},
		{"list films --id b/1,nobody --limit 0", 0, "b/1\n"},
		{"facets films genre", 0, "VALUE     RECORDS\n\"noir\"    2\n\"comedy\"  1\n"},
		{`update films --prefix a/ --set {"seen":true} --remove year --dry-run`, 0, "2 records would be changed, beginning with a/1, a/2\n"},
		{`update films --prefix a/ --set {"seen":true} --remove year`, 0, "2 records changed\n"},
		{`update films --prefix a/ --set {"seen":true}`, 0, "0 records changed\n"},
		{`update films --id b/1 --replace {"genre":"western"}`, 0, "1 record changed\n"},
		{"delete films", 1, "nothing says which records are meant"},
		{"delete films --prefix b/", 1, "Delete 1 record of films? [y/N] nearside: nothing was deleted"},
		{"delete films --prefix b/ --dry-run", 0, "1 record would be deleted, beginning with b/1\n"},
		{`delete films --filter {"genre":"western"} --yes`, 0, "1 record deleted\n"},
		{"delete films --all --yes", 0, "2 records deleted\n"},
		{"count films", 0, "0\n"},
	} {
		stdout, stderr, code := runHere(t, append(append([]string{"records"}, strings.Fields(step.line)...), "--url", api.URL)...)
		if code != step.code || code == 0 && stdout != step.want || code != 0 && !strings.Contains(stderr, step.want) {
			t.Errorf("nearside records %s: exit code %d, %q, %q; want %q", step.line, code, stdout, stderr, step.want)
		}
	}
}
