package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"nearside/fault"
	"nearside/jobs"
)

func TestAQueuedJobThatIsCancelledNeverRuns(t *testing.T) {
	h := open(t, t.TempDir(), jobs.Options{})
	defer h.shut()
	ended := 0
	h.Handle("k", jobs.Handler{Run: func(context.Context, *jobs.Run) error { t.Error("it runs"); return nil }, Ended: func(jobs.Job) { ended++ }})
	j, err := h.Cancel(t.Context(), "alice", h.add("docs").Number)
	if err != nil || j.State != jobs.Cancelled || j.Ended.IsZero() {
		t.Errorf("%+v, %v", j, err)
	}
	if again, err := h.Cancel(t.Context(), "alice", j.Number); err != nil || again.State != jobs.Cancelled {
		t.Errorf("again: %+v, %v", again, err)
	}
	h.handle(func(context.Context, *jobs.Run) error { return nil })
	defer h.run()()
	last := h.reach(h.add("docs").Number, jobs.Done)
	if h.job(j.Number).State != jobs.Cancelled || ended != 1 {
		t.Errorf("told of %d ends", ended)
	}
	_, err = h.Cancel(t.Context(), "alice", last.Number)
	wantKind(t, err, fault.Conflict)
}

func TestARunningJobThatIsCancelledIsToldWhyAndEnds(t *testing.T) {
	h := open(t, t.TempDir(), jobs.Options{})
	defer h.shut()
	h.handle(func(ctx context.Context, r *jobs.Run) error {
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), jobs.ErrCancelled) {
			t.Errorf("the cause is %v", context.Cause(ctx))
		}
		return ctx.Err()
	})
	defer h.run()()
	j := h.reach(h.add("docs").Number, jobs.Running)
	if _, err := h.Cancel(t.Context(), "alice", j.Number); err != nil {
		t.Fatal(err)
	}
	h.reach(j.Number, jobs.Cancelled)
}

func TestACancellationOutlivesTheProcess(t *testing.T) {
	path := t.TempDir()
	h := open(t, path, jobs.Options{})
	deaf := make(chan bool)
	h.handle(func(ctx context.Context, r *jobs.Run) error { <-deaf; return ctx.Err() })
	stop := h.run()
	j := h.reach(h.add("docs").Number, jobs.Running)
	if _, err := h.Cancel(t.Context(), "alice", j.Number); err != nil {
		t.Fatal(err)
	}
	copied := copyOf(t, path) // as a crash would leave it
	close(deaf)
	stop()
	h.shut()
	h = open(t, copied, jobs.Options{})
	defer h.shut()
	h.handle(func(context.Context, *jobs.Run) error { t.Error("it runs again"); return nil })
	if j := h.job(j.Number); j.State != jobs.Cancelled || j.Ended.IsZero() {
		t.Errorf("%+v", j)
	}
	defer h.run()()
	until(t, "queue to be empty", h.idle)
}

func TestADrainQueuesWhatRunsAndTheNextRunGoesOn(t *testing.T) {
	path := t.TempDir()
	h := open(t, path, jobs.Options{})
	ended := false
	h.Handle("k", jobs.Handler{Run: func(ctx context.Context, r *jobs.Run) error {
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), jobs.ErrDrained) {
			t.Errorf("the cause is %v", context.Cause(ctx))
		}
		r.Progress(jobs.Progress{Documents: 1})
		return fmt.Errorf("half way: %w", ctx.Err())
	}, Ended: func(jobs.Job) { ended = true }})
	stop := h.run()
	j := h.reach(h.add("docs").Number, jobs.Running)
	stop()
	if j := h.job(j.Number); j.State != jobs.Queued || j.Reason != "" || j.Progress.Documents != 1 || ended {
		t.Errorf("%+v, ended: %v", j, ended)
	}
	h.handle(func(_ context.Context, r *jobs.Run) error { return nil })
	stop = h.run() // of the same process
	h.reach(j.Number, jobs.Done)
	stop()
	h.shut()
}

func TestCancellingAnIndexEndsItsJobsAndWaitsForThem(t *testing.T) {
	h := open(t, t.TempDir(), jobs.Options{AtOnce: 3})
	defer h.shut()
	var mu sync.Mutex
	running := map[string]bool{}
	h.handle(func(ctx context.Context, r *jobs.Run) error {
		mu.Lock()
		running[r.Index] = true
		mu.Unlock()
		<-ctx.Done()
		mu.Lock()
		running[r.Index] = false
		mu.Unlock()
		return ctx.Err()
	})
	defer h.run()()
	first, other := h.add("docs"), h.add("notes")
	second := h.add("docs")
	h.reach(first.Number, jobs.Running)
	h.reach(other.Number, jobs.Running)
	until(t, "runs", func() bool { mu.Lock(); defer mu.Unlock(); return running["docs"] && running["notes"] })
	if err := h.CancelIndex(t.Context(), "alice", "docs"); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	if running["docs"] || !running["notes"] {
		t.Errorf("running: %v", running)
	}
	mu.Unlock()
	if h.job(first.Number).State != jobs.Cancelled || h.job(second.Number).State != jobs.Cancelled || h.job(other.Number).State != jobs.Running {
		t.Errorf("%s, %s, %s", h.job(first.Number).State, h.job(second.Number).State, h.job(other.Number).State)
	}
}

// TestACancellationAtAnyMomentEndsAJobOnce cancels jobs that run for a moment, and looks at what they say of it.
func TestACancellationAtAnyMomentEndsAJobOnce(t *testing.T) {
	random := seeded(t)
	h := open(t, t.TempDir(), jobs.Options{AtOnce: 4})
	defer h.shut()
	var mu sync.Mutex
	ended, runs := map[int64]int{}, map[int64]int{}
	h.Handle("k", jobs.Handler{Run: func(ctx context.Context, r *jobs.Run) error {
		mu.Lock()
		runs[r.Number]++
		mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(r.Number%5) * time.Millisecond):
			return nil
		}
	}, Ended: func(j jobs.Job) {
		mu.Lock()
		ended[j.Number]++
		mu.Unlock()
	}})
	stop := h.run()
	n := 60
	if *long {
		n = 300
	}
	var work sync.WaitGroup
	var all []jobs.Job
	for i := range n {
		j := h.add(fmt.Sprint("index", i%7))
		all = append(all, j)
		wait := time.Duration(random.IntN(8000)) * time.Microsecond
		work.Go(func() {
			<-time.After(wait)
			if _, err := h.Cancel(context.Background(), "alice", j.Number); err != nil && !fault.Is(err, fault.Conflict) {
				t.Error(err)
			}
		})
	}
	work.Wait()
	until(t, "end of all", h.idle)
	stop()
	states := map[jobs.State]int{}
	for _, j := range all {
		states[h.job(j.Number).State]++
		if ended[j.Number] != 1 || runs[j.Number] > 1 {
			t.Errorf("job %d ran %d times and ended %d times", j.Number, runs[j.Number], ended[j.Number])
		}
	}
	t.Log(states)
}
