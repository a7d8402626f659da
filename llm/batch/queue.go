package batch

import (
	"slices"
	"time"

	"nearside/llm/neuron"
)

// job is a batch with items that have not ended.
type job struct {
	number  int64
	id      string
	payer   neuron.Payer
	model   string
	waiting []int // items that nobody runs, in the order in which they are tried
	running int
	begun   bool          // some item was, now or before
	results int           // bytes of the results so far
	due     time.Time     // nothing is tried before
	delay   time.Duration // the last one; 0 after a success
	stalled time.Time     // of the first failure after the last success
	why     string        // what the failure was, for people
}

// queue is the jobs, in the order in which it is their turn.
type queue []*job

// claim takes an item of the first job that has one that is due. Without one it
// says how long it will be until there is; negative: until something happens.
func (q queue) claim(now time.Time) (j *job, item int, wait time.Duration) {
	wait = -1
	for i, j := range q {
		if len(j.waiting) == 0 {
			continue
		}
		if until := j.due.Sub(now); until > 0 {
			if wait < 0 || until < wait {
				wait = until
			}
			continue
		}
		item, j.waiting = j.waiting[0], j.waiting[1:]
		j.running++
		j.begun = true
		copy(q[i:], q[i+1:]) // it is last now
		q[len(q)-1] = j
		return j, item, 0
	}
	return nil, 0, wait
}

// find returns the job with a number; nil: it has ended.
func (q queue) find(number int64) *job {
	for _, j := range q {
		if j.number == number {
			return j
		}
	}
	return nil
}

// without returns the queue without a job.
func (q queue) without(j *job) queue {
	return slices.DeleteFunc(q, func(other *job) bool { return other == j })
}

// putBack lets an item that was claimed wait again, behind the others.
func (j *job) putBack(item int) {
	j.running--
	j.waiting = append(j.waiting, item)
}

// postpone lets the whole job wait, each time twice as long.
func (j *job) postpone(now time.Time, why string) {
	j.why = why
	if j.due.After(now) {
		return // another item of it has failed a moment ago
	}
	j.delay = min(max(2*j.delay, firstDelay), longest)
	j.due = now.Add(j.delay)
}

// succeed ends the waiting.
func (j *job) succeed() {
	j.delay, j.due, j.stalled, j.why = 0, time.Time{}, time.Time{}, ""
}
