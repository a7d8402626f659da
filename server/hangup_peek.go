//go:build unix

package server

import "golang.org/x/sys/unix"

// goodbye is the longest TLS record that can be a close_notify: header, nonce,
// alert, content type and authentication tag. Nothing else this short comes
// from a client that waits for a reply.
const goodbye = 5 + 8 + 2 + 1 + 16

// peekGone reports whether the client has closed its side of the connection, on
// any unix. It looks at what has arrived without taking it: no bytes mean FIN;
// under TLS so does a lone record of the size of a close_notify. A client that
// hangs up behind a pipelined request is not noticed.
func (c *conn) peekGone() bool {
	if c.raw == nil {
		return false
	}
	gone := false
	err := c.raw.Control(func(fd uintptr) {
		var peek [goodbye + 1]byte
		n, _, err := unix.Recvfrom(int(fd), peek[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
		case err != nil || n == 0:
			gone = true
		default:
			gone = c.listener.tls != nil && n <= goodbye
		}
	})
	return gone || err != nil
}
