package disk

import (
	"context"
	"slices"
	"sync"
)

// baton is handed from one user of the writer to the next, in the order they came.
type baton struct {
	mu      sync.Mutex // guards the fields below; held for a few instructions
	held    bool
	waiting []chan struct{}
}

// take waits for the baton, unless ctx ends first.
func (b *baton) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return canceled(err)
	}
	b.mu.Lock()
	if !b.held {
		b.held = true
		b.mu.Unlock()
		return nil
	}
	mine := make(chan struct{})
	b.waiting = append(b.waiting, mine)
	b.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	}
	if b.leave(mine) {
		return canceled(ctx.Err())
	}
	<-mine // it was handed to us in the same moment
	return nil
}

// tryTake takes the baton if nobody has it.
func (b *baton) tryTake() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held {
		return false
	}
	b.held = true
	return true
}

// leave takes a waiter out of the queue, if it is still there.
func (b *baton) leave(mine chan struct{}) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiting, mine)
	if i < 0 {
		return false
	}
	b.waiting = slices.Delete(b.waiting, i, i+1)
	return true
}

// pass hands the baton to the next in the queue; false if there is none, and
// then the caller still has it.
func (b *baton) pass() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.passLocked()
}

func (b *baton) passLocked() bool {
	if len(b.waiting) == 0 {
		return false
	}
	close(b.waiting[0])
	b.waiting = slices.Delete(b.waiting, 0, 1)
	return true
}

// drop passes the baton on, or lays it down.
func (b *baton) drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = b.passLocked()
}
