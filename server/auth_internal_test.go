package server

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"

	"nearside/catalog"
)

// harmless is the route table with handlers that only say that they were reached.
func harmless() []Route {
	table := make([]Route, len(routes))
	for i, r := range routes {
		r.Handle = func(_ *Server, c *call) error { return c.reply("reached") }
		r.ContentTypes = nil
		table[i] = r
	}
	return table
}

// concrete fills a route's path for an account.
func concrete(r Route, account string) string {
	path := r.Path
	for _, name := range r.names() {
		value := "x1"
		if name == "account" {
			value = account
		}
		path = strings.NewReplacer("{"+name+"}", value, "{"+name+"...}", value).Replace(path)
	}
	return path
}

// Every route with no key, a wrong key, a key of each scope, and a key of another account.
func TestEveryRouteAsksForTheRightKey(t *testing.T) {
	h := start(t, Config{}, harmless()...)
	scopes := []catalog.Permission{read, write, admin}
	mine, others := map[Scope]string{}, map[Scope]string{}
	for _, scope := range scopes {
		mine[scope] = h.keys.add(t, catalog.Key{Account: "mine", Permission: scope})
		others[scope] = h.keys.add(t, catalog.Key{Account: "others", Permission: scope})
	}
	for _, r := range routes {
		ask := func(who string, status int, headers ...string) {
			t.Helper()
			code := 0
			if status != 200 {
				code = 10000
			}
			a := h.do(r.Method, concrete(r, "mine"), nil, headers...)
			if a.status != status || a.code() != code {
				t.Errorf("%s %s with %s: %d with code %d, want %d with %d: %s", r.Method, r.Path, who, a.status, a.code(), status, code, a.body)
			}
			if status != 200 && (strings.Contains(a.body, "reached") || strings.Contains(a.body, "others")) {
				t.Errorf("%s %s with %s reveals %s", r.Method, r.Path, who, a.body)
			}
		}
		if r.Scope == public {
			ask("no key", 200)
			ask("a wrong key", 200, "Authorization: Bearer wrong")
			continue
		}
		ask("no key", 401)
		ask("a wrong key", 401, "Authorization: Bearer wrong")
		ask("a wrong X-Auth-Key", 401, "X-Auth-Key: wrong", "X-Auth-Email: a@b.c")
		ask("an empty bearer", 401, "Authorization: Bearer ")
		ask("basic", 401, "Authorization: Basic "+mine[admin])
		for _, scope := range scopes {
			status := 403
			if scope.Allows(r.Scope) {
				status = 200
			}
			ask("a "+string(scope)+" key", status, "Authorization: Bearer "+mine[scope])
			ask("a "+string(scope)+" X-Auth-Key", status, "X-Auth-Key: "+mine[scope], "X-Auth-Email: a@b.c")
			if strings.Contains(r.Path, "{account}") {
				ask("another account's "+string(scope)+" key", 403, "Authorization: bearer "+others[scope])
			}
		}
	}
}

func TestWithoutKeysAnybodyMayCallAnyAccount(t *testing.T) {
	h := start(t, Config{}, harmless()...)
	for _, r := range routes {
		for _, account := range []string{"local", "0123456789abcdef0123456789abcdef"} {
			for _, header := range []string{"X: y", "Authorization: Bearer whatever"} {
				h.do(r.Method, concrete(r, account), nil, header).want(t, 200, 0, "reached")
			}
		}
	}
}

func TestAKeyLimitedToSomeIndexesOpensNoOther(t *testing.T) {
	h := start(t, Config{}, harmless()...)
	h.keys.add(t, catalog.Key{Account: "a", Permission: admin})
	secret := h.keys.add(t, catalog.Key{Account: "a", Permission: write, Limits: catalog.Limits{Indexes: []string{"films"}}})
	checked := 0
	for _, r := range routes {
		if !strings.Contains(r.Path, "{index}") || !write.Allows(r.Scope) {
			continue
		}
		checked++
		path := concrete(r, "a")
		h.do(r.Method, path, nil, "Authorization: Bearer "+secret).want(t, 403, 10000, "does not open this index")
		h.do(r.Method, strings.Replace(path, "x1", "films", 1), nil, "Authorization: Bearer "+secret).want(t, 200, 0)
	}
	t.Logf("%d routes name an index", checked)
}

func TestARevokedKeyOpensNothingAtOnce(t *testing.T) {
	h := start(t, Config{})
	a := h.do("POST", "/client/v4/accounts/local/nearside/keys", strings.NewReader(`{"name":"boss","scope":"admin"}`), "Content-Type: application/json")
	a.want(t, 200, 0, `"scope":"admin"`, `"secret":"secret-of-key-1"`, `"created_on":"2026-01-02T03:04:05Z"`)
	boss := "Authorization: Bearer secret-of-key-1"
	h.do("GET", "/client/v4/accounts/local/nearside/keys", nil).want(t, 401, 10000)

	h.do("POST", "/client/v4/accounts/local/nearside/keys", strings.NewReader(`{"name":"reader","scope":"read","indexes":["films"],"filter":{"genre":"noir"},"neurons_per_day":500}`), "Content-Type: application/json", boss).
		want(t, 200, 0, `"indexes":["films"]`, `"filter":{"genre":"noir"}`, `"neurons_per_day":500`)
	reader := "Authorization: Bearer secret-of-key-2"
	h.do("GET", "/client/v4/user", nil, reader).want(t, 200, 0)
	list := h.do("GET", "/client/v4/accounts/local/nearside/keys", nil, boss)
	list.want(t, 200, 0, `"id":"key-1"`, `"id":"key-2"`, `"neurons_per_day":500`)
	if strings.Contains(list.body, "secret-of-key") {
		t.Errorf("the list shows a secret: %s", list.body)
	}
	h.do("DELETE", "/client/v4/accounts/local/nearside/keys/key-2", nil, boss).want(t, 200, 0, `"id":"key-2"`)
	h.do("GET", "/client/v4/user", nil, reader).want(t, 401, 10000)
	h.do("DELETE", "/client/v4/accounts/local/nearside/keys/key-2", nil, boss).want(t, 404, 10404, "key-2")

	for body, fragment := range map[string]string{
		`{"scope":"owner"}`:                           "owner",
		`{"scope":"read","filter":{"a":{"$near":1}}}`: "$near",
		`{"scope":"read","filter":7}`:                 "filter",
		`{"scope":5}`:                                 "scope: expected a string",
		`{"scope":"read","neurons_per_day":1.5}`:      "neurons_per_day",
		`{"scope":"write","namespace":["a"]}`:         `unknown field \"namespace\"`, // passed over, the key would open every namespace
	} {
		a := h.do("POST", "/client/v4/accounts/local/nearside/keys", strings.NewReader(body), "Content-Type: application/json", boss)
		if a.status != 400 || !strings.Contains(a.body, fragment) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
}

func TestAnExposedServerStaysClosedWhenItsLastKeyIsRevoked(t *testing.T) {
	h := start(t, Config{})
	h.server.exposed = true
	h.do("GET", "/client/v4/user", nil).want(t, 401, 10000)
	h.do("POST", "/client/v4/accounts/local/nearside/keys", strings.NewReader(`{"scope":"admin"}`), "Content-Type: application/json").want(t, 401, 10000)
}

func TestAccountIDsThatCannotBeAreRefused(t *testing.T) {
	h := start(t, Config{}, harmless()...)
	for _, id := range []string{"a%20b", "a%2fb", "%C3%A9", strings.Repeat("a", maxAccount+1), "a:b", "a*"} {
		h.do("GET", "/client/v4/accounts/"+id, nil).want(t, 400, 7003, "Could not route")
	}
	h.do("GET", "/client/v4/accounts/"+strings.Repeat("a", maxAccount), nil).want(t, 200, 0)
}

// Every route's body limit, at the limit and one byte above it.
func TestEveryRouteHoldsItsBodyLimit(t *testing.T) {
	table := harmless()
	for i := range table {
		table[i].Handle = countAll
	}
	h := start(t, Config{BodyBytes: 1 << 40}, table...)
	tried := map[string]bool{}
	for _, r := range table {
		// The limit is enforced in one place; one route of each method, family and limit is enough.
		kind := fmt.Sprint(r.Method, r.Family, r.limit())
		if tried[kind] || r.Method == "GET" || r.Method == "DELETE" {
			continue
		}
		tried[kind] = true
		tooLarge := map[family]int{platformAPI: 10413, nearsideAPI: 10413, vectorizeAPI: 40026, workersAI: 3006}[r.Family]
		path := concrete(r, "local")
		if r.limit() > 40<<20 { // too much to send in a test; the head of the request says enough
			c := h.dial()
			fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%0*d", r.Method, path, r.limit()+1, prefetched, 0)
			h.next(bufio.NewReader(c)).want(t, 413, tooLarge, count(r.limit()))
			continue
		}
		h.do(r.Method, path, zeroBody(r.limit())).want(t, 200, 0, fmt.Sprint(r.limit()))
		h.do(r.Method, path, zeroBody(r.limit()+1)).want(t, 413, tooLarge, count(r.limit()))
	}
}

// countAll replies with the number of bytes its body has, and keeps none of them.
func countAll(_ *Server, c *call) error {
	r, err := c.body()
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		return err
	}
	return c.reply(n)
}
