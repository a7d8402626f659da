package server

import "github.com/gofiber/fiber/v2"

// health is the reply of GET /health.
type health struct {
	Status  string `json:"status"` // ok or draining
	Version string `json:"version"`
}

// showHealth answers GET /health: 200 as soon as requests are served, 503 while draining.
func showHealth(s *Server, c *call) error {
	h := health{Status: "ok", Version: s.config.Version}
	if s.draining.Load() {
		h.Status = "draining"
		c.status = fiber.StatusServiceUnavailable
	}
	return c.bare(h)
}
