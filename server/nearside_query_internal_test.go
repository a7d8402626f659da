package server

import (
	"fmt"
	"strings"
	"testing"

	"nearside/catalog"
	"nearside/index"
	"nearside/vectorize"
)

const ours = home + "/nearside/indexes"

// library puts nine records into films: three genres of three, and one without genre.
// Their distance from [1,0,0] under euclidean is the number in their id.
func (c *cloud) library(metric index.Metric) {
	c.t.Helper()
	c.films(metric)
	c.send("POST", v2+"/films/metadata_index/create", "", `{"propertyName":"genre","indexType":"string"}`).want(c.t, 200, 0)
	var lines []string
	for i, genre := range []string{"noir", "noir", "comedy", "noir", "", "comedy", "noir", "western", "comedy", "noir"} {
		metadata := fmt.Sprintf(`{"genre":%q,"nr":%d}`, genre, i+1)
		if genre == "" {
			metadata = fmt.Sprintf(`{"nr":%d}`, i+1)
		}
		namespace := ""
		if i%2 == 1 {
			namespace = "eu"
		}
		lines = append(lines, fmt.Sprintf(`{"id":"%s%d","values":[%d,0,0],"namespace":%q,"metadata":%s}`, genre, i+1, i+2, namespace, metadata))
	}
	c.send("POST", v2+"/films/upsert", typeNDJSON, strings.Join(lines, "\n")).want(c.t, 200, 0)
}

func TestOurQueriesTakeCloudflaresFieldsAndMore(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.library(index.Euclidean)
		for _, q := range []struct {
			body   string
			status int
			code   int
			has    []string
			lacks  []string
		}{
			{`{"vector":[1,0,0],"topK":2}`, 200, 0, []string{`"count":2,"matches":[{"id":"noir1","score":1},{"id":"noir2","score":2,"namespace":"eu"}]}`}, []string{"explain"}},
			{`{"vectorId":"noir4","topK":1,"returnValues":true,"returnMetadata":"all","explain":true,"exact":true}`, 200, 0,
				[]string{`"values":[5,0,0]`, `"metadata":{"genre":"noir","nr":4}`, `"exhaustive":true`, `"plan":"`}, nil},
			{`{"vector":[1,0,0],"ef":100,"namespace":"eu","filter":{"genre":"comedy"},"returnMetadata":"indexed"}`, 200, 0, []string{`"count":1`, `"comedy6"`, `{"genre":"comedy"}`}, nil},
			{`{"vector":[1,0,0],"max_distance":2.5}`, 200, 0, []string{`"count":2`}, nil},
			{`{"vector":[1,0,0],"max_distance":0.5}`, 200, 0, []string{`"count":0,"matches":[]`}, nil},
			{`{"positive":["noir1","comedy3"],"topK":2}`, 200, 0, []string{`{"id":"noir2","score":0,`, `{"id":"noir4"`}, []string{`"noir1"`, `"comedy3"`}},
			{`{"positive":["noir4"],"negative":["noir1"],"topK":1}`, 200, 0, []string{`{"id":"noir7","score":0}`}, nil},
			{`{"vector":[1,0,0],"positive":null,"group_by":null,"max_distance":null,"filter":null}`, 200, 0, []string{`"count":5`}, nil},

			{``, 400, 10400, []string{"the body is empty"}, nil},
			{`{}`, 400, 40006, []string{"expected 3 dimensions, and got 0"}, nil},
			{`{"vector":[1,0,0],"topk":3}`, 400, 10400, []string{"topk: there is no such field; known are vector, vectorId, topK", "group_by"}, nil},
			{`{"vector":[1,0,0],"min_score":1}`, 400, 40026, []string{"min_score is for the metric cosine", "give max_distance"}, nil},
			{`{"vector":[1,0,0],"max_distance":"1"}`, 400, 10400, []string{"max_distance: expected a number"}, nil},
			{`{"vector":[1,0,0],"ef":10001}`, 400, 40026, []string{"ef is 10001; it must be between 1 and 10000"}, nil},
			{`{"vector":[1,0,0],"ef":-1}`, 400, 40026, []string{"ef is -1"}, nil},
			{`{"vector":[1,0,0],"exact":1}`, 400, 10400, []string{"exact: expected true or false"}, nil},
			{`{"vector":[1,0,0],"topK":51,"text":true}`, 400, 40025, []string{"max top K is 50, but got 51"}, nil},
			{`{"vector":[1,0,0],"topK":101}`, 400, 40026, []string{"topK is 101"}, nil},
			{`{"vector":[1,0,0],"positive":["noir1"]}`, 400, 40026, []string{"positive or negative examples and also vector"}, nil},
			{`{"negative":["noir1"]}`, 400, 40026, []string{"1 negative examples and no positive one"}, nil},
			{`{"positive":["noir1","nobody"]}`, 400, 40026, []string{`the positive example \"nobody\" is not in the index`}, nil},
			{`{"positive":["noir1"],"negative":["noir1"]}`, 400, 40026, []string{`\"noir1\" is a positive and a negative example`}, nil},
			{`{"positive":["noir1",7]}`, 400, 10400, []string{"positive: item 2: expected a string"}, nil},
			{`{"positive":"noir1"}`, 400, 10400, []string{"positive: expected an array"}, nil},
			{`{"vector":[1,0,0],"filter":{}}`, 400, 40026, []string{"filter is empty"}, nil},
			{`{"vector":[1,0,0]} x`, 400, 10400, []string{"expected nothing more"}, nil},
		} {
			a := c.send("POST", ours+"/films/query", typeJSON, q.body)
			a.want(t, q.status, q.code, q.has...)
			a.lacks(t, q.lacks...)
			if t.Failed() {
				t.Fatalf("the query was %.200s", q.body)
			}
		}
	})
}

func TestAThresholdUnderCosineIsALowestScore(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.films(index.Cosine, `{"id":"a","values":[1,0,0]}`, `{"id":"b","values":[1,1,0]}`, `{"id":"c","values":[0,1,0]}`)
		if got := found(t, c.send("POST", ours+"/films/query", "", `{"vector":[1,0,0],"min_score":0.5}`)); got != "a b" {
			t.Errorf("at least 0.5: %s", got)
		}
		c.send("POST", ours+"/films/query", "", `{"vector":[1,0,0],"max_distance":0.5}`).want(t, 400, 40026, "give min_score")
		c.send("POST", ours+"/films/query", "", `{"positive":["a"],"negative":["a","b"]}`).want(t, 400, 40026, "positive and a negative")
	})
}

func TestGroupsAreTheNearestValuesWithTheirNearest(t *testing.T) {
	type group struct {
		Value   string
		Matches []struct {
			ID       string
			Metadata map[string]any
		}
	}
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.library(index.Euclidean)
		for body, want := range map[string]string{
			`"topK":2,"group_by":{"property":"genre","size":2}`:                                 "noir: noir1 noir2; comedy: comedy3 comedy6; ",
			`"topK":9,"group_by":{"property":"genre"}`:                                          "noir: noir1 noir2 noir4; comedy: comedy3 comedy6 comedy9; western: western8; ",
			`"topK":1,"group_by":{"property":"genre","size":100}`:                               "noir: noir1 noir2 noir4 noir7 noir10; ",
			`"topK":3,"group_by":{"property":"genre","size":3},"max_distance":7.5`:              "noir: noir1 noir2 noir4; comedy: comedy3 comedy6; ",
			`"topK":3,"group_by":{"property":"genre","size":1},"namespace":"eu"`:                "noir: noir2; comedy: comedy6; western: western8; ",
			`"topK":3,"group_by":{"property":"genre","size":2},"filter":{"genre":{"$ne":"no"}}`: "noir: noir1 noir2; comedy: comedy3 comedy6; western: western8; ",
			`"topK":3,"group_by":{"property":"genre","size":2},"filter":{"genre":"nothing"}`:    "",
		} {
			a := c.send("POST", ours+"/films/query", "", `{"vector":[1,0,0],`+body+`}`)
			r := resultOf[struct {
				Count  int
				Groups []group
			}](t, a)
			got := ""
			for _, g := range r.Groups {
				got += g.Value + ":"
				for _, m := range g.Matches {
					got += " " + m.ID
					if m.Metadata != nil {
						t.Errorf("%s: metadata that nobody asked for: %s", body, a.body)
					}
				}
				got += "; "
			}
			if got != want || r.Count != len(r.Groups) || !strings.Contains(a.body, `"groups":[`) {
				t.Errorf("%s: %s, want %s in %.200s", body, got, want, a.body)
			}
		}
		for body, words := range map[string]string{
			`"group_by":{"property":"nr"}`:                               `group_by.property \"nr\" has no metadata index; create one`,
			`"group_by":{}`:                                              `property \"\" has an empty name`,
			`"group_by":{"property":"genre","size":0}`:                   "group_by.size is 0; it must be at least 1",
			`"group_by":{"property":"genre","size":21}`:                  "topK is 5 groups and group_by.size 21, which is up to 105 matches; at most 100",
			`"group_by":{"property":"genre","of":1}`:                     "group_by: of: there is no such field; known are property, size",
			`"group_by":"genre"`:                                         "group_by: expected an object",
			`"topK":9007199254740992,"group_by":{"property":"genre"}`:    "groups",
			`"topK":51,"text":true,"group_by":{"property":"a","size":1}`: "max top K is 50, but got 51",
		} {
			code := 40026
			switch {
			case strings.Contains(words, "max top K"):
				code = 40025
			case strings.HasPrefix(words, "group_by: "): // it cannot be read at all
				code = 10400
			}
			c.send("POST", ours+"/films/query", "", `{"vector":[1,0,0],`+body+`}`).want(t, 400, code, words)
		}
	})
}

func TestALimitedKeyFindsGroupsAndExamplesOfItsPartOnly(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.library(index.Euclidean)
		secret := c.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Read, Limits: catalog.Limits{Namespaces: []string{"eu"}, Filter: []byte(`{"genre":{"$in":["noir","western"]}}`)}})
		query := func(body string) answer {
			return c.send("POST", ours+"/films/query", "", body, "Authorization: Bearer "+secret)
		}
		if got := found(t, query(`{"vector":[1,0,0],"topK":100}`)); got != "noir2 noir4 western8 noir10" {
			t.Errorf("a search finds %s", got)
		}
		a := query(`{"vector":[1,0,0],"topK":9,"group_by":{"property":"genre","size":9}}`)
		a.want(t, 200, 0, `"count":2,"groups":[{"value":"noir","matches":[{"id":"noir2"`, `{"value":"western"`)
		a.lacks(t, "comedy", "noir1\"", "noir7")
		query(`{"positive":["noir1"]}`).want(t, 400, 40026, `the positive example \"noir1\" is not in the index`)
		query(`{"positive":["noir2"],"negative":["comedy6"]}`).want(t, 400, 40026, `the negative example \"comedy6\" is not in the index`)
		if got := found(t, query(`{"positive":["noir2","western8"],"topK":100}`)); got != "noir4 noir10" {
			t.Errorf("a recommendation finds %s", got)
		}
	})
}
