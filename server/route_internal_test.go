package server

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"nearside/fault"
)

var samplePaths = []string{
	"/client/v4/accounts",
	"/client/v4/accounts/{account}",
	"/client/v4/accounts/{account}/vectorize/v2/indexes",
	"/client/v4/accounts/{account}/vectorize/v2/indexes/{index}",
	"/client/v4/accounts/{account}/vectorize/v2/indexes/{index}/query",
	"/client/v4/accounts/{account}/vectorize/v2/indexes/special/info",
	"/client/v4/accounts/{account}/ai/run/{model...}",
	"/client/v4/accounts/{account}/ai/models/search",
}

func sampleRouter() *router {
	var table []Route
	for _, path := range samplePaths {
		table = append(table, Route{Method: "GET", Path: path})
	}
	return newRouter(append(table, Route{Method: "POST", Path: samplePaths[3]}))
}

func TestPathsReachTheirRouteWithIDsUnescapedOnce(t *testing.T) {
	r := sampleRouter()
	for _, test := range []struct {
		path, pattern string
		params        []string
	}{
		{"/client/v4/accounts", samplePaths[0], nil},
		{"/client/v4/accounts/a1", samplePaths[1], []string{"a1"}},
		{"/client/v4/accounts/a%2Fb", samplePaths[1], []string{"a/b"}},
		{"/client/v4/accounts/a%252Fb", samplePaths[1], []string{"a%2Fb"}},
		{"/client/v4/accounts/x/vectorize/v2/indexes/i/query", samplePaths[4], []string{"x", "i"}},
		{"/client/v4/accounts/x/vectorize/v2/indexes/special/info", samplePaths[5], []string{"x"}},
		{"/client/v4/accounts/x/vectorize/v2/indexes/special/query", samplePaths[4], []string{"x", "special"}},
		{"/client/v4/accounts/x/ai/run/@cf/baai/bge-base-en-v1.5", samplePaths[6], []string{"x", "@cf/baai/bge-base-en-v1.5"}},
		{"/client/v4/accounts/x/ai/run/@cf%2Fbaai%2Fbge-base-en-v1.5", samplePaths[6], []string{"x", "@cf/baai/bge-base-en-v1.5"}},
		{"/client/v4/accounts/x/ai/run/a+b", samplePaths[6], []string{"x", "a+b"}},
	} {
		route, found, _, err := r.match("GET", test.path)
		var params []string
		for _, p := range found {
			params = append(params, p.value)
		}
		if err != nil || route.Path != test.pattern || !slices.Equal(params, test.params) {
			t.Errorf("%s reached %v with %q (%v), want %s with %q", test.path, route, params, err, test.pattern, test.params)
		}
	}
}

func TestHostileIDsAreRefusedAndNeverReachAnotherRoute(t *testing.T) {
	r := sampleRouter()
	const indexes = "/client/v4/accounts/x/vectorize/v2/indexes/"
	for id, why := range map[string]string{
		"%2e%2e":                   "relative path",
		"..":                       "relative path",
		".":                        "relative path",
		"a%00b":                    "control",
		"a%0d%0ab":                 "control",
		"%e2%80%ae.gnp":            "control",
		"%zz":                      "escape",
		"a%2":                      "escape",
		"%ff%fe":                   "UTF-8",
		strings.Repeat("n", 10240): "too long",
	} {
		route, _, _, err := r.match("GET", indexes+id)
		f := fault.As(err)
		if f == nil || f.Reason != reasonPath || !strings.Contains(f.Message, why) || len(f.Message) > 400 {
			t.Errorf("%.40s: reached %v, %v; want a short refusal that says %q", id, route, err, why)
		}
	}
	for _, path := range []string{
		"", "/", "//client/v4/accounts", "/client//v4/accounts", "/client/v4/accounts/", "/client/v4/%61ccounts",
		"/client/v4/accounts/x/..", indexes + "../../../ai/models/search", indexes, "/client/v4/accounts/x/ai/models/search/",
	} {
		route, _, _, err := r.match("GET", path)
		if f := fault.As(err); f == nil || f.Reason != reasonNoRoute && f.Reason != reasonPath && f.Reason != reasonNotBuilt {
			t.Errorf("%s: reached %v, %v; want no route", path, route, err)
		}
	}
}

func TestAnotherMethodIsToldWhichOnesThereAre(t *testing.T) {
	h := start(t, Config{},
		Route{Method: "GET", Path: "/thing", Handle: func(_ *Server, c *call) error { return c.reply("got") }},
		Route{Method: "DELETE", Path: "/thing", Handle: func(_ *Server, c *call) error { return c.reply(nil) }})
	a := h.do("PUT", "/thing", nil)
	a.want(t, 405, 7001, "Method \\\"PUT\\\" not available", "DELETE, GET")
	if allow := a.header.Get("Allow"); allow != "DELETE, GET" {
		t.Errorf("Allow is %q", allow)
	}
	if a := h.do("HEAD", "/thing", nil); a.status != 200 || a.body != "" {
		t.Errorf("HEAD of a GET route: %d %q", a.status, a.body)
	}
	if a := h.do("BREW", "/thing", nil); a.status != 405 || a.code() != 7001 {
		t.Errorf("a method nobody knows: %d %s", a.status, a.body)
	}
}

func TestUnbuiltCloudflareRoutesSaySo(t *testing.T) {
	h := start(t, Config{})
	for path, fragment := range map[string]string{
		"/client/v4/accounts/local/storage/kv/namespaces":       "KV",
		"/client/v4/accounts/local/d1/database":                 "D1",
		"/client/v4/accounts/local/r2/buckets":                  "R2",
		"/client/v4/accounts/local/queues":                      "Queues",
		"/client/v4/accounts/local/workers/scripts/x":           "Workers",
		"/client/v4/accounts/local/autorag/rags":                "AI Search",
		"/client/v4/accounts/local/ai-search/instances":         "AI Search",
		"/client/v4/zones":                                      "Zones",
		"/client/v4/accounts/local/workers/scripts/%2e%2e/x/yz": "Workers",
	} {
		h.do("GET", path, nil).want(t, 501, 10501, fragment, `"success":false`)
	}
	for _, path := range []string{"/client/v4/nothing", "/client/v4/accounts/local/nothing", "/nothing", "/client/v4/accounts/x/vectorise"} {
		a := h.do("GET", path, nil)
		a.want(t, 404, 7000, "No route for that URI")
	}
	if a := h.do("POST", "/client/v4/accounts/local/ai/nothing", nil); !strings.Contains(a.body, `"result":{}`) {
		t.Errorf("an unknown Workers AI route answers %s", a.body)
	}
}

// fasthttp takes "//host/path" for an absolute address and resolves dots; the raw target must decide.
func TestTheRawTargetDecidesTheRoute(t *testing.T) {
	h := start(t, Config{}, Route{Method: "GET", Path: "/thing/{id}", Handle: func(_ *Server, c *call) error { return c.reply(c.param("id")) }})
	for target, want := range map[string]string{
		"/thing/a%2Fb":                          `200 "a/b"`,
		"/thing/a?x=1":                          `200 "a"`,
		"/thing/a#f":                            `200 "a"`,
		"http://elsewhere.example/thing/a":      `200 "a"`,
		"HTTPS://elsewhere.example/thing/a":     `200 "a"`,
		"//thing/a":                             "404",
		"/x/../thing/a":                         "404",
		"/thing/../thing/a":                     "404",
		"/thing/%2e%2e":                         "400",
		"/thing/" + strings.Repeat("n", 10<<10): "400",
		"/thing/" + strings.Repeat("n", 20<<10): "431",
		"*":                                     "404",
	} {
		c := h.dial()
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target)
		a := h.next(bufio.NewReader(c))
		status, result, _ := strings.Cut(want, " ")
		if fmt.Sprint(a.status) != status || result != "" && !strings.Contains(a.body, `"result":`+result) {
			t.Errorf("%.60s: got %d %.200s, want %s", target, a.status, a.body, want)
		}
	}
}

func TestEveryRouteIsWellFormed(t *testing.T) {
	for _, r := range routes {
		where := r.Method + " " + r.Path
		switch {
		case r.Handle == nil:
			t.Errorf("%s has no handler", where)
		case !slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, r.Method):
			t.Errorf("%s: the method is none of ours", where)
		case r.Scope != public && !r.Scope.Valid():
			t.Errorf("%s: scope %q", where, r.Scope)
		case r.Scope == public && r.Path != "/health":
			t.Errorf("%s is open to everybody", where)
		case (r.Method == "GET" || r.Method == "DELETE") && r.BodyLimit != 0:
			t.Errorf("%s takes a body", where)
		case strings.Contains(r.Path, "/indexes/{") && !strings.Contains(r.Path, "/indexes/{index}"):
			t.Errorf("%s: call the index name {index}, or limited keys are not checked", where)
		case strings.Contains(r.Path, "/accounts/") && !strings.Contains(r.Path, "/accounts/{account}"):
			t.Errorf("%s: call the account {account}, or keys are not checked", where)
		case strings.HasPrefix(r.Path, "/client/v4/accounts/{account}/vectorize/") && r.Family != vectorizeAPI,
			strings.HasPrefix(r.Path, "/client/v4/accounts/{account}/ai/") && r.Family != workersAI,
			strings.HasPrefix(r.Path, "/client/v4/accounts/{account}/nearside/") && r.Family != nearsideAPI:
			t.Errorf("%s: family %d", where, r.Family)
		}
	}
}

func FuzzRouterNeverPanicsOrMisroutes(f *testing.F) {
	for _, seed := range []string{"/", "", "//", "/client/v4/accounts/%2e%2e/ai/run/%", "/client/v4/accounts/a/ai/run/..", strings.Repeat("/", 100)} {
		f.Add(seed)
	}
	r := sampleRouter()
	f.Fuzz(func(t *testing.T, path string) {
		route, params, _, err := r.match(http.MethodGet, path)
		if err != nil {
			return
		}
		if len(params) != strings.Count(route.Path, "{") {
			t.Fatalf("%q reached %s with %q", path, route.Path, params)
		}
		for _, p := range params {
			if p.value == "" || p.value == ".." || strings.ContainsRune(p.value, 0) {
				t.Fatalf("%q handed out the id %q", path, p.value)
			}
		}
	})
}
