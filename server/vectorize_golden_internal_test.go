package server

import (
	"net/http"
	"regexp"
	"testing"

	"nearside/vectorize"
)

// masks are the parts of a reply that differ from run to run.
var masks = []struct {
	pattern *regexp.Regexp
	mask    string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "<uuid>"},
	{regexp.MustCompile(`"nextCursor":"[^"]+"`), `"nextCursor":"<cursor>"`},
	{regexp.MustCompile(`"cursorExpirationTimestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"`), `"cursorExpirationTimestamp":"<seconds>"`},
	{regexp.MustCompile(`\d{8}T\d{6}\.\d{6}Z`), "<snapshot>"},
	{regexp.MustCompile(`("id":"\d+-<snapshot>","index":"[a-z]+","created_on":)"[^"]+"`), `$1"<micros>"`},
	{regexp.MustCompile(`"bytes":\d+`), `"bytes":0`},
}

// TestRepliesAreAsRecorded walks through every Vectorize route once and compares
// the replies, byte by byte but for what is masked, with testdata/golden.
func TestRepliesAreAsRecorded(t *testing.T) {
	lines := `{"id":"a1","values":[32.4,0.1,-2],"namespace":"eu","metadata":{"genre":"noir","year":1944}}` + "\n" +
		`{"id":"a2","values":[1,0,0],"metadata":{"genre":"comedy"}}` + "\n" + `{"id":"a3","values":[0,1e-7,1e21]}`
	v1 := home + "/vectorize/indexes"
	steps := []struct{ name, method, path, contentType, body string }{
		{"create", "POST", v2, "", `{"name":"films","description":"demo","config":{"dimensions":3,"metric":"cosine"}}`},
		{"create-preset", "POST", v2, "", `{"name":"texts","config":{"preset":"@cf/baai/bge-base-en-v1.5"}}`},
		{"create-duplicate", "POST", v2, "", `{"name":"films","config":{"dimensions":3,"metric":"cosine"}}`},
		{"list-indexes", "GET", v2, "", ""},
		{"describe", "GET", v2 + "/films", "", ""},
		{"describe-missing", "GET", v2 + "/books", "", ""},
		{"info-empty", "GET", v2 + "/films/info", "", ""},
		{"metadata-index-create", "POST", v2 + "/films/metadata_index/create", "", `{"propertyName":"genre","indexType":"string"}`},
		{"metadata-index-list", "GET", v2 + "/films/metadata_index/list", "", ""},
		{"metadata-index-list-post", "POST", v2 + "/films/metadata_index/list", "", ""},
		{"insert", "POST", v2 + "/films/insert", typeNDJSON, lines},
		{"upsert", "POST", v2 + "/films/upsert", typeNDJSON, lines},
		{"upsert-discard", "POST", v2 + "/films/upsert?unparsable-behavior=discard", typeNDJSON, lines + "\nnonsense"},
		{"info", "GET", v2 + "/films/info", "", ""},
		{"query", "POST", v2 + "/films/query", "", `{"vector":[1,0,0],"topK":2}`},
		{"query-everything", "POST", v2 + "/films/query", "", `{"vectorId":"a1","topK":1,"returnValues":true,"returnMetadata":"all","explain":true}`},
		{"query-indexed", "POST", v2 + "/films/query", "", `{"vector":[1,0,0],"returnMetadata":"indexed","filter":{"genre":"noir"}}`},
		{"query-unindexed", "POST", v2 + "/films/query", "", `{"vector":[1,0,0],"filter":{"year":1944}}`},
		{"query-no-vector", "POST", v2 + "/films/query", "", `{"topK":2}`},
		{"get-by-ids", "POST", v2 + "/films/get_by_ids", "", `{"ids":["a2","nobody","a1"]}`},
		{"list", "GET", v2 + "/films/list?count=2", "", ""},
		{"list-all", "GET", v2 + "/films/list", "", ""},
		{"v1-list", "GET", v1, "", ""},
		{"v1-describe", "GET", v1 + "/films", "", ""},
		{"v1-update", "PUT", v1 + "/films", "", `{"description":"new"}`},
		{"v1-create", "POST", v1, "", `{"name":"films","config":{"dimensions":3,"metric":"cosine"}}`},
		{"v1-insert", "POST", v1 + "/films/insert", typeNDJSON, `{"id":"b1","values":[1,1,1]}`},
		{"v1-insert-existing", "POST", v1 + "/films/insert", typeNDJSON, `{"id":"b1","values":[1,1,1]}`},
		{"v1-upsert", "POST", v1 + "/films/upsert", typeJSON, `{"vectors":[{"id":"b1","values":[1,1,1]},{"id":"b2","values":[0,1,1]}]}`},
		{"v1-query", "POST", v1 + "/films/query", "", `{"vector":[1,0,0],"topK":1,"returnMetadata":true,"returnValues":false}`},
		{"v1-get-by-ids", "POST", v1 + "/films/get-by-ids", "", `{"ids":["b1"]}`},
		{"v1-delete-by-ids", "POST", v1 + "/films/delete-by-ids", "", `{"ids":["b1","b2","nobody"]}`},
		{"delete-by-ids", "POST", v2 + "/films/delete_by_ids", "", `{"ids":["a3","nobody"]}`},
		{"nearside-query", "POST", ours + "/films/query", "", `{"vector":[1,0,0],"topK":2,"returnMetadata":"all","explain":true,"filter":{"$or":[{"genre":"noir"},{"genre":"comedy"}]}}`},
		{"nearside-query-groups", "POST", ours + "/films/query", "", `{"positive":["a2"],"group_by":{"property":"genre","size":1}}`},
		{"nearside-count", "POST", ours + "/films/count", "", `{"prefix":"a"}`},
		{"nearside-list-records", "POST", ours + "/films/list", "", `{"filter":{"genre":{"$exists":true}},"count":1}`},
		{"nearside-facets", "POST", ours + "/films/facets", "", `{"property":"genre"}`},
		{"nearside-metadata", "POST", ours + "/films/metadata", "", `{"ids":["a1"],"set":{"seen":true},"remove":["year"]}`},
		{"nearside-delete-preview", "POST", ours + "/films/delete", "", `{"prefix":"a","dry_run":true}`},
		{"nearside-delete-records", "POST", ours + "/films/delete", "", `{"filter":{"genre":"comedy"}}`},
		{"nearside-delete-all", "POST", ours + "/films/delete", "", `{}`},
		{"metadata-index-delete", "POST", v2 + "/films/metadata_index/delete", "", `{"propertyName":"genre"}`},
		{"nearside-list", "GET", ours, "", ""},
		{"nearside-create", "POST", ours, "", `{"name":"plain","config":{"dimensions":3,"metric":"euclidean"}}`},
		{"nearside-describe", "GET", ours + "/films", "", ""},
		{"snapshot-create", "POST", ours + "/films/snapshots", "", ""},
		{"snapshot-list", "GET", ours + "/films/snapshots", "", ""},
		{"v1-delete", "DELETE", v1 + "/texts", "", ""},
		{"nearside-delete", "DELETE", ours + "/plain", "", ""},
		{"delete", "DELETE", v2 + "/films", typeJSON, ""},
		{"describe-deleted", "GET", v2 + "/films", "", ""},
	}
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		for _, step := range steps {
			a := c.send(step.method, step.path, step.contentType, step.body)
			got := http.StatusText(a.status) + "\n" + a.body + "\n"
			for _, m := range masks {
				got = m.pattern.ReplaceAllString(got, m.mask)
			}
			recorded(t, "golden/"+step.name+".json", got)
		}
	})
}
