package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"nearside/fault"
)

func TestTheGateLetsInWorkThenQueuesThenRefuses(t *testing.T) {
	g := newGate(2, 1, time.Hour)
	for range 2 {
		if err := g.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	queued := make(chan error, 1)
	background(t, func() { queued <- g.enter(context.Background()) })
	for g.waiting.Load() == 0 {
		runtime.Gosched() // the third is on its way into the queue
	}
	f := fault.As(g.enter(t.Context()))
	if f == nil || f.Kind != fault.Busy || f.RetryAfter <= 0 {
		t.Fatalf("the fourth got %v", f)
	}
	g.leave()
	if err := await(t, "the third", queued); err != nil {
		t.Error(err)
	}
	if g.waiting.Load() != 0 {
		t.Error("the queue does not know that it is empty")
	}
}

func TestTheQueueHasNoPatienceForEver(t *testing.T) {
	g := newGate(1, 1, time.Nanosecond)
	if err := g.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.enter(t.Context()); !fault.Is(err, fault.Busy) {
		t.Errorf("waiting too long gave %v", err)
	}
	g.patience = time.Hour
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errHungUp)
	if err := g.enter(ctx); !errors.Is(err, errHungUp) {
		t.Errorf("a client that left the queue gave %v", err)
	}
	if err := g.again(ctx); !errors.Is(err, errHungUp) {
		t.Errorf("a client that left gave %v", err)
	}
}

func TestABusyServerSaysWhenToComeBack(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	h := start(t, Config{Work: 1, Queue: 1, Patience: time.Nanosecond},
		Route{Method: "GET", Path: "/wait", Handle: func(_ *Server, c *call) error {
			entered <- struct{}{}
			<-release
			return c.reply("done")
		}},
		Route{Method: "GET", Path: "/vectorize", Family: vectorizeAPI, Handle: func(_ *Server, c *call) error { return c.reply(nil) }},
		Route{Method: "GET", Path: "/health", Handle: showHealth, Unqueued: true})
	reply := make(chan answer, 1)
	background(t, func() { reply <- h.do("GET", "/wait", nil) })
	await(t, "the handler", entered)
	a := h.do("GET", "/vectorize", nil)
	a.want(t, 429, 40041, "Too Many Requests")
	if a.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
	}
	h.do("GET", "/health", nil).want(t, 200, 0)
	close(release)
	await(t, "the reply", reply).want(t, 200, 0)
	h.do("GET", "/vectorize", nil).want(t, 200, 0)
}

// The one slot must be free while its call waits for bytes.
func TestACallThatWaitsForItsBodyHoldsNoSlot(t *testing.T) {
	h := start(t, Config{Work: 1, Queue: 1},
		Route{Method: "POST", Path: "/take", Handle: takeAll, BodyLimit: testLimit},
		Route{Method: "GET", Path: "/quick", Handle: func(_ *Server, c *call) error { return c.reply("quick") }})
	c := h.dial()
	fmt.Fprintf(c, "POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\n%09000d", 0)
	for h.server.watch.size() == 0 {
		runtime.Gosched() // the slow call is on its way to its handler
	}
	for range 20 {
		h.do("GET", "/quick", nil).want(t, 200, 0)
	}
	fmt.Fprintf(c, "%041000d", 0)
	buffer := make([]byte, 12)
	if _, err := io.ReadFull(c, buffer); err != nil || string(buffer) != "HTTP/1.1 200" {
		t.Errorf("the slow call ended with %q, %v", buffer, err)
	}
}
