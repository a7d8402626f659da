package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"testing"
	"time"

	"nearside/catalog"
	"nearside/disk"
	"nearside/edge"
)

// remote is a client that has a session with the Workers edge, as wrangler has.
type remote struct {
	*harness
	edge  *edge.Edge
	roots *x509.CertPool
	now   time.Time // the edge's
	token string    // of the session
}

// newRemote starts a server with an edge and models.
func newRemote(t *testing.T) *remote {
	t.Helper()
	_, _, parts := modelled(t, Config{})
	parts.Batches = nil // the other server has them
	dir, err := disk.OpenDir(t.TempDir(), disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &remote{now: time.Now(), roots: x509.NewCertPool()}
	t.Cleanup(func() {
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	if r.edge, err = edge.Open(dir.Sub(edge.Folder), func() time.Time { return r.now }); err != nil {
		t.Fatal(err)
	}
	parts.Edge = r.edge
	authority, err := os.ReadFile(r.edge.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	r.roots.AppendCertsFromPEM(authority)
	r.harness = startWith(t, Config{Edge: []string{"127.0.0.1:0"}}, parts)
	return r
}

// session opens a session for bindings given as wrangler's metadata, and keeps its token.
func (r *remote) session(bindings string, headers ...string) answer {
	r.t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part := func(name, contentType, content string) {
		header := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + name + `"; filename="` + name + `"`}, "Content-Type": {contentType}}
		p, err := w.CreatePart(header)
		if err == nil {
			_, err = io.WriteString(p, content)
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
	part("proxy-worker.js", "application/javascript+module", strings.Repeat("// a program\n", 8000))
	part("metadata", typeJSON, `{"main_module":"proxy-worker.js","bindings":`+bindings+`,"compatibility_date":"2026-01-01"}`)
	part("wrangler-session-config", typeJSON, `{"workers_dev":true}`)
	if err := w.Close(); err != nil {
		r.t.Fatal(err)
	}
	a := r.do("POST", home+"/workers/scripts/shop/edge-preview", &form, append(headers, "Content-Type: "+w.FormDataContentType(), "cf-preview-upload-config-token: "+uploadToken)...)
	if a.status == 200 {
		r.token = resultOf[struct {
			Token string `json:"preview_token"`
		}](r.t, a).Token
	}
	return a
}

const demo = `[{"name":"VECTORIZE","type":"vectorize","index_name":"films","raw":true},{"name":"AI","type":"ai","raw":true},{"name":"KV","type":"kv_namespace","namespace_id":"x"}]`

// call sends a request to the edge. Headers are given as "Name: value"; one may stand twice.
func (r *remote) call(method, target, body string, headers ...string) answer {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "https://"+r.server.edges[0].Addr().String()+target, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Add(name, value)
	}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: r.roots}}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	a, err := readAnswer(res)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// wrapped sends a call of a binding as wrangler does.
func (r *remote) wrapped(binding, method, target, body string, headers ...string) answer {
	r.t.Helper()
	return r.call(method, "/", body, append([]string{headerSession + ": " + r.token, headerBound + ": " + binding, headerInnerURL + ": " + target,
		"MF-Header-Content-Type: application/json", "MF-Original-URL: http://localhost/"}, headers...)...)
}

// vectors makes the index that the session is for.
func (r *remote) vectors() {
	r.t.Helper()
	r.post(home+"/vectorize/v2/indexes", `{"name":"films","config":{"dimensions":3,"metric":"cosine"}}`).want(r.t, 200, 0)
}

func TestAProjectThatWasNotChangedIsAnswered(t *testing.T) {
	r := newRemote(t)
	r.vectors()
	r.do("GET", home+"/workers/subdomain", nil).want(t, 200, 0, `"subdomain":"local:1"`)
	r.do("GET", home+"/workers/subdomain/edge-preview", nil).want(t, 200, 0, `"token":"`)
	r.session(demo).want(t, 200, 0)

	const lines = `{"id":"a","values":[1,0,0]}` + "\n" + `{"id":"b","values":[0,1,0]}`
	got := r.call("POST", "/", lines, headerSession+": "+r.token, "MF-Binding: VECTORIZE", "MF-URL: http://vector-search/insert", "MF-Header-Content-Type: application/x-ndjson")
	if got.status != 200 || !strings.HasPrefix(got.body, `{"mutationId":"`) || got.header.Get(headerForwarded) != "true" || got.header.Get("Content-Type") != typeJSON {
		t.Errorf("insert: %d %v %s", got.status, got.header, got.body)
	}
	if got := r.wrapped("VECTORIZE", "POST", "http://vector-search/query", `{"topK":1,"vector":[0,1,0]}`); got.status != 200 || got.body != `{"count":1,"matches":[{"id":"b","score":1}]}` {
		t.Errorf("query: %d %s", got.status, got.body)
	}
	if got := r.wrapped("VECTORIZE", "GET", "http://vector-search/info", ""); got.status != 200 || !strings.HasPrefix(got.body, `{"dimensions":3,"vectorCount":2,`) {
		t.Errorf("describe: %d %s", got.status, got.body)
	}
	got = r.wrapped("AI", "POST", "https://workers-binding.ai/run?version=3", `{"inputs":{`+hello+`},"options":{}}`, "MF-Header-cf-consn-model-id: "+llama)
	if got.status != 200 || !strings.HasPrefix(got.body, `{"response":"The sky is blue."`) || got.header.Get("cf-ai-req-id") == "" {
		t.Errorf("chat: %d %s", got.status, got.body)
	}
	got = r.wrapped("AI", "POST", "https://workers-binding.ai/run?version=3", `{"inputs":{`+hello+`,"stream":true},"options":{}}`, "MF-Header-cf-consn-model-id: "+llama)
	if got.status != 200 || got.header.Get("Content-Type") != typeSSE || !strings.HasSuffix(got.body, "data: [DONE]\n\n") {
		t.Errorf("stream: %d %s", got.status, got.body)
	}
	// Failures are those that the objects of the bindings read.
	if got := r.wrapped("VECTORIZE", "POST", "http://vector-search/query", `{"vector":[1]}`); got.status != 400 || !strings.HasPrefix(got.body, `{"code":40006,"error":"`) {
		t.Errorf("a wrong query: %d %s", got.status, got.body)
	}
	if got := r.wrapped("AI", "POST", "https://workers-binding.ai/run", `{"inputs":{}}`, "MF-Header-cf-consn-model-id: @cf/nope/nope"); got.status != 400 || !strings.HasPrefix(got.body, `{"internalCode":5007,`) {
		t.Errorf("no such model: %d %s", got.status, got.body)
	}
}

// The words are those by which wrangler opens a new session, without a person's help.
func TestWhoHasNoSessionIsToldInTheWordsThatClientsKnow(t *testing.T) {
	r := newRemote(t)
	r.vectors()
	r.session(demo).want(t, 200, 0)
	good := r.token
	refused := func(name string) {
		t.Helper()
		for _, got := range []answer{r.wrapped("VECTORIZE", "GET", "http://vector-search/info", ""), r.call("GET", "/?MF-Binding=AI", "", headerSession+": "+r.token)} {
			if got.status != 400 || got.body != "Invalid Workers Preview configuration" || got.header.Get(headerForwarded) != "" {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}
	}
	for name, token := range map[string]string{"no session": "", "a forged one": good[:len(good)-1] + "_", "a key": "nsk_x"} {
		r.token = token
		refused(name)
	}
	r.token = good
	r.now = r.now.Add(edge.SessionLife)
	refused("a session that has ended")
	r.now = time.Now()
	r.keys.add(t, catalog.Key{Account: "local", Permission: admin})
	refused("a session without a key, once there are keys")
}

func TestASessionCanDoWhatItsKeyCan(t *testing.T) {
	r := newRemote(t)
	r.vectors()
	r.keys.add(t, catalog.Key{Account: "local", Permission: admin})
	r.session(demo).want(t, 401, 10000)
	reader := r.keys.add(t, catalog.Key{Account: "local", Permission: read})
	others := r.keys.add(t, catalog.Key{Account: "local", Permission: write, Limits: catalog.Limits{Indexes: []string{"songs"}}})
	stranger := r.keys.add(t, catalog.Key{Account: "else", Permission: admin})
	r.session(demo, "Authorization: Bearer "+stranger).want(t, 403, 10000)

	r.session(demo, "Authorization: Bearer "+reader).want(t, 200, 0)
	if got := r.wrapped("VECTORIZE", "POST", "http://vector-search/query", `{"vector":[1,0,0]}`); got.status != 200 {
		t.Errorf("a query of a reader: %d %s", got.status, got.body)
	}
	if got := r.wrapped("VECTORIZE", "POST", "http://vector-search/deleteByIds", `{"ids":["a"]}`); got.status != 403 || !strings.Contains(got.body, "scope read") {
		t.Errorf("a write of a reader: %d %s", got.status, got.body)
	}
	if err := r.keys.RevokeKey(t.Context(), "local", "key-2"); err != nil {
		t.Fatal(err)
	}
	if got := r.wrapped("VECTORIZE", "POST", "http://vector-search/query", `{"vector":[1,0,0]}`); got.body != noSession {
		t.Errorf("with a revoked key: %d %s", got.status, got.body)
	}
	r.session(demo, "Authorization: Bearer "+others).want(t, 200, 0)
	for _, target := range []string{"http://vector-search/info", "http://vector-search/binding/indexes/films"} {
		if got := r.wrapped("VECTORIZE", "GET", target, ""); got.status != 403 || !strings.Contains(got.body, "does not open this index") {
			t.Errorf("%s with a key for another index: %d %s", target, got.status, got.body)
		}
	}
}

func TestOfAWrappedCallOnlyWhatIsWrappedCounts(t *testing.T) {
	r := newRemote(t)
	r.vectors()
	r.session(demo).want(t, 200, 0)
	ask := func(want int, says string, headers ...string) {
		t.Helper()
		got := r.call("POST", "/client/v4/accounts/local/nearside/keys?topK=0", `{"topK":1,"vector":[0,1,0]}`, append([]string{headerSession + ": " + r.token}, headers...)...)
		if got.status != want || !strings.Contains(got.body, says) {
			t.Errorf("%q: %d %s", headers, got.status, got.body)
		}
	}
	const name, target = "MF-Binding: VECTORIZE", "MF-URL: http://vector-search/query"
	ask(200, `"count":0`, name, target)
	// Headers of other doors, outside and inside.
	ask(200, `"count":0`, name, target, "X-Binding-Type: ai", "X-Resource-Id: songs", "X-Binding-Secret: x", "MF-Header-X-Binding-Type: ai", "MF-Header-X-Resource-Id: songs", "MF-Header-X-Binding-Secret: x")
	// What frames the body is the wrapping's.
	ask(200, `"count":0`, name, target, "MF-Header-Content-Length: 5", "MF-Header-Transfer-Encoding: chunked", "MF-Header-Host: evil.example", "MF-Header-Connection: close", "MF-Header-Authorization: Bearer x")
	ask(415, `gzip`, name, target, "MF-Header-Content-Encoding: gzip, zip")
	// Twice the same.
	for _, twice := range []string{name, "mf-binding: AI", target, "MF-URL: http://vector-search/info", "cf-workers-preview-token: x"} {
		ask(400, "stands twice", name, target, twice)
	}
	ask(400, "stands twice", name, target, "MF-Header-A: 1", "mf-header-a: 2")
	// A browser, or a page in it.
	ask(403, "a browser", name, target, "Origin: https://127.0.0.1")
	ask(403, "a browser", name, target, "Sec-Fetch-Site: none")
}

func TestTricksWithTheInnerURLLeadNowhere(t *testing.T) {
	r := newRemote(t)
	r.vectors()
	r.session(demo).want(t, 200, 0)
	for target, status := range map[string]int{
		"": 400, "/query": 400, "//vector-search/query": 400, "query": 400, "http:///query": 400, "http:query": 400, "file:///etc/passwd": 400, "ftp://vector-search/query": 400,
		"http://vector-search": 404, "http://vector-search?/query": 404, "http://vector-search/%71uery": 404, "http://vector-search/./query": 404, "http://vector-search//query": 404,
		"http://vector-search/../client/v4/user": 404, "http://vector-search/client/v4/accounts/local/nearside/keys": 404, "http://127.0.0.1:8810/health": 404,
		"http://vector-search/query%00": 404, "http://[::1": 400, "http://a b/query": 400,
		"http://anything.example:99/query": 200, "HTTPS://x@vector-search/query?a=%zz#b": 200,
	} {
		if got := r.wrapped("VECTORIZE", "POST", target, `{"vector":[1,0,0]}`); got.status != status || status != 200 && strings.Contains(got.body, "matches") {
			t.Errorf("%q: %d %s, want %d", target, got.status, got.body, status)
		}
	}
}

func TestWhatTheEdgeDoesNotServeIsSaid(t *testing.T) {
	r := newRemote(t)
	r.session(demo).want(t, 200, 0)
	token := headerSession + ": " + r.token
	for _, test := range []struct {
		got    answer
		status int
		says   string
	}{
		{r.wrapped("KV", "GET", "http://fake-host/key", ""), 501, `type "kv_namespace", only ai and vectorize`},
		{r.wrapped("NEW", "GET", "http://vector-search/info", ""), 400, `no binding "NEW"`},
		{r.wrapped("", "GET", "http://vector-search/info", ""), 400, `no binding ""`},
		{r.call("GET", "/?MF-Binding=VECTORIZE", "", token, "Upgrade: websocket", "Connection: Upgrade"), 501, "by HTTP"},
		{r.call("GET", "/", "", token, "MF-Binding: AI", "MF-Connect-Address: 10.0.0.1:5432"), 501, "10.0.0.1:5432"},
		{r.wrapped("AI", "GET", "https://workers-binding.ai/run?version=3", "", "Upgrade: websocket", "Connection: Upgrade"), 501, "WebSocket"},
	} {
		if test.got.status != test.status || !strings.Contains(test.got.body, test.says) {
			t.Errorf("%d %s, want %d %s", test.got.status, test.got.body, test.status, test.says)
		}
	}
	// A server without an edge says so where clients begin.
	plain := start(t, Config{})
	for _, path := range []string{"/workers/subdomain", "/workers/subdomain/edge-preview"} {
		plain.do("GET", home+path, nil).want(t, 501, 10501, "serve --workers-edge")
	}
	plain.do("POST", home+"/workers/scripts/shop/edge-preview", strings.NewReader("x"), "Content-Type: multipart/form-data; boundary=b").want(t, 501, 10501, "serve --workers-edge")
}

func TestAFormThatOpensNoSessionSaysWhy(t *testing.T) {
	r := newRemote(t)
	post := func(contentType, body string) answer {
		return r.do("POST", home+"/workers/scripts/shop/edge-preview", strings.NewReader(body), "Content-Type: "+contentType)
	}
	const multi = "multipart/form-data; boundary=b"
	part := func(name, content string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + content + "\r\n"
	}
	post("application/json", `{}`).want(t, 400, 1005)
	post("multipart/form-data", `x`).want(t, 400, 10400, "cannot be read")
	post(multi, "--b--\r\n").want(t, 400, 10400, "no part")
	post(multi, part("metadata", "{")).want(t, 400, 10400, "cannot be read")
	post(multi, part("metadata", `{"bindings":{}}`)+"--b--\r\n").want(t, 400, 10400, "cannot be read")
	post(multi, part("metadata", `{"bindings":[]}`)+"--b--\r\n").want(t, 200, 0, "preview_token")
	post(multi, part("metadata", `{"bindings":[{"name":"`+strings.Repeat("x", maxSmall)+`"}]}`)+"--b--\r\n").want(t, 400, 10400, "cannot be read")
	post(multi, part("metadata", `{"bindings":[{"name":"`+strings.Repeat("x", edge.MaxToken)+`"}]}`)+"--b--\r\n").want(t, 400, 10400, "fewer remote bindings")
	post(multi, strings.Repeat("x", maxSession+1)).want(t, 413, 10413)
}

func TestAnAddressOfTheEdgeThatIsTakenIsNamed(t *testing.T) {
	r := newRemote(t)
	addr := r.server.edges[0].Addr().String()
	_, err := Listen(Config{Addr: "127.0.0.1:0", Edge: []string{"127.0.0.1:0", addr}}, r.server.parts, r.server.log)
	if err == nil || !strings.Contains(err.Error(), "cannot listen on "+addr) || !strings.Contains(err.Error(), "another program has it") {
		t.Errorf("got %v", err)
	}
	_, err = Listen(Config{Addr: "127.0.0.1:0", Edge: []string{"443"}}, r.server.parts, r.server.log)
	if err == nil || !strings.Contains(err.Error(), "--workers-edge") {
		t.Errorf("got %v", err)
	}
}

func TestTheEdgeStopsWithItsServer(t *testing.T) {
	r := newRemote(t)
	conn, err := tls.Dial("tcp", r.server.edges[0].Addr().String(), &tls.Config{RootCAs: r.roots})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	addr := r.server.edges[0].Addr().String()
	if err := r.server.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("the connection did not end: %v", err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("the edge is still open")
	}
	if n := r.server.connections(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}
