package server

import (
	"context"
	"sync"
	"time"
)

// watchInterval is how soon a hang-up, or the end of a call's time, is noticed.
const watchInterval = 50 * time.Millisecond

// watch notices clients that hang up while a call works for them, and calls that
// take too long. Nothing in fasthttp tells a handler of a hang-up; so the
// connections of all calls in flight are looked at, without reading from them,
// every watchInterval. Most calls are over before that, and a timer for each of
// them would cost more than all of this.
type watch struct {
	mu    sync.Mutex
	calls map[*call]struct{} // guarded by mu; nothing waits under it
}

func (w *watch) add(c *call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls == nil {
		w.calls = map[*call]struct{}{}
	}
	w.calls[c] = struct{}{}
}

func (w *watch) remove(c *call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.calls, c)
}

func (w *watch) size() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.calls)
}

// run looks until stop is closed.
func (w *watch) run(stop <-chan struct{}) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	var calls []*call
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		calls = w.list(calls[:0])
		now := time.Now().UnixNano()
		for _, c := range calls {
			if ends := c.ends.Load(); ends != 0 && now >= ends {
				c.cancel(context.DeadlineExceeded)
			}
			if !c.conn.reading.Load() && c.conn.gone() {
				c.cancel(errHungUp)
			}
		}
		clear(calls)
	}
}

func (w *watch) list(into []*call) []*call {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.calls {
		into = append(into, c)
	}
	return into
}
