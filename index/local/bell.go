package local

import "sync"

// A bell wakes all who wait for something to change.
type bell struct {
	mu    sync.Mutex // guards the field below
	rings chan struct{}
}

// next returns a channel that is closed when the bell next rings. Who waits for a
// condition takes the channel first, then looks, then waits.
func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rings == nil {
		b.rings = make(chan struct{})
	}
	return b.rings
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rings != nil {
		close(b.rings)
		b.rings = nil
	}
}
