package server

import (
	"bufio"
	"fmt"
	"io"
	"testing"

	"nearside/catalog"
)

func TestWranglersQuestionsAreAnswered(t *testing.T) {
	h := start(t, Config{})
	h.do("GET", "/client/v4/user/tokens/verify", nil, "Authorization: Bearer x").want(t, 200, 0, `"status":"active"`, "This API Token is valid and active")
	h.do("GET", "/client/v4/user", nil).want(t, 200, 0, `"email":"local@nearside.invalid"`)
	h.do("GET", "/client/v4/accounts?page=1", nil).want(t, 200, 0, `"result":[{"id":"local","name":"local","type":"standard"}]`, `"total_count":1`)
	h.do("GET", "/client/v4/accounts/other", nil).want(t, 200, 0, `"id":"other"`)
	h.do("GET", "/client/v4/memberships?page=1&per_page=50", nil).want(t, 200, 0, `"account":{"id":"local"`, `"status":"accepted"`)

	secret := h.keys.add(t, catalog.Key{Account: "acc", Permission: read})
	h.do("GET", "/client/v4/accounts", nil, "Authorization: Bearer "+secret).want(t, 200, 0, `[{"id":"acc"`)
	h.do("GET", "/client/v4/memberships", nil, "X-Auth-Key: "+secret).want(t, 200, 0, `"account":{"id":"acc"`)
}

// Some clients read pages until one is empty.
func TestListsEnd(t *testing.T) {
	h := start(t, Config{})
	for _, path := range []string{"/client/v4/accounts", "/client/v4/memberships"} {
		h.do("GET", path+"?page=2", nil).want(t, 200, 0, `"result":[]`, `"count":0`, `"page":2`)
		for _, page := range []string{"0", "-1", "x", "1.5", "99999999999999999999"} {
			h.do("GET", path+"?page="+page, nil).want(t, 400, 10400, "page", page)
		}
	}
}

func TestWhatIsNotHTTPIsRefusedInTheEnvelope(t *testing.T) {
	h := start(t, Config{})
	for name, raw := range map[string]string{
		"no request line": "nonsense\r\n\r\n",
		"a bad length":    "POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
	} {
		c := h.dial()
		io.WriteString(c, raw)
		a := h.next(bufio.NewReader(c))
		if a.status != 400 || a.code() != 6003 || a.header.Get("nearside-request-id") == "" || !a.closes {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	c := h.dial()
	fmt.Fprintf(c, "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: %020000d\r\n\r\n", 0)
	h.next(bufio.NewReader(c)).want(t, 431, 6003, "16,384")
}
