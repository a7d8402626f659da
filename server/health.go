package server

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"nearside/llm/backend"
)

// Condition is what /health tells about the parts behind the server.
type Condition struct {
	// Embedding is the model that turns texts into vectors; "" = none.
	Embedding string `json:"embedding,omitempty"`
	// Lexical says that Embedding compares words, not meanings.
	Lexical bool `json:"lexical,omitempty"`
	// Backends lists the model servers that are set up, and how each is doing.
	Backends []BackendCondition `json:"backends,omitempty"`
	// Warming lists indexes that are being opened; calls to them wait until they are.
	Warming []string `json:"warming,omitempty"`
	// Building lists indexes whose graph is being built; they answer exactly, and slower.
	Building []string `json:"building,omitempty"`
	// Damaged lists indexes that are out of service, and why.
	Damaged []string `json:"damaged,omitempty"`
}

// BackendCondition is how a model server is doing. Nothing is asked of it for this.
type BackendCondition struct {
	Name        string        `json:"name"`
	Phase       backend.Phase `json:"phase"`                // closed is well; open is left alone after failures
	LeftAlone   []string      `json:"left_alone,omitempty"` // models that keep failing, while the others are served
	InFlight    int           `json:"in_flight"`
	Queued      int           `json:"queued"`
	LastFailure backend.Kind  `json:"last_failure,omitempty"`
	FailedAt    *time.Time    `json:"failed_at,omitempty"`
}

// NewBackendCondition tells a guard's state.
func NewBackendCondition(s backend.State) BackendCondition {
	c := BackendCondition{Name: s.Name, Phase: s.Phase, LeftAlone: s.Alone, InFlight: s.InFlight, Queued: s.Queued, LastFailure: s.LastKind}
	if s.LastKind != "" {
		at := s.LastAt.UTC()
		c.FailedAt = &at
	}
	return c
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
