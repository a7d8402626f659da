package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// listener accepts connections and keeps a list of them, so that the server can
// end the idle ones at once when it stops, and all of them in the end.
type listener struct {
	net.Listener
	tls    *tls.Config // nil = plain
	edge   bool        // it is the Workers edge's
	config Config

	mu      sync.Mutex
	conns   map[*conn]struct{} // guarded by mu; nothing waits under it
	retired bool               // guarded by mu: connections between calls are closed
	empty   chan struct{}      // guarded by mu: non-nil while wait is called; closed when conns is empty
	stop    chan struct{}
	once    sync.Once
}

func newListener(inner net.Listener, certificate *tls.Config, config Config) *listener {
	return &listener{Listener: inner, tls: certificate, config: config, conns: map[*conn]struct{}{}, stop: make(chan struct{})}
}

// Accept implements net.Listener. What ails one connection, or a lack of
// descriptors, does not end the server as it would in fasthttp: Accept tries again.
func (l *listener) Accept() (net.Conn, error) {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		inner, err := l.Listener.Accept()
		if err == nil && l.size() >= l.config.Connections {
			l.turnAway(inner)
			continue
		}
		if err == nil {
			return l.track(inner), nil
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-l.stop:
			timer.Stop()
			return nil, net.ErrClosed
		}
	}
}

// Close implements net.Listener. It may be called any number of times.
func (l *listener) Close() error {
	var err error
	l.once.Do(func() {
		close(l.stop)
		err = l.Listener.Close()
	})
	return err
}

// turnAway closes a connection beyond the cap. fasthttp would greet it first,
// and under TLS wait for its handshake, while nobody else is accepted.
func (l *listener) turnAway(inner net.Conn) {
	if l.tls == nil && inner.SetWriteDeadline(time.Now().Add(time.Second)) == nil {
		// Best effort: the client is closed off either way.
		_, _ = io.WriteString(inner, "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Type: application/json\r\n"+
			"Content-Length: "+strconv.Itoa(len(tooMany))+"\r\n\r\n"+tooMany)
	}
	_ = inner.Close()
}

const tooMany = `{"success":false,"errors":[{"code":7009,"message":"too many connections are open; try again in a second"}],"messages":[],"result":null}`

func (l *listener) track(inner net.Conn) net.Conn {
	c := &conn{Conn: inner, listener: l}
	if s, ok := inner.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn() // without it the conn is not watched
	}
	l.mu.Lock()
	l.conns[c] = struct{}{}
	retired := l.retired
	l.mu.Unlock()
	if retired {
		c.cut() // accepted in the moment the server began to drain
	}
	if l.tls != nil {
		return &secureConn{tls.Server(c, l.tls), c}
	}
	return c
}

func (l *listener) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	if len(l.conns) == 0 && l.empty != nil {
		close(l.empty)
		l.empty = nil
	}
}

// state is fasthttp's hook for the life of a connection: idle means that the
// last reply has been sent whole.
func state(nc net.Conn, state fasthttp.ConnState) {
	if state != fasthttp.StateIdle {
		return
	}
	c := rawConn(nc)
	l := c.listener
	c.busy.Store(false)
	l.mu.Lock()
	retired := l.retired
	l.mu.Unlock()
	if retired {
		c.cut()
	}
}

// retire closes the connections that are between calls, now and from now on.
func (l *listener) retire() {
	for _, c := range l.all(true) {
		if !c.busy.Load() {
			c.cut()
		}
	}
}

// kill closes every connection.
func (l *listener) kill() {
	for _, c := range l.all(true) {
		c.cut()
	}
}

func (l *listener) all(retire bool) []*conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retired = l.retired || retire
	list := make([]*conn, 0, len(l.conns))
	for c := range l.conns {
		list = append(list, c)
	}
	return list
}

// size is the number of open connections.
func (l *listener) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// wait returns when every connection is closed or ctx ends.
func (l *listener) wait(ctx context.Context) {
	l.mu.Lock()
	if len(l.conns) == 0 {
		l.mu.Unlock()
		return
	}
	if l.empty == nil {
		l.empty = make(chan struct{})
	}
	empty := l.empty
	l.mu.Unlock()
	select {
	case <-empty:
	case <-ctx.Done():
	}
}
