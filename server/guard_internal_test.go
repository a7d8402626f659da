package server

import (
	"strings"
	"testing"
)

func TestOnlyOurHostNamesAreAnsweredTo(t *testing.T) {
	h := start(t, Config{Hosts: []string{"box.example.com"}})
	for host, status := range map[string]int{
		"localhost": 200, "LOCALHOST:8810": 200, "127.0.0.1:8810": 200, "[::1]:8810": 200, "192.168.1.7": 200,
		"app.localhost": 200, "box.example.com": 200, "Box.Example.com:99": 200,
		"evil.example.com": 403, "localhost.evil.example.com": 403, "127.0.0.1.evil.example.com": 403, "box.example.com.evil": 403, "notlocalhost": 403,
	} {
		a := h.do("GET", "/health", nil, "Host: "+host)
		if a.status != status {
			t.Errorf("Host %s: %d, want %d: %s", host, a.status, status, a.body)
		}
		if status == 403 && !strings.Contains(a.body, "--allow-host") {
			t.Errorf("Host %s: the refusal names no way out: %s", host, a.body)
		}
	}
}

func TestPagesOfOtherSitesAreRefused(t *testing.T) {
	h := start(t, Config{Origins: []string{"https://app.example.com"}})
	same := "http://" + h.addr()
	for _, test := range []struct {
		name    string
		headers []string
		status  int
	}{
		{"a program", nil, 200},
		{"our own page", []string{"Origin: " + same, "Sec-Fetch-Site: same-origin"}, 200},
		{"our own page, get", []string{"Sec-Fetch-Site: same-origin"}, 200},
		{"an address typed in", []string{"Sec-Fetch-Site: none"}, 200},
		{"an allowed page", []string{"Origin: https://app.example.com", "Sec-Fetch-Site: cross-site"}, 200},
		{"another page", []string{"Origin: https://evil.example.com", "Sec-Fetch-Site: cross-site"}, 403},
		{"another port", []string{"Origin: http://127.0.0.1:1"}, 403},
		{"another scheme", []string{"Origin: https://" + h.addr()}, 403},
		{"another port, no origin", []string{"Sec-Fetch-Site: same-site"}, 403},
		{"an image on another page", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"a sandbox", []string{"Origin: null"}, 403},
		{"a prefix of an allowed page", []string{"Origin: https://app.example.com.evil"}, 403},
	} {
		a := h.do("GET", "/client/v4/accounts", nil, test.headers...)
		if a.status != test.status {
			t.Errorf("%s: %d, want %d: %s", test.name, a.status, test.status, a.body)
		}
		if a.status == 403 && a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s may read the refusal", test.name)
		}
	}
}

func TestPreflightsAreAnsweredForAllowedOriginsOnly(t *testing.T) {
	h := start(t, Config{Origins: []string{"https://app.example.com"}})
	ask := []string{"Access-Control-Request-Method: DELETE", "Access-Control-Request-Headers: authorization"}
	a := h.do("OPTIONS", "/client/v4/accounts", nil, append(ask, "Origin: https://app.example.com")...)
	if a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != "https://app.example.com" ||
		a.header.Get("Access-Control-Allow-Headers") != "authorization" || !strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "DELETE") {
		t.Errorf("%d %v", a.status, a.header)
	}
	h.do("OPTIONS", "/client/v4/accounts", nil, append(ask, "Origin: https://evil.example.com")...).want(t, 403, 10000)
	h.do("OPTIONS", "/client/v4/accounts", nil).want(t, 405, 7001)
}
