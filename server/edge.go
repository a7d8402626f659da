package server

import (
	"errors"
	"log/slog"
	"net"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"nearside/catalog"
	"nearside/edge"
	"nearside/fault"
)

// The Workers edge is how bindings are answered in a project that was not changed at
// all: wrangler believes that it has a remote session on Cloudflare's edge, and sends
// each call of a binding to https://127.0.0.1, wrapped in another. A wrapped call has
// the method and the body of the inner one, and these headers:
//
//	cf-workers-preview-token  the session
//	MF-Binding                the binding's name in env
//	MF-URL                    the URL of the inner call, of which path and query count
//	MF-Header-…               a header of the inner call
//
// The inner call goes to the same routes as every call of a binding (binding.go), with
// what the key allows that opened the session. Headers of the wrapping, and headers that
// look as if they came from other doors, mean nothing to it.
const (
	headerSession   = "cf-workers-preview-token"
	headerBound     = "MF-Binding"
	headerInnerURL  = "MF-URL"
	headerConnect   = "MF-Connect-Address"
	headerForwarded = "MF-Forwarded-Response"

	wrapPrefix  = "mf-"
	innerPrefix = wrapPrefix + "header-"
)

// Reasons the edge refuses.
const (
	reasonSession fault.Reason = "edge_session" // no session of this server, or one that has ended
	reasonWrapped fault.Reason = "edge_call"    // a call that is not wrapped as it should be
)

// noSession are the words by which wrangler knows that it has to open a new session.
const noSession = "Invalid Workers Preview configuration"

// listenEdges opens the addresses of the edge. A machine without IPv6 does without it.
func listenEdges(config Config, e *edge.Edge, log *slog.Logger) (open []*listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range open {
				err = errors.Join(err, l.Close())
			}
		}
	}()
	for _, addr := range config.Edge {
		inner, err := net.Listen("tcp", addr)
		if len(open) > 0 && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)) {
			log.Warn("the Workers edge does not listen on an address that this machine does not have", "address", addr)
			continue
		}
		if err != nil {
			return open, edgeClosed(addr, err)
		}
		l := newListener(inner, e.TLS(), config)
		l.edge = true
		open = append(open, l)
	}
	return open, nil
}

// edgeClosed says what to do about an address that cannot be listened on.
func edgeClosed(addr string, err error) error {
	next := "choose another with --workers-edge=ADDR"
	switch {
	case errors.Is(err, syscall.EACCES):
		next = "this user may not; one of these helps:\n" + edge.Ways(runtime.GOOS)
	case errors.Is(err, syscall.EADDRINUSE):
		next = "another program has it; end that, or choose another with --workers-edge=127.0.0.1:8443, to which " + edge.Address + " must lead, as wrangler calls nothing else"
	}
	// The cause stands before the ways, which are there to be copied.
	return fault.New(fault.Unavailable, "cannot listen on %s for Workers projects (%v); %s", addr, err, next)
}

// atEdge reports whether a call came to the Workers edge. One whose head cannot be
// read has no connection, and came anywhere.
func (c *call) atEdge() bool { return c.conn != nil && c.conn.listener.edge }

// unwrap opens the door for a call to the edge, makes the inner call of it, and
// returns where its routes are.
func (s *Server) unwrap(c *call) (*router, error) {
	if c.fromBrowser() {
		return nil, crossSite("a browser")
	}
	if err := c.checkWrapping(); err != nil {
		return nil, err
	}
	session, known := s.session(c)
	if !known {
		return nil, fault.For(reasonSession, noSession)
	}
	c.account = session.Account
	c.setHeader(headerForwarded, "true")
	if err := c.checkTunnel(); err != nil {
		return nil, err
	}
	name := c.header(headerBound)
	binding, known := session.Binding(name)
	if !known {
		return nil, fault.For(reasonWrapped, "the session has no binding %s; start wrangler again if it is new", quoteShort(name))
	}
	routes, err := s.boundRoutes(binding.Type)
	if err != nil {
		return nil, err
	}
	if err := c.become(c.header(headerInnerURL)); err != nil {
		return nil, err
	}
	c.binding, c.boundTo = binding.Type, url.PathEscape(binding.Resource)
	return routes, nil
}

// session returns the session of a call, if it has not ended and neither has its key.
func (s *Server) session(c *call) (edge.Session, bool) {
	session, known := s.parts.Edge.Unseal(c.header(headerSession))
	if !known || session.Key == "" {
		return session, known && !s.keyed()
	}
	keys := s.parts.Keys.Keys(session.Account)
	at := slices.IndexFunc(keys, func(k catalog.Key) bool { return k.ID == session.Key })
	if at >= 0 {
		c.key = principal{keys[at]}
	}
	return session, at >= 0
}

// checkWrapping refuses a header of the wrapping that stands twice: whoever reads the
// first and whoever reads the last would see different calls.
func (c *call) checkWrapping() (err error) {
	seen := map[string]bool{}
	c.fiber.Request().Header.VisitAll(func(name, _ []byte) {
		header := strings.ToLower(string(name))
		if seen[header] && (strings.HasPrefix(header, wrapPrefix) || header == headerSession) {
			err = fault.For(reasonWrapped, "the header %s stands twice", quoteShort(header))
		}
		seen[header] = true
	})
	return err
}

// checkTunnel refuses what is no HTTP call within another. Miniflare tries to open a
// session of RPC beside every call, and does without it.
func (c *call) checkTunnel() error {
	if c.header(headerConnect) != "" {
		return notBuilt("nearside opens no connections for Workers, here to %s", quoteShort(c.header(headerConnect)))
	}
	if c.header(headerInnerURL) == "" && strings.EqualFold(c.header("Upgrade"), "websocket") {
		return notBuilt("nearside answers bindings by HTTP, not by RPC")
	}
	return nil
}

// become makes the call the one that is wrapped in it.
func (c *call) become(target string) error {
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fault.For(reasonWrapped, "the header %s is %s, and no URL", headerInnerURL, quoteShort(target))
	}
	inner := map[string]string{}
	c.fiber.Request().Header.VisitAll(func(name, value []byte) {
		if header, ok := strings.CutPrefix(strings.ToLower(string(name)), innerPrefix); ok {
			inner[header] = string(value)
		}
	})
	c.inner, c.path = inner, u.EscapedPath()
	// As of a call that is not wrapped, a query that cannot be parsed keeps what could be.
	c.query, _ = url.ParseQuery(u.RawQuery)
	return nil
}
