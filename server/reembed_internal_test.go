package server

import (
	"fmt"
	"strings"
	"testing"

	"nearside/catalog"
	"nearside/jobs"
)

const small = "@nearside/all-minilm-l6-v2"

// shelved starts a server with an index that has some texts.
func shelved(t *testing.T) *harness {
	t.Helper()
	h, _, _ := modelled(t, Config{})
	h.post(home+"/nearside/indexes", `{"name":"shop","model":"`+small+`"}`).want(t, 200, 0)
	for i := range 3 {
		h.post(home+"/nearside/indexes/shop/texts", fmt.Sprintf(`{"texts":[{"id":"t%d","text":"passage number %d","metadata":{"n":%d}}]}`, i, i, i)).want(t, 200, 0)
	}
	return h
}

func TestReembeddingOverHTTP(t *testing.T) {
	h := shelved(t)
	at := home + "/nearside/indexes/shop"
	h.do("GET", at+"/reembed", nil).want(t, 200, 0, `"job":null`, `"next":null`, `"previous":null`)
	h.post(at+"/reembed", `{"model":"`+bgeM3+`","dry_run":true}`).want(t, 200, 0, `"records":3`, `"dimensions":1024`, `"metric":"cosine"`, `"neurons":`)
	h.do("GET", at+"/reembed", nil).want(t, 200, 0, `"job":null`) // nothing was done
	begun := h.post(at+"/reembed", `{"model":"`+bgeM3+`"}`)
	begun.want(t, 202, 0, `"kind":"reembed"`, `"index":"shop"`, `"total":3`)
	if j := h.jobEnds(begun); j.State != jobs.Done || j.Progress.Documents != 3 || j.Progress.Neurons == "0.000000" {
		t.Fatalf("got %+v", j)
	}
	h.do("GET", at+"/reembed", nil).want(t, 200, 0, `"previous":{"state":"kept","model":"`+small+`"`, `"vectorCount":3`, `"note":"swapped; writers waited `)
	h.do("GET", at, nil).want(t, 200, 0, `"model":"`+bgeM3+`"`, `"dimensions":1024`, `"vectorCount":3`)
	h.do("GET", home+"/vectorize/v2/indexes", nil).want(t, 200, 0, `"result":[{"name":"shop"`)
	h.post(at+"/reembed", `{"model":"`+small+`"}`).want(t, 409, 10409, "--drop-old", "--undo")
	if j := h.jobEnds(h.post(at+"/previous/restore", ``)); j.State != jobs.Done || j.Progress.Tokens != 0 {
		t.Fatalf("the way back: %+v", j)
	}
	h.do("GET", at, nil).want(t, 200, 0, `"model":"`+small+`"`, `"dimensions":384`, `"vectorCount":3`)
	h.do("DELETE", at+"/previous", nil).want(t, 200, 0)
	h.do("DELETE", at+"/previous", nil).want(t, 404, 10404)
	h.do("DELETE", at+"/reembed", nil).want(t, 404, 10404, "not being re-embedded")
	h.do("GET", at+"/reembed", nil).want(t, 200, 0, `"previous":null`)
}

func TestReembeddingIsRefusedInWords(t *testing.T) {
	h := shelved(t)
	at := home + "/nearside/indexes/shop/reembed"
	for name, c := range map[string]struct {
		path, body   string
		status, code int
		words        string
	}{
		"no model":         {at, `{}`, 400, 10400, "expected the name of an embedding model"},
		"an unknown model": {at, `{"model":"@cf/no/such"}`, 400, 5007, "@cf/no/such"},
		"a field misspelt": {at, `{"model":"` + bgeM3 + `","dryrun":true}`, 400, 10400, "dryrun"},
		"another task":     {at, `{"model":"` + llama + `"}`, 400, 5007, llama},
		"the same weights": {at, `{"model":"` + small + `"}`, 409, 10409, "nothing to re-embed"},
		"no such metric":   {at, `{"model":"` + bgeM3 + `","metric":"near"}`, 400, 3003, "near"},
		"no such index":    {home + "/nearside/indexes/none/reembed", `{"model":"` + bgeM3 + `"}`, 404, 3000, "none"},
		"nothing kept":     {home + "/nearside/indexes/shop/previous/restore", ``, 404, 10404, "nothing is kept"},
	} {
		t.Run(name, func(t *testing.T) { h.post(c.path, c.body).want(t, c.status, c.code, c.words) })
	}
}

func TestAKeyForSomeRecordsDoesNotReembedThemAll(t *testing.T) {
	h := shelved(t)
	secret := h.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Admin, Limits: catalog.Limits{Namespaces: []string{"eu"}}})
	for _, c := range []struct{ method, path string }{{"POST", "/reembed"}, {"GET", "/reembed"}, {"DELETE", "/reembed"}, {"POST", "/previous/restore"}, {"DELETE", "/previous"}} {
		body := ""
		if c.path == "/reembed" && c.method == "POST" {
			body = `{"model":"` + bgeM3 + `"}`
		}
		h.do(c.method, home+"/nearside/indexes/shop"+c.path, strings.NewReader(body), "Authorization: Bearer "+secret, "Content-Type: application/json").want(t, 403, 10000, "concerns them all")
	}
}
