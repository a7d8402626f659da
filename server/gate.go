package server

import (
	"context"
	"sync/atomic"
	"time"

	"nearside/fault"
)

// gate bounds how many calls are worked on at once. A short queue absorbs
// bursts; beyond it calls are refused at once, so that a busy server stays a
// fast one. A call that waits for its client's bytes gives its slot back
// meanwhile (call.awaitClient), so slow clients cannot hold it.
type gate struct {
	slots    chan struct{}
	waiting  atomic.Int64
	queue    int64
	patience time.Duration
}

func newGate(work, queue int, patience time.Duration) *gate {
	return &gate{slots: make(chan struct{}, work), queue: int64(queue), patience: patience}
}

// enter takes a slot, waiting in the queue if there is room in it.
func (g *gate) enter(ctx context.Context) error {
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	if g.waiting.Add(1) > g.queue {
		g.waiting.Add(-1)
		return g.busy()
	}
	defer g.waiting.Add(-1)
	patience := time.NewTimer(g.patience)
	defer patience.Stop()
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-patience.C:
		return g.busy()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// again takes back the slot of a call that had one before; it waits for as long as the call lives.
func (g *gate) again(ctx context.Context) error {
	select { // most often there is one, and ctx need not be asked for its channel
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// leave gives a slot back.
func (g *gate) leave() { <-g.slots }

func (g *gate) busy() error {
	f := fault.New(fault.Busy, "Too Many Requests: %d calls are being worked on and %d wait; try again in a second", cap(g.slots), g.queue)
	f.RetryAfter = time.Second
	return f
}
