package server

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"

	"nearside/index"
	"nearside/vectorize"
)

var long = flag.Bool("long", false, "run the slow sweeps")

// sized is a request whose size is the subject of a limit.
type sized struct {
	name  string
	limit int
	code  int
	words string // of the refusal at limit+1
	send  func(c *cloud, size int) answer
}

func repeated(n int, item func(i int) string, separator string) string {
	var out strings.Builder
	for i := range n {
		if i > 0 {
			out.WriteString(separator)
		}
		out.WriteString(item(i))
	}
	return out.String()
}

func quotedID(i int) string { return fmt.Sprintf(`"r%d"`, i) }

// line is a record with more fields.
func line(more string) string { return `{"values":[1,2,3],` + more + `}` }

func upsert(record func(size int) string) func(*cloud, int) answer {
	return func(c *cloud, size int) answer {
		return c.send("POST", v2+"/films/upsert", typeNDJSON, record(size))
	}
}

func query(body func(size int) string) func(*cloud, int) answer {
	return func(c *cloud, size int) answer { return c.send("POST", v2+"/films/query", "", body(size)) }
}

// asking is a call of nearside's own.
func asking(route string, body func(size int) string) func(*cloud, int) answer {
	return func(c *cloud, size int) answer { return c.send("POST", ours+"/films/"+route, "", body(size)) }
}

var sizes = []sized{
	{"index name", 64, 3001, "has 65 bytes; at most 64 are allowed", func(c *cloud, n int) answer {
		name := strings.Repeat("n", n)
		a := c.send("POST", v2, "", `{"name":"`+name+`","config":{"dimensions":3,"metric":"cosine"}}`)
		if a.status == 200 {
			c.send("DELETE", v2+"/"+name, "", "").want(c.t, 200, 0)
		}
		return a
	}},
	{"dimensions", 1536, 3003, "config.dimensions is 1537; it must be between 1 and 1536", func(c *cloud, n int) answer {
		a := c.send("POST", v2, "", fmt.Sprintf(`{"name":"sized","config":{"dimensions":%d,"metric":"cosine"}}`, n))
		if a.status == 200 {
			c.send("DELETE", v2+"/sized", "", "").want(c.t, 200, 0)
		}
		return a
	}},
	{"vector id", 64, 40008, "id too long; max is 64 bytes, got 65 bytes", upsert(func(n int) string { return line(`"id":"` + strings.Repeat("i", n) + `"`) })},
	{"vector id in bytes of UTF-8", 64, 40008, "id too long; max is 64 bytes, got 65 bytes", upsert(func(n int) string {
		return line(`"id":"` + strings.Repeat("ü", n/2) + strings.Repeat("i", n%2) + `"`)
	})},
	{"namespace", 64, 40009, "namespace too long; max is 64 bytes, got 65 bytes", upsert(func(n int) string { return line(`"id":"x","namespace":"` + strings.Repeat("n", n) + `"`) })},
	{"metadata", 10240, 40016, `oversized metadata for vector id=\"x\"; the compact JSON representation of the metadata must not exceed 10240 bytes, got 10241 bytes`, upsert(func(n int) string {
		return line(`"id":"x","metadata": { "a" : "` + strings.Repeat("x", n-len(`{"a":""}`)) + `" }`)
	})},
	{"metadata of escapes", 10240, 40016, `got 10241 bytes`, upsert(func(n int) string {
		n -= len(`{"a":""}`)
		return line(`"id":"x","metadata":{"a":"` + strings.Repeat(`\u00fc`, n/2) + strings.Repeat("x", n%2) + `"}`)
	})},
	{"batch", 5000, 40026, "max batch size is 5000, got 5001", upsert(func(n int) string {
		return repeated(n, func(i int) string { return line(`"id":` + quotedID(i)) }, "\n")
	})},
	{"get_by_ids", 20, 40007, "too many ids in payload; max id count is 20, got 21", func(c *cloud, n int) answer {
		return c.send("POST", v2+"/films/get_by_ids", "", `{"ids":[`+repeated(n, quotedID, ",")+`]}`)
	}},
	{"delete_by_ids", 100, 40007, "too many ids in payload; max id count is 100, got 101", func(c *cloud, n int) answer {
		return c.send("POST", v2+"/films/delete_by_ids", "", `{"ids":[`+repeated(n, quotedID, ",")+`]}`)
	}},
	{"v1 delete-by-ids", 100, 40007, "too many ids in payload; max id count is 100, got 101", func(c *cloud, n int) answer {
		return c.send("POST", home+"/vectorize/indexes/films/delete-by-ids", "", `{"ids":[`+repeated(n, quotedID, ",")+`]}`)
	}},
	{"topK", 100, 40026, "topK is 101; it must be between 1 and 100", query(func(n int) string { return fmt.Sprintf(`{"vector":[1,2,3],"topK":%d}`, n) })},
	{"topK of indexed metadata", 100, 40026, "topK is 101", query(func(n int) string { return fmt.Sprintf(`{"vector":[1,2,3],"topK":%d,"returnMetadata":"indexed"}`, n) })},
	{"topK of values", 50, 40025, "with returnValues=true or returnMetadata=all, max top K is 50, but got 51; ", query(func(n int) string { return fmt.Sprintf(`{"vector":[1,2,3],"topK":%d,"returnValues":true}`, n) })},
	{"topK of all metadata", 50, 40025, "max top K is 50, but got 51", query(func(n int) string { return fmt.Sprintf(`{"vector":[1,2,3],"topK":%d,"returnMetadata":"all"}`, n) })},
	{"list", 1000, 40026, "count is 1001; it must be between 1 and 1000", func(c *cloud, n int) answer {
		return c.send("GET", fmt.Sprintf("%s/films/list?count=%d", v2, n), "", "")
	}},
	{"filter", 2047, 40026, "filter has 2048 bytes as compact JSON; at most 2047", query(func(n int) string {
		return `{"vector":[1,2,3],"filter": { "a" : "` + strings.Repeat("x", n-len(`{"a":""}`)) + `" } }`
	})},
	{"filter property", 512, 40026, "has 513 characters; at most 512", query(func(n int) string {
		return `{"vector":[1,2,3],"filter":{"` + strings.Repeat("ü", n) + `":1}}`
	})},
	{"ef", 10_000, 40026, "ef is 10001; it must be between 1 and 10000", asking("query", func(n int) string { return fmt.Sprintf(`{"vector":[1,2,3],"ef":%d}`, n) })},
	{"filter of nearside's", 64 << 10, 40026, "filter has 65537 bytes as compact JSON; at most 65536", asking("query", func(n int) string {
		return `{"vector":[1,2,3],"filter":{"a":"` + strings.Repeat("x", n-len(`{"a":""}`)) + `"}}`
	})},
	{"prefix", 64, 40008, "prefix too long; max is 64 bytes, as of an id, got 65 bytes", asking("count", func(n int) string { return `{"prefix":"` + strings.Repeat("p", n) + `"}` })},
	{"ids of a selection", 5000, 40007, "too many ids in payload; max id count is 5000, got 5001", asking("count", func(n int) string { return `{"ids":[` + repeated(n, quotedID, ",") + `]}` })},
	{"namespace of a selection", 64, 40009, "namespace too long; max is 64 bytes, got 65 bytes", asking("delete", func(n int) string { return `{"namespace":"` + strings.Repeat("n", n) + `"}` })},
	{"list of a selection", 1000, 40026, "count is 1001; it must be between 1 and 1000", asking("list", func(n int) string { return fmt.Sprintf(`{"count":%d}`, n) })},
}

func TestEachSizeIsTakenUpToItsLimit(t *testing.T) {
	c := newCloud(t, "local", Config{}, vectorize.Cloudflare())
	c.films(index.Euclidean)
	for _, s := range sizes {
		t.Run(s.name, func(t *testing.T) {
			s.send(c, s.limit-1).want(t, 200, 0)
			s.send(c, s.limit).want(t, 200, 0)
			s.send(c, s.limit+1).want(t, 400, s.code, s.words)
			if a := s.send(c, 1000*min(s.limit, 100)); a.status/100 != 4 {
				t.Errorf("far beyond: %d %.200s", a.status, a.body)
			}
		})
	}
}

func TestTenMetadataIndexesAndNoMore(t *testing.T) {
	c := newCloud(t, "memory", Config{}, vectorize.Cloudflare())
	c.films(index.Euclidean)
	for i := range 11 {
		a := c.send("POST", v2+"/films/metadata_index/create", "", fmt.Sprintf(`{"propertyName":"p%d","indexType":"string"}`, i))
		if i < 10 {
			a.want(t, 200, 0)
		} else {
			a.want(t, 400, 40026, "has 10 metadata indexes and may have 10")
		}
	}
}

func TestABodyOf101MegabytesIsRefusedHoweverItComes(t *testing.T) {
	c := newCloud(t, "memory", Config{}, vectorize.Cloudflare())
	c.films(index.Euclidean)
	const size = 101_000_000
	record := line(`"id":"x"`) + "\n"
	blank := func(n int) io.Reader { // one record and blank lines, n bytes in all
		return io.MultiReader(strings.NewReader(record), &repeat{text: strings.Repeat(" ", 1<<16) + "\n", left: n - len(record)})
	}
	upload := v2 + "/films/upsert"
	// Its length is told: it is refused once its first bytes are there.
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n", upload, size)
	raw := c.dial()
	if _, err := io.WriteString(raw, head+strings.Repeat(" ", prefetched)); err != nil {
		t.Fatal(err)
	}
	c.next(newReader(raw)).want(t, 413, 40026, "101,000,000", "100,000,000")
	// It is packed: a hundred kilobytes that become too many.
	packed := func(body io.Reader) io.Reader {
		var out bytes.Buffer
		packer := gzip.NewWriter(&out)
		if _, err := io.Copy(packer, body); err != nil {
			t.Fatal(err)
		}
		if err := packer.Close(); err != nil {
			t.Fatal(err)
		}
		return &out
	}
	for _, path := range []string{upload, v2 + "/films/query", v2 + "/films/get_by_ids"} {
		c.do("POST", path, packed(blank(size)), "Content-Type: application/json", "Content-Encoding: gzip").want(t, 413, 40026, "larger than the")
	}
	c.send("GET", v2+"/films/info", "", "").want(t, 200, 0, `"vectorCount":0`)
	if !*long {
		return
	}
	for over, status := range []int{200, 413} {
		if a := c.do("POST", upload, packed(blank(vectorize.MaxBody+over)), "Content-Type: application/x-ndjson", "Content-Encoding: gzip"); a.status != status {
			t.Errorf("%d bytes over the limit: %d %.200s", over, a.status, a.body)
		}
	}
}
