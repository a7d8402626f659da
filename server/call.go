package server

import (
	"context"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"

	"nearside/fault"
	"nearside/llm/backend"
	"nearside/workers/traffic"
)

// call is one request on its way through the server. It is also the context of
// all work done for it. Strings it hands out are copies and may be kept.
type call struct {
	context.Context
	cancel context.CancelCauseFunc
	// ends is when the watch ends the context because the call takes too long, as
	// nanoseconds since 1970; 0 = the call may take as long as it likes.
	ends atomic.Int64

	id      string // ours, never the client's; in every reply and log line
	method  string
	path    string // as it arrived, without the query
	account string // the account the path names; "" outside accounts
	binding string // the type of the binding that sent the call; "" = none did
	boundTo string // what the binding is for, escaped as in a path
	// inner are the headers of a call that came wrapped in another (edge.go), by
	// their names in lower case; nil = the call came as it is.
	inner map[string]string
	key   principal
	seen  *traffic.Call // what a project's binding does; nil = no project's did call
	byID  bool          // it is a query that names a vector

	server   *Server
	fiber    *fiber.Ctx
	conn     *conn
	route    *Route
	params   []param
	query    url.Values
	incoming *body
	remarks  []remark // for the envelope's messages
	warnings []string // those of them that go into the header too
	started  time.Time
	status   int
	holding  atomic.Bool // a slot of the gate
	queued   bool        // the gate was passed once
	flowing  bool        // the reply is a stream that outlives the handler
	fault    *fault.Error
}

// serve answers one request.
func (s *Server) serve(f *fiber.Ctx) {
	c := s.newCall(f)
	s.metrics.inFlight.Inc()
	s.watch.add(c)
	s.answer(c)
	if !c.flowing {
		c.settle()
		c.finish()
	}
}

// answer runs the handler and writes its failure, a panic included.
func (s *Server) answer(c *call) {
	defer func() {
		if r := recover(); r != nil {
			c.panicked("a handler", r)
			if !c.flowing {
				c.fail(fault.New(fault.Internal, "panic"))
			}
		}
	}()
	if err := s.handle(c); err != nil && !c.flowing {
		c.fail(err)
	}
}

// handle takes the call through everything that must hold before its handler runs.
func (s *Server) handle(c *call) error {
	router, done, err := s.door(c)
	if done || err != nil {
		return err
	}
	route, params, allow, err := router.match(c.method, c.path)
	c.route, c.params = route, params
	if allow != nil {
		c.setHeader("Allow", strings.Join(allow, ", "))
	}
	if err != nil {
		return err
	}
	if s.draining.Load() && !route.Unqueued {
		return errDrained
	}
	if err := s.admit(c); err != nil {
		return err
	}
	if err := c.checkBody(); err != nil {
		return err
	}
	if !route.Bulk {
		c.ends.Store(c.started.Add(s.config.CallTimeout).UnixNano())
	}
	if !route.Unqueued {
		if err := c.enter(); err != nil {
			return err
		}
	}
	if route.Reaches {
		c.Context = backend.Outside(c.Context, c.elsewhere)
	}
	return route.Handle(s, c)
}

func (s *Server) newCall(f *fiber.Ctx) *call {
	request := &f.Context().Request
	path, query := splitTarget(string(request.Header.RequestURI()))
	ray := newRay()
	c := &call{
		id:      ray[:requestIDBytes],
		method:  string(request.Header.Method()),
		path:    path,
		server:  s,
		fiber:   f,
		conn:    rawConn(f.Context().Conn()),
		started: time.Now(),
		status:  fiber.StatusOK,
	}
	c.conn.busy.Store(true)
	if query != "" {
		// A query that cannot be parsed keeps what could be: unknown parameters are ignored anyway.
		c.query, _ = url.ParseQuery(query)
	}
	c.Context, c.cancel = context.WithCancelCause(s.base)
	c.incoming = newBody(c, request)
	c.setHeader("nearside-request-id", c.id)
	c.setHeader("cf-ray", ray)
	return c
}

// splitTarget cuts a request target into path and query, both as they arrived.
// fasthttp would take "//host/path" for a host, so its parser is not asked.
func splitTarget(target string) (path, query string) {
	for _, scheme := range []string{"http://", "https://"} {
		if len(target) >= len(scheme) && strings.EqualFold(target[:len(scheme)], scheme) {
			_, rest, _ := strings.Cut(target[len(scheme):], "/")
			target = "/" + rest
		}
	}
	target, _, _ = strings.Cut(target, "#")
	path, query, _ = strings.Cut(target, "?")
	return path, query
}

// settle ends what the call had to do with the request; fasthttp may reuse its memory afterwards.
func (c *call) settle() {
	if !c.incoming.spent() {
		// What is left of the body would be read as the next request.
		c.fiber.Context().SetConnectionClose()
		c.conn.linger.Store(true)
	}
	if context.Cause(c) == errHungUp || c.server.draining.Load() {
		c.fiber.Context().SetConnectionClose() // requests pipelined behind this one get no reply either
	}
	c.incoming.release()
	c.ends.Store(0)
	c.fiber = nil
}

// finish releases what the call held and records how it went.
func (c *call) finish() {
	s := c.server
	c.leave()
	s.watch.remove(c)
	hungUp := context.Cause(c) == errHungUp
	c.cancel(context.Canceled)
	c.sawCall()
	s.metrics.finished(c, hungUp)
	s.record(c, hungUp)
}

// record writes the access log line.
func (s *Server) record(c *call, hungUp bool) {
	level := slog.LevelInfo
	if c.status == 500 {
		level = slog.LevelError
	}
	if !s.log.Enabled(c, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request", c.id), slog.String("method", c.method), slog.String("route", c.pattern()),
		slog.String("account", c.account), slog.String("key", c.key.ID), slog.Int("status", c.status),
		slog.Duration("took", time.Since(c.started)), slog.Int64("received", c.incoming.received),
		slog.String("from", c.conn.RemoteAddr().String()),
	}
	if hungUp {
		attrs = append(attrs, slog.Bool("hung_up", true))
	}
	if c.fault != nil {
		attrs = append(attrs, slog.String("kind", c.fault.Kind.String()), slog.String("reason", string(c.fault.Reason)))
	}
	s.log.LogAttrs(c, level, "request", attrs...)
}

// pattern names the route in logs and metrics; it holds nothing the client chose.
func (c *call) pattern() string {
	if c.route == nil {
		return "none"
	}
	return c.route.Path
}

// param returns the id that stands in the path for {name} or {name...}.
func (c *call) param(name string) string {
	for _, p := range c.params {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// queryParam returns the first value of a query parameter; "" if it is absent.
func (c *call) queryParam(name string) string { return c.query.Get(name) }

// queryInt returns a whole number from the query: fallback if it is absent, a fault outside lowest…highest.
func (c *call) queryInt(name string, fallback, lowest, highest int) (int, error) {
	text := c.query.Get(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < lowest || n > highest {
		return 0, fault.For(reasonQuery, "the query parameter %s is %s; it must be a whole number from %d to %d", name, quoteShort(text), lowest, highest)
	}
	return n, nil
}

// header returns a request header; "" if it is absent.
func (c *call) header(name string) string {
	if c.inner != nil {
		return c.inner[strings.ToLower(name)]
	}
	return string(c.fiber.Request().Header.Peek(name))
}

// setHeader sets a reply header.
func (c *call) setHeader(name, value string) { c.fiber.Response().Header.Set(name, value) }

// mediaType returns the request's content type without its parameters, in lower
// case. It forgives what wrangler sends: "application/json; charset=utf-8;".
func (c *call) mediaType() string {
	t, _, _ := strings.Cut(c.header("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// enter takes a slot; leave gives it back.
func (c *call) enter() error {
	if err := c.server.gate.enter(c); err != nil {
		return err
	}
	c.holding.Store(true)
	c.queued = true
	return nil
}

func (c *call) leave() {
	if c.holding.CompareAndSwap(true, false) {
		c.server.gate.leave()
	}
}

// awaitClient runs wait, which waits for the network, without holding a slot.
func (c *call) awaitClient(wait func()) error {
	held := c.holding.Load()
	c.leave()
	wait()
	if !held {
		return nil
	}
	if err := c.server.gate.again(c); err != nil {
		return err
	}
	c.holding.Store(true)
	return nil
}

// elsewhere runs work that a model server does, without holding a slot.
func (c *call) elsewhere(work func()) {
	// Without a slot again the call has ended, which whatever comes next will notice.
	_ = c.awaitClient(work)
}
