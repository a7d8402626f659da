package server

import "golang.org/x/sys/unix"

// gone reports whether the client has closed its side of the connection. It
// asks the kernel for the peer's FIN (POLLRDHUP), which shows behind unread
// bytes too: a pipelined request, or the close_notify with which TLS says goodbye.
func (c *conn) gone() bool {
	if c.raw == nil {
		return false
	}
	gone := false
	err := c.raw.Control(func(fd uintptr) {
		ask := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(ask, 0)
		gone = err == nil && n > 0 && ask[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return gone || err != nil
}
