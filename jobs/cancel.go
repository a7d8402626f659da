package jobs

import (
	"context"
	"errors"
	"fmt"

	"nearside/disk"
	"nearside/fault"
)

// Cancel ends a job of an account. One that is queued has ended when it returns; one that runs has been told,
// and ends soon, or not at all if it is just done. To cancel a job that is cancelled already changes nothing.
func (s *Store) Cancel(ctx context.Context, account string, number int64) (Job, error) {
	j, err := s.Job(ctx, account, number)
	if err != nil {
		return Job{}, err
	}
	if err := s.cancel(ctx, number); err != nil {
		return Job{}, err
	}
	before := j.State
	if j, err = s.Job(ctx, account, number); err != nil {
		return Job{}, err
	}
	if before.Ended() && before != Cancelled {
		return Job{}, &fault.Error{Kind: fault.Conflict, Reason: ReasonEnded, Message: fmt.Sprintf("job %d is %s; only a job that is %s or %s can be cancelled", number, before, Queued, Running)}
	}
	return j, nil
}

// cancel ends a job that is queued, and tells one that runs to end.
func (s *Store) cancel(ctx context.Context, number int64) error {
	ended := false
	err := s.db.Update(ctx, func(tx *disk.Tx) error {
		if err := tx.Exec(`UPDATE jobs SET state = 'cancelled', reason = '', ended = ? WHERE number = ? AND state = 'queued'`, millis(s.options.Clock()), number); err != nil {
			return err
		}
		ended = tx.Changes() == 1
		return tx.Exec(`UPDATE jobs SET cancel = 1 WHERE number = ? AND state = 'running'`, number)
	}, nil)
	if err != nil {
		return err
	}
	if ended {
		return s.cancelled(ctx, number)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.queue.find(number); e != nil && e.busy() {
		e.cancel(ErrCancelled)
	}
	return nil
}

// cancelled takes a job out of the queue that ended in it.
func (s *Store) cancelled(ctx context.Context, number int64) error {
	j, err := s.read(context.WithoutCancel(ctx), number)
	if err != nil {
		return err
	}
	s.meters.jobs.WithLabelValues(string(Cancelled)).Inc()
	s.tellEnded(j, s.handlers[j.Kind], Cancelled)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.queue.find(number); e != nil && !e.busy() { // one that is about to run will see it
		s.queue = s.queue.without(number)
	}
	return nil
}

// CancelIndex ends all jobs of an index, and returns when none of them runs any more: the
// index is about to be deleted.
func (s *Store) CancelIndex(ctx context.Context, account, index string) error {
	var numbers []int64
	err := s.db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(`SELECT number FROM jobs WHERE account = ? AND ix = ? AND state IN ('queued', 'running')`, func(r *disk.Row) error {
			numbers = append(numbers, r.Int(0))
			return nil
		}, account, index)
	})
	for _, number := range numbers {
		err = errors.Join(err, s.cancel(ctx, number))
	}
	for _, number := range numbers {
		if stopped := s.stopped(number); stopped != nil && err == nil {
			select {
			case <-stopped:
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
		}
	}
	return err
}

// stopped is closed when a job no longer runs; nil = it does not.
func (s *Store) stopped(number int64) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.queue.find(number); e != nil {
		return e.stopped
	}
	return nil
}
