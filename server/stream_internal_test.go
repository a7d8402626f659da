package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAStreamArrivesPieceByPieceAndOutlivesTheTimeouts(t *testing.T) {
	next := make(chan struct{})
	h := start(t, Config{HeaderTimeout: 200 * time.Millisecond}, Route{Method: "GET", Path: "/flow", Handle: func(_ *Server, c *call) error {
		return c.stream(typeSSE, func(w *flow) error {
			if c.ends.Load() != 0 {
				t.Error("the call timeout still runs")
			}
			for i := range 5 {
				<-next
				if _, err := fmt.Fprintf(w, "data: %d\n\n", i); err != nil {
					return err
				}
				if err := w.Flush(); err != nil {
					return err
				}
			}
			return c.Err()
		})
	}})
	res, err := http.Get(h.url() + "/flow")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Content-Type"); got != typeSSE {
		t.Errorf("content type %q", got)
	}
	r := bufio.NewReader(res.Body)
	for i := range 5 {
		next <- struct{}{}
		line, err := r.ReadString('\n')
		if err != nil || line != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("piece %d is %q, %v", i, line, err)
		}
		r.ReadString('\n')
	}
	if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
		t.Errorf("the stream ended with %q, %v", rest, err)
	}
}

func TestABrokenStreamIsNotTakenForAWholeOne(t *testing.T) {
	for name, produce := range map[string]func(w *flow) error{
		"an error": func(w *flow) error { return errors.New("the model died") },
		"a panic":  func(w *flow) error { panic("bug") },
	} {
		h := start(t, Config{}, Route{Method: "GET", Path: "/flow", Handle: func(_ *Server, c *call) error {
			return c.stream(typeSSE, func(w *flow) error {
				io.WriteString(w, "data: 1\n\n")
				if err := w.Flush(); err != nil {
					return err
				}
				return produce(w)
			})
		}}, Route{Method: "GET", Path: "/alive", Handle: func(_ *Server, c *call) error { return c.reply("yes") }})
		if a, err := h.try("GET", "/flow", nil); err == nil {
			t.Errorf("after %s the client read a whole reply: %q", name, a.body)
		}
		h.do("GET", "/alive", nil).want(t, 200, 0)
	}
}

func TestHangingUpEndsAStream(t *testing.T) {
	for _, secure := range []bool{false, true} {
		ended := make(chan error, 1)
		h := startMaybeTLS(t, secure, Config{}, Route{Method: "GET", Path: "/flow", Handle: func(_ *Server, c *call) error {
			return c.stream(typeSSE, func(w *flow) error {
				io.WriteString(w, "data: 1\n\n")
				if err := w.Flush(); err != nil {
					return err
				}
				<-c.Done()
				ended <- context.Cause(c)
				return c.Err()
			})
		}})
		c := h.dial()
		io.WriteString(c, "GET /flow HTTP/1.1\r\nHost: localhost\r\n\r\n")
		r := bufio.NewReader(c)
		for line := ""; !strings.HasPrefix(line, "data:"); {
			var err error
			if line, err = r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		c.Close()
		if cause := await(t, "the stream to end", ended); cause != errHungUp {
			t.Errorf("TLS %t: ended with %v", secure, cause)
		}
	}
}

// A client that takes a little now and then may take as long as it likes; one that takes nothing may not.
func TestWriteDeadlinesAreByPiece(t *testing.T) {
	ended := make(chan error, 1)
	endless := Route{Method: "GET", Path: "/flow", Handle: func(_ *Server, c *call) error {
		return c.stream(typeSSE, func(w *flow) error {
			piece := make([]byte, 64<<10)
			for {
				if _, err := w.Write(piece); err != nil {
					ended <- err
					return err
				}
			}
		})
	}}
	h := start(t, Config{ChunkTimeout: 100 * time.Millisecond}, endless)
	c := h.dial()
	if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "GET /flow HTTP/1.1\r\nHost: localhost\r\n\r\n")
	await(t, "the reader of nothing to be dropped", ended)
}

func TestAStreamHoldsASlotOnlyWhileItWorks(t *testing.T) {
	h := start(t, Config{Work: 1, Queue: 1},
		Route{Method: "GET", Path: "/flow", Handle: func(_ *Server, c *call) error {
			return c.stream(typeSSE, func(w *flow) error {
				piece := make([]byte, 64<<10)
				for {
					if _, err := w.Write(piece); err != nil {
						return err
					}
				}
			})
		}},
		Route{Method: "GET", Path: "/quick", Handle: func(_ *Server, c *call) error { return c.reply("quick") }})
	stalled := h.dial() // reads nothing, so the stream waits for it
	io.WriteString(stalled, "GET /flow HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if _, err := stalled.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		h.do("GET", "/quick", nil).want(t, 200, 0)
	}
	stalled.Close()
}
