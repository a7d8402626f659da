package server

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// conn is an accepted connection, below TLS if there is any. Writes have a
// deadline a piece, so that a long stream may last but a client that reads
// nothing may not.
type conn struct {
	net.Conn
	listener *listener
	raw      syscall.RawConn
	busy     atomic.Bool // from the start of a call until its reply is sent
	reading  atomic.Bool // a call waits for bytes, and learns of a hang-up itself
	linger   atomic.Bool // the client may still be sending when we close
	closing  sync.Once
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.whole(err)
}

// whole turns the end of the connection into an error while a body is being
// read: to fasthttp a chunked body that stops between two chunks is complete,
// and half an upload would be stored as if it were all of it.
func (c *conn) whole(err error) error {
	if err == io.EOF && c.reading.Load() {
		return io.ErrUnexpectedEOF
	}
	return err
}

// SetDeadline implements net.Conn. fasthttp panics where a deadline cannot be
// set, and on a connection that a drain has just closed it cannot; the next read
// or write says that it is closed.
func (c *conn) SetDeadline(t time.Time) error { return unlessClosed(c.Conn.SetDeadline(t)) }

// SetReadDeadline implements net.Conn, as SetDeadline does.
func (c *conn) SetReadDeadline(t time.Time) error { return unlessClosed(c.Conn.SetReadDeadline(t)) }

// SetWriteDeadline implements net.Conn, as SetDeadline does.
func (c *conn) SetWriteDeadline(t time.Time) error { return unlessClosed(c.Conn.SetWriteDeadline(t)) }

func unlessClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// secureConn is a conn under TLS, whose goodbye ends a body no more than FIN does.
type secureConn struct {
	*tls.Conn
	below *conn
}

// Read implements net.Conn.
func (s *secureConn) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	return n, s.below.whole(err)
}

// pieceBytes is how much is written under one deadline.
const pieceBytes = 64 << 10

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	written := 0
	for {
		piece := p[written:min(len(p), written+pieceBytes)]
		if err := c.Conn.SetWriteDeadline(time.Now().Add(c.listener.config.ChunkTimeout)); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(piece)
		written += n
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

// Lingering bounds: how much a refused client may still send, and for how long,
// before its connection is closed under it.
const (
	lingerBytes = 256 << 20
	lingerTime  = 5 * time.Second
	lingerPause = time.Second
)

// Close implements net.Conn. A client that is still sending a body nobody will
// read would be told "connection reset" instead of the reply; so its bytes are
// passed over for a moment first.
func (c *conn) Close() error {
	err := net.ErrClosed
	c.closing.Do(func() {
		if c.linger.Load() {
			c.passOver()
		}
		err = c.Conn.Close()
		c.listener.forget(c)
	})
	return err
}

func (c *conn) passOver() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	buffer := make([]byte, 32<<10)
	end := time.Now().Add(lingerTime)
	for left := lingerBytes; left > 0; {
		now := time.Now()
		deadline := now.Add(lingerPause)
		if deadline.After(end) {
			deadline = end
		}
		if !now.Before(end) || c.Conn.SetReadDeadline(deadline) != nil {
			return
		}
		n, err := c.Conn.Read(buffer)
		if err != nil {
			return
		}
		left -= n
	}
}

// cut closes the connection at once, whatever it is doing.
func (c *conn) cut() {
	c.linger.Store(false)
	_ = c.Conn.Close() // it may be closed already; whoever uses it finds out
}

// rawConn returns the conn below TLS.
func rawConn(nc net.Conn) *conn {
	if s, ok := nc.(*secureConn); ok {
		return s.below
	}
	return nc.(*conn)
}
