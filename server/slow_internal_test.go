package server

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

// Two thousand clients stall in the three places a request can stall: in its
// head, in what fasthttp reads of a body ahead, and in the body a handler reads.
func TestTwoThousandSlowClientsDoNotStopOthers(t *testing.T) {
	const slow = 2000
	h := start(t, Config{Work: 4, Queue: 4},
		Route{Method: "POST", Path: "/take", Handle: takeAll, BodyLimit: testLimit},
		Route{Method: "GET", Path: "/quick", Handle: func(_ *Server, c *call) error { return c.reply("quick") }})
	stalls := []string{
		"POST /take HTTP/1.1\r\nHost: loc",
		"POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\nhello",
		fmt.Sprintf("POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\n%09000d", 0),
	}
	clients := make([]net.Conn, slow)
	for i := range clients {
		clients[i] = h.dial()
		if _, err := io.WriteString(clients[i], stalls[i%len(stalls)]); err != nil {
			t.Fatal(err)
		}
	}
	for h.server.watch.size() < slow/len(stalls) {
		runtime.Gosched() // the stalled bodies are on their way to their handlers
	}
	var others sync.WaitGroup
	for range 4 {
		others.Go(func() {
			for range 25 {
				h.do("GET", "/quick", nil).want(t, 200, 0)
				h.do("POST", "/take", io.LimitReader(zeros{}, 20_000)).want(t, 200, 0)
			}
		})
	}
	others.Wait()
	if open := h.server.listener.size(); open < slow {
		t.Errorf("only %d connections were open meanwhile", open)
	}
	for i, c := range clients { // one byte more each, as slow clients send
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
	}
}

func TestSlowClientsAreDroppedWithTheReason(t *testing.T) {
	h := start(t, Config{HeaderTimeout: 50 * time.Millisecond, ChunkTimeout: 50 * time.Millisecond},
		Route{Method: "POST", Path: "/take", Handle: takeAll, BodyLimit: testLimit})
	for name, test := range map[string]struct {
		request string
		code    int
	}{
		"head":       {"POST /take HTTP/1.1\r\nHost: loc", 6003},
		"body ahead": {"POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\nhello", 6003},
		"body":       {fmt.Sprintf("POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\n%09000d", 0), 3007},
		"chunk":      {"POST /take HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", 3007},
	} {
		c := h.dial()
		io.WriteString(c, test.request)
		r := bufio.NewReader(c)
		a := h.next(r)
		a.want(t, 408, test.code)
		if !a.closes {
			t.Errorf("%s: the connection stays open", name)
		}
	}
}

// A byte now and then keeps every single deadline, so there is a rate to keep as well.
func TestABodyMustKeepTheSlowestRate(t *testing.T) {
	arrived := make(chan struct{})
	h := start(t, Config{BodyGrace: time.Nanosecond, BodyRate: 1 << 40}, Route{Method: "POST", Path: "/drip", BodyLimit: testLimit,
		Handle: func(_ *Server, c *call) error {
			for p := make([]byte, 1); ; {
				if _, err := c.incoming.Read(p); err != nil {
					return err
				}
				arrived <- struct{}{}
			}
		}})
	c := h.dial()
	io.WriteString(c, "POST /drip HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
	reply := make(chan answer, 1)
	background(t, func() { reply <- h.next(bufio.NewReader(c)) })
	for {
		select {
		case a := <-reply:
			a.want(t, 408, 3007, "too slowly")
			return
		default:
		}
		if _, err := io.WriteString(c, "1\r\nx\r\n"); err != nil {
			continue // it was dropped; the reply is on its way
		}
		select {
		case <-arrived:
		case a := <-reply:
			a.want(t, 408, 3007, "too slowly")
			return
		}
	}
}

func TestConnectionsBeyondTheCapAreTurnedAway(t *testing.T) {
	h := start(t, Config{Connections: 2}, Route{Method: "GET", Path: "/quick", Handle: func(_ *Server, c *call) error { return c.reply("quick") }})
	readers := make([]*bufio.Reader, 2)
	conns := make([]net.Conn, 2)
	for i := range readers {
		conns[i] = h.dial()
		readers[i] = bufio.NewReader(conns[i])
		io.WriteString(conns[i], "GET /quick HTTP/1.1\r\nHost: localhost\r\n\r\n")
		h.next(readers[i]).want(t, 200, 0)
	}
	third := h.dial()
	h.next(bufio.NewReader(third)).want(t, 503, 7009, "too many connections")
	io.WriteString(conns[0], "GET /quick HTTP/1.1\r\nHost: localhost\r\n\r\n")
	h.next(readers[0]).want(t, 200, 0)
}

// A client that opens a TLS connection and says nothing must not keep others from being accepted,
// below the cap or above it.
func TestSilentTLSClientsDoNotStopOthers(t *testing.T) {
	const silent = 50
	h := startMaybeTLS(t, true, Config{Connections: silent + 1})
	for range silent {
		c, err := net.Dial("tcp", h.addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
	for h.server.listener.size() < silent {
		runtime.Gosched()
	}
	h.do("GET", "/health", nil).want(t, 200, 0)
	for h.server.listener.size() > silent {
		runtime.Gosched() // the connection of that call is being closed
	}
	last := h.dial()
	if err := last.(*tls.Conn).HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	over, err := net.Dial("tcp", h.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer over.Close()
	if n, err := over.Read(make([]byte, 1)); err == nil {
		t.Errorf("a connection beyond the cap got %d bytes", n)
	}
	io.WriteString(last, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
	h.next(bufio.NewReader(last)).want(t, 200, 0)
}

// starved is a listener that runs out of descriptors now and then.
type starved struct {
	net.Listener
	errors chan error
}

func (f starved) Accept() (net.Conn, error) {
	select {
	case err := <-f.errors:
		return nil, err
	default:
		return f.Listener.Accept()
	}
}

// fasthttp stops serving for good on an error like "too many open files".
func TestALackOfDescriptorsDoesNotEndTheServer(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	errors := make(chan error, 1)
	errors <- fmt.Errorf("accept4: too many open files")
	l := newListener(starved{inner, errors}, nil, Config{}.withDefaults())
	defer l.Close()
	client, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	l.Close()
	if _, err := l.Accept(); err != net.ErrClosed && err == nil {
		t.Error("a closed listener accepts")
	}
}
