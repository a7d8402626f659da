package server

import (
	"bufio"
	"runtime/debug"
)

// flow is a reply that is written while it is made.
type flow struct {
	call *call
	w    *bufio.Writer
	err  error
}

// Write adds bytes to the reply; Flush sends them.
func (f *flow) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	if len(p) <= f.w.Available() {
		return f.w.Write(p)
	}
	n, err := 0, error(nil)
	f.err = f.call.awaitClient(func() { n, err = f.w.Write(p) })
	if err != nil {
		f.err = err
	}
	return n, f.err
}

// Flush sends what was written. It waits for the client without holding a slot.
func (f *flow) Flush() error {
	if f.err != nil {
		return f.err
	}
	var err error
	f.err = f.call.awaitClient(func() { err = f.w.Flush() })
	if err != nil {
		f.err = err
	}
	return f.err
}

// stream writes a reply piece by piece, and is the last thing a handler does.
// produce runs beside and after the handler, with the call's context alive but
// no request left to look at; each piece has the chunk timeout to reach the
// client, the whole has none. An error from produce cuts the reply short, which
// the client can tell from a finished one.
func (c *call) stream(contentType string, produce func(w *flow) error) error {
	c.warn()
	response := c.fiber.Response()
	response.Header.SetContentType(contentType)
	response.SetStatusCode(c.status)
	response.ImmediateHeaderFlush = true // the first piece may take a while
	c.flowing = true
	c.settle()
	response.SetBodyStreamWriter(func(w *bufio.Writer) {
		defer c.finish()
		defer func() {
			if r := recover(); r != nil {
				c.server.metrics.panics.Inc()
				c.server.log.Error("a stream panicked", "request", c.id, "route", c.pattern(), "panic", r, "stack", string(debug.Stack()))
				c.conn.cut()
			}
		}()
		f := &flow{call: c, w: w}
		if err := produce(f); err != nil {
			c.fault = c.diagnose(err)
			c.conn.cut()
			return
		}
		if err := f.Flush(); err != nil {
			c.fault = c.diagnose(err)
		}
	})
	return nil
}
