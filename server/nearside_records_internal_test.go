package server

import (
	"fmt"
	"strings"
	"testing"

	"nearside/catalog"
	"nearside/index"
	"nearside/vectorize"
)

// listed returns the ids of a reply to a listing.
func listed(t *testing.T, a answer) string {
	t.Helper()
	var ids []string
	for _, v := range resultOf[struct{ Vectors []struct{ ID string } }](t, a).Vectors {
		ids = append(ids, v.ID)
	}
	return strings.Join(ids, " ")
}

func TestRecordsAreCountedAndListedByWhatTheyHave(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.library(index.Euclidean)
		for body, want := range map[string]string{
			`{}`:                             "5 comedy3 comedy6 comedy9 noir1 noir10 noir2 noir4 noir7 western8",
			`{"prefix":"comedy"}`:            "comedy3 comedy6 comedy9",
			`{"prefix":"noir1"}`:             "noir1 noir10",
			`{"ids":["noir4","nobody","5"]}`: "5 noir4",
			`{"namespace":"eu"}`:             "comedy6 noir10 noir2 noir4 western8",
			`{"filter":{"genre":"noir"},"namespace":"eu"}`:                         "noir10 noir2 noir4",
			`{"filter":{"genre":null},"ids":null}`:                                 "5",
			`{"filter":{"$or":[{"genre":"western"},{"genre":{"$exists":false}}]}}`: "5 western8",
			`{"filter":{"$not":{"genre":{"$in":["noir","comedy"]}}},"prefix":"w"}`: "western8",
			`{"prefix":"x"}`: "",
		} {
			if got := listed(t, c.send("POST", ours+"/films/list", "", body)); got != want {
				t.Errorf("%s: %s, want %s", body, got, want)
			}
			c.send("POST", ours+"/films/count", "", body).want(t, 200, 0, fmt.Sprintf(`"result":{"count":%d}`, len(strings.Fields(want))))
		}
		a := c.send("POST", ours+"/films/list", "", `{"prefix":"noir","count":3}`)
		a.want(t, 200, 0, `"count":3,"totalCount":5,"isTruncated":true`, `"cursorExpirationTimestamp":"`)
		cursor := resultOf[struct{ NextCursor string }](t, a).NextCursor
		c.send("POST", v2+"/films/delete_by_ids", "", `{"ids":["noir4"]}`).want(t, 200, 0)
		if got := listed(t, c.send("POST", ours+"/films/list", "", fmt.Sprintf(`{"prefix":"noir","cursor":%q}`, cursor))); got != "noir4 noir7" {
			t.Errorf("the second page has %s", got)
		}
		c.send("POST", ours+"/films/count", "", `{"filter":{"nr":1}}`).want(t, 200, 0, `"count":0`, `the filter names \"nr\", which has no metadata index`)
	})
}

func TestWhatIsSelectedIsDeletedAndADryRunOnlySaysSo(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.library(index.Euclidean)
		erase := func(body string) answer { return c.send("POST", ours+"/films/delete", "", body) }
		for body, words := range map[string]string{
			`{}`:                           "nothing says which records are meant; give ids, prefix, namespace or filter, or all: true",
			`{"all":false}`:                "nothing says which records are meant",
			`{"prefix":"","filter":null}`:  "nothing says which records are meant",
			`{"all":true,"prefix":"noir"}`: "all: true means every record of the index, but there are conditions too",
			`{"ids":[]}`:                   "ids is empty",
			`{"filter":{"nr":{"$ne":1}}}`:  `the filter names \"nr\", which has no metadata index`,
			`{"prefix":"` + strings.Repeat("p", 65) + `"}`:    "prefix too long; max is 64 bytes",
			`{"namespace":"` + strings.Repeat("n", 65) + `"}`: "namespace too long",
			`{"ids":[` + repeated(5001, quotedID, ",") + `]}`: "max id count is 5000, got 5001",
			`{"prefixes":"noir"}`:                             "prefixes: there is no such field; known are ids, prefix, namespace, filter, all, dry_run",
			`{"prefix":7}`:                                    "prefix: expected a string",
			`{"dry_run":"yes","prefix":"noir"}`:               "dry_run: expected true or false",
			`{"prefix":"noir","filter":{"$xor":[]}}`:          "$xor",
		} {
			bodies := []string{body}
			if !strings.Contains(body, "dry_run") && body != `{}` {
				bodies = append(bodies, strings.TrimSuffix(body, "}")+`,"dry_run":true}`)
			}
			for _, body := range bodies {
				if a := erase(body); a.status != 400 || !strings.Contains(a.body, words) {
					t.Errorf("%.80s: %d %.300s, want %q", body, a.status, a.body, words)
				}
			}
		}
		c.send("POST", ours+"/films/delete", typeJSON, "").want(t, 400, 10400, "the body is empty")
		c.send("POST", ours+"/films/count", "", `{}`).want(t, 200, 0, `"count":10`)
		erase(`{"prefix":"noir","dry_run":true}`).want(t, 200, 0, `"result":{"dry_run":true,"count":5,"sample":["noir1","noir10","noir2","noir4","noir7"]}`)
		erase(`{"prefix":"x","dry_run":true}`).want(t, 200, 0, `"result":{"dry_run":true,"count":0}`)
		c.send("POST", ours+"/films/count", "", `{}`).want(t, 200, 0, `"count":10`)
		erase(`{"prefix":"noir"}`).want(t, 200, 0, `"result":{"mutationId":"`, `","count":5}`)
		erase(`{"filter":{"$not":{"genre":"comedy"}}}`).want(t, 200, 0, `"count":2}`)
		if got := listed(t, c.send("POST", ours+"/films/list", "", `{}`)); got != "comedy3 comedy6 comedy9" {
			t.Errorf("left are %s", got)
		}
		erase(`{"all":true}`).want(t, 200, 0, `"count":3}`)
		c.send("GET", v2+"/films/info", "", "").want(t, 200, 0, `"vectorCount":0`)
	})
}

func TestMetadataIsUpdatedWithoutSendingVectors(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.library(index.Euclidean)
		update := func(body string) answer { return c.send("POST", ours+"/films/metadata", "", body) }
		shows := func(id, want string) {
			t.Helper()
			c.send("POST", v2+"/films/get_by_ids", "", `{"ids":["`+id+`"]}`).want(t, 200, 0, want)
		}
		update(`{"ids":["noir1","nobody"],"set":{"nr" : 2, "seen":[true , "\u00fc"]}}`).want(t, 200, 0, `"mutationId":"`, `"count":1}`)
		shows("noir1", `"values":[2,0,0],"metadata":{"genre":"noir","nr":2,"seen":[true,"ü"]}`)
		update(`{"filter":{"genre":"comedy"},"remove":["nr"],"set":{"genre":"farce"}}`).want(t, 200, 0, `"count":3}`)
		shows("comedy6", `"values":[7,0,0],"namespace":"eu","metadata":{"genre":"farce"}`)
		update(`{"prefix":"w","replace":{"k":{"l":1,"m":2}}}`).want(t, 200, 0, `"count":1}`)
		update(`{"prefix":"w","remove":["k.l","k.n"]}`).want(t, 200, 0, `"count":1}`)
		shows("western8", `"metadata":{"k":{"m":2}}`)
		update(`{"all":true,"set":{"new":1}}`).want(t, 200, 0, `"count":10}`)
		update(`{"all":true,"set":{"new":1}}`).want(t, 200, 0, `"count":0}`)
		update(`{"namespace":"eu","set":{"new":2},"dry_run":true}`).want(t, 200, 0, `"dry_run":true,"count":5,"sample":["comedy6"`)
		c.send("POST", ours+"/films/count", "", `{"filter":{"genre":"farce"}}`).want(t, 200, 0, `"count":3`)
		long := strings.Repeat("x", 10<<10)
		for body, words := range map[string]string{
			`{"set":{"a":1}}`: "nothing says which records are meant",
			`{"all":true}`:    "the update changes nothing; give set, remove or replace",
			`{"all":true,"set":{"a":1},"replace":{}}`:      "not both",
			`{"all":true,"remove":["a"],"replace":{}}`:     `replaces all metadata and removes \"a\"`,
			`{"all":true,"set":[1]}`:                       "set: expected an object, got",
			`{"all":true,"set":{"a.b":1}}`:                 `the key \"a.b\" contains a dot`,
			`{"all":true,"set":{"a":1e999}}`:               "the number 1e999 does not fit",
			`{"all":true,"remove":["a..b"]}`:               `property \"a..b\" has an empty name`,
			`{"all":true,"remove":"a"}`:                    "remove: expected an array",
			`{"ids":["noir1"],"set":{"a":"` + long + `"}}`: `oversized metadata for vector id=\"noir1\"; the compact JSON representation of the metadata must not exceed 10240 bytes`,
			`{"all":true,"set":{"a":1},"filters":{}}`:      "filters: there is no such field; known are ids, prefix, namespace, filter, all, dry_run, remove, replace, set",
			`{"filter":{"nr":{"$ne":1}},"set":{"a":1}}`:    `\"nr\", which has no metadata index`,
		} {
			if a := update(body); a.status != 400 || !strings.Contains(a.body, words) {
				t.Errorf("%.80s: %d %.300s, want %q", body, a.status, a.body, words)
			}
		}
		shows("noir1", `"metadata":{"genre":"noir","nr":2,"seen":[true,"ü"],"new":1}`)
	})
}

func TestFacetsCountTheValuesOfAProperty(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.library(index.Euclidean)
		for body, want := range map[string]string{
			`{"property":"genre"}`:                                   `{"property":"genre","type":"string","count":10,"distinct":3,"facets":[{"value":"noir","count":5},{"value":"comedy","count":3},{"value":"western","count":1}]}`,
			`{"property":"genre","limit":1,"namespace":"eu"}`:        `"count":5,"distinct":3,"facets":[{"value":"noir","count":3}]`,
			`{"property":"genre","filter":{"genre":{"$ne":"noir"}}}`: `"count":5,"distinct":2,"facets":[{"value":"comedy","count":3},`,
			`{"property":"genre","prefix":"x"}`:                      `"count":0,"distinct":0,"facets":[]`,
		} {
			c.send("POST", ours+"/films/facets", "", body).want(t, 200, 0, want)
		}
		for body, words := range map[string]string{
			`{"property":"nr"}`:                 `there is no metadata index on \"nr\"`,
			`{}`:                                `property \"\" has an empty name`,
			`{"property":"genre","limit":0}`:    "limit is 0; it must be between 1 and 1000",
			`{"property":"genre","limit":1001}`: "limit is 1001; it must be between 1 and 1000",
			`{"property":"genre","all":true}`:   "all: there is no such field; known are ids, prefix, namespace, filter, limit, property",
		} {
			if a := c.send("POST", ours+"/films/facets", "", body); a.status != 400 || !strings.Contains(a.body, words) {
				t.Errorf("%s: %d %.300s, want %q", body, a.status, a.body, words)
			}
		}
	})
}

func TestALimitedKeySelectsWithinItsPartOnly(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.library(index.Euclidean)
		limits := catalog.Limits{Namespaces: []string{"eu"}, Filter: []byte(`{"genre":{"$in":["noir","western"]}}`)} // noir2 noir4 western8 noir10
		admin := c.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Admin})
		limited := c.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Write, Limits: limits})
		call := func(key, route, body string) answer {
			return c.send("POST", ours+"/films/"+route, "", body, "Authorization: Bearer "+key)
		}
		call(limited, "count", `{}`).want(t, 200, 0, `"count":4`)
		call(limited, "count", `{"filter":{"genre":{"$ne":"western"}}}`).want(t, 200, 0, `"count":3`)
		if got := listed(t, call(limited, "list", `{"ids":["noir1","noir2","comedy6","western8"]}`)); got != "noir2 western8" {
			t.Errorf("a listing shows %s", got)
		}
		a := call(limited, "facets", `{"property":"genre"}`)
		a.want(t, 200, 0, `"count":4,"distinct":2,"facets":[{"value":"noir","count":3},{"value":"western","count":1}]`)
		a.lacks(t, "comedy")
		a = call(limited, "delete", `{"all":true,"dry_run":true}`)
		a.want(t, 200, 0, `"count":4,"sample":["noir10","noir2","noir4","western8"]`)
		call(limited, "metadata", `{"prefix":"noir","dry_run":true,"set":{"a":1}}`).want(t, 200, 0, `"count":3,"sample":["noir10","noir2","noir4"]`)

		// What it changes stays inside, and what is outside stays as it is.
		call(limited, "metadata", `{"all":true,"set":{"genre":"comedy"}}`).want(t, 403, 10000, "lies outside what the caller may touch")
		call(limited, "metadata", `{"all":true,"remove":["genre"]}`).want(t, 403, 10000)
		call(limited, "metadata", `{"ids":["noir1","noir2","comedy6"],"set":{"mine":1}}`).want(t, 200, 0, `"count":1}`)
		call(limited, "metadata", `{"all":true,"set":{"mine":2}}`).want(t, 200, 0, `"count":4}`)
		call(admin, "count", `{"filter":{"genre":{"$exists":true}}}`).want(t, 200, 0, `"count":9`)
		call(limited, "delete", `{"ids":["noir1","noir2","comedy6"]}`).want(t, 200, 0, `"count":1}`)
		call(limited, "delete", `{"all":true}`).want(t, 200, 0, `"count":3}`)
		if got := listed(t, call(admin, "list", `{}`)); got != "5 comedy3 comedy6 comedy9 noir1 noir7" {
			t.Errorf("left are %s", got)
		}

		// A key for reading changes nothing, and one for another index sees nothing.
		reader := c.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Read})
		call(reader, "delete", `{"all":true,"dry_run":true}`).want(t, 403, 10000)
		call(reader, "metadata", `{"all":true,"set":{"a":1}}`).want(t, 403, 10000)
		elsewhere := c.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Write, Limits: catalog.Limits{Indexes: []string{"books"}}})
		for _, route := range []string{"query", "count", "list", "facets", "delete", "metadata"} {
			call(elsewhere, route, `{}`).want(t, 403, 10000)
			call("wrong", route, `{}`).want(t, 401, 10000)
		}
	})
}
