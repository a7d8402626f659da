package server

import (
	"strings"
	"testing"
	"time"

	"nearside/catalog"
	"nearside/fault"
)

func TestAllThatIsWrongWithAConfigurationIsSaidAtOnce(t *testing.T) {
	err := Config{Addr: "0.0.0.0", TLSCert: "cert.pem", Account: "a b", Origins: []string{"app.example.com", "https://x.example.com/path"}, Work: -1, Grace: -time.Second}.Validate(false)
	f := fault.As(err)
	if f == nil || f.Kind != fault.Invalid {
		t.Fatalf("got %v", err)
	}
	for _, fragment := range []string{`--addr "0.0.0.0"`, "--tls-key", `"a b"`, `"app.example.com"`, "x.example.com/path", "work is -1", "grace is"} {
		if !strings.Contains(f.Message, fragment) {
			t.Errorf("the message lacks %q: %s", fragment, f.Message)
		}
	}
}

func TestAddressesOthersCanReachNeedKeysAndEncryption(t *testing.T) {
	for _, test := range []struct {
		config   Config
		hasKeys  bool
		fragment string // "" = allowed
	}{
		{Config{}, false, ""},
		{Config{Addr: "localhost:0"}, false, ""},
		{Config{Addr: "[::1]:0"}, false, ""},
		{Config{Addr: "127.0.0.9:0"}, true, ""},
		{Config{Addr: ":8810"}, true, "--tls-cert"},
		{Config{Addr: "0.0.0.0:8810"}, true, "--insecure-http"},
		{Config{Addr: "0.0.0.0:8810", InsecureHTTP: true}, false, "keys create"},
		{Config{Addr: "0.0.0.0:8810", InsecureHTTP: true}, true, ""},
		{Config{Addr: "192.168.1.7:8810", TLSCert: "c", TLSKey: "k"}, true, ""},
		{Config{Addr: "192.168.1.7:8810", TLSCert: "c", TLSKey: "k"}, false, "keys create"},
		{Config{Addr: "nas.example.com:8810"}, true, "--tls-cert"},
	} {
		err := test.config.Validate(test.hasKeys)
		if (err == nil) != (test.fragment == "") || err != nil && !strings.Contains(err.Error(), test.fragment) {
			t.Errorf("%+v with keys %t: %v; want %q", test.config, test.hasKeys, err, test.fragment)
		}
	}
	if _, err := Listen(Config{Addr: "0.0.0.0:0"}, Parts{Keys: &keyring{}}, nil); err == nil {
		t.Error("a server without keys listens to the world")
	}
}

func TestTheLogHasNoKeyNoBodyAndNoQuery(t *testing.T) {
	h := start(t, Config{}, Route{Method: "POST", Path: "/client/v4/accounts/{account}/thing/{id}", BodyLimit: testLimit, Handle: takeAll, Scope: read},
		Route{Method: "GET", Path: "/fail", Handle: func(_ *Server, c *call) error { return fault.New(fault.Invalid, "wrong: %s", c.queryParam("q")) }})
	secret := h.keys.add(t, catalog.Key{Account: "acc", Permission: admin})
	h.do("POST", "/client/v4/accounts/acc/thing/private-id?q=private-query", strings.NewReader("private-body"), "Authorization: Bearer "+secret).want(t, 200, 0)
	h.do("POST", "/client/v4/accounts/acc/thing/private-id", nil, "Authorization: Bearer private-wrong").want(t, 401, 10000)
	h.do("GET", "/fail?q=private-query", nil).want(t, 400, 10400)
	h.do("GET", "/private-path?q=private-query", nil).want(t, 404, 7000)
	if err := h.server.Close(); err != nil {
		t.Fatal(err)
	}
	log := h.log.String()
	for _, private := range []string{secret, "private-"} {
		if strings.Contains(log, private) {
			t.Errorf("the log holds %q: %s", private, log)
		}
	}
	for _, fragment := range []string{"route=/client/v4/accounts/{account}/thing/{id}", "account=acc", "key=key-1", "status=200", "status=401", "kind=unauthorized", "route=none", "received=12"} {
		if !strings.Contains(log, fragment) {
			t.Errorf("the log lacks %q: %s", fragment, log)
		}
	}
}

func TestMetricsCountWithBoundedLabels(t *testing.T) {
	h := start(t, Config{})
	for range 3 {
		h.do("GET", "/private-path", nil)
	}
	h.do("BREW", "/client/v4/user", nil)
	h.do("GET", "/client/v4/accounts/private-account", nil)
	a := h.do("GET", "/metrics", nil)
	if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%d %v", a.status, a.header)
	}
	for _, line := range []string{
		`nearside_http_requests_total{method="GET",route="none",status="404"} 3`,
		`nearside_http_requests_total{method="other",route="none",status="405"} 1`,
		`nearside_http_requests_total{method="GET",route="/client/v4/accounts/{account}",status="200"} 1`,
		`nearside_http_failures_total{kind="not_found"} 3`,
		"nearside_http_in_flight 1", "nearside_http_panics_total 0", "go_goroutines",
	} {
		if !strings.Contains(a.body, line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	if strings.Contains(a.body, "private") || strings.Contains(a.body, "BREW") {
		t.Error("/metrics holds what a client chose")
	}
}

func TestHealthTellsItsConditionToThoseWhoMayKnow(t *testing.T) {
	h := start(t, Config{Version: "1.2.3"})
	h.server.parts.Condition = func() Condition {
		return Condition{Embedding: "@nearside/lexical-hash", Lexical: true, Damaged: []string{"films: records.db is damaged"}}
	}
	full := `{"status":"ok","version":"1.2.3","embedding":"@nearside/lexical-hash","lexical":true,"damaged":["films: records.db is damaged"]}`
	if a := h.do("GET", "/health", nil); a.body != full {
		t.Errorf("without keys: %s", a.body)
	}
	secret := h.keys.add(t, catalog.Key{Account: "a", Permission: admin})
	if a := h.do("GET", "/health", nil); a.status != 200 || a.body != `{"status":"ok"}` {
		t.Errorf("without a key: %s", a.body)
	}
	if a := h.do("GET", "/health", nil, "Authorization: Bearer "+secret); a.body != full {
		t.Errorf("with a key: %s", a.body)
	}
}
