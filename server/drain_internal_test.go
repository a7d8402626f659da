package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestDrainingFinishesCallsInFlightAndRefusesOthers(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	h := start(t, Config{},
		Route{Method: "GET", Path: "/wait", Handle: func(_ *Server, c *call) error {
			entered <- struct{}{}
			<-release
			return c.reply("done")
		}},
		Route{Method: "GET", Path: "/quick", Handle: func(_ *Server, c *call) error { return c.reply("quick") }},
		Route{Method: "GET", Path: "/health", Handle: showHealth, Unqueued: true})

	// Two calls are in flight, each with another pipelined behind it on its connection.
	var busy []*bufio.Reader
	for _, behind := range []string{"/health", "/quick"} {
		c := h.dial()
		io.WriteString(c, "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\nGET "+behind+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
		await(t, "the handler", entered)
		busy = append(busy, bufio.NewReader(c))
	}
	idle := h.dial()
	io.WriteString(idle, "GET /quick HTTP/1.1\r\nHost: localhost\r\n\r\n")
	idleReader := bufio.NewReader(idle)
	h.next(idleReader).want(t, 200, 0)
	silent := h.dial()

	h.stop()
	for name, r := range map[string]io.Reader{"an idle connection": idleReader, "a silent connection": silent} {
		if _, err := r.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s got a byte", name)
		}
	}
	if c, err := net.Dial("tcp", h.addr()); err == nil {
		c.Close()
		t.Error("a new connection was accepted")
	}
	close(release)
	for _, r := range busy {
		a := h.next(r)
		a.want(t, 200, 0, "done")
		if !a.closes {
			t.Error("the reply does not close the connection")
		}
		if res, err := http.ReadResponse(r, nil); err == nil {
			t.Errorf("a call that came while draining was answered with %s", res.Status)
		}
	}
	if err := await(t, "Run to return", h.stopped); err != nil {
		t.Error(err)
	}
}

func TestHealthIs503WhileDraining(t *testing.T) {
	h := start(t, Config{})
	h.do("GET", "/health", nil).want(t, 200, 0, `"status":"ok"`)
	h.server.draining.Store(true)
	h.do("GET", "/health", nil).want(t, 503, 0, `"status":"draining"`)
	h.do("GET", "/client/v4/user", nil).want(t, 503, 7009, "shutting down")
}

func TestCallsThatOutlastTheGraceAreEnded(t *testing.T) {
	entered, ended := make(chan struct{}), make(chan error, 2)
	h := start(t, Config{Grace: 50 * time.Millisecond},
		Route{Method: "GET", Path: "/wait", Handle: untilEnd(entered, ended)},
		Route{Method: "GET", Path: "/flow", Handle: func(_ *Server, c *call) error {
			return c.stream(typeSSE, func(w *flow) error {
				entered <- struct{}{}
				<-c.Done()
				ended <- context.Cause(c)
				return c.Err()
			})
		}})
	for _, path := range []string{"/wait", "/flow"} {
		background(t, func() { h.try("GET", path, nil) })
		await(t, "the handler", entered)
	}
	h.stop()
	for range 2 {
		if cause := await(t, "the call to end", ended); cause != errDrained {
			t.Errorf("a call ended with %v", cause)
		}
	}
	if err := await(t, "Run to return", h.stopped); err != nil {
		t.Error(err)
	}
}

func TestCloseMayBeCalledTwiceAndBeforeRun(t *testing.T) {
	s, err := listen(Config{Addr: "127.0.0.1:0"}, Parts{Keys: &keyring{}}, nil, routes)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Run(t.Context()); err == nil {
		t.Error("a closed server ran")
	}
	if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
		c.Close()
		t.Error("a closed server listens")
	}
	h := start(t, Config{})
	h.do("GET", "/health", nil)
	for range 2 {
		if err := h.server.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoGoroutineSurvivesTheServer(t *testing.T) {
	h := start(t, Config{}, Route{Method: "POST", Path: "/take", Handle: takeAll, BodyLimit: testLimit},
		Route{Method: "GET", Path: "/flow", Handle: func(_ *Server, c *call) error {
			return c.stream(typeSSE, func(w *flow) error { return nil })
		}})
	h.do("POST", "/take", strings.NewReader("x")).want(t, 200, 0)
	h.do("POST", "/take", io.LimitReader(zeros{}, 2*testLimit)).want(t, 413, 10413)
	h.do("GET", "/flow", nil).want(t, 200, 0)
	open := h.dial()
	io.WriteString(open, "GET /health HTTP/1.1\r\n")
	if err := h.server.Close(); err != nil {
		t.Fatal(err)
	}
	if n := h.server.listener.size(); n != 0 {
		t.Errorf("%d connections are still open", n)
	}
	// fasthttp's own workers look only every MaxIdleWorkerDuration whether they may end.
	deadline := time.Now().Add(patience)
	for leftovers(t) != "" && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if s := leftovers(t); s != "" {
		t.Errorf("still running:\n%s", s)
	}
}

// leftovers returns the stacks of goroutines that a server started and that still run.
func leftovers(t *testing.T) string {
	t.Helper()
	buffer := make([]byte, 1<<20)
	buffer = buffer[:runtime.Stack(buffer, true)]
	var found []string
	for _, stack := range strings.Split(string(buffer), "\n\n") {
		ours := strings.Contains(stack, "nearside/server.") || strings.Contains(stack, "fasthttp.(*Server)") || strings.Contains(stack, "fasthttp.(*workerPool)")
		if ours && !strings.Contains(stack, "testing.tRunner") {
			found = append(found, stack)
		}
	}
	return strings.Join(found, "\n\n")
}

func TestStoppingInTheFirstMomentWorks(t *testing.T) {
	for range 20 {
		h := start(t, Config{})
		h.stop()
		if err := await(t, "Run to return", h.stopped); err != nil {
			t.Fatal(err)
		}
	}
}

// TestADeadlineOnAClosedConnectionIsNoFailure: fasthttp panics if one is, and a drain closes connections under it.
func TestADeadlineOnAClosedConnectionIsNoFailure(t *testing.T) {
	listening, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listening.Close()
	dialed, err := net.Dial("tcp", listening.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := &conn{Conn: dialed}
	plain, secure := net.Conn(c), net.Conn(&secureConn{Conn: tls.Server(c, &tls.Config{}), below: c})
	c.cut()
	for name, at := range map[string]net.Conn{"plain": plain, "TLS": secure} {
		for _, set := range []func(time.Time) error{at.SetDeadline, at.SetReadDeadline, at.SetWriteDeadline} {
			if err := set(time.Now()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
