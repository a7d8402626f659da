package batch_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
	"nearside/llm/batch"
)

func TestABatchGoesOnWhereTheProgramBeforeStopped(t *testing.T) {
	path := t.TempDir()
	h := open(t, path, batch.Options{Grace: time.Millisecond})
	first, second := h.add(6), h.add(5)
	ran := map[string]int{}
	var mu sync.Mutex // guards ran
	count := func(stopAt int) (worker batch.Worker, reached chan struct{}) {
		reached = make(chan struct{})
		return h.charging(func(ctx context.Context, task batch.Task) error {
			mu.Lock()
			ran[task.Once]++
			enough := len(ran) >= stopAt
			if len(ran) == stopAt && ran[task.Once] == 1 {
				close(reached)
			}
			mu.Unlock()
			if enough {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}), reached
	}
	w, reached := count(5)
	stop := h.run(w)
	<-reached
	stop()
	if r := h.look(first); r.State != batch.Running || r.Open == 0 {
		t.Errorf("stopped: %+v", r)
	}
	h = reopenWith(h, path, batch.Options{})
	defer func() { h.shut() }()
	if r := h.look(first); r.State != batch.Running {
		t.Errorf("after a restart: %+v", r)
	}
	w, _ = count(1000)
	told := h.ended(w, second).Neurons + h.ended(w, first).Neurons
	if sum, calls := h.charged(); told != sum || calls != 11 || len(ran) != 11 {
		t.Errorf("told %s, charged %s for %d calls: %v", told, sum, calls, ran)
	}
}

func TestFewItemsAreRunAtOnceAndBatchesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, t.TempDir(), batch.Options{AtOnce: 3})
		defer h.shut()
		ids := []string{h.add(20), h.add(20)}
		entered, leave := make(chan string, 40), make(chan struct{})
		stop := h.run(h.charging(func(_ context.Context, task batch.Task) error {
			entered <- task.Once
			<-leave
			return nil
		}))
		for range 17 {
			synctest.Wait()
			leave <- struct{}{}
		}
		synctest.Wait()
		close(leave)
		if n := len(entered); n != 20 {
			t.Errorf("17 items have ended, and %d have begun", n)
		}
		began := map[bool]int{}
		for range 20 {
			began[strings.Contains(<-entered, ids[0])]++
		}
		if began[true] != 10 || began[false] != 10 {
			t.Errorf("of 20 items %d are of the first batch", began[true])
		}
		stop()
	})
}

func TestWhatIsUnderWayWhenTheProgramEndsIsFinishedOrRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := t.TempDir()
		h := open(t, path, batch.Options{Grace: 5 * time.Second})
		id := h.add(2)
		runs := map[string]int{}
		var mu sync.Mutex // guards runs
		w := func() batch.Worker {
			return h.charging(func(ctx context.Context, task batch.Task) error {
				mu.Lock()
				runs[string(task.Input)]++
				mu.Unlock()
				takes := time.Second
				if string(task.Input) == `{"prompt":"1"}` {
					takes = time.Minute
				}
				select {
				case <-time.After(takes):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
		}
		stop := h.run(w())
		synctest.Wait()
		began := time.Now()
		stop()
		if took := time.Since(began); took != 5*time.Second || h.look(id).Open != 1 {
			t.Errorf("it ended after %v with %d open", took, h.look(id).Open)
		}
		h = reopenWith(h, path, batch.Options{})
		defer func() { h.shut() }()
		stop = h.run(w())
		time.Sleep(2 * time.Minute)
		stop()
		if r := h.look(id); r.State != batch.Ended || runs[`{"prompt":"0"}`] != 1 || runs[`{"prompt":"1"}`] != 2 {
			t.Errorf("%+v, %v", r, runs)
		}
	})
}

func TestABatchIsKeptForAWhileAfterItEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, t.TempDir(), batch.Options{HeldBytes: 12 << 20, Keep: anHour})
		defer h.shut()
		id, err := h.Add(t.Context(), batch.Batch{Payer: alice, Model: "m", Items: []batch.Item{{Input: make([]byte, batch.MaxBytes)}}})
		if err != nil {
			t.Fatal(err)
		}
		open := h.add(1)
		defer h.run(h.charging(func(_ context.Context, task batch.Task) error {
			if strings.Contains(task.Once, open) {
				return unreachable
			}
			return nil
		}))()
		time.Sleep(anHour - time.Minute)
		if r := h.look(id); r.State != batch.Ended {
			t.Errorf("%+v", r)
		}
		if _, settled, _ := h.ledger.Receipt(t.Context(), "batch:"+id+"/0"); !settled {
			t.Error("there is no receipt")
		}
		time.Sleep(5 * time.Minute)
		if _, err := h.Look(t.Context(), "alice", id); !fault.Is(err, fault.NotFound) {
			t.Errorf("it is still there: %v", err)
		}
		if _, settled, _ := h.ledger.Receipt(t.Context(), "batch:"+id+"/0"); settled {
			t.Error("its receipt is still there")
		}
		h.look(open)
		if _, err := h.Add(t.Context(), batch.Batch{Payer: alice, Model: "m", Items: []batch.Item{{Input: make([]byte, batch.MaxBytes)}}}); err != nil {
			t.Errorf("its room was not given back: %v", err)
		}
	})
}

func TestResultsBeyondWhatIsKeptAreNotMade(t *testing.T) {
	h := open(t, t.TempDir(), batch.Options{AtOnce: 1})
	defer h.shut()
	id := h.add(4)
	w := h.charging(nil)
	ran := 0
	w.Run = func(context.Context, batch.Task) (batch.Done, error) {
		ran++
		return batch.Done{Result: make([]byte, batch.MaxResultBytes/2)}, nil
	}
	r := h.ended(w, id)
	if ran != 2 || r.Responses[1].Result == nil || r.Responses[2].Result != nil || !strings.Contains(r.Responses[3].Failure.Message, "67108864 bytes") {
		t.Errorf("%d ran; %+v", ran, r.Responses[3].Failure)
	}
}

// What came of an item cannot be stored when the disk is full. It is run again, and charged once.
func TestAResultThatCouldNotBeStoredIsMadeAgainAndNotChargedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faults := disktest.Count()
		faults.Match = func(op disk.Op, path string) bool {
			return strings.Contains(path, "batches.db-wal") && op == disk.OpWrite
		}
		h, err := openHouse(t, t.TempDir(), faults.Hook, batch.Options{AtOnce: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer h.shut()
		id := h.add(3)
		runs := 0
		defer h.run(h.charging(func(context.Context, batch.Task) error {
			if runs++; runs == 2 {
				faults.Fail(disktest.ErrInjected)
			}
			return nil
		}))()
		time.Sleep(10 * time.Second)
		if r := h.look(id); r.Open != 2 || !strings.Contains(r.Waiting, "could not be stored") {
			t.Errorf("%+v", r)
		}
		faults.Fail(nil)
		time.Sleep(10 * time.Minute)
		r := h.look(id)
		if sum, calls := h.charged(); r.State != batch.Ended || r.Neurons != sum || calls != 3 || runs <= 4 {
			t.Errorf("%d runs; told %s, charged %s for %d calls", runs, r.Neurons, sum, calls)
		}
	})
}
