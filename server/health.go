package server

import (
	"github.com/gofiber/fiber/v2"
)

// Condition is what /health tells about the parts behind the server.
type Condition struct {
	// Embedding is the model that turns texts into vectors; "" = none.
	Embedding string `json:"embedding,omitempty"`
	// Lexical says that Embedding compares words, not meanings.
	Lexical bool `json:"lexical,omitempty"`
	// Warming lists indexes that are being opened; calls to them wait until they are.
	Warming []string `json:"warming,omitempty"`
	// Building lists indexes whose graph is being built; they answer exactly, and slower.
	Building []string `json:"building,omitempty"`
	// Damaged lists indexes that are out of service, and why.
	Damaged []string `json:"damaged,omitempty"`
}

// health is the reply of GET /health.
type health struct {
	Status  string `json:"status"` // ok or draining
	Version string `json:"version,omitempty"`
	Condition
}

// showHealth answers GET /health: 200 as soon as requests are served, 503 while
// draining. Once keys exist, only their holders see more than that.
func showHealth(s *Server, c *call) error {
	h := health{Status: "ok"}
	if s.draining.Load() {
		h.Status = "draining"
		c.status = fiber.StatusServiceUnavailable
	}
	if !c.key.anybody() || !s.keyed() {
		h.Version = s.config.Version
		if s.parts.Condition != nil {
			h.Condition = s.parts.Condition()
		}
	}
	return c.bare(h)
}
