package server

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"nearside/index"
	"nearside/vectorize"
)

// batchResult is the result of a batch as a client reads it.
type batchResult struct {
	Count   int
	Failed  int
	Results []json.RawMessage
}

func TestABatchAnswersEachQueryAsIfItHadComeAlone(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.library(index.Euclidean)
		var queries []string
		for i := range 50 {
			queries = append(queries, fmt.Sprintf(`{"vector":[%d,1,0],"topK":%d,"explain":%t}`, i%9, 1+i%4, i%2 == 0))
		}
		queries[7] = `{"vectorId":"noir4","topK":1,"returnValues":true,"returnMetadata":"all"}`
		queries[8] = `{"vector":[1,0,0],"topK":2,"group_by":{"property":"genre"}}`
		batch := resultOf[batchResult](t, c.send("POST", ours+"/films/query-batch", "", "[ "+strings.Join(queries, " ,\n")+" ]"))
		if batch.Count != len(queries) || batch.Failed != 0 {
			t.Fatalf("count %d, failed %d", batch.Count, batch.Failed)
		}
		for i, q := range queries {
			alone := resultOf[json.RawMessage](t, c.send("POST", ours+"/films/query", "", q))
			if string(alone) != string(batch.Results[i]) {
				t.Errorf("query %d is %s in a batch, and %s alone", i, batch.Results[i], alone)
			}
		}
	})
}

func TestAQueryThatFailsHarmsNoOtherOfItsBatch(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.library(index.Euclidean)
		good := `{"vector":[1,0,0],"topK":1}`
		bad := []string{`{"vector":[1,0]}`, `{"vector":[1,0,"0"]}`, `{"vector":[1,0,0],"topK":101}`, `{"vector":[1,0,0],"filter":{"$x":1}}`, `7`, `{"topk":1}`, `{"vector":[1,0,0],"topK":-1}`, `{` + `"vector":nonsense}`}
		var queries []string
		for _, b := range bad {
			queries = append(queries, good, b)
		}
		batch := resultOf[batchResult](t, c.send("POST", ours+"/films/query-batch", "", "["+strings.Join(queries, ",")+"]"))
		if batch.Count != 2*len(bad) || batch.Failed != len(bad) {
			t.Fatalf("count %d, failed %d", batch.Count, batch.Failed)
		}
		for i, b := range bad {
			if got := string(batch.Results[2*i]); !strings.Contains(got, `"noir1"`) {
				t.Errorf("beside %s: %s", b, got)
			}
			alone := c.send("POST", ours+"/films/query", "", b)
			var failure struct{ Errors []json.RawMessage }
			if err := json.Unmarshal([]byte(alone.body), &failure); err != nil || len(failure.Errors) != 1 {
				t.Fatalf("%s alone: %s", b, alone.body)
			}
			if want := `{"error":` + string(failure.Errors[0]) + `}`; string(batch.Results[2*i+1]) != want {
				t.Errorf("%s fails with %s, alone with %s", b, batch.Results[2*i+1], want)
			}
		}
	})
}

func TestBatchesHaveLimits(t *testing.T) {
	c := newCloud(t, "memory", Config{}, vectorize.Relaxed())
	c.library(index.Euclidean)
	batch := func(n int, query string) answer {
		return c.send("POST", ours+"/films/query-batch", "", "["+strings.Repeat(query+",", n-1)+query+"]")
	}
	plain := `{"vector":[1,0,0],"topK":1}`
	batch(100, plain).want(t, 200, 0, `"count":100`)
	batch(101, plain).want(t, 400, 40026, "101 queries", "100 are allowed")
	batch(10, `{"vector":[1,0,0],"topK":1000}`).want(t, 200, 0, `"count":10`)
	batch(11, `{"vector":[1,0,0],"topK":1000}`).want(t, 400, 40026, "11000 matches", "10000 are allowed")
	for _, full := range []string{`"returnValues":true`, `"returnMetadata":"all"`, `"text":true`} {
		batch(10, `{"vector":[1,0,0],"topK":100,`+full+`}`).want(t, 200, 0, `"count":10`)
		batch(11, `{"vector":[1,0,0],"topK":100,`+full+`}`).want(t, 400, 40025, "1100 matches with values", "1000 are allowed")
	}
	batch(2, `{"vector":[1,0,0],"topK":90071992547409,"group_by":{"property":"genre","size":90071992547409}}`).want(t, 400, 40026, "matches together")
	for body, why := range map[string]string{"": "the body is empty", "[]": "at least one query", "{}": "expected an array", "[{]": "", "[{}": "expected a comma or ]", "[{}]x": "expected nothing more", "null": "expected an array", "[{},]": "expected a value"} {
		c.send("POST", ours+"/films/query-batch", typeJSON, body).want(t, 400, c.send("POST", ours+"/films/query-batch", typeJSON, body).code(), why)
	}
}

func TestTheFilterPropertiesOfABatchAreNamedOnce(t *testing.T) {
	c := newCloud(t, "memory", Config{}, vectorize.Cloudflare())
	c.library(index.Euclidean)
	q := `{"vector":[1,0,0],"filter":{"nr":1}}`
	a := c.send("POST", ours+"/films/query-batch", "", "["+q+","+q+"]")
	a.want(t, 200, 0, `"messages":[{"code":10000,`)
	if strings.Count(a.body, `\"nr\"`) != 1 {
		t.Errorf("got %s", a.body)
	}
}

func TestAQueryOfABatchThatPanicsIsAnErrorAndTheServerLives(t *testing.T) {
	h := start(t, Config{}, Route{Method: "POST", Path: "/batch", BodyLimit: testLimit, Family: nearsideAPI, Handle: func(s *Server, c *call) error {
		batch := make([]batchQuery, 20)
		err := c.each(batch, func(b *batchQuery) error {
			if b == &batch[13] {
				panic("bug")
			}
			return nil
		})
		if err != nil {
			return err
		}
		return c.replyBatch(batch)
	}})
	a := h.do("POST", "/batch", nil)
	a.want(t, 200, 0, `"failed":1`, `{"error":{"code":10013,"message":"An unknown error has occurred`)
	if !strings.Contains(h.log.String(), "a query of a batch panicked") {
		t.Error("the log does not tell")
	}
	h.do("POST", "/batch", nil).want(t, 200, 0, `"failed":1`)
}

func TestABatchWhoseClientHangsUpEnds(t *testing.T) {
	ended := make(chan error, 1)
	h := start(t, Config{}, Route{Method: "POST", Path: "/batch", BodyLimit: testLimit, Handle: func(_ *Server, c *call) error {
		c.cancel(errHungUp)
		err := c.each(make([]batchQuery, 5), func(*batchQuery) error { panic("no query is begun any more") })
		ended <- err
		return err
	}})
	_, _ = h.try("POST", "/batch", nil) // whether a reply arrives does not matter
	if err := await(t, "the batch", ended); err != errHungUp && err != context.Canceled {
		t.Errorf("it ended with %v", err)
	}
}
