package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"nearside/catalog"
	"nearside/catalog/manifest"
	"nearside/index"
	"nearside/vectorize"
)

const sources = home + "/nearside/indexes/films/sources"

// claimed claims a source of the index films.
func (c *cloud) claimed(name, holder string) (path, claim string) {
	c.t.Helper()
	got := resultOf[claimObject](c.t, c.send("POST", sources, "", fmt.Sprintf(`{"name":%q,"holder":%q}`, name, holder)))
	if got.Claim == "" || got.Expires == "" {
		c.t.Fatalf("the claim is %+v", got)
	}
	return fmt.Sprintf("%s/%d", sources, got.ID), got.Claim
}

func TestWhatALoaderPutComesBackToTheNext(t *testing.T) {
	c := newCloud(t, "memory", Config{}, vectorize.Cloudflare())
	c.films(index.Cosine)
	path, claim := c.claimed("/docs", "ingest on north")
	change := `{"claim":"` + claim + `","items":[
		{"path":"b.md","state":"loaded","size":12,"modified_on":"2026-01-02T03:04:05Z","digest":"d","recipe":"r","records":["1","2"]},
		{"path":"a.pdf","state":"failed","size":3,"reason":"encrypted"}],"remove":["gone"]}`
	c.send("POST", path+"/items", "", change).want(t, 200, 0, `"claim":"`+claim)
	c.send("GET", path+"/items?records=true", "", "").want(t, 200, 0,
		`[{"path":"a.pdf","state":"failed","size":3,"reason":"encrypted","changed_on":"2026-02-03T04:05:06.789012Z"},`+
			`{"path":"b.md","state":"loaded","size":12,"modified_on":"2026-01-02T03:04:05Z","digest":"d","recipe":"r","records":["1","2"],"changed_on":"2026-02-03T04:05:06.789012Z"}]`)
	c.send("GET", path+"/items?after=a.pdf&limit=1", "", "").want(t, 200, 0, `"result":[{"path":"b.md","state":"loaded","size":12,"modified_on":"2026-01-02T03:04:05Z","digest":"d","recipe":"r","changed_on"`)
	c.send("GET", path+"/items?state=failed", "", "").want(t, 200, 0, `"result":[{"path":"a.pdf"`, `Z"}]`)
	c.send("GET", sources, "", "").want(t, 200, 0, `"name":"/docs"`, `"scanned_on":null`, `"holder":"ingest on north"`, `"items":{"failed":1,"loaded":1}`, `"records":2`)

	c.send("POST", sources, "", `{"name":"/docs","holder":"another"}`).want(t, 409, 10409, "ingest on north")
	c.send("DELETE", path, "", "").want(t, 409, 10409, "ingest on north")
	c.send("POST", path+"/renew", "", `{"claim":"`+claim+`"}`).want(t, 200, 0)
	c.send("POST", path+"/release", "", `{"claim":"`+claim+`","complete":true}`).want(t, 200, 0)
	c.send("GET", sources, "", "").want(t, 200, 0, `"holder":null`, `"scanned_on":"2026-02-03T`)
	c.send("POST", path+"/items", "", change).want(t, 409, 10409, "has ended")
	c.send("DELETE", path, "", "").want(t, 200, 0)
	c.send("GET", path+"/items", "", "").want(t, 404, 10404)
}

func TestSourcesGoWithTheirIndex(t *testing.T) {
	c := newCloud(t, "memory", Config{}, vectorize.Cloudflare())
	c.films(index.Cosine)
	path, claim := c.claimed("/docs", "first")
	c.send("DELETE", v2+"/films", "", "").want(t, 200, 0)
	c.send("GET", sources, "", "").want(t, 410, 3005)
	if left, err := c.server.parts.Sources.Indexes(t.Context()); len(left) != 0 || err != nil {
		t.Errorf("left are %v, %v", left, err)
	}
	c.films(index.Cosine)
	c.send("GET", sources, "", "").want(t, 200, 0, `"result":[]`)
	c.send("POST", path+"/renew", "", `{"claim":"`+claim+`"}`).want(t, 404, 10404)
}

func TestAKeyOfAnotherIndexSeesNoSources(t *testing.T) {
	c := newCloud(t, "memory", Config{}, vectorize.Cloudflare())
	c.films(index.Cosine)
	path, claim := c.claimed("/docs", "first")
	c.send("POST", home+"/nearside/indexes/nofilms/sources", "", `{"name":"/docs","holder":"x"}`).want(t, 404, 3000)
	c.send("POST", v2, "", `{"name":"books","config":{"dimensions":3,"metric":"cosine"}}`).want(t, 200, 0)
	elsewhere := strings.Replace(path, "/films/", "/books/", 1)
	c.send("GET", elsewhere+"/items", "", "").want(t, 404, 10404)
	c.send("POST", elsewhere+"/items", "", `{"claim":"`+claim+`"}`).want(t, 404, 10404)
	c.send("DELETE", elsewhere, "", "").want(t, 404, 10404)
}

// The paths of one tenant's files are nothing for another.
func TestAKeyForAPartOfAnIndexSeesNoSources(t *testing.T) {
	c := newCloud(t, "memory", Config{}, vectorize.Cloudflare())
	c.films(index.Cosine)
	path, _ := c.claimed("/docs", "first")
	for _, limits := range []catalog.Limits{{Namespaces: []string{"eu"}}, {Filter: []byte(`{"genre":"noir"}`)}} {
		part := "Authorization: Bearer " + c.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Write, Limits: limits})
		for _, call := range []answer{c.do("GET", home+"/nearside/indexes/films/sources", nil, part), c.do("GET", path+"/items", nil, part)} {
			call.want(t, 403, 10000, "a part of the index")
		}
	}
}

func TestBadCallsAboutSourcesAreToldWhatIsWrong(t *testing.T) {
	c := newCloud(t, "memory", Config{}, vectorize.Cloudflare())
	c.films(index.Cosine)
	path, claim := c.claimed("/docs", "first")
	for _, bad := range []struct{ method, path, body, says string }{
		{"POST", sources, `{"name":"","holder":"x"}`, "0 bytes"},
		{"POST", sources, `{"name":"x"}`, "holder"},
		{"POST", sources, `{"name":"x","holder":"y","force":true}`, "force"},
		{"GET", path + "/items?limit=1001", "", "1000"},
		{"GET", path + "/items?records=yes", "", "true or false"},
		{"GET", sources + "/x/items", "", `\"x\"`},
		{"POST", path + "/items", `{"claim":"` + claim + `","items":[{"path":"a","state":"done"}]}`, `\"done\"`},
		{"POST", path + "/items", `{"claim":"` + claim + `","items":[{"path":"a","state":"loaded","modified_on":"yesterday"}]}`, "yesterday"},
	} {
		a := c.send(bad.method, bad.path, "", bad.body)
		if a.status != 400 || !strings.Contains(a.body, bad.says) {
			t.Errorf("%s %s %s: %d %s", bad.method, bad.path, bad.body, a.status, a.body)
		}
	}
	c.clock.pass(manifest.ClaimFor + time.Second)
	c.claimed("/docs", "second")
	c.send("POST", path+"/renew", "", `{"claim":"`+claim+`"}`).want(t, 409, 10409, "second")
}
