package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"nearside/catalog"
)

// embedAs embeds texts in the name of a key's secret.
func (h *harness) embedAs(secret string, texts ...string) answer {
	h.t.Helper()
	body := `{"text":["` + strings.Join(texts, `","`) + `"]}`
	return h.do("POST", home+"/ai/run/"+bge, strings.NewReader(body), "Content-Type: application/json", "Authorization: Bearer "+secret)
}

func TestUsageIsGroupedByModelKeyAndDay(t *testing.T) {
	h := startWith(t, Config{}, domain(t, encoder))
	boss := h.keys.add(t, catalog.Key{Account: "local", Name: "boss", Permission: catalog.Admin})
	reader := h.keys.add(t, catalog.Key{Account: "local", Name: "reader", Permission: catalog.Read})
	other := h.keys.add(t, catalog.Key{Account: "other", Permission: catalog.Admin})
	h.embedAs(boss, "one two three").want(t, 200, 0)
	h.embedAs(reader, "one", "two").want(t, 200, 0)
	h.embedAs(reader, "one").want(t, 200, 0)

	usage := func(query string, fragments ...string) {
		t.Helper()
		h.do("GET", home+"/nearside/usage"+query, nil, "Authorization: Bearer "+reader).want(t, 200, 0, fragments...)
	}
	today := time.Now().UTC().Format(time.DateOnly)
	total := `"total":{"calls":3,"failed":0,"cached":0,"unpriced":0,"units":{"input_tokens":6},"neurons":0.036348,"usd":0.000000}`
	usage("", `"from":"`+today+`","to":"`+today+`","group_by":"model"`, `"rows":[{"model":"`+bge+`","calls":3,`, total)
	h.do("GET", home+"/nearside/usage?group_by=key", nil, "Authorization: Bearer "+reader).want(t, 403, 10000, "admin")
	h.do("GET", home+"/nearside/usage?group_by=key", nil, "Authorization: Bearer "+boss).want(t, 200, 0, total, `{"key":"key-1","key_name":"boss","calls":1,"failed":0,"cached":0,"unpriced":0,"units":{"input_tokens":3},"neurons":0.018174,`,
		`{"key":"key-2","key_name":"reader","calls":2,`)
	usage("?group_by=day&from="+today, total, `"rows":[{"day":"`+today+`","calls":3,`, `"usd_billed":0.000000}`)
	usage("?from=2020-01-01&to=2020-12-31", `"from":"2020-01-01","to":"2020-12-31"`, `"rows":[]`, `"calls":0`)
	h.do("GET", "/client/v4/accounts/other/nearside/usage", nil, "Authorization: Bearer "+other).want(t, 200, 0, `"rows":[]`, `"calls":0`)
	for query, fragment := range map[string]string{
		"?from=monday": "monday", "?to=2020-13-01": "2020-13-01", "?from=2020-01-02&to=2020-01-01": "after", "?from=2020-01-01&to=2022-01-01": "366", "?group_by=colour": "model, key or day",
	} {
		h.do("GET", home+"/nearside/usage"+query, nil, "Authorization: Bearer "+reader).want(t, 400, 10400, fragment)
	}
}

func TestAnAllowanceThatIsUsedUpIsRefusedInTheWordsOfTheRealService(t *testing.T) {
	for configured, code := range map[int]int{0: 3036, 3036: 3036, 4006: 4006} {
		t.Run(fmt.Sprint(configured), func(t *testing.T) {
			h := startWith(t, Config{QuotaCode: configured}, domain(t, encoder))
			h.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Admin})
			poor := h.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Read, NeuronsPerDay: 1})
			a := h.embedAs(poor, "one")
			a.want(t, 200, 0)
			if left := a.header.Get("nearside-neurons-left"); left != "0.993942" || a.header.Get("nearside-neurons-reset") == "" {
				t.Errorf("%s are left, until %s", left, a.header.Get("nearside-neurons-reset"))
			}
			many := make([]string, 100)
			for i := range many {
				many[i] = strings.Repeat("word ", 8)
			}
			a = h.embedAs(poor, many...)
			a.want(t, 429, code, "you have used up your daily free allocation of 10,000 neurons", "key key-2 has used 0.006058 of its 1.000000")
			if a.header.Get("Retry-After") == "" {
				t.Error("the reply does not say when to come back")
			}
			h.do("GET", home+"/nearside/usage", nil, "Authorization: Bearer "+poor).want(t, 200, 0, `"calls":1,"failed":0`, `"today":{"neurons_left":0.993942,"reset":"`)
		})
	}
	if err := (Config{QuotaCode: 429}).Validate(true); err == nil || !strings.Contains(err.Error(), "--quota-code 429 does not exist; use 3036 or 4006") {
		t.Errorf("the code 429: %v", err)
	}
}

func TestDimensionsOfVectorizeAreCounted(t *testing.T) {
	h := startWith(t, Config{}, domain(t, encoder))
	h.post(v2, `{"name":"films","config":{"dimensions":3,"metric":"cosine"}}`).want(t, 200, 0)
	h.do("POST", v2+"/films/upsert", strings.NewReader(`{"id":"a","values":[1,0,0]}`+"\n"+`{"id":"b","values":[0,1,0]}`), "Content-Type: application/x-ndjson").want(t, 200, 0)
	usage := func(queried, stored int) {
		t.Helper()
		h.do("GET", home+"/nearside/usage", nil).want(t, 200, 0, fmt.Sprintf(`"vectorize":{"queried_dimensions":%d,"stored_dimensions":%d}`, queried, stored),
			`"cost_on_cloudflare":{"workers_ai_usd":0.000000,"vectorize_usd":0.000000,"total_usd":0.000000}`)
	}
	usage(0, 6)
	h.post(v2+"/films/query", `{"vector":[1,0,0]}`).want(t, 200, 0)
	usage(3, 6)
	h.post(home+"/nearside/indexes/films/query", `{"vector":[1,0,0]}`).want(t, 200, 0)
	h.post(home+"/nearside/indexes/films/query-batch", `[{"vector":[1,0,0]},{"vector":[1,0]},{"vector":[0,1,0]}]`).want(t, 200, 0)
	usage(12, 6) // the query of two dimensions failed
	h.post(v2+"/films/query", `{"vector":[1,0]}`).want(t, 400, 40006)
	usage(12, 6)

	h.post(home+"/nearside/indexes", `{"name":"notes","model":"`+bge+`"}`).want(t, 200, 0)
	h.post(home+"/nearside/indexes/notes/texts", `{"texts":[{"id":"1","text":"a cat"}]}`).want(t, 200, 0)
	h.post(home+"/nearside/indexes/notes/search", `{"query":"a cat"}`).want(t, 200, 0)
	usage(12+768, 6+768)

	h.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Admin})
	some := h.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Read, Limits: catalog.Limits{Namespaces: []string{"x"}}})
	a := h.do("GET", home+"/nearside/usage", nil, "Authorization: Bearer "+some)
	if a.want(t, 200, 0); strings.Contains(a.body, "dimensions") {
		t.Errorf("a key that sees some records is told of all: %s", a.body)
	}
}
