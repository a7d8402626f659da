package jobs

import (
	"context"
	"slices"
	"time"
)

// entry is a job that has not ended.
type entry struct {
	number  int64
	account string
	index   string
	due     time.Time // it is not run before

	// While it runs.
	cancel  context.CancelCauseFunc
	run     *Run
	stopped chan struct{} // closed when it no longer runs
}

func (e *entry) busy() bool { return e.cancel != nil }

// queue is all jobs that have not ended, the oldest first. The store's mutex guards it.
type queue []*entry

func (q queue) find(number int64) *entry {
	i := slices.IndexFunc(q, func(e *entry) bool { return e.number == number })
	if i < 0 {
		return nil
	}
	return q[i]
}

func (q queue) without(number int64) queue {
	return slices.DeleteFunc(q, func(e *entry) bool { return e.number == number })
}

// next is the job to run now: of those whose index no other works on, the oldest of the account
// that has the fewest running. If there is none, wait is how long it will be until one is due; negative = until something changes.
func (q queue) next(now time.Time) (next *entry, wait time.Duration) {
	type index struct{ account, name string }
	busy, running := map[index]bool{}, map[string]int{}
	for _, e := range q {
		if e.busy() {
			busy[index{e.account, e.index}] = true
			running[e.account]++
		}
	}
	wait = -1
	for _, e := range q {
		switch left := e.due.Sub(now); {
		case e.busy() || busy[index{e.account, e.index}]:
		case left > 0:
			if wait < 0 || left < wait {
				wait = left
			}
		case next == nil || running[e.account] < running[next.account]:
			next = e
		}
	}
	return next, wait
}
