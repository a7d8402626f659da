package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"nearside/fault"
)

// untilEnd waits for the call's context to end and reports why.
func untilEnd(entered chan struct{}, ended chan error) func(*Server, *call) error {
	return func(_ *Server, c *call) error {
		entered <- struct{}{}
		<-c.Done()
		ended <- context.Cause(c)
		return c.Err()
	}
}

// fasthttp tells a handler nothing of a client that hangs up.
func TestHangingUpEndsTheCallsContext(t *testing.T) {
	entered, ended := make(chan struct{}), make(chan error, 1)
	routes := []Route{
		{Method: "GET", Path: "/wait", Handle: untilEnd(entered, ended)},
		{Method: "POST", Path: "/wait", Handle: untilEnd(entered, ended), BodyLimit: testLimit},
	}
	for _, secure := range []bool{false, true} {
		h := startMaybeTLS(t, secure, Config{}, routes...)
		for name, request := range map[string]string{
			"a plain request":              "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"with a pipelined one behind":  "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\nGET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"with a small body unread":     "POST /wait HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
			"with a large body half there": fmt.Sprintf("POST /wait HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\n%09000d", 0),
		} {
			c := h.dial()
			if _, err := io.WriteString(c, request); err != nil {
				t.Fatal(err)
			}
			await(t, "the handler", entered)
			c.Close()
			if cause := await(t, "the hang-up "+name, ended); cause != errHungUp {
				t.Errorf("TLS %t, %s: the context ended with %v", secure, name, cause)
			}
		}
	}
}

func TestHangingUpInTheMiddleOfABodyEndsTheRead(t *testing.T) {
	entered, failed := make(chan struct{}), make(chan error, 1)
	h := start(t, Config{}, Route{Method: "POST", Path: "/read", BodyLimit: testLimit, Handle: func(_ *Server, c *call) error {
		entered <- struct{}{}
		_, err := c.readBody()
		failed <- err
		return err
	}})
	c := h.dial()
	fmt.Fprintf(c, "POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\n%09000d", 0)
	await(t, "the handler", entered)
	c.Close()
	if f := fault.As(await(t, "the read to fail", failed)); f == nil || f.Reason != reasonBodyCut {
		t.Errorf("the read failed with %v", f)
	}
}

func TestAClientThatWaitsIsNotTakenForGone(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	for _, secure := range []bool{false, true} {
		h := startMaybeTLS(t, secure, Config{}, Route{Method: "GET", Path: "/wait", Handle: func(_ *Server, c *call) error {
			entered <- struct{}{}
			<-release
			if c.conn.gone() {
				return errors.New("taken for gone")
			}
			return c.reply(c.Err() == nil)
		}})
		reply := make(chan answer, 1)
		background(t, func() { reply <- h.do("GET", "/wait", nil) })
		await(t, "the handler", entered)
		release <- struct{}{}
		await(t, "the reply", reply).want(t, 200, 0, `"result":true`)
	}
}

func TestALongCallEndsAtItsTimeout(t *testing.T) {
	entered, ended := make(chan struct{}, 1), make(chan error, 1)
	h := start(t, Config{CallTimeout: 1}, Route{Method: "GET", Path: "/wait", Handle: untilEnd(entered, ended)})
	h.do("GET", "/wait", nil).want(t, 408, 3007, "longer than")
	if cause := <-ended; cause != context.DeadlineExceeded {
		t.Errorf("the context ended with %v", cause)
	}
}

func TestGoneOnAClosedDescriptorIsTrue(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ours := newListener(l, nil, Config{}.withDefaults())
	defer ours.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	nc, err := ours.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := rawConn(nc)
	if c.gone() {
		t.Error("an open connection is taken for gone")
	}
	c.cut()
	if !c.gone() {
		t.Error("a closed connection is not taken for gone")
	}
}
