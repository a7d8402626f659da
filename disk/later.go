package disk

import (
	"sync"
	"time"
)

// Later does something a while after it is asked for: what comes in the meantime is
// done with it. It is for what need not be durable at once, so that one write serves
// many. Its methods may be called from any goroutine.
type Later struct {
	after time.Duration
	do    func()

	mu      sync.Mutex     // guards the fields below; nothing waits under it
	timer   *time.Timer    // nil: nothing is to come
	closed  bool           // nothing will
	running sync.WaitGroup // what is to come, or is being done
}

// NewLater returns a Later that does do, once each time, some time after it is asked.
func NewLater(after time.Duration, do func()) *Later { return &Later{after: after, do: do} }

// Ask has it done after a while, unless that is to come already or the Later is closed.
func (l *Later) Ask() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil || l.closed {
		return
	}
	l.running.Add(1)
	l.timer = time.AfterFunc(l.after, func() {
		defer l.running.Done()
		l.mu.Lock()
		l.timer = nil
		l.mu.Unlock()
		l.do()
	})
}

// Close keeps it from being done any more, and waits if it is being done.
func (l *Later) Close() {
	l.mu.Lock()
	l.closed = true
	if l.timer != nil && l.timer.Stop() {
		l.running.Done()
	}
	l.timer = nil
	l.mu.Unlock()
	l.running.Wait()
}
