package web_test

import (
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"nearside/fault"
	"nearside/ingest/source/web"
)

func TestRobotsSayWhatMayBeAsked(t *testing.T) {
	for _, c := range []struct {
		file, path string
		allowed    bool
	}{
		{"", "/a", true},
		{"User-agent: *\nDisallow: /a", "/ab", false},
		{"User-agent: *\nDisallow:", "/ab", true},
		{"User-agent: *\nDisallow: /\n\nUser-agent: Nearside\nDisallow: /x", "/a", true},
		{"User-agent: *\nDisallow: /\n\nUser-agent: Nearside\nDisallow: /x", "/x", false},
		{"User-agent: other\nUser-agent: nearside\nDisallow: /", "/a", false},
		{"User-agent: other\nDisallow: /", "/a", true},
		{"User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b/c", true},
		{"User-agent: *\nAllow: /a\nDisallow: /a", "/a", true},
		{"User-agent: *\nDisallow: /*.pdf$", "/x/y.pdf", false},
		{"User-agent: *\nDisallow: /*.pdf$", "/x/y.pdf?z", true},
		{"User-agent: *\nDisallow: /*a*b*c", "/xaybzc", false},
		{"User-agent: *\nDisallow: /*a*b*c", "/xaycz", true},
		{"User-agent: *\nDisallow: /%C3%BC", "/ü", false},
		{"User-agent: *\nDisallow: /a%41", "/aA", false},
		{"User-agent: *\nDisallow: /a%2Fb", "/a/b", true},
		{"\xEF\xBB\xBFUSER-AGENT : * # all\r\n DISALLOW : /a # no\r\nnonsense\r\n", "/a", false},
		{"Disallow: /", "/a", true},
		{"User-agent: nearside\nDisallow: /a\n\nUser-agent: nearside\nDisallow: /b", "/b", false},
	} {
		if got := web.ParseRobots([]byte(c.file), web.DefaultUserAgent).Allows(c.path); got != c.allowed {
			t.Errorf("%q: %s allowed: %v", c.file, c.path, got)
		}
	}
	r := web.ParseRobots([]byte("Sitemap: https://a/s.xml\nUser-agent: *\nCrawl-delay: 2.5\nSitemap: https://a/t.xml"), "nearside")
	if r.Delay != 2500*time.Millisecond || !slices.Equal(r.Sitemaps, []string{"https://a/s.xml", "https://a/t.xml"}) {
		t.Errorf("%+v", r)
	}
}

func TestRobotsAreFetchedOnce(t *testing.T) {
	var n atomic.Int32
	code := http.StatusServiceUnavailable
	address, host := site(t, func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "User-agent: *\nDisallow: /a")
	})
	c := client(t, web.Options{Hosts: []string{host}}, nil)
	if _, err := c.Robots(t.Context(), address+"/x"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("it cannot be had: %v", err)
	}
	code = http.StatusOK
	n.Store(0)
	for range 3 {
		r, err := c.Robots(t.Context(), address+"/x")
		if err != nil || r.Allows(web.PathOf(address+"/a?b")) || n.Load() != 1 {
			t.Errorf("%+v, %v, asked %d times", r, err, n.Load())
		}
	}
	c, code = client(t, web.Options{Hosts: []string{host}}, nil), http.StatusNotFound
	if r, err := c.Robots(t.Context(), address); err != nil || !r.Allows("/a") {
		t.Errorf("there is none: %v", err)
	}
}

func FuzzRobots(f *testing.F) {
	f.Add([]byte("User-agent: *\nDisallow: /*a*b$\nAllow: /%zz%4"), "/a%C3/b")
	f.Fuzz(func(_ *testing.T, data []byte, path string) {
		web.ParseRobots(data, "nearside").Allows(path)
	})
}

func FuzzAddresses(f *testing.F) {
	f.Add("http://[::1%25eth0]:80/a?b\xff#c")
	f.Add("HTTPS://bücher.example:443")
	f.Fuzz(func(t *testing.T, address string) {
		once, err := web.Normalize(address)
		if err != nil {
			return
		}
		if twice, err := web.Normalize(once); err != nil || twice != once {
			t.Errorf("%q is written as %q and that as %q, %v", address, once, twice, err)
		}
	})
}
