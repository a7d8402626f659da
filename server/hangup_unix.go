//go:build unix && !linux

package server

// gone reports whether the client has closed its side of the connection.
func (c *conn) gone() bool { return c.peekGone() }
