package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"nearside/disk"
	"nearside/fault"
)

// Run is a job while it is done. Its methods may be called from any goroutine, until the handler returns.
type Run struct {
	Job   // as it was when the run began
	store *Store

	mu       sync.Mutex // guards the fields below
	progress Progress
	failures []Failure
	unsaved  bool
}

// Progress says how far the job is.
func (r *Run) Progress(p Progress) {
	p.Note = shortened(p.Note, MaxReason)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress, r.unsaved = p, true
}

// Failure says that a part of the job cannot be done. The first MaxFailures are kept.
func (r *Run) Failure(path, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.failures) < MaxFailures {
		r.failures, r.unsaved = append(r.failures, Failure{shortened(path, maxPath), shortened(reason, MaxReason)}), true
	}
}

// maxPath is how much of a failure's path is kept, in bytes.
const maxPath = 4096

// Remember keeps something for the next run of the job, should this one not come to its end.
func (r *Run) Remember(ctx context.Context, memory []byte) error {
	if len(memory) > MaxMemory {
		return fault.For(ReasonOrder, "a job can remember %d bytes, and this has %d", MaxMemory, len(memory))
	}
	return r.store.db.Update(ctx, func(tx *disk.Tx) error {
		return tx.Exec(`UPDATE jobs SET memory = ? WHERE number = ?`, append([]byte{}, memory...), r.Number)
	}, nil)
}

// save writes the progress, if there is any since it was last written.
func (r *Run) save(ctx context.Context) error {
	r.mu.Lock()
	if !r.unsaved {
		r.mu.Unlock()
		return nil
	}
	p, failures := r.progress, slices.Clone(r.failures)
	r.unsaved = false
	r.mu.Unlock()
	err := r.store.db.Update(ctx, func(tx *disk.Tx) error { return writeProgress(tx, r.Number, p, failures) }, nil)
	if err != nil {
		r.mu.Lock()
		r.unsaved = true
		r.mu.Unlock()
	}
	return err
}

func writeProgress(tx *disk.Tx, number int64, p Progress, failures []Failure) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := tx.Exec(`UPDATE jobs SET progress = ? WHERE number = ?`, string(text), number); err != nil {
		return err
	}
	if err := tx.Exec(`DELETE FROM failures WHERE job = ?`, number); err != nil {
		return err
	}
	for i, f := range failures {
		if err := tx.Exec(`INSERT INTO failures (job, place, path, reason) VALUES (?, ?, ?, ?)`, number, i, f.Path, f.Reason); err != nil {
			return err
		}
	}
	return nil
}

// Run has jobs done until ctx ends. Then those that run are told, and Run returns when the last of
// them has stopped; they are queued again, for the next Run.
func (s *Store) Run(ctx context.Context) {
	under, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	var work sync.WaitGroup
	work.Go(func() { s.purge(ctx) })
	slots := make(chan struct{}, s.options.AtOnce)
	for {
		e, own, ok := s.next(ctx, under, slots)
		if !ok {
			break
		}
		work.Go(func() {
			defer func() { <-slots }()
			s.do(under, own, e)
			s.leave(e)
		})
	}
	end(ErrDrained)
	work.Wait()
}

// next takes a slot and a job that is due, and waits for both; false: ctx has ended. The job has a context of its own.
func (s *Store) next(ctx, under context.Context, slots chan struct{}) (e *entry, own context.Context, ok bool) {
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, false
	}
	for ctx.Err() == nil {
		e, own, wait := s.take(under)
		if e != nil {
			return e, own, true
		}
		if wait < 0 {
			wait = time.Hour // it will be woken
		}
		due := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-due.C:
		}
		due.Stop()
	}
	return nil, nil, false
}

// take takes the job that is next, if one is due.
func (s *Store) take(under context.Context) (e *entry, own context.Context, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, wait = s.queue.next(s.options.Clock()); e != nil {
		own, e.cancel = context.WithCancelCause(under)
		e.stopped = make(chan struct{})
	}
	return e, own, wait
}

// leave says that a job no longer runs.
func (s *Store) leave(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.cancel(nil)
	close(e.stopped)
	e.cancel, e.run, e.stopped = nil, nil, nil
	s.signal()
}

// running is the run of a job; nil = it does not run.
func (s *Store) running(number int64) *Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.queue.find(number); e != nil {
		return e.run
	}
	return nil
}

// do has a job done, and sees to what comes of it. ctx is the job's own, under that of all.
func (s *Store) do(under, ctx context.Context, e *entry) {
	began, err := s.begin(e)
	if err != nil {
		s.later(e, err)
		return
	}
	if !began {
		s.drop(e.number) // it was cancelled in the meantime
		return
	}
	h, known := s.handlers[e.run.Kind]
	if !known {
		h.Run = func(context.Context, *Run) error {
			return fault.New(fault.Unsupported, "this nearside does no jobs of the kind %q", shortened(e.run.Kind, 100))
		}
	}
	stop := s.saving(e.run)
	err = s.guarded(ctx, h, e.run)
	stop()
	s.finish(under, ctx, e, h, err)
}

// begin marks a job as running, unless it has ended.
func (s *Store) begin(e *entry) (began bool, err error) {
	ctx := context.Background() // a job that was taken is begun, and finds out by itself that it is to end
	j, err := s.read(ctx, e.number)
	if err != nil {
		return false, err
	}
	now := millis(s.options.Clock())
	err = s.db.Update(ctx, func(tx *disk.Tx) error {
		// It is running already if the end of a run could not be written.
		err := tx.Exec(`UPDATE jobs SET state = 'running', reason = '', due = 0, started = iif(started = 0, ?, started) WHERE number = ? AND state IN ('queued', 'running')`, now, e.number)
		began = tx.Changes() == 1
		return err
	}, nil)
	if err != nil || !began {
		return false, err
	}
	j.State, j.Failures = Running, nil
	s.mu.Lock()
	defer s.mu.Unlock()
	e.run = &Run{Job: j, store: s, progress: j.Progress}
	return true, nil
}

// saving writes a run's progress once in a while, until the function it returns is called.
func (s *Store) saving(r *Run) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var writing sync.WaitGroup
	writing.Go(func() {
		every := time.NewTicker(s.options.WriteEvery)
		defer every.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-every.C:
				if err := r.save(ctx); err != nil && ctx.Err() == nil {
					s.options.Log.Error("the progress of a job cannot be written", "job", r.Number, "error", err)
				}
			}
		}
	})
	return func() {
		cancel()
		writing.Wait()
	}
}

// guarded runs a handler. A panic is its error.
func (s *Store) guarded(ctx context.Context, h Handler, r *Run) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.meters.panics.Inc()
			s.options.Log.Error("a job panicked", "job", r.Number, "kind", r.Kind, "panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, "panic")
		}
	}()
	return h.Run(ctx, r)
}

// end is what becomes of a job after a run.
type end struct {
	state        State
	reason       string
	due, stalled time.Time
}

// finish writes down what came of a run. If that cannot be written it is tried until it can, or the process ends;
// then the job is run again.
func (s *Store) finish(under, ctx context.Context, e *entry, h Handler, failure error) {
	for delay := time.Second; ; delay = min(2*delay, time.Minute) {
		n, err := s.write(ctx, e, failure)
		if err == nil {
			s.settle(e, h, n)
			return
		}
		s.options.Log.Error("the end of a job cannot be written", "job", e.number, "error", err)
		if under.Err() != nil {
			return
		}
		again := time.NewTimer(delay)
		select {
		case <-again.C:
		case <-under.Done(): // a last try
		}
		again.Stop()
	}
}

// write writes the end of a run.
func (s *Store) write(ctx context.Context, e *entry, failure error) (n end, err error) {
	e.run.mu.Lock()
	p, failures := e.run.progress, slices.Clone(e.run.failures)
	e.run.mu.Unlock()
	now := s.options.Clock()
	err = s.db.Update(context.WithoutCancel(ctx), func(tx *disk.Tx) error {
		cancelled, stalled := false, time.Time{}
		err := tx.Each(`SELECT cancel, stalled FROM jobs WHERE number = ?`, func(r *disk.Row) error {
			cancelled, stalled = r.Int(0) == 1, moment(r.Int(1))
			return nil
		}, e.number)
		if err != nil {
			return err
		}
		if n = s.judge(ctx, failure, cancelled); n.state == Queued && !n.due.IsZero() {
			n = s.patience(n, now, stalled, p.beyond(e.run.Job.Progress))
		}
		ended := time.Time{}
		if n.state.Ended() {
			ended = now
		}
		if err := writeProgress(tx, e.number, p, failures); err != nil {
			return err
		}
		return tx.Exec(`UPDATE jobs SET state = ?, reason = ?, due = ?, stalled = ?, ended = ? WHERE number = ?`,
			string(n.state), n.reason, millis(n.due), millis(n.stalled), millis(ended), e.number)
	}, nil)
	return n, err
}

// judge says what becomes of a job whose run ended with an error, or without one.
func (s *Store) judge(ctx context.Context, failure error, cancelled bool) end {
	var wait *waiting
	switch {
	case failure == nil:
		return end{state: Done}
	case cancelled:
		return end{state: Cancelled}
	case errors.Is(context.Cause(ctx), ErrDrained):
		return end{state: Queued}
	case errors.As(failure, &wait):
		return end{state: Queued, reason: words(wait.error), due: s.options.Clock().Add(max(wait.after, time.Second))}
	}
	return end{state: Failed, reason: words(failure)}
}

// patience ends the waiting of a job that has not got on for too long.
func (s *Store) patience(n end, now, stalled time.Time, gotOn bool) end {
	if stalled.IsZero() || gotOn {
		stalled = now
	}
	if now.Sub(stalled) >= s.options.GiveUp {
		return end{state: Failed, reason: shortened(fmt.Sprintf("given up after %v without getting on: %s", s.options.GiveUp, n.reason), MaxReason)}
	}
	n.stalled = stalled
	return n
}

// settle does what is to be done once the end of a run is durable.
func (s *Store) settle(e *entry, h Handler, n end) {
	if !n.state.Ended() {
		s.meters.jobs.WithLabelValues("postponed").Inc()
		s.mu.Lock()
		defer s.mu.Unlock()
		e.due = n.due
		return
	}
	s.meters.jobs.WithLabelValues(string(n.state)).Inc()
	s.tellEnded(e.run.Job, h, n.state)
	s.drop(e.number)
}

// tellEnded tells the handler of a job's end.
func (s *Store) tellEnded(j Job, h Handler, state State) {
	if h.Ended != nil {
		j.State = state
		h.Ended(j)
	}
}

// drop takes a job that has ended out of the queue.
func (s *Store) drop(number int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = s.queue.without(number)
}

// later lets a job wait because the database failed.
func (s *Store) later(e *entry, err error) {
	s.options.Log.Error("a job cannot be read or written; it is tried again", "job", e.number, "error", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	e.due = s.options.Clock().Add(time.Minute)
}
