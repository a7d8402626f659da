package server

import (
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"nearside/fault"
)

// A web page on the internet can make its visitor's browser send requests to
// this server. Two checks stop it: the Host header must be a name that is ours,
// so that a domain made to resolve to 127.0.0.1 (DNS rebinding) gets no answer;
// and a request that a browser marks as coming from another origin is refused
// unless that origin is allowed. Programs that are no browsers send neither
// Origin nor Sec-Fetch-Site and notice nothing.

// Reasons the guard refuses.
const (
	reasonHost   fault.Reason = "host"
	reasonOrigin fault.Reason = "origin"
)

// door finds out by which of its doors a call came, whether that is open to it, and
// where the routes behind it are. done: the call has been answered.
func (s *Server) door(c *call) (routes *router, done bool, err error) {
	switch {
	case c.atEdge():
		routes, err = s.unwrap(c)
	case c.header(headerBindingType) != "":
		routes, err = s.bound(c)
	default:
		routes = s.router
		done, err = s.guard(c)
	}
	return routes, done, err
}

// guard refuses requests a browser was tricked into. done: the call was a
// preflight and has been answered.
func (s *Server) guard(c *call) (done bool, err error) {
	if err := s.checkHost(c); err != nil {
		return false, err
	}
	origin := c.header("Origin")
	if origin == "" {
		return false, s.checkFetchSite(c)
	}
	allowed := slices.Contains(s.config.Origins, origin)
	if !allowed && !s.sameOrigin(origin, c.host()) {
		return false, crossSite("the origin " + quoteShort(origin))
	}
	if !allowed {
		return false, nil
	}
	c.setHeader("Access-Control-Allow-Origin", origin)
	c.setHeader("Vary", "Origin")
	if c.method != fiber.MethodOptions || c.header("Access-Control-Request-Method") == "" {
		c.setHeader("Access-Control-Expose-Headers", "*")
		return false, nil
	}
	c.setHeader("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
	c.setHeader("Access-Control-Allow-Headers", c.header("Access-Control-Request-Headers"))
	c.setHeader("Access-Control-Max-Age", "600")
	c.writeStatus(fiber.StatusNoContent)
	return true, nil
}

// host is the Host header of a call.
func (c *call) host() string { return string(c.fiber.Request().Header.Host()) }

// checkHost refuses a call to a name that is not this server's.
func (s *Server) checkHost(c *call) error {
	if s.answersTo(c.host()) {
		return nil
	}
	return &fault.Error{Kind: fault.Forbidden, Reason: reasonHost,
		Message: "the Host header names " + quoteShort(c.host()) + ", which is not a name of this server; allow it with --allow-host"}
}

// checkFetchSite judges a request without Origin by what the browser says of it.
func (s *Server) checkFetchSite(c *call) error {
	switch site := c.header("Sec-Fetch-Site"); site {
	case "", "none", "same-origin":
		return nil
	default:
		return crossSite("a page of another site (Sec-Fetch-Site: " + quoteShort(site) + ")")
	}
}

func crossSite(who string) error {
	return &fault.Error{Kind: fault.Forbidden, Reason: reasonOrigin, Message: who + " may not call this server; allow an origin with --allow-origin"}
}

// answersTo reports whether a Host header names this server. An IP address
// cannot be rebound, so any is fine.
func (s *Server) answersTo(host string) bool {
	name := strings.ToLower(hostname(host))
	if net.ParseIP(name) != nil || name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	listening, _, _ := net.SplitHostPort(s.config.Addr)
	if name == "" || name == strings.ToLower(listening) {
		return name != ""
	}
	return slices.ContainsFunc(s.config.Hosts, func(allowed string) bool { return strings.EqualFold(allowed, name) })
}

// hostname cuts the port off a Host header.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

// sameOrigin reports whether origin is this server itself, as the request addressed it.
func (s *Server) sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	scheme := "http"
	if s.config.TLSCert != "" {
		scheme = "https"
	}
	return u.Scheme == scheme && strings.EqualFold(u.Host, host)
}
