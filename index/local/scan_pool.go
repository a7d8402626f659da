package local

import (
	"context"
	"slices"
	"sync"

	"nearside/fault"
)

// A pool works off the pieces of many scans on a fixed number of goroutines.
// However many scans there are at once, no more goroutines than that compute; the
// scans take turns piece by piece, so that a short one does not wait for a long one.
type pool struct {
	mu     sync.Mutex // guards the fields below; no piece is worked on under it
	wake   sync.Cond  // a job arrived, or the pool was closed
	jobs   []*job     // those with pieces that nobody has taken
	turn   int        // whose turn it is
	closed bool

	size    int
	workers sync.WaitGroup
}

// A job is the work of one call of do. The pool's mutex guards its fields but the first.
type job struct {
	work   func(worker, piece int) error
	pieces int
	next   int // the first piece that nobody has taken
	active int // pieces being worked on
	err    error
	done   chan struct{} // closed when no piece is left or being worked on
}

// newPool starts a pool of so many goroutines.
func newPool(size int) *pool {
	p := &pool{size: size}
	p.wake.L = &p.mu
	for worker := range size {
		p.workers.Go(func() { p.serve(worker) })
	}
	return p
}

// close waits until the jobs are done, then ends the goroutines. Later jobs are refused.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.wake.Broadcast()
	p.workers.Wait()
}

// do calls work for every piece from 0 to pieces-1, each on one of the pool's
// goroutines, whose number from 0 to size-1 is the worker. A single piece is done
// by the caller, as worker 0. After an error, or when ctx ends, no more pieces
// are begun; do returns once none is being worked on.
func (p *pool) do(ctx context.Context, pieces int, work func(worker, piece int) error) error {
	if err := ctx.Err(); err != nil || pieces == 0 {
		return err
	}
	if pieces == 1 {
		return work(0, 0)
	}
	j := &job{work: work, pieces: pieces, done: make(chan struct{})}
	if err := p.enter(j); err != nil {
		return err
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		p.stop(j, ctx.Err())
		<-j.done
	}
	return j.err // nobody writes it after done
}

func (p *pool) enter(j *job) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return fault.New(fault.Unavailable, "the indexes are being closed")
	}
	p.jobs = append(p.jobs, j)
	p.wake.Broadcast()
	return nil
}

// stop lets nobody begin another piece of a job.
func (p *pool) stop(j *job, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopLocked(j, why)
}

func (p *pool) stopLocked(j *job, why error) {
	if j.err == nil {
		j.err = why
	}
	if j.next < j.pieces {
		j.next = j.pieces
		p.leaveLocked(j)
		j.endLocked()
	}
}

// leaveLocked takes a job out of those with pieces left.
func (p *pool) leaveLocked(j *job) {
	i := slices.Index(p.jobs, j)
	p.jobs = slices.Delete(p.jobs, i, i+1)
}

// endLocked reports the job done if it is. Nobody begins a piece after the last
// was taken, so that this is the case once.
func (j *job) endLocked() {
	if j.next == j.pieces && j.active == 0 {
		close(j.done)
	}
}

// serve works off pieces, one job after the other, until the pool is closed.
func (p *pool) serve(worker int) {
	p.mu.Lock()
	for {
		for len(p.jobs) == 0 && !p.closed {
			p.wake.Wait()
		}
		if len(p.jobs) == 0 {
			p.mu.Unlock()
			return
		}
		p.turn = (p.turn + 1) % len(p.jobs)
		p.pieceLocked(p.jobs[p.turn], worker)
	}
}

// pieceLocked takes a piece of a job and works on it, without the lock meanwhile.
func (p *pool) pieceLocked(j *job, worker int) {
	piece := j.next
	j.next++
	j.active++
	if j.next == j.pieces {
		p.leaveLocked(j)
	}
	p.mu.Unlock()
	err := j.work(worker, piece)
	p.mu.Lock()
	if err != nil {
		p.stopLocked(j, err)
	}
	j.active--
	j.endLocked()
}
