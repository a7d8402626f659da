package server

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

const testLimit = 100_000

// takeAll replies with the number of bytes its body has.
func takeAll(_ *Server, c *call) error {
	data, err := c.readBody()
	if err != nil {
		return err
	}
	return c.reply(len(data))
}

func bodyServer(t *testing.T) *harness {
	return start(t, Config{},
		Route{Method: "POST", Path: "/take", Handle: takeAll, BodyLimit: testLimit},
		Route{Method: "POST", Path: "/ignore", Handle: func(_ *Server, c *call) error { return c.reply("ignored") }, BodyLimit: testLimit},
		Route{Method: "POST", Path: "/none", Handle: func(_ *Server, c *call) error { return c.reply("none") }},
		Route{Method: "POST", Path: "/json", Handle: takeAll, BodyLimit: testLimit, ContentTypes: jsonOnly, Family: vectorizeAPI},
		Route{Method: "POST", Path: "/upload", Handle: takeAll, BodyLimit: testLimit, ContentTypes: []string{"application/x-ndjson", "multipart/form-data"}, Family: vectorizeAPI},
		Route{Method: "GET", Path: "/get", Handle: func(_ *Server, c *call) error { return c.reply("got") }})
}

func pack(t *testing.T, n int, open func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var out bytes.Buffer
	w := open(&out)
	if _, err := io.CopyN(w, zeros{}, int64(n)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// encodings packs n zero bytes in each way we unpack.
func encodings(t *testing.T, n int) map[string][]byte {
	bare := func(w io.Writer) io.WriteCloser {
		f, err := flate.NewWriter(w, flate.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	return map[string][]byte{
		"gzip":         pack(t, n, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }),
		"deflate":      pack(t, n, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }),
		"deflate bare": pack(t, n, bare),
	}
}

// fiber does not enforce BodyLimit on streams.
func TestBodyLimitHoldsHoweverTheBodyIsSent(t *testing.T) {
	h := bodyServer(t)
	for _, n := range []int{0, 1, prefetched, prefetched + 1, testLimit - 1, testLimit, testLimit + 1, 20 * testLimit} {
		status, code := 200, 0
		if n > testLimit {
			status, code = 413, 10413
		}
		h.do("POST", "/take", bytes.NewReader(make([]byte, n))).want(t, status, code)
		h.do("POST", "/take", struct{ io.Reader }{bytes.NewReader(make([]byte, n))}).want(t, status, code) // chunked
		for encoding, packed := range encodings(t, n) {
			name, _, _ := strings.Cut(encoding, " ")
			a := h.do("POST", "/take", bytes.NewReader(packed), "Content-Encoding: "+name)
			a.want(t, status, code)
			if status == 200 && !strings.Contains(a.body, fmt.Sprintf(`"result":%d}`, n)) {
				t.Errorf("%s of %d bytes arrived as %s", encoding, n, a.body)
			}
		}
	}
}

func TestABombIsRefusedWithoutBeingUnpacked(t *testing.T) {
	h := bodyServer(t)
	for encoding, packed := range encodings(t, 16<<20) {
		name, _, _ := strings.Cut(encoding, " ")
		if len(packed) > testLimit {
			packed = packed[:testLimit]
		}
		h.do("POST", "/take", bytes.NewReader(packed), "Content-Encoding: "+name).want(t, 413, 10413, "100,000 bytes")
	}
}

func TestARouteWithoutBodyPassesASmallOneOver(t *testing.T) {
	h := bodyServer(t)
	h.do("POST", "/none", strings.NewReader("{}"), "Content-Type: application/json").want(t, 200, 0)
	h.do("POST", "/none", bytes.NewReader(make([]byte, ignoredBody))).want(t, 200, 0)
	h.do("POST", "/none", bytes.NewReader(make([]byte, ignoredBody+1))).want(t, 413, 10413)
}

func TestBrokenBodiesAreNamed(t *testing.T) {
	h := bodyServer(t)
	h.do("POST", "/take", strings.NewReader("not packed"), "Content-Encoding: gzip").want(t, 400, 10400, "gzip")
	h.do("POST", "/take", strings.NewReader("x"), "Content-Encoding: br").want(t, 415, 10415, `\"br\"`)
	whole := encodings(t, 10_000)["gzip"]
	h.do("POST", "/take", bytes.NewReader(whole[:len(whole)-9]), "Content-Encoding: gzip").want(t, 400, 10400)

	for name, raw := range map[string]string{
		"a body that ends early": "POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n" + strings.Repeat("x", 8500),
		"a chunk without length": "POST /take HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
	} {
		c := h.dial()
		io.WriteString(c, raw)
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		res.Body.Close()
		if res.StatusCode != 400 {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
}

// To fasthttp a connection that ends between two chunks ends the body.
func TestAChunkedBodyIsWholeOnlyWithItsLastChunk(t *testing.T) {
	const head = "POST /take HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
	for _, secure := range []bool{false, true} {
		h := startMaybeTLS(t, secure, Config{}, Route{Method: "POST", Path: "/take", Handle: takeAll, BodyLimit: testLimit})
		for end, status := range map[string]int{"": 400, "0": 400, "0\r\n\r\n": 200} {
			c := h.dial()
			io.WriteString(c, head+end)
			if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatalf("TLS %t, the body ends with %q: %v", secure, end, err)
			}
			res.Body.Close()
			if res.StatusCode != status {
				t.Errorf("TLS %t, the body ends with %q: %d, want %d", secure, end, res.StatusCode, status)
			}
		}
	}
}

func TestContentTypesAreChecked(t *testing.T) {
	h := bodyServer(t)
	for _, test := range []struct {
		path, contentType string
		status, code      int
	}{
		{"/json", "application/json", 200, 0},
		{"/json", "Application/JSON; charset=utf-8;", 200, 0}, // wrangler's trailing semicolon
		{"/json", "text/plain", 400, 40026},
		{"/json", "application/x-www-form-urlencoded", 400, 40026},
		{"/json", "", 400, 40026},
		{"/upload", "application/x-ndjson", 200, 0},
		{"/upload", "multipart/form-data; boundary=x", 200, 0},
		{"/upload", "text/csv", 400, 1005},
		{"/take", "anything/goes", 200, 0},
	} {
		h.do("POST", test.path, strings.NewReader("{}"), "Content-Type: "+test.contentType).want(t, test.status, test.code)
	}
}

// fasthttp leaves the rest of an unread body on the connection, where it would be the next request.
func TestAnUnreadBodyNeverBecomesARequest(t *testing.T) {
	h := bodyServer(t)
	smuggled := "GET /get HTTP/1.1\r\nHost: localhost\r\n\r\n"
	filler := strings.Repeat("x", prefetched)
	for name, head := range map[string]string{
		"declared":           fmt.Sprintf("POST /ignore HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(filler+smuggled), filler),
		"chunked":            fmt.Sprintf("POST /ignore HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", len(filler+smuggled), filler),
		"of a GET":           fmt.Sprintf("GET /get HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(filler+smuggled), filler),
		"of a chunked GET":   fmt.Sprintf("GET /get HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", len(filler+smuggled), filler),
		"of a refused route": fmt.Sprintf("POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(filler+smuggled), filler),
	} {
		c := h.dial()
		io.WriteString(c, head+smuggled)
		r := bufio.NewReader(c)
		h.next(r)
		if res, err := http.ReadResponse(r, nil); err == nil {
			t.Errorf("a body %s became a request: %s", name, res.Status)
		}
	}
}

func TestAReadBodyLeavesTheConnectionOpen(t *testing.T) {
	h := bodyServer(t)
	c := h.dial()
	r := bufio.NewReader(c)
	for range 3 {
		fmt.Fprintf(c, "POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\n%s", strings.Repeat("x", 50_000))
		h.next(r).want(t, 200, 0)
		io.WriteString(c, "POST /take HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
		h.next(r).want(t, 200, 0, `"result":5`)
		io.WriteString(c, "POST /ignore HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello")
		h.next(r).want(t, 200, 0)
	}
}

// A client that sends on while it is refused must get the reply, not a reset connection.
func TestARefusedLargeBodyStillGetsItsReply(t *testing.T) {
	h := bodyServer(t)
	for range 2 {
		h.do("POST", "/take", bytes.NewReader(make([]byte, 101<<20))).want(t, 413, 10413, "105,906,176 bytes", "100,000")
		h.do("POST", "/take", io.LimitReader(zeros{}, 20<<20)).want(t, 413, 10413)
	}
}

func TestABulkBodyIsBoundByItsLimitOnly(t *testing.T) {
	h := start(t, Config{BodyBytes: 1000, CallTimeout: 1},
		Route{Method: "PUT", Path: "/bulk", BodyLimit: 20 << 20, Bulk: true, Handle: countAll})
	h.do("PUT", "/bulk", zeroBody(20<<20)).want(t, 200, 0, `"result":20971520`)
	h.do("PUT", "/bulk", zeroBody(20<<20+1)).want(t, 413, 10413)
}

func TestBodiesTogetherHaveABudget(t *testing.T) {
	entered, release := make(chan int), make(chan struct{})
	h := start(t, Config{BodyBytes: 150_000}, Route{Method: "POST", Path: "/hold", BodyLimit: testLimit, Handle: func(_ *Server, c *call) error {
		data, err := c.readBody()
		if err != nil {
			return err
		}
		entered <- len(data)
		<-release
		return c.reply(nil)
	}})
	first := make(chan answer, 1)
	background(t, func() { first <- h.do("POST", "/hold", bytes.NewReader(make([]byte, testLimit))) })
	await(t, "the first body", entered)
	a := h.do("POST", "/hold", bytes.NewReader(make([]byte, testLimit)))
	a.want(t, 429, 971, "150,000 bytes")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	close(release)
	await(t, "the first reply", first).want(t, 200, 0)
	if held := h.server.bodies.Load(); held != 0 {
		t.Errorf("%d bytes are still counted", held)
	}
	background(t, func() { first <- h.do("POST", "/hold", bytes.NewReader(make([]byte, testLimit))) })
	await(t, "a later body", entered)
	await(t, "its reply", first).want(t, 200, 0)
}

// zeroBody is a body of n zero bytes that is sent in chunks, so that only counting can stop it.
func zeroBody(n int64) io.Reader { return io.LimitReader(zeros{}, n) }
