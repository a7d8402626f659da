//go:build unix

package server

import (
	"io"
	"runtime"
	"testing"
	"time"
)

// The way that every unix but Linux uses must work too, with and without TLS.
func TestPeekingNoticesAHangUp(t *testing.T) {
	for _, secure := range []bool{false, true} {
		inside, leave := make(chan *conn), make(chan struct{})
		h := startMaybeTLS(t, secure, Config{}, Route{Method: "GET", Path: "/wait", Handle: func(_ *Server, c *call) error {
			inside <- c.conn
			<-leave
			return nil
		}})
		client := h.dial()
		io.WriteString(client, "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
		c := await(t, "the handler", inside)
		if c.peekGone() {
			t.Errorf("TLS %t: a client that waits is taken for gone", secure)
		}
		client.Close()
		for deadline := time.Now().Add(patience); !c.peekGone(); runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("TLS %t: the hang-up was not noticed", secure)
			}
		}
		leave <- struct{}{}
	}
}
