package server

import (
	"fmt"
	"strings"
	"testing"

	"nearside/index"
	"nearside/rag"
	"nearside/vectorize"
)

func TestRecordsComeOutWholeAndGoInAgain(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.library(index.Euclidean)
		const whole = `{"id":"w","values":[0.1,-2.5,0],"namespace":"eu","metadata":{"a":[1,"b"]},"title":"A \"title\"","text":"line\none"}`
		put := func(path, body string) answer { return c.send("POST", path, "application/x-ndjson", body) }
		put(ours+"/films/records", whole+"\n"+`{"id":"bare","values":[1,2,3],"title":null,"text":null,"more":{}}`).want(t, 200, 0, `"mutationId":"`)
		a := c.send("POST", ours+"/films/get", "", `{"ids":["bare","nobody","w"]}`)
		a.want(t, 200, 0, `"result":[{"id":"bare","values":[1,2,3]},{"id":"w","values":[0.10000000149011612,-2.5,0],"namespace":"eu","metadata":{"a":[1,"b"]},"title":"A \"title\"","text":"line\none"}]`)
		put(v2+"/films/upsert", whole).want(t, 200, 0)
		a = c.send("POST", ours+"/films/get", "", `{"ids":["w"]}`)
		if a.want(t, 200, 0, `"id":"w"`); strings.Contains(string(a.body), "title") {
			t.Errorf("Vectorize's upsert keeps a title: %s", a.body)
		}
	})
}

func TestRecordsBeyondTheLimitsAreRefusedWhole(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.library(index.Euclidean)
		put := func(body string) answer { return c.send("POST", ours+"/films/records", "application/x-ndjson", body) }
		for _, size := range []int{rag.MaxTextBytes, rag.MaxTextBytes + 1} {
			a := put(fmt.Sprintf(`{"id":"long%d","values":[1,2,3],"text":%q}`, size, strings.Repeat("a", size)))
			if size > rag.MaxTextBytes {
				a.want(t, 400, 10400, "at most 1048576 are allowed")
			} else {
				a.want(t, 200, 0)
			}
		}
		put(`{"id":"a","values":[1,2,3],"title":"`+strings.Repeat("a", rag.MaxTitleBytes+1)+`"}`).want(t, 400, 10400, "at most 4096 are allowed")
		put(`{"id":"a","values":[1,2,3],"text":7}`).want(t, 400, 40023, "line 1", "text")
		ids := strings.Repeat(`"nobody",`, maxWhole)
		c.send("POST", ours+"/films/get", "", `{"ids":[`+strings.TrimSuffix(ids, ",")+`]}`).want(t, 200, 0, `"result":[]`)
		c.send("POST", ours+"/films/get", "", `{"ids":[`+ids+`"nobody"]}`).want(t, 400, 10400, "1001 ids; one call can name 1000")
	})
}
