package server

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"nearside/fault"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a reply with testdata/name, byte for byte; request ids are made equal first.
func golden(t *testing.T, name, got string) {
	t.Helper()
	recorded(t, name, regexp.MustCompile(`\b[0-9a-f]{16}\b`).ReplaceAllString(got, "0123456789abcdef"))
}

// recorded compares a reply with testdata/name, byte for byte.
func recorded(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look, and run with -update if it is meant:\n got %s\nwant %s", file, got, want)
	}
}

// The envelope of every family, in success and failure, byte for byte.
func TestEnvelopesStayAsTheyAre(t *testing.T) {
	var out strings.Builder
	for _, f := range []struct {
		name   string
		family family
	}{{"platform", platformAPI}, {"vectorize", vectorizeAPI}, {"workers-ai", workersAI}, {"nearside", nearsideAPI}} {
		reply := func(handle func(*Server, *call) error) answer {
			h := start(t, Config{}, Route{Method: "GET", Path: "/x", Family: f.family, Handle: handle})
			return h.do("GET", "/x", nil)
		}
		for _, c := range []struct {
			name   string
			handle func(*Server, *call) error
		}{
			{"object", func(_ *Server, c *call) error { return c.reply(map[string]any{"name": "<a&b>", "score": 0.1}) }},
			{"null", func(_ *Server, c *call) error { return c.reply(nil) }},
			{"list", func(_ *Server, c *call) error {
				return c.replyInfo([]int{1, 2}, resultInfo{Page: 1, PerPage: 20, Count: 2, TotalCount: 2, TotalPages: 1})
			}},
			{"remark", func(_ *Server, c *call) error {
				c.message("the property \"größe\" has no metadata index")
				return c.reply([]string{})
			}},
			{"bare", func(_ *Server, c *call) error { return c.bare(map[string]string{"object": "list"}) }},
			{"invalid", func(_ *Server, c *call) error { return fault.New(fault.Invalid, "dimensions is %d", 0) }},
			{"missing", func(_ *Server, c *call) error { return fault.New(fault.NotFound, "no such thing") }},
			{"internal", func(_ *Server, c *call) error { return errors.New("the secret cause") }},
			{"panic", func(_ *Server, c *call) error { panic("the secret cause") }},
		} {
			a := reply(c.handle)
			fmt.Fprintf(&out, "%s %s: %d %s\n", f.name, c.name, a.status, a.body)
			if a.status == 200 && a.header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %s: content type %q", f.name, c.name, a.header.Get("Content-Type"))
			}
		}
	}
	golden(t, "envelopes.txt", out.String())
}

func TestAPanicIsA500AndTheServerLives(t *testing.T) {
	h := start(t, Config{Work: 1, Queue: 1},
		Route{Method: "GET", Path: "/panic", Handle: func(_ *Server, c *call) error { panic("the secret cause") }},
		Route{Method: "GET", Path: "/alive", Handle: func(_ *Server, c *call) error { return c.reply("yes") }})
	for range 3 {
		a := h.do("GET", "/panic", nil)
		id := a.header.Get("nearside-request-id")
		a.want(t, 500, 10013, "(request "+id+")")
		if strings.Contains(a.body, "secret") {
			t.Errorf("the client sees the cause: %s", a.body)
		}
		if log := h.log.String(); id == "" || !strings.Contains(log, id) || strings.Contains(log, "the secret cause") || !strings.Contains(log, "reply_internal_test.go") {
			t.Errorf("the log lacks the id or the stack, or quotes the panic: %s", log)
		}
		h.do("GET", "/alive", nil).want(t, 200, 0)
	}
}

func TestRequestIDsAreOursAndDiffer(t *testing.T) {
	h := start(t, Config{})
	seen := map[string]bool{}
	for range 10 {
		a := h.do("GET", "/health", nil, "nearside-request-id: mine", "cf-ray: mine", "x-request-id: mine")
		id := a.header.Get("nearside-request-id")
		if len(id) != 16 || seen[id] || a.header.Get("cf-ray") != id+"-LCL" {
			t.Errorf("id %q, ray %q", id, a.header.Get("cf-ray"))
		}
		seen[id] = true
	}
}

func TestRemarksGoToTheHeaderToo(t *testing.T) {
	h := start(t, Config{}, Route{Method: "GET", Path: "/x", Handle: func(_ *Server, c *call) error {
		c.message("first \"größe\"")
		c.message("second\r\nSet-Cookie: stolen")
		return c.reply(nil)
	}})
	a := h.do("GET", "/x", nil)
	if got := a.header.Get("nearside-warning"); got != `first "gr\u00f6\u00dfe"; second\r\nSet-Cookie: stolen` || a.header.Get("Set-Cookie") != "" {
		t.Errorf("the header is %q", got)
	}
}

// Every kind of fault has a status and a code in every family, and says the same at all of them.
func TestEveryKindOfFaultHasAMeaning(t *testing.T) {
	for _, f := range []family{platformAPI, vectorizeAPI, workersAI, nearsideAPI} {
		for kind := fault.Internal; kind <= fault.Corrupt; kind++ {
			status, code, message := f.answer(fault.New(kind, "words"))
			if status < 400 || code == 0 || message == "" {
				t.Errorf("family %d, %s: %d %d %q", f, kind, status, code, message)
			}
			if hidden := kind == fault.Internal; hidden == strings.Contains(message, "words") {
				t.Errorf("family %d, %s: the message is %q", f, kind, message)
			}
		}
	}
}

func TestRetryAfterIsInWholeSeconds(t *testing.T) {
	for wait, want := range map[time.Duration]string{time.Millisecond: "1", time.Second: "1", 1500 * time.Millisecond: "2", 0: ""} {
		h := start(t, Config{}, Route{Method: "GET", Path: "/x", Handle: func(_ *Server, c *call) error {
			f := fault.New(fault.Unavailable, "later")
			f.RetryAfter = wait
			return f
		}})
		a := h.do("GET", "/x", nil)
		a.want(t, 503, 7009)
		if got := a.header.Get("Retry-After"); got != want {
			t.Errorf("%s: Retry-After %q, want %q", wait, got, want)
		}
	}
}
