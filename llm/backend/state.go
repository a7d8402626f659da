package backend

import (
	"errors"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Phase says whether a Guard lets calls through.
type Phase string

// The phases.
const (
	Closed   Phase = "closed"    // as it should be: calls go through
	Open     Phase = "open"      // the backend was not reached several times and is left alone
	HalfOpen Phase = "half-open" // the next call tries whether it is well again
)

// State is how a backend is doing, for /health and /metrics.
type State struct {
	Name      string
	Phase     Phase
	InFlight  int       // calls under way
	Queued    int       // calls that wait for a turn
	Calls     uint64    // that reached the backend
	Failures  uint64    // of these calls, and of the questions for its models
	Rejected  uint64    // calls that did not reach it: no room, or it was left alone
	LastKind  Kind      // of the latest failure; "": there was none
	LastAt    time.Time // of the latest failure
	OpenUntil time.Time // while Phase is Open
	Alone     []string  // models that failed several times and are left alone, while the others are not
}

// State says how the backend is doing now. It asks nothing of it.
func (g *Guard) State() State {
	s := State{
		Name: g.Name(), Phase: Closed, InFlight: len(g.turns), Queued: int(g.queued.Load()),
		Calls: g.calls.Load(), Failures: g.failures.Load(), Rejected: g.rejected.Load(), Alone: g.fuses.alone(),
	}
	switch g.fuses.whole.breaker.State() {
	case gobreaker.StateOpen:
		s.Phase = Open
		s.OpenUntil, _ = g.fuses.whole.openUntil()
	case gobreaker.StateHalfOpen:
		s.Phase = HalfOpen
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s.LastKind, s.LastAt = g.lastKind, g.lastAt
	return s
}

// remember notes a failure.
func (g *Guard) remember(err error) {
	var e *Error
	if !isFailure(err) || !errors.As(err, &e) {
		return
	}
	g.failures.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lastKind, g.lastAt = e.Kind, time.Now()
}
