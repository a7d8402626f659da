package batch

import (
	"context"
	"fmt"
	"sync"
	"time"

	"nearside/disk"
	"nearside/fault"
	"nearside/llm/neuron"
)

// Run has items run until ctx ends. Then those under way are given the Grace to
// end; what has not by then is run again by the next Run. It returns when nothing
// of it is left, and may be called again after that.
func (s *Store) Run(ctx context.Context, w Worker) {
	under, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var work sync.WaitGroup
	work.Go(func() { s.sweep(ctx) })
	slots := make(chan struct{}, s.options.AtOnce)
	for {
		c, ok := s.next(ctx, slots)
		if !ok {
			break
		}
		work.Go(func() {
			defer func() { <-slots }()
			s.do(under, w, c)
		})
	}
	defer time.AfterFunc(s.options.Grace, end).Stop()
	work.Wait()
}

// claim is an item that is about to be run.
type claim struct {
	*job
	item int
	full bool // there is no room for its result
}

// next takes a slot and an item that is due, and waits for both; false: ctx has ended.
func (s *Store) next(ctx context.Context, slots chan struct{}) (c claim, ok bool) {
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return claim{}, false
	}
	for ctx.Err() == nil {
		c, wait := s.claim()
		if c.job != nil {
			return c, true
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
	return claim{}, false
}

// claim takes an item that is due, or says how long it will be until one is.
func (s *Store) claim() (c claim, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, item, wait := s.queue.claim(s.options.Clock())
	return claim{j, item, j != nil && j.results >= MaxResultBytes}, wait
}

// attempt is an item as it is kept while it is open.
type attempt struct {
	claim
	input []byte
	tries int       // that failed in a way that may pass
	since time.Time // of the first failure
}

// do has an item run and sees to what came of it.
func (s *Store) do(ctx context.Context, w Worker, c claim) {
	a, err := s.read(c)
	if err != nil {
		s.storeLater(c, err)
		return
	}
	if c.full {
		s.end(a, Done{}, w.Word(fault.New(fault.TooLarge, "the results of the batch have reached %d bytes, which is the most that is kept; this request was not run: send fewer in one batch", MaxResultBytes)))
		return
	}
	done, err := w.Run(ctx, Task{Payer: c.payer, Model: c.model, Input: a.input, Once: once(c.id, c.item)})
	switch {
	case err == nil:
		s.end(a, done, Failure{})
	case ctx.Err() != nil:
		s.release(c) // the program ends, and the next one runs it
	default:
		s.failed(a, w, err)
	}
}

// read reads an open item.
func (s *Store) read(c claim) (attempt, error) {
	a := attempt{claim: c}
	err := s.db.View(context.Background(), func(tx *disk.Tx) error {
		return tx.Each(`SELECT input, tries, stalled FROM items WHERE batch = ? AND item = ?`, func(r *disk.Row) error {
			a.input, a.tries, a.since = append([]byte{}, r.Blob(0)...), int(r.Int(1)), moment(r.Int(2))
			return nil
		}, c.number, c.item)
	})
	return a, err
}

// failed ends an item whose run failed, or lets it and its batch wait.
func (s *Store) failed(a attempt, w Worker, err error) {
	now, told := s.options.Clock(), w.Word(err)
	if a.since.IsZero() {
		a.since = now
	}
	again := false
	switch patienceWith(err) {
	case someTime:
		a.tries++
		again = a.tries < Tries
	case longTime:
		again = now.Sub(a.since) < s.options.GiveUp && now.Sub(s.stalledSince(a.job, now)) < s.options.GiveUp
		if !again {
			told.Message += fmt.Sprintf(" (nearside: given up after %v)", s.options.GiveUp)
		}
	}
	if !again {
		s.end(a, Done{}, told)
		return
	}
	s.meters.items.WithLabelValues("postponed").Inc()
	if err := s.postpone(a, s.stalledSince(a.job, now)); err != nil {
		s.options.Log.Error("a batch cannot be written", "batch", a.id, "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a.job.postpone(now, told.Message)
	a.putBack(a.item)
	s.signal()
}

// stalledSince is when a job began to fail: now, if it has not.
func (s *Store) stalledSince(j *job, now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j.stalled.IsZero() {
		j.stalled = now
	}
	return j.stalled
}

// postpone writes down that an item was tried in vain.
func (s *Store) postpone(a attempt, stalled time.Time) error {
	return s.db.Update(context.Background(), func(tx *disk.Tx) error {
		if err := tx.Exec(`UPDATE items SET tries = ?, stalled = ? WHERE batch = ? AND item = ?`, a.tries, millis(a.since), a.number, a.item); err != nil {
			return err
		}
		return tx.Exec(`UPDATE batches SET stalled = ? WHERE number = ?`, millis(stalled), a.number)
	}, nil)
}

// end writes down what came of an item: a result, or else the failure. If it
// cannot be written, the item is run again, which is not charged again.
func (s *Store) end(a attempt, done Done, failure Failure) {
	ctx := context.Background() // what was done is not undone because somebody goes
	cost, _, err := s.options.Ledger.Receipt(ctx, once(a.id, a.item))
	if err == nil {
		err = s.db.Update(ctx, func(tx *disk.Tx) error { return s.write(tx, a, done, failure, cost) }, func() { s.ended(a, done) })
	}
	if err != nil {
		s.storeLater(a.claim, err)
		return
	}
	s.meters.ended(done.Result != nil)
	s.signal()
}

// write ends an item in the database.
func (s *Store) write(tx *disk.Tx, a attempt, done Done, failure Failure, cost neuron.Micro) error {
	err := tx.Exec(`UPDATE items SET open = 0, input = NULL, result = ?, code = ?, message = ?, prompt = ?, cached = ?, completion = ?, neurons = ?
		WHERE batch = ? AND item = ? AND open = 1`,
		done.Result, failure.Code, failure.Message, done.Usage.Prompt, done.Usage.Cached, done.Usage.Completion, int64(cost), a.number, a.item)
	if err != nil {
		return err
	}
	if tx.Changes() != 1 {
		return fault.New(fault.Internal, "item %d of batch %s has ended already", a.item, a.id)
	}
	now := millis(s.options.Clock())
	if err := tx.Exec(`UPDATE batches SET open = open - 1, bytes = bytes + ?, ended = iif(open = 1, ?, 0) WHERE number = ?`,
		len(done.Result)-len(a.input), now, a.number); err != nil {
		return err
	}
	if done.Result == nil {
		return nil
	}
	return tx.Exec(`UPDATE batches SET stalled = 0 WHERE number = ? AND stalled != 0`, a.number)
}

// ended takes an item that has ended out of the queue.
func (s *Store) ended(a attempt, done Done) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held += int64(len(done.Result) - len(a.input))
	a.results += len(done.Result)
	a.running--
	if done.Result != nil {
		a.succeed()
	}
	if a.running == 0 && len(a.waiting) == 0 {
		s.queue = s.queue.without(a.job)
	}
}

// storeLater lets an item wait because the database failed.
func (s *Store) storeLater(c claim, err error) {
	s.options.Log.Error("a batch cannot be read or written; its item is run again later", "batch", c.id, "item", c.item, "error", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	c.postpone(s.options.Clock(), "what came of a request could not be stored; the server's log says why")
	c.putBack(c.item)
	s.signal()
}

// release lets an item wait as if it had not been claimed.
func (s *Store) release(c claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.putBack(c.item)
}
