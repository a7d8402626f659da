package web_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nearside/fault"
	"nearside/ingest/source/web"
)

// site starts a server and returns its address and its host.
func site(t *testing.T, handle http.HandlerFunc) (address, host string) {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return s.URL, strings.TrimPrefix(s.URL, "http://")
}

// client returns one that may ask hosts of this machine and does not wait. Pauses are noted.
func client(t *testing.T, o web.Options, pauses *[]time.Duration) *web.Client {
	t.Helper()
	var mu sync.Mutex
	if o.Delay == 0 {
		o.Delay = -1
	}
	o.Pause = func(ctx context.Context, d time.Duration) error {
		mu.Lock()
		defer mu.Unlock()
		if pauses != nil {
			*pauses = append(*pauses, d)
		}
		return ctx.Err()
	}
	o.Private = append(o.Private, "127.0.0.1")
	c, err := web.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func get(c *web.Client, address string) (page web.Page, says string, err error) {
	err = c.Get(context.Background(), address, func(p web.Page, r io.Reader) error {
		data, err := io.ReadAll(r)
		page, says = p, string(data)
		return err
	})
	return page, says, err
}

func TestAPageIsFetchedWithWhatItsServerSays(t *testing.T) {
	modified := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	address, host := site(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.UserAgent(), "nearside") {
			t.Errorf("user agent %q", r.UserAgent())
		}
		w.Header().Set("Content-Type", "text/markdown; charset=utf-8")
		w.Header().Set("Last-Modified", modified.Format(http.TimeFormat))
		if r.URL.Path == "/tagged" {
			w.Header().Set("ETag", `W/"7"`)
		}
		if r.URL.Path == "/packed" {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, "# it")
			_ = z.Close()
			return
		}
		_, _ = io.WriteString(w, "# it")
	})
	c := client(t, web.Options{Hosts: []string{host}}, nil)
	for path, version := range map[string]string{"/": "modified 2026-03-01T10:00:00Z, 4 bytes", "/tagged": `tag W/"7"`, "/packed": "modified 2026-03-01T10:00:00Z, 28 bytes"} {
		page, says, err := get(c, address+path)
		if err != nil || says != "# it" || page.MediaType != "text/markdown; charset=utf-8" || page.Version != version || !page.Modified.Equal(modified) {
			t.Errorf("%s: %q, %+v, %v", path, says, page, err)
		}
		if head, err := c.Head(t.Context(), address+path); err != nil || path != "/packed" && head != page {
			t.Errorf("%s: HEAD %+v, GET %+v: %v", path, head, page, err)
		}
	}
}

func TestWhatAServerRefusesIsNamed(t *testing.T) {
	asked := map[string]int{}
	var mu sync.Mutex
	address, host := site(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.Method+r.URL.Path]++
		mu.Unlock()
		var code int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &code); err != nil || r.Method == http.MethodHead && r.URL.Path == "/405/head" {
			code = http.StatusMethodNotAllowed
		} else if r.URL.Path == "/405/head" {
			code = http.StatusOK
		}
		w.WriteHeader(code)
	})
	var pauses []time.Duration
	c := client(t, web.Options{Hosts: []string{host}}, &pauses)
	for code, kind := range map[int]fault.Kind{404: fault.Gone, 410: fault.Gone, 403: fault.Invalid, 401: fault.Invalid, 500: fault.Unavailable, 503: fault.Unavailable, 429: fault.Unavailable, 418: fault.Invalid, 206: fault.Invalid} {
		_, _, err := get(c, fmt.Sprintf("%s/%d", address, code))
		if fault.KindOf(err) != kind || !strings.Contains(err.Error(), fmt.Sprint(code)) {
			t.Errorf("%d: %v", code, err)
		}
	}
	if asked["GET/503"] != 4 || asked["GET/500"] != 1 || asked["GET/404"] != 1 || len(pauses) != 6 {
		t.Errorf("asked %v, pauses %v", asked, pauses)
	}
	if _, err := c.Head(t.Context(), address+"/405/head"); err != nil {
		t.Errorf("a server that knows no HEAD: %v", err)
	}
	if _, err := c.Head(t.Context(), address+"/404"); !fault.Is(err, fault.Gone) || asked["GET/404"] != 2 {
		t.Errorf("gone is what GET says, not HEAD: %v", err)
	}
}

func TestRetryAfterIsObeyedWithinALimit(t *testing.T) {
	var n atomic.Int32
	after := "7"
	address, host := site(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		_, _ = io.WriteString(w, "ready")
	})
	var pauses []time.Duration
	c := client(t, web.Options{Hosts: []string{host}}, &pauses)
	if _, says, err := get(c, address); err != nil || says != "ready" || len(pauses) != 1 || pauses[0] != 7*time.Second {
		t.Errorf("%q after %v: %v", says, pauses, err)
	}
	n.Store(0)
	after = "86400"
	if _, _, err := get(c, address); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "24h") || len(pauses) != 1 {
		t.Errorf("a day: %v, %v", err, pauses)
	}
}

func TestEachHopIsChecked(t *testing.T) {
	var reached atomic.Int32
	_, secret := site(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	address, host := site(t, func(w http.ResponseWriter, r *http.Request) {
		to := map[string]string{"/a": "/b", "/b": "/c?x=1", "/out": "http://" + secret + "/", "/file": "file:///etc/passwd", "/loop": "/loop", "/named": "http://metadata.test/", "/user": "http://a:b@" + r.Host}[r.URL.Path]
		if to == "" {
			_, _ = io.WriteString(w, "here "+r.URL.RawQuery)
			return
		}
		http.Redirect(w, r, to, http.StatusFound)
	})
	c := client(t, web.Options{Hosts: []string{host, "metadata.test"}, Resolve: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("169.254.169.254")}, nil
	}}, nil)
	if page, says, err := get(c, address+"/a"); err != nil || says != "here x=1" || page.Address != address+"/c?x=1" {
		t.Errorf("%q, %+v, %v", says, page, err)
	}
	for path, want := range map[string]string{"/out": "--allow-host " + secret, "/file": "no address of a page", "/loop": "more than 5 times", "/named": "--allow-private metadata.test", "/user": "password"} {
		if _, _, err := get(c, address+path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if reached.Load() != 0 {
		t.Error("a host that is not allowed was asked")
	}
}

func TestPrivateAddressesAreRefused(t *testing.T) {
	for _, addr := range strings.Fields(`
		0.0.0.0 10.1.2.3 100.64.0.1 100.100.100.200 127.0.0.1 127.8.8.8 169.254.169.254 168.63.129.16 172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.168.1.1 198.18.0.1
		198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255
		:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:a9fe:a9fe 64:ff9b::7f00:1 64:ff9b::10.0.0.1 64:ff9b:1::1 2002:7f00:1:: 2002:a00:1::1 2001::1 2001:db8::1
		fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 100::1 5f00::1 3fff::1
	`) {
		if web.Private(netip.MustParseAddr(addr)) == "" {
			t.Errorf("%s counts as public", addr)
		}
	}
	for _, addr := range strings.Fields("1.1.1.1 172.15.0.1 172.32.0.1 100.63.0.1 100.128.0.1 169.253.0.1 192.167.1.1 2606:4700::1111 64:ff9b::1.1.1.1 ::ffff:1.1.1.1 2002:101:101::1 2a00::1") {
		if why := web.Private(netip.MustParseAddr(addr)); why != "" {
			t.Errorf("%s counts as %s", addr, why)
		}
	}
	if web.Private(netip.Addr{}) == "" {
		t.Error("no address counts as public")
	}
}

// What is checked is what is dialled: a name that has another address the next time it is asked for is not asked for again.
func TestAHostThatChangesItsAddressGainsNothing(t *testing.T) {
	_, host := site(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "secret") })
	port := host[strings.LastIndex(host, ":"):]
	for what, answers := range map[string][]string{
		"private": {"127.0.0.1"}, "both": {"93.184.216.34", "127.0.0.1"}, "mapped": {"::ffff:127.0.0.1"}, "none": {},
	} {
		asked := 0
		c, err := web.New(web.Options{Hosts: []string{"rebind.test" + port, "127.0.0.1" + port}, Delay: -1, Resolve: func(context.Context, string) ([]netip.Addr, error) {
			asked++
			var addrs []netip.Addr
			for _, a := range answers {
				addrs = append(addrs, netip.MustParseAddr(a))
			}
			return addrs, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := get(c, "http://rebind.test"+port); err == nil || asked != 1 || len(answers) > 0 && !strings.Contains(err.Error(), "--allow-private rebind.test") {
			t.Errorf("%s: asked %d times: %v", what, asked, err)
		}
		if _, _, err := get(c, "http://127.0.0.1"+port); !fault.Is(err, fault.Forbidden) {
			t.Errorf("an address as a name: %v", err)
		}
		c.Close()
	}
	named := 0
	c := client(t, web.Options{Hosts: []string{"wiki.test" + port}, Private: []string{"wiki.test"}, Resolve: func(context.Context, string) ([]netip.Addr, error) {
		named++
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}}, nil)
	if _, says, err := get(c, "http://wiki.test"+port); err != nil || says != "secret" || named != 1 {
		t.Errorf("named: %q, %d, %v", says, named, err)
	}
}

func TestAPageIsWithinTheLimit(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(make([]byte, 1<<20))
	_ = z.Close()
	address, host := site(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed.Bytes())
		case "/endless":
			for {
				if _, err := w.Write(make([]byte, 1000)); err != nil {
					return
				}
			}
		case "/brotli":
			w.Header().Set("Content-Encoding", "br")
		case "/cut":
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("short"))
		default:
			_, _ = w.Write(make([]byte, 20_000))
		}
	})
	c := client(t, web.Options{Hosts: []string{host}, MaxBytes: 10_000}, nil)
	for path, kind := range map[string]fault.Kind{"/bomb": fault.TooLarge, "/endless": fault.TooLarge, "/long": fault.TooLarge, "/brotli": fault.Unsupported, "/cut": fault.Unavailable} {
		if _, says, err := get(c, address+path); fault.KindOf(err) != kind || len(says) > 10_000 {
			t.Errorf("%s: %d bytes, %v", path, len(says), err)
		}
	}
}

func TestAHostIsAskedOneThingAtATimeAndNotTooFast(t *testing.T) {
	var now, most atomic.Int32
	address, host := site(t, func(w http.ResponseWriter, _ *http.Request) {
		most.Store(max(most.Load(), now.Add(1)))
		_, _ = io.WriteString(w, "x")
		now.Add(-1)
	})
	var pauses []time.Duration
	c := client(t, web.Options{Hosts: []string{host}, Delay: time.Hour}, &pauses)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, _, err := get(c, address); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most.Load() != 1 || len(pauses) != 7 || pauses[0] < 59*time.Minute {
		t.Errorf("%d at once, pauses %v", most.Load(), pauses)
	}
}

func TestAStalledServerIsLeft(t *testing.T) {
	released := make(chan struct{})
	address, host := site(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-released:
		}
	})
	defer close(released)
	c := client(t, web.Options{Hosts: []string{host}, Timeout: 20 * time.Millisecond}, nil)
	if _, _, err := get(c, address); !fault.Is(err, fault.Unavailable) {
		t.Errorf("stalled: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c = client(t, web.Options{Hosts: []string{host}}, nil)
	err := c.Get(ctx, address, func(_ web.Page, r io.Reader) error {
		cancel()
		_, err := io.ReadAll(r)
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestAddressesAreWrittenInOneWay(t *testing.T) {
	for in, want := range map[string]string{
		"HTTP://Example.COM:80":         "http://example.com/",
		"https://example.com:443/a#b":   "https://example.com/a",
		"https://example.com./a/../b":   "https://example.com/a/../b",
		"http://bücher.example/ü?q=ü x": "http://xn--bcher-kva.example/%C3%BC?q=%C3%BC%20x",
		"http://[::1]:8080":             "http://[::1]:8080/",
		" http://a/b%20c ":              "http://a/b%20c",
		"ftp://a/":                      "", "a/b": "", "http://": "", "http://u:p@a/": "", "http://a b/": "", "javascript:alert(1)": "",
	} {
		got, err := web.Normalize(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", in, got, err, want)
		}
	}
	for _, host := range []string{"", "a/b", "http://a", "u@a", "a?b", "a:b:c"} {
		if _, err := web.New(web.Options{Hosts: []string{host}}); err == nil {
			t.Errorf("%q is taken for a host", host)
		}
	}
}
