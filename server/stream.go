package server

import (
	"bufio"
	"io"
	"sync/atomic"

	"github.com/valyala/fasthttp"
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

// breakable is the body of a stream. If that fails, the reply ends without the mark
// of its end, after all that was sent: the client can tell it from a whole one.
type breakable struct {
	io.ReadCloser
	failed *atomic.Bool
}

// Read implements io.Reader.
func (b breakable) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF && b.failed.Load() {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// stream writes a reply piece by piece, and is the last thing a handler does.
// produce runs beside and after the handler, with the call's context alive but
// no request left to look at; each piece has the chunk timeout to reach the
// client, the whole has none. An error from produce cuts the reply short, which
// the client can tell from a finished one; what was flushed before still arrives.
func (c *call) stream(contentType string, produce func(w *flow) error) error {
	c.warn()
	response := c.fiber.Response()
	response.Header.SetContentType(contentType)
	response.SetStatusCode(c.status)
	response.ImmediateHeaderFlush = true // the first piece may take a while
	c.flowing = true
	c.settle()
	var failed atomic.Bool
	body := fasthttp.NewStreamReader(func(w *bufio.Writer) {
		defer c.finish()
		defer func() {
			if r := recover(); r != nil {
				failed.Store(true)
				c.panicked("a stream", r)
			}
		}()
		f := &flow{call: c, w: w}
		err := produce(f)
		if err == nil {
			err = f.Flush()
		}
		if err != nil {
			failed.Store(true)
			c.fault = c.diagnose(err)
		}
	})
	response.SetBodyStream(breakable{body, &failed}, -1)
	return nil
}
