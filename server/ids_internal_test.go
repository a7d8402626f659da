package server

import (
	"fmt"
	"strings"
	"testing"
)

func TestWhichIDsAreMissing(t *testing.T) {
	h := shopServer(t)
	h.post(shop+"/texts", shopTexts).want(t, 200, 0)
	h.post(shop+"/missing", `{"ids":["z","hours","a","refund","z"]}`).want(t, 200, 0, `"result":{"missing":["z","a","z"]}`)
	h.post(shop+"/missing", `{"ids":["hours"]}`).want(t, 200, 0, `"result":{"missing":[]}`)
	h.post(shop+"/missing", `{"ids":[]}`).want(t, 200, 0, `"result":{"missing":[]}`)
	h.post(shop+"/missing", `{}`).want(t, 400, 10400, "ids: expected an array of strings")
	h.post(shop+"/missing", `{"ids":["`+strings.Repeat("x", 65)+`"]}`).want(t, 400, 40008, "id too long")
}

func TestManyIDsAreAskedAboutAtOnce(t *testing.T) {
	h := shopServer(t)
	h.post(shop+"/texts", shopTexts).want(t, 200, 0)
	body := func(n int) string {
		var b strings.Builder
		b.WriteString(`{"ids":["refund"`)
		for i := range n - 1 {
			fmt.Fprintf(&b, `,"%d"`, i)
		}
		return b.String() + `]}`
	}
	h.post(shop+"/missing", body(maxMissing)).want(t, 200, 0, `{"missing":["0",`, fmt.Sprintf(`,"%d"]}`, maxMissing-2))
	h.post(shop+"/missing", body(maxMissing+1)).want(t, 400, 10400, "10001 ids; one call can name 10000")
}

func TestTextsMayBeReused(t *testing.T) {
	h := shopServer(t)
	h.post(shop+"/texts?reuse=true", shopTexts).want(t, 200, 0, `"count":3,"tokens":`, `"truncated":[{"id":"long","dropped":1}]`)
	h.post(shop+"/texts?reuse=true", shopTexts).want(t, 200, 0, `"count":3,"tokens":0,"truncated":[]`)
	h.post(shop+"/texts?reuse=perhaps", shopTexts).want(t, 400, 10400, "reuse")
}

func TestAnIndexSaysWhatItsModelReads(t *testing.T) {
	h := shopServer(t)
	h.do("GET", shop, nil).want(t, 200, 0, `"embeds":{"model":"@nearside/all-minilm-l6-v2","window":256,"neurons_per_million_tokens":0}`)
	h.post(home+"/nearside/indexes", `{"name":"plain","config":{"dimensions":3,"metric":"cosine"}}`).want(t, 200, 0)
	if a := h.do("GET", home+"/nearside/indexes/plain", nil); strings.Contains(string(a.body), "embeds") {
		t.Errorf("an index of vectors has a model: %s", a.body)
	}
}
