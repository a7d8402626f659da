package wire

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"nearside/llm/backend"
)

// How long an answer is kept, and a failure; and how long the question may take.
// A new model is seen within keepTime; while a server is down, one call in each
// keepFailure finds it out and the others are told.
const (
	keepTime    = 3 * time.Second
	keepFailure = time.Second
	fetchTime   = 4 * time.Second // below the 5 s that a Guard gives
)

// Cached keeps what a server said for some seconds. However many ask at once, the
// server is asked once.
type Cached[T any] struct {
	client *Client
	fetch  func(context.Context) (T, error)
	life   context.Context
	end    context.CancelFunc
	flight singleflight.Group

	mu    sync.Mutex // guards what follows
	value T
	err   error
	until time.Time
}

// NewCached returns a Cached that asks by fetch.
func NewCached[T any](c *Client, fetch func(context.Context) (T, error)) *Cached[T] {
	life, end := context.WithCancel(context.Background())
	return &Cached[T]{client: c, fetch: fetch, life: life, end: end}
}

// Get returns what is kept, or asks. A caller who goes away ends nobody else's question.
func (c *Cached[T]) Get(ctx context.Context) (T, error) {
	c.mu.Lock()
	value, err, fresh := c.value, c.err, time.Now().Before(c.until)
	c.mu.Unlock()
	if fresh {
		return value, err
	}
	select {
	case r := <-c.flight.DoChan("", c.ask):
		value, _ = r.Val.(T)
		return value, r.Err
	case <-ctx.Done():
		return value, ctx.Err()
	}
}

func (c *Cached[T]) ask() (any, error) {
	ctx, cancel := context.WithTimeout(c.life, fetchTime)
	defer cancel()
	value, err := c.fetch(ctx)
	keep := keepTime
	if err != nil {
		keep = keepFailure
		if errors.Is(err, context.DeadlineExceeded) {
			err = c.client.Error("", backend.Slow, nil, "it did not say within %v which models it has", fetchTime)
		} else if c.life.Err() != nil {
			err = c.client.Error("", backend.Unreachable, backend.ErrClosed, "it is closed")
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value, c.err, c.until = value, err, time.Now().Add(keep)
	return value, err
}

// Forget has the next Get ask.
func (c *Cached[T]) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = time.Time{}
}

// Close ends the question that is under way.
func (c *Cached[T]) Close() { c.end() }
