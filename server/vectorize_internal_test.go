package server

import (
	"fmt"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"nearside/catalog"
	"nearside/index"
	"nearside/vectorize"
)

func TestEachMetricScoresInItsDocumentedDirection(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		for _, m := range []struct {
			metric index.Metric
			order  string
			scores []float64
		}{
			{index.Cosine, "same half none back", []float64{1, math.Sqrt(0.5), 0, -1}},
			{index.Euclidean, "half none same back", []float64{1, math.Sqrt2, 9, 11}},
			{index.DotProduct, "same half none back", []float64{-10, -1, 0, 10}},
		} {
			name := strings.ReplaceAll(string(m.metric), "-", "")
			c.send("POST", v2, "", fmt.Sprintf(`{"name":"%s","config":{"dimensions":2,"metric":"%s"}}`, name, m.metric)).want(t, 200, 0)
			c.send("POST", v2+"/"+name+"/upsert", typeNDJSON,
				`{"id":"back","values":[-10,0]}`+"\n"+`{"id":"same","values":[10,0]}`+"\n"+`{"id":"none","values":[0,1]}`+"\n"+`{"id":"half","values":[1,1]}`).want(t, 200, 0)
			a := c.send("POST", v2+"/"+name+"/query", "", `{"vector":[1,0],"topK":4}`)
			if got := found(t, a); got != m.order {
				t.Errorf("%s: %s, want %s", m.metric, got, m.order)
			}
			for i, match := range resultOf[struct{ Matches []struct{ Score float64 } }](t, a).Matches {
				if math.Abs(match.Score-m.scores[i]) > 1e-6 {
					t.Errorf("%s: score %d is %v, want %v", m.metric, i, match.Score, m.scores[i])
				}
			}
			a.lacks(t, `"score":-0,`, `"score":-0}`)
		}
	})
}

func TestQueriesTakeWhatIsDocumentedAndRefuseTheRest(t *testing.T) {
	query := v2 + "/films/query"
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.films(index.Cosine, `{"id":"a","values":[1,0,0],"namespace":"eu","metadata":{"genre":"noir"}}`, `{"id":"b","values":[0,1,0]}`, `{"id":"c","values":[0,0,1],"namespace":"us"}`)
		for _, q := range []struct {
			body   string
			status int
			code   int
			has    []string
			lacks  []string
		}{
			{`{"vector":[1,0,0]}`, 200, 0, []string{`"count":3`}, []string{`"values"`, `"metadata"`, `"explain"`}},
			{` {"vector" : [ 1 , 0 , 0 ] , "topK" : 1 , "more" : {"deep":[1]} } `, 200, 0, []string{`"count":1`, `"namespace":"eu"`}, nil},
			{`{"vector":[1,0,0],"topK":null,"filter":null,"namespace":null,"returnMetadata":null,"vectorId":null}`, 200, 0, []string{`"count":3`}, nil},
			{`{"vector":[1,0,0],"returnMetadata":"none"}`, 200, 0, nil, []string{`"metadata"`}},
			{`{"vector":[1,0,0],"returnMetadata":false}`, 200, 0, nil, []string{`"metadata"`}},
			{`{"vector":[1,0,0],"returnMetadata":true}`, 200, 0, []string{`"metadata":{"genre":"noir"}`}, nil},
			{`{"vector":[1,0,0],"returnMetadata":"all"}`, 200, 0, []string{`"metadata":{"genre":"noir"}`}, nil},
			{`{"vector":[1,0,0],"namespace":"us"}`, 200, 0, []string{`"count":1`, `"id":"c"`}, nil},
			{`{"vector":[1,0,0],"namespace":"nowhere","explain":true}`, 200, 0, []string{`"count":0,"matches":[]`, `"plan":"empty"`}, nil},
			{`{"vectorId":"b","topK":1}`, 200, 0, []string{`"id":"b","score":1`}, nil},
			{`{"vectorId":"nobody"}`, 200, 0, []string{`"count":0,"matches":[]`}, nil},
			{`{"vector":[1,0,0],"topK":2e0}`, 200, 0, []string{`"count":2`}, nil},

			{``, 400, 40026, []string{"the body is empty"}, nil},
			{`{}`, 400, 40006, []string{"invalid query vector, expected 3 dimensions, and got 0 dimensions"}, nil},
			{`{"vector":[]}`, 400, 40006, []string{"expected 3 dimensions, and got 0 dimensions"}, nil},
			{`{"vector":[1,0]}`, 400, 40006, []string{"expected 3 dimensions, and got 2 dimensions"}, nil},
			{`{"vector":[` + strings.Repeat("1,", 1536) + `1]}`, 400, 40006, []string{"expected 3 dimensions, and got 1537 dimensions"}, nil},
			{`{"vector":[1,0,0],"vectorId":"a"}`, 400, 40026, []string{"both vector and vectorId"}, nil},
			{`{"vector":[0,0,0]}`, 400, 40026, []string{"all 3 values are zero"}, nil},
			{`{"vector":[1,NaN,0]}`, 400, 40026, []string{"vector: position 1: expected a number"}, nil},
			{`{"vector":[1,Infinity,0]}`, 400, 40026, []string{"vector: position 1"}, nil},
			{`{"vector":[1,1e39,0]}`, 400, 40026, []string{`vector: position 1: \"1e39\" does not fit a 32-bit float`}, nil},
			{`{"vector":"1,0,0"}`, 400, 40026, []string{"vector: expected an array of numbers"}, nil},
			{`{"vector":[1,0,0],"topK":0}`, 400, 40026, []string{"topK is 0; it must be between 1 and 100"}, nil},
			{`{"vector":[1,0,0],"topK":-1}`, 400, 40026, []string{"topK is -1"}, nil},
			{`{"vector":[1,0,0],"topK":1.5}`, 400, 40026, []string{`topK: expected a whole number, got \"1.5\"`}, nil},
			{`{"vector":[1,0,0],"topK":"5"}`, 400, 40026, []string{"topK: expected a whole number"}, nil},
			{`{"vector":[1,0,0],"topK":1e300}`, 400, 40026, []string{"topK: expected a whole number"}, nil},
			{`{"vector":[1,0,0],"returnMetadata":"some"}`, 400, 40026, []string{`Failed to parse the request body as JSON: returnMetadata: expected value`}, nil},
			{`{"vector":[1,0,0],"returnMetadata":1}`, 400, 40026, []string{`returnMetadata: expected value`}, nil},
			{`{"vector":[1,0,0],"returnValues":"yes"}`, 400, 40026, []string{"returnValues: expected true or false"}, nil},
			{`{"vector":[1,0,0],"namespace":7}`, 400, 40026, []string{"namespace: expected a string"}, nil},
			{`{"vector":[1,0,0],"filter":{}}`, 400, 40026, []string{"filter is empty"}, nil},
			{`{"vector":[1,0,0],"filter":[]}`, 400, 40026, []string{"filter"}, nil},
			{`{"vector":[1,0,0],"filter":{"a":{"$or":1}}}`, 400, 40026, []string{"$or"}, nil},
			{`{"vector":[1,0,0],"filter":{"$and":[]}}`, 400, 40026, []string{"$and"}, nil},
			{`{"vector":[1,0,0],"filter":{"a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}}`, 400, 40026, []string{"filter: it nests deeper than"}, nil},
			{`{"more":` + strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000) + `}`, 400, 40026, []string{"nests deeper than"}, nil},
			{`{"vector":[1,0,0],"vectorId":"\ud800"}`, 400, 40026, []string{"lone surrogate"}, nil},
			{`[1,0,0]`, 400, 40026, []string{"expected an object"}, nil},
			{`{"vector":[1,0,0]} x`, 400, 40026, []string{"expected nothing more"}, nil},
			{`{"vector":[1,0,0`, 400, 40026, []string{"it ends"}, nil},
		} {
			a := c.send("POST", query, typeJSON, q.body)
			a.want(t, q.status, q.code, q.has...)
			a.lacks(t, q.lacks...)
			if t.Failed() {
				t.Fatalf("the query was %.200s", q.body)
			}
		}
	})
}

func TestAQueryComesAsJSONAndNothingElse(t *testing.T) {
	c := newCloud(t, "memory", Config{}, vectorize.Cloudflare())
	c.films(index.Cosine)
	for contentType, status := range map[string]int{
		"application/json": 200, "application/json; charset=utf-8;": 200, "Application/JSON;charset=UTF-8": 200,
		"text/plain;charset=UTF-8": 400, "application/x-ndjson": 400, "application/jsonx": 400, "application/octet-stream": 400,
	} {
		code := 0
		if status != 200 {
			code = 40026
		}
		a := c.send("POST", v2+"/films/query", contentType, `{"vector":[1,0,0]}`)
		a.want(t, status, code)
		if status != 200 && !strings.Contains(a.body, "Expected request with `Content-Type: application/json`") {
			t.Errorf("%s: %s", contentType, a.body)
		}
	}
}

func TestAnUploadComesInAKnownTypeAndNothingElse(t *testing.T) {
	c := newCloud(t, "memory", Config{}, vectorize.Cloudflare())
	c.films(index.Cosine)
	for _, contentType := range []string{"text/plain", "application/octet-stream", "application/ndjson", "text/csv"} {
		c.send("POST", v2+"/films/upsert", contentType, twoLines).want(t, 400, 1005, "vectorize.unknown_content_type")
	}
	body, contentType := form(t, part{`Content-Disposition: form-data; name=""; filename="anonymous_file"`, twoLines})
	for contentType, body := range map[string]string{typeNDJSON: twoLines, "application/x-ndjson; charset=utf-8": twoLines, "application/json": literalOf(t, twoLines), contentType: body} {
		c.send("POST", v2+"/films/upsert", contentType, body).want(t, 200, 0, `"mutationId":"`)
	}
	c.send("GET", v2+"/films/info", "", "").want(t, 200, 0, `"vectorCount":2`)
	c.send("POST", v2+"/films/upsert?unparsable-behavior=skip", typeNDJSON, twoLines).want(t, 400, 40026, "unparsable-behavior: expected error or discard")
}

func TestInsertKeepsAndUpsertReplacesWholly(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.films(index.Euclidean, `{"id":"a","values":[1,0,0],"namespace":"eu","metadata":{"x":1,"y":2}}`)
		get := func() answer { return c.send("POST", v2+"/films/get_by_ids", "", `{"ids":["a"]}`) }
		c.send("POST", v2+"/films/insert", typeNDJSON, `{"id":"a","values":[9,9,9]}`+"\n"+`{"id":"b","values":[2,0,0]}`+"\n"+`{"id":"b","values":[3,0,0]}`).want(t, 200, 0)
		get().want(t, 200, 0, `{"id":"a","values":[1,0,0],"namespace":"eu","metadata":{"x":1,"y":2}}`)
		c.send("POST", v2+"/films/get_by_ids", "", `{"ids":["b"]}`).want(t, 200, 0, `"values":[2,0,0]`)
		c.send("POST", v2+"/films/upsert", typeNDJSON, `{"id":"a","values":[4,0,0],"metadata":{"z":3}}`+"\n"+`{"id":"a","values":[5,0,0],"metadata":{"y":7}}`).want(t, 200, 0)
		a := get()
		a.want(t, 200, 0, `"result":[{"id":"a","values":[5,0,0],"metadata":{"y":7}}]`)
		a.lacks(t, "eu", `"x"`)
		c.send("GET", v2+"/films/info", "", "").want(t, 200, 0, `"vectorCount":2`)
	})
}

func TestAListingIsASnapshotOfItsFirstPage(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.films(index.Euclidean, `{"id":"b","values":[1,0,0]}`, `{"id":"d","values":[1,0,0]}`, `{"id":"a","values":[1,0,0]}`, `{"id":"c","values":[1,0,0]}`)
		type page struct {
			Count, TotalCount int
			IsTruncated       bool
			NextCursor        string
			Vectors           []struct{ ID string }
		}
		first := resultOf[page](t, c.send("GET", v2+"/films/list?count=3", "", ""))
		c.send("POST", v2+"/films/delete_by_ids", "", `{"ids":["d"]}`).want(t, 200, 0)
		c.send("POST", v2+"/films/upsert", typeNDJSON, `{"id":"e","values":[1,0,0]}`).want(t, 200, 0)
		second := resultOf[page](t, c.send("GET", v2+"/films/list?count=3&cursor="+url.QueryEscape(first.NextCursor), "", ""))
		if fmt.Sprint(first.Vectors, second.Vectors) != "[{a} {b} {c}] [{d}]" || first.TotalCount != 4 || second.TotalCount != 4 || !first.IsTruncated || second.IsTruncated || second.NextCursor != "" {
			t.Errorf("first %+v, second %+v", first, second)
		}
		for query, want := range map[string]string{
			"count=0": "count is 0", "count=1001": "count is 1001; it must be between 1 and 1000", "count=x": "count: expected a whole number",
			"count=-5": "count is -5", "cursor=nonsense": "cursor", "cursor=%00": "cursor",
		} {
			c.send("GET", v2+"/films/list?"+query, "", "").want(t, 400, 40026, want)
		}
	})
}

func TestFiltersSeeOnlyIndexedPropertiesWrittenAfterTheIndex(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.films(index.Euclidean, `{"id":"old","values":[0,0,0],"metadata":{"genre":"noir","info":{"year":1944}}}`)
		for _, m := range []string{`{"propertyName":"genre","indexType":"string"}`, `{"propertyName":"info.year","indexType":"number"}`} {
			c.send("POST", v2+"/films/metadata_index/create", "", m).want(t, 200, 0)
		}
		c.send("POST", v2+"/films/upsert", typeNDJSON, `{"id":"new","values":[1,0,0],"metadata":{"genre":"noir","info":{"year":1944}}}`+"\n"+`{"id":"none","values":[2,0,0]}`).want(t, 200, 0)
		for filter, want := range map[string]string{
			`{"genre":"noir"}`:                          "new",
			`{"genre":{"$ne":"noir"}}`:                  "old none",
			`{"genre":null}`:                            "old none",
			`{"genre":{"$in":["noir",null]}}`:           "old new none",
			`{"genre":{"$in":[]}}`:                      "",
			`{"info.year":{"$gte":1944,"$lt":1945}}`:    "new",
			`{"genre":"noir","info.year":{"$gt":1950}}`: "",
		} {
			a := c.send("POST", v2+"/films/query", "", `{"vector":[0,0,0],"filter":`+filter+`}`)
			if got := found(t, a); got != want {
				t.Errorf("%s: %q, want %q", filter, got, want)
			}
			if a.header.Get("nearside-warning") != "" {
				t.Errorf("%s: warned of %s", filter, a.header.Get("nearside-warning"))
			}
		}
		a := c.send("POST", v2+"/films/query", "", `{"vector":[0,0,0],"filter":{"genre":"noir","lang":"en"}}`)
		a.want(t, 200, 0, `"count":0`, `"messages":[{"code":10000,"message":"the filter names \"lang\", which has no metadata index`)
		if w := a.header.Get("nearside-warning"); !strings.Contains(w, `"lang"`) || strings.Contains(w, "genre") {
			t.Errorf("nearside-warning is %q", w)
		}
		c.send("POST", v2+"/films/metadata_index/create", "", `{"propertyName":"genre","indexType":"string"}`).want(t, 400, 40004, "genre")
		c.send("POST", v2+"/films/metadata_index/delete", "", `{"propertyName":"nothing"}`).want(t, 400, 40005, "nothing")
		for body, want := range map[string]string{
			`{"propertyName":"x","indexType":"text"}`:    `indexType: expected value \"string\", \"number\" or \"boolean\", got \"text\"`,
			`{"propertyName":"x"}`:                       "indexType: expected value",
			`{"indexType":"string"}`:                     "propertyName: expected a string",
			`{"propertyName":"","indexType":"string"}`:   "property",
			`{"propertyName":"$x","indexType":"string"}`: "$",
			`{"propertyName":7,"indexType":"string"}`:    "propertyName: expected a string",
		} {
			c.send("POST", v2+"/films/metadata_index/create", "", body).want(t, 400, 40026, want)
		}
	})
}

func TestRelaxedBackfillsAMetadataIndex(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Relaxed(), func(t *testing.T, c *cloud) {
		c.films(index.Euclidean, `{"id":"old","values":[0,0,0],"metadata":{"genre":"noir"}}`)
		c.send("POST", v2+"/films/metadata_index/create", "", `{"propertyName":"genre","indexType":"string"}`).want(t, 200, 0)
		if got := found(t, c.send("POST", v2+"/films/query", "", `{"vector":[0,0,0],"topK":101,"returnValues":true,"filter":{"genre":"noir"}}`)); got != "old" {
			t.Errorf("found %q", got)
		}
	})
}

func TestDelayedReadsSeeWhatWasNewestThen(t *testing.T) {
	onEveryEngine(t, Config{Consistency: Delayed, Delay: 10 * time.Second}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.films(index.Euclidean)
		c.clock.pass(time.Minute)
		c.send("POST", v2+"/films/upsert", typeNDJSON, `{"id":"a","values":[0,0,0]}`).want(t, 200, 0)
		reads := func(consistency string, count int) {
			t.Helper()
			suffix := ""
			if consistency != "" {
				suffix = "?consistency=" + consistency
			}
			c.send("GET", v2+"/films/info"+suffix, "", "").want(t, 200, 0, fmt.Sprintf(`"vectorCount":%d`, count))
			c.send("GET", v2+"/films/list"+suffix, "", "").want(t, 200, 0, fmt.Sprintf(`"totalCount":%d`, count))
			c.send("POST", v2+"/films/query"+suffix, "", `{"vector":[0,0,0]}`).want(t, 200, 0, fmt.Sprintf(`"count":%d`, count))
			if got := resultOf[[]any](t, c.send("POST", v2+"/films/get_by_ids"+suffix, "", `{"ids":["a"]}`)); len(got) != count {
				t.Errorf("got %v, want %d", got, count)
			}
		}
		c.clock.pass(9 * time.Second)
		reads("", 0)
		reads("delayed", 0)
		reads("strong", 1)
		c.send("POST", home+"/vectorize/indexes/films/query", "", `{"vector":[0,0,0]}`).want(t, 200, 0, `"count":1`)
		c.clock.pass(2 * time.Second)
		reads("", 1)
		c.send("GET", v2+"/films/info?consistency=eventual", "", "").want(t, 400, 40026, "consistency: expected strong or delayed")
	})
}

func TestLegacyPathsFollowLegacyRules(t *testing.T) {
	c := newCloud(t, "memory", Config{}, vectorize.Cloudflare())
	c.films(index.Euclidean, `{"id":"a","values":[0,0,0]}`)
	query := home + "/vectorize/indexes/films/query"
	c.send("POST", query, "", `{"vector":[0,0,0],"topK":20}`).want(t, 200, 0)
	c.send("POST", query, "", `{"vector":[0,0,0],"topK":21}`).want(t, 400, 40026, "topK is 21; Vectorize v1 allows 1 to 20")
	c.send("POST", query, "", `{"vectorId":"a"}`).want(t, 400, 40026, "v1 has no query by id")
	c.send("PUT", home+"/vectorize/indexes/films", "", `{}`).want(t, 400, 40026, "description: expected a string")
	c.send("GET", home+"/vectorize/indexes/films/list", "", "").want(t, 404, 7000)
}

func TestALimitedKeyReachesItsPartOfAnIndexAndNoMore(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.films(index.Euclidean)
		c.send("POST", v2+"/films/metadata_index/create", "", `{"propertyName":"tenant","indexType":"string"}`).want(t, 200, 0)
		c.send("POST", v2, "", `{"name":"books","config":{"dimensions":3,"metric":"cosine"}}`).want(t, 200, 0)
		c.send("POST", v2+"/films/upsert", typeNDJSON, strings.Join([]string{
			`{"id":"eu-x","values":[0,0,0],"namespace":"eu","metadata":{"tenant":"x"}}`,
			`{"id":"eu-y","values":[1,0,0],"namespace":"eu","metadata":{"tenant":"y"}}`,
			`{"id":"us-x","values":[2,0,0],"namespace":"us","metadata":{"tenant":"x"}}`,
		}, "\n")).want(t, 200, 0)
		c.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Admin})
		bearer := func(l catalog.Limits) string {
			return "Authorization: Bearer " + c.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Write, Limits: l})
		}
		everything := `{"vector":[0,0,0]}`
		for _, l := range []struct {
			limits catalog.Limits
			sees   string
		}{
			{catalog.Limits{}, "eu-x eu-y us-x"},
			{catalog.Limits{Indexes: []string{"films"}}, "eu-x eu-y us-x"},
			{catalog.Limits{Namespaces: []string{"eu"}}, "eu-x eu-y"},
			{catalog.Limits{Filter: []byte(`{"tenant":"x"}`)}, "eu-x us-x"},
			{catalog.Limits{Namespaces: []string{"eu"}, Filter: []byte(`{"tenant":"x"}`)}, "eu-x"},
		} {
			key := bearer(l.limits)
			n := len(strings.Fields(l.sees))
			if got := found(t, c.send("POST", v2+"/films/query", "", everything, key)); got != l.sees {
				t.Errorf("%+v: a query finds %q, want %q", l.limits, got, l.sees)
			}
			if got := resultOf[[]any](t, c.send("POST", v2+"/films/get_by_ids", "", `{"ids":["eu-x","eu-y","us-x"]}`, key)); len(got) != n {
				t.Errorf("%+v: got %v", l.limits, got)
			}
			c.send("GET", v2+"/films/list", "", "", key).want(t, 200, 0, fmt.Sprintf(`"totalCount":%d`, n))
			c.send("GET", v2+"/films/info", "", "", key).want(t, 200, 0, fmt.Sprintf(`"vectorCount":%d`, n))
			c.send("GET", home+"/vectorize/indexes/films", "", "", key).want(t, 200, 0, fmt.Sprintf(`"vectorsCount":%d`, n))
		}
		key := bearer(catalog.Limits{Namespaces: []string{"eu"}, Filter: []byte(`{"tenant":"x"}`)})
		for _, write := range []string{
			`{"id":"new","values":[0,0,0],"namespace":"us","metadata":{"tenant":"x"}}`,
			`{"id":"new","values":[0,0,0],"namespace":"eu","metadata":{"tenant":"y"}}`,
			`{"id":"new","values":[0,0,0]}`,
			`{"id":"us-x","values":[0,0,0],"namespace":"eu","metadata":{"tenant":"x"}}`,
		} {
			c.send("POST", v2+"/films/upsert", typeNDJSON, write, key).want(t, 403, 10000)
			c.send("POST", home+"/vectorize/indexes/films/upsert", typeNDJSON, write, key).want(t, 403, 10000)
		}
		c.send("POST", v2+"/films/delete_by_ids", "", `{"ids":["eu-x","us-x"]}`, key).want(t, 403, 10000)
		c.send("POST", v2+"/films/metadata_index/create", "", `{"propertyName":"p","indexType":"string"}`, key).want(t, 403, 10000)
		c.send("POST", v2+"/films/metadata_index/delete", "", `{"propertyName":"tenant"}`, key).want(t, 403, 10000)
		c.send("POST", v2+"/films/upsert", typeNDJSON, `{"id":"new","values":[0,0,0],"namespace":"eu","metadata":{"tenant":"x"}}`, key).want(t, 200, 0)
		c.send("GET", v2+"/films/info", "", "", bearer(catalog.Limits{})).want(t, 200, 0, `"vectorCount":4`)

		// On books nobody can tell what the filter leaves; the listing stands all the same.
		c.send("GET", home+"/vectorize/indexes", "", "", key).want(t, 200, 0, `"films"`, `the vectors of \"books\" cannot be counted`)

		key = bearer(catalog.Limits{Indexes: []string{"films"}})
		c.send("GET", v2+"/books", "", "", key).want(t, 403, 10000)
		for _, list := range []string{v2, home + "/vectorize/indexes", home + "/nearside/indexes"} {
			a := c.send("GET", list, "", "", key)
			a.want(t, 200, 0, `"films"`)
			a.lacks(t, `"books"`)
		}
	})
}

func TestASnapshotMayBeLargerThanTheMemoryForBodies(t *testing.T) {
	c := newCloud(t, "local", Config{BodyBytes: 4096}, vectorize.Cloudflare())
	c.films(index.Euclidean, `{"id":"a","values":[0,0,0]}`)
	described := c.send("GET", home+"/nearside/indexes/films", "", "")
	described.want(t, 200, 0, `"vectorCount":1,"namespaceCount":0,"bytes":`)
	described.lacks(t, `"bytes":0`)
	described.want(t, 200, 0, `"graph":{"state":"none","waitingCount":0,"memoryBytes":0}`)
	file := c.send("GET", home+"/nearside/indexes/films/snapshot", "", "")
	if len(file.body) < 2*4096 {
		t.Fatalf("a snapshot of %d bytes shows nothing", len(file.body))
	}
	c.send("PUT", home+"/nearside/indexes/films/snapshot?dry_run=true", typeSnapshot, file.body).want(t, 200, 0, `"vectorCount":1`)
	c.send("PUT", home+"/nearside/indexes/copy/snapshot", typeSnapshot, file.body).want(t, 200, 0, `"vectorCount":1`)
	c.send("GET", v2+"/copy/info", "", "").want(t, 200, 0, `"vectorCount":1`)
	c.send("PUT", home+"/nearside/indexes/copy/snapshot", typeSnapshot, file.body[:len(file.body)/2]).want(t, 400, 10400, "damaged", "Nothing was changed")
	c.send("PUT", home+"/nearside/indexes/copy/snapshot", typeSnapshot, "nonsense").want(t, 400, 10400, "not a snapshot")
	c.send("GET", v2+"/copy/info", "", "").want(t, 200, 0, `"vectorCount":1`)
}

func TestSnapshotsGoOutAndComeBack(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.films(index.Euclidean, `{"id":"a","values":[0,0,0]}`, `{"id":"b","values":[1,0,0]}`)
		films := home + "/nearside/indexes/films"
		kept := resultOf[struct{ ID string }](t, c.send("POST", films+"/snapshots", "", ""))
		c.send("POST", v2+"/films/delete_by_ids", "", `{"ids":["a","b"]}`).want(t, 200, 0)
		c.send("POST", films+"/snapshots/"+kept.ID+"/verify", "", "").want(t, 200, 0, `"vectorCount":2,"sequence":1`)
		c.send("GET", v2+"/films/info", "", "").want(t, 200, 0, `"vectorCount":0`)
		c.send("POST", films+"/snapshots/"+kept.ID+"/restore", "", "").want(t, 200, 0, `"index":"films"`, `"vectorCount":2`)
		if got := found(t, c.send("POST", v2+"/films/query", "", `{"vector":[0,0,0]}`)); got != "a b" {
			t.Errorf("after the restore a query finds %q", got)
		}
		file := c.send("GET", films+"/snapshots/"+kept.ID, "", "")
		if file.status != 200 || !strings.HasPrefix(file.body, "nearside-snapshot 1 ") || file.header.Get("Content-Type") != typeSnapshot {
			t.Errorf("the file: %d, %s, %.60q", file.status, file.header.Get("Content-Type"), file.body)
		}
		fresh := c.send("GET", films+"/snapshot", "", "")
		if fresh.status != 200 || !strings.HasPrefix(fresh.body, "nearside-snapshot 1 ") {
			t.Errorf("a fresh one: %d, %.60q", fresh.status, fresh.body)
		}
		c.send("DELETE", films+"/snapshots/"+kept.ID, "", "").want(t, 200, 0)
		c.send("GET", films+"/snapshots", "", "").want(t, 200, 0, `"result":[]`)
		for _, path := range []string{"/snapshots/" + kept.ID, "/snapshots/x", "/snapshots/..%2f..%2fnearside.db"} {
			if a := c.send("GET", films+path, "", ""); a.status != 404 && a.status != 400 {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
		c.send("GET", home+"/nearside/indexes/books/snapshot", "", "").want(t, 404, 3000)
	})
}
