package server

import (
	"bufio"
	"encoding/json"
	"io"
	"net/url"
	"strings"
	"testing"

	"nearside/index"
	"nearside/vectorize"
)

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }

func TestAWrongRecordInTheMiddleLeavesNothingOfItsBatch(t *testing.T) {
	good := func(id string) string { return `{"id":"` + id + `","values":[1,2,3]}` }
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.films(index.Cosine)
		for _, w := range []struct {
			bad  string
			code int
			want string
		}{
			{`{"id":"x","values":[1,2]}`, 40012, `invalid vector for id=\"x\", expected 3 dimensions, and got 2 dimensions`},
			{`{"id":"x","values":[1,2,3,4]}`, 40012, "expected 3 dimensions, and got 4 dimensions"},
			{`{"id":"x"}`, 40012, "expected 3 dimensions, and got 0 dimensions"},
			{`{"id":"x","values":[0,0,0]}`, 40026, `invalid vector for id=\"x\": all 3 values are zero`},
			{`{"id":"x","values":[1,NaN,3]}`, 40023, `line 2: \"values\": position 1`},
			{`{"id":"x","values":[1,Infinity,3]}`, 40023, "line 2"},
			{`{"id":"x","values":[1,1e39,3]}`, 40023, `\"1e39\" does not fit a 32-bit float`},
			{`{"id":"x\ud800","values":[1,2,3]}`, 40023, "lone surrogate"},
			{`{"id":"","values":[1,2,3]}`, 40008, "id is empty"},
			{`{"id":"x","values":[1,2,3],"metadata":{"a.b":1}}`, 40026, `the key \"a.b\" contains a dot`},
			{`{"id":"x","values":[1,2,3],"metadata":` + strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000) + `}`, 40023, "nests deeper than 128"},
		} {
			for _, operation := range []string{"insert", "upsert"} {
				body := good("a") + "\n" + w.bad + "\n" + good("b")
				a := c.send("POST", v2+"/films/"+operation, typeNDJSON, body)
				a.want(t, 400, w.code, w.want)
				if w.code == 40023 && !strings.Contains(a.body, "failed to parse "+operation+" vectors request in json format") {
					t.Errorf("%s", a.body)
				}
			}
		}
		a := c.send("GET", v2+"/films/info", "", "")
		a.want(t, 200, 0, `"vectorCount":0`)
		a.lacks(t, "processedUpTo")
	})
}

// hostile are names that have broken other programs.
var hostile = []string{
	".", "..", "../../etc/passwd", "%2e%2e", "a/b", `a\b`, "\x00", "a\x00b", "\u202eabc", "a\u200bb", "\ufeff", "'; DROP TABLE records; --",
	"NUL", "con", "\n", "\r\nx: y", "{{7*7}}", "<script>", "\u0130", "é", "é", "😀", " ", "\t",
}

func TestHostileIndexNamesAreRefusedByNameAndPath(t *testing.T) {
	c := newCloud(t, "local", Config{}, vectorize.Cloudflare())
	for _, name := range append(hostile, strings.Repeat("n", 10<<10)) {
		quoted, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		a := c.send("POST", v2, "", `{"name":`+string(quoted)+`,"config":{"dimensions":3,"metric":"cosine"}}`)
		if name == "con" {
			continue // a name like any other: it never becomes a file's
		}
		a.want(t, 400, 3001, "the index name")
		if len(a.body) > 600 {
			t.Errorf("the refusal of %.20q has %d bytes", name, len(a.body))
		}
		for _, escaped := range []string{url.PathEscape(name), strings.ReplaceAll(url.QueryEscape(name), "+", "%20")} {
			if a := c.send("GET", v2+"/"+escaped+"/info", "", ""); a.status != 404 && a.status != 400 && a.status != 431 {
				t.Errorf("GET %q: %d %.200s", escaped, a.status, a.body)
			}
		}
	}
	c.send("GET", v2, "", "").want(t, 200, 0, `"result":[`)
}

func TestHostileIDsComeBackAsTheyWent(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.films(index.Euclidean)
		var lines, ids []string
		for _, id := range hostile {
			quoted, err := json.Marshal(id)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, string(quoted))
			lines = append(lines, `{"id":`+string(quoted)+`,"values":[1,2,3],"namespace":`+string(quoted)+`,"metadata":{"v":`+string(quoted)+`}}`)
		}
		c.send("POST", v2+"/films/upsert", typeNDJSON, strings.Join(lines, "\n")).want(t, 200, 0)
		type vector struct {
			ID, Namespace string
			Metadata      struct{ V string }
		}
		for i, id := range hostile {
			got := resultOf[[]vector](t, c.send("POST", v2+"/films/get_by_ids", "", `{"ids":[`+ids[i]+`]}`))
			if len(got) != 1 || got[0].ID != id || got[0].Namespace != id || got[0].Metadata.V != id {
				t.Errorf("%q came back as %+v", id, got)
			}
			q := resultOf[struct{ Matches []vector }](t, c.send("POST", v2+"/films/query", "", `{"vector":[1,2,3],"namespace":`+ids[i]+`}`))
			if len(q.Matches) != 1 || q.Matches[0].ID != id {
				t.Errorf("the namespace %q has %+v", id, q.Matches)
			}
		}
	})
}

func TestCreateNamesWhatIsWrong(t *testing.T) {
	c := newCloud(t, "memory", Config{}, vectorize.Cloudflare())
	for _, w := range []struct {
		body string
		code int
		want string
	}{
		{``, 40026, "the body is empty"},
		{`{`, 40026, "Failed to parse the request body as JSON"},
		{`[]`, 40026, "expected an object"},
		{`{"config":{"dimensions":3,"metric":"cosine"}}`, 40026, "name: expected a string"},
		{`{"name":7,"config":{"dimensions":3,"metric":"cosine"}}`, 40026, "name: expected a string, got number"},
		{`{"name":"films"}`, 40026, "config: expected"},
		{`{"name":"films","config":{}}`, 3003, "config.dimensions is 0"},
		{`{"name":"films","config":{"dimensions":0,"metric":"cosine"}}`, 3003, "config.dimensions is 0; it must be between 1 and 1536"},
		{`{"name":"films","config":{"dimensions":-3,"metric":"cosine"}}`, 3003, "config.dimensions is -3"},
		{`{"name":"films","config":{"dimensions":3.5,"metric":"cosine"}}`, 40026, "config.dimensions: expected a whole number"},
		{`{"name":"films","config":{"dimensions":3}}`, 3003, `config.metric is \"\"`},
		{`{"name":"films","config":{"dimensions":3,"metric":"hamming"}}`, 3003, `config.metric is \"hamming\"; it must be cosine, euclidean or dot-product`},
		{`{"name":"films","config":{"preset":"nothing"}}`, 3003, `the preset \"nothing\" does not exist; use one of`},
		{`{"name":"films","config":{"preset":"@cf/baai/bge-base-en-v1.5","dimensions":3,"metric":"cosine"}}`, 3003, "both a preset and dimensions"},
		{`{"name":"f","config":{"dimensions":3,"metric":"cosine"}}`, 3001, `the index name \"f\" is not allowed`},
		{`{"name":"Films","config":{"dimensions":3,"metric":"cosine"}}`, 3001, "lower-case"},
		{strings.Repeat("[", 10_000), 40026, "nests deeper than"},
		{`{"name":"\ud800","config":{"dimensions":3,"metric":"cosine"}}`, 40026, "lone surrogate"},
	} {
		c.send("POST", v2, typeJSON, w.body).want(t, 400, w.code, w.want)
	}
	c.send("GET", v2, "", "").want(t, 200, 0, `"result":[]`)
}

func TestCallsAboutIDsNameWhatIsWrong(t *testing.T) {
	c := newCloud(t, "memory", Config{}, vectorize.Cloudflare())
	c.films(index.Euclidean)
	for _, path := range []string{"/films/get_by_ids", "/films/delete_by_ids"} {
		for body, want := range map[string]string{
			``: "the body is empty", `{}`: "ids: expected an array of strings", `{"ids":null}`: "ids: expected", `{"ids":"a"}`: "ids: expected an array",
			`{"ids":[1]}`: "expected a string", `["a"]`: "expected an object", `{"ids":["\ud800"]}`: "lone surrogate",
		} {
			c.send("POST", v2+path, typeJSON, body).want(t, 400, 40026, want)
		}
		c.send("POST", v2+path, "", `{"ids":[""]}`).want(t, 400, 40008, "id is empty")
		c.send("POST", v2+path, "", `{"ids":["`+strings.Repeat("i", 74)+`"]}`).want(t, 400, 40008, "id too long; max is 64 bytes, got 74 bytes")
		c.send("POST", v2+path, "", `{"ids":[]}`).want(t, 200, 0)
	}
	for _, call := range [][2]string{{"GET", "/books/info"}, {"POST", "/books/insert"}, {"POST", "/books/query"}, {"POST", "/books/get_by_ids"}, {"GET", "/books/list"}, {"GET", "/books/metadata_index/list"}, {"DELETE", "/books"}} {
		c.send(call[0], v2+call[1], typeJSON, "").want(t, 404, 3000, `vectorize.index.not_found - Index name \"books\"`)
	}
}
