package server

import (
	"errors"

	"github.com/gofiber/fiber/v2"

	"nearside/fault"
)

// Reasons of requests that never became a call, or did not end as one.
const (
	reasonMalformed   fault.Reason = "malformed"
	reasonHeadTooLong fault.Reason = "head_too_long"
	reasonHeadSlow    fault.Reason = "head_too_slow"
	reasonTimeout     fault.Reason = "timeout"
	reasonHungUp      fault.Reason = "hung_up"
)

// malformed answers what is not HTTP enough to become a call.
func (s *Server) malformed(f *fiber.Ctx, err error) error {
	e := &fault.Error{Kind: fault.Invalid, Reason: reasonMalformed, Message: "Invalid request headers: " + err.Error()}
	var known *fiber.Error
	if errors.As(err, &known) {
		switch known.Code {
		case fiber.StatusRequestHeaderFieldsTooLarge:
			e.Reason, e.Message = reasonHeadTooLong, "the request's head is larger than "+count(maxHeaderBytes)+" bytes"
		case fiber.StatusRequestTimeout:
			e.Reason, e.Message = reasonHeadSlow, "the request's head did not arrive within "+s.config.HeaderTimeout.String()
		}
	}
	c := &call{Context: s.base, id: newRay()[:requestIDBytes], server: s, fiber: f}
	c.setHeader("nearside-request-id", c.id)
	c.fail(e)
	f.Context().SetConnectionClose()
	s.metrics.refused.WithLabelValues(e.Kind.String()).Inc()
	return nil
}
