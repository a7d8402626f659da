package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"nearside/fault"
)

// Reasons a body is refused before it means anything.
const (
	reasonTooLarge    fault.Reason = "body_too_large"
	reasonBodyCut     fault.Reason = "body_cut"          // it ended early, or is not what its encoding says
	reasonSlow        fault.Reason = "body_too_slow"     // less than Config.BodyRate
	reasonEncoding    fault.Reason = "content_encoding"  // packed in a way we do not unpack
	reasonNotJSON     fault.Reason = "content_type_json" // the route takes JSON and nothing else
	reasonContentType fault.Reason = "content_type"      // the route takes several types, not this one
)

// prefetched is how much of a body fasthttp reads, under the header deadline, before it calls us.
const prefetched = 8 << 10

// body is a request's body as it arrives: counted, timed, and read without
// holding a slot. fasthttp enforces none of it on streams.
type body struct {
	call     *call
	stream   io.Reader // nil: no body
	declared int64     // Content-Length; -1 = chunked
	limit    int64
	received int64
	waited   time.Duration // for the client
	held     int64         // counted against the server's budget
	eof      bool
	err      error
	opened   io.Reader
}

func newBody(c *call, request *fasthttp.Request) *body {
	b := &body{call: c, declared: int64(max(request.Header.ContentLength(), -1))}
	if request.IsBodyStream() && b.declared != 0 {
		b.stream = request.BodyStream()
	}
	if b.stream == nil {
		b.eof = true
	}
	return b
}

// checkBody refuses a body by what its head says, before a byte of it is read.
func (c *call) checkBody() error {
	b := c.incoming
	b.limit = c.route.limit()
	if b.declared > b.limit {
		return tooLarge(b.limit, b.declared)
	}
	if c.route.BodyLimit == 0 || c.route.ContentTypes == nil || slices.Contains(c.route.ContentTypes, c.mediaType()) {
		return nil
	}
	if len(c.route.ContentTypes) == 1 && c.route.ContentTypes[0] == typeJSON {
		return fault.For(reasonNotJSON, "Expected request with `Content-Type: application/json`, got %s", quoteShort(c.header("Content-Type")))
	}
	return fault.For(reasonContentType, "vectorize.unknown_content_type - %s; expected %s", quoteShort(c.header("Content-Type")), strings.Join(c.route.ContentTypes, ", "))
}

// narrow lowers the limit to what a part of the route's calls may have.
func (b *body) narrow(limit int64) error {
	b.limit = min(b.limit, limit)
	if b.declared > b.limit {
		return tooLarge(b.limit, b.declared)
	}
	return nil
}

func tooLarge(limit, declared int64) error {
	if declared > 0 {
		return &fault.Error{Kind: fault.TooLarge, Reason: reasonTooLarge, Message: "the body has " + count(declared) + " bytes; this route takes at most " + count(limit) + ". Send it in several requests"}
	}
	return &fault.Error{Kind: fault.TooLarge, Reason: reasonTooLarge, Message: "the body is larger than the " + count(limit) + " bytes this route takes. Send it in several requests"}
}

// body returns the body as a stream, unpacked. Reading beyond the route's limit,
// packed or unpacked, is a fault.
func (c *call) body() (io.Reader, error) {
	b := c.incoming
	if b.opened != nil {
		return b.opened, nil
	}
	if b.stream == nil {
		b.opened = strings.NewReader("")
		return b.opened, nil
	}
	size := int64(64 << 10)
	if b.declared > 0 {
		size = min(size, b.declared+1)
	}
	packed := bufio.NewReaderSize(b, int(size))
	unpacked, err := unpack(strings.ToLower(strings.TrimSpace(c.header("Content-Encoding"))), packed)
	if err != nil {
		return nil, err
	}
	if unpacked == io.Reader(packed) {
		b.opened = packed
	} else {
		b.opened = &limited{body: b, r: unpacked}
	}
	return b.opened, nil
}

// readBody returns the whole body, unpacked.
func (c *call) readBody() ([]byte, error) {
	data, err := c.appendBody(nil)
	if err != nil {
		return nil, err
	}
	return data, nil
}

// lendBody lends the whole body, unpacked, to use, which must keep nothing of it:
// the next call gets the same memory. It is for the calls there are most of.
func (c *call) lendBody(use func(data []byte) error) error {
	room := bodyRooms.Get().(*[]byte)
	data, err := c.appendBody((*room)[:0])
	if err == nil {
		err = use(data)
	}
	if cap(data) <= lentBytes {
		*room = data
		bodyRooms.Put(room)
	}
	return err
}

// lentBytes is the largest room that is kept for another body: a query of 1,536
// numbers, each written in full, and a filter.
const lentBytes = 64 << 10

var bodyRooms = sync.Pool{New: func() any { return new([]byte) }}

// appendBody reads the body, unpacked, to its end.
func (c *call) appendBody(buffer []byte) ([]byte, error) {
	var r io.Reader = c.incoming
	if c.incoming.opened != nil || c.header("Content-Encoding") != "" {
		var err error
		if r, err = c.body(); err != nil {
			return buffer, err
		}
	}
	// The declared length is a hint; what has not arrived is not allocated.
	buffer = slices.Grow(buffer, int(min(max(c.incoming.declared, 512), 64<<10))+1)
	for {
		n, err := r.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		if err == io.EOF {
			return buffer, nil
		}
		if err != nil {
			return buffer, err
		}
		if len(buffer) == cap(buffer) {
			buffer = slices.Grow(buffer, cap(buffer))
		}
	}
}

// Read implements io.Reader on the body as it arrives.
func (b *body) Read(p []byte) (n int, err error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.eof {
		return 0, io.EOF
	}
	if err := b.prepare(); err != nil {
		b.err = err
		return 0, err
	}
	c := b.call
	c.conn.reading.Store(true)
	back := c.awaitClient(func() {
		start := time.Now()
		n, err = b.stream.Read(p)
		b.waited += time.Since(start)
	})
	c.conn.reading.Store(false)
	b.received += int64(n)
	switch {
	case b.received > b.limit:
		b.err = tooLarge(b.limit, 0)
	case back != nil:
		b.err = back
	case err != nil && err != io.EOF, err == io.EOF && b.received < b.declared:
		// fasthttp says EOF, too, when the connection ends in the middle of a body.
		b.err = b.broken(err)
	default:
		b.eof = err == io.EOF
		b.err = b.reserve(int64(n))
	}
	if b.err != nil {
		return 0, b.err
	}
	return n, err
}

// prepare sets the deadline of the next piece and holds the client to the slowest rate.
func (b *body) prepare() error {
	if b.call.Err() != nil {
		return context.Cause(b.call)
	}
	config := &b.call.server.config
	if over := b.waited - config.BodyGrace; over > 0 && b.received < int64(over.Seconds()*float64(config.BodyRate)) {
		return b.broken(errTooSlow)
	}
	deadline := time.Now().Add(config.ChunkTimeout)
	if err := b.call.fiber.Context().Conn().SetReadDeadline(deadline); err != nil {
		return b.broken(err)
	}
	return nil
}

var errTooSlow = errors.New("too slow")

func (b *body) broken(err error) error {
	var network net.Error
	if err == errTooSlow || errors.As(err, &network) && network.Timeout() {
		config := &b.call.server.config
		return fault.For(reasonSlow, "the body arrives too slowly: %s bytes so far; after %s at least %d a second must come, and each piece within %s", count(b.received), config.BodyGrace, config.BodyRate, config.ChunkTimeout)
	}
	return &fault.Error{Kind: fault.Invalid, Reason: reasonBodyCut, Message: "the body ended after " + count(b.received) + " bytes, before its end"}
}

// reserve counts n bytes against the memory all bodies share.
func (b *body) reserve(n int64) error {
	if b.call.route.Bulk {
		return nil
	}
	s := b.call.server
	b.held += n
	if s.bodies.Add(n) <= s.config.BodyBytes {
		return nil
	}
	f := fault.New(fault.Busy, "Too Many Requests: the bodies of requests being read exceed %s bytes; try again in a second", count(s.config.BodyBytes))
	f.RetryAfter = time.Second
	return f
}

func (b *body) release() {
	b.call.server.bodies.Add(-b.held)
	b.held = 0
}

// spent reports whether the connection stands at the next request: nothing of
// this body is left on it.
func (b *body) spent() bool {
	return b.eof || b.declared >= 0 && (b.received >= b.declared || b.declared <= prefetched)
}
