package measure

import "sync"

// counter tells a callback how far a piece of work is, one call at a time.
type counter struct {
	total int
	tell  func(done, total int)

	mu   sync.Mutex // guards done; held while tell runs, so calls neither overlap nor go backwards
	done int
}

func newCounter(total int, tell func(done, total int)) *counter {
	if tell == nil {
		tell = func(int, int) {}
	}
	return &counter{total: total, tell: tell}
}

func (c *counter) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done += n
	c.tell(c.done, c.total)
}
