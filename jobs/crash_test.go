package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
	"nearside/jobs"
)

// copyOf copies a data directory as it is at this moment.
func copyOf(t *testing.T, path string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(filepath.Join(to, "copy"), os.DirFS(path)); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(to, "copy")
}

// life adds jobs and has them done until something fails, and returns what it was promised.
func life(t *testing.T, path string, faults *disktest.Faults) (added, done, cancelled []int64) {
	h, err := openHouse(t, path, faults.Hook, jobs.Options{AtOnce: 1})
	if err != nil {
		return nil, nil, nil
	}
	defer func() { _ = h.close() }() // as the process would end: without a word
	h.handle(func(ctx context.Context, r *jobs.Run) error {
		r.Progress(jobs.Progress{Documents: 1})
		r.Failure("a", "b")
		if err := r.Remember(ctx, []byte("m")); err != nil {
			return err
		}
		if r.Index == "long" {
			return untilEnd(ctx, r)
		}
		return nil
	})
	defer h.run()()
	state := func(number int64) jobs.State {
		j, err := h.Job(context.Background(), "alice", number)
		if err != nil {
			return ""
		}
		return j.State
	}
	for _, index := range []string{"short", "long"} {
		j, err := h.Add(context.Background(), jobs.Order{Payer: alice, Kind: "k", Index: index, Spec: []byte("{}")})
		if err != nil {
			return added, done, cancelled
		}
		added = append(added, j.Number)
		until(t, "job, or the crash", func() bool {
			s := state(j.Number)
			return faults.Tripped() || s.Ended() || index == "long" && s == jobs.Running
		})
		if state(j.Number) == jobs.Done {
			done = append(done, j.Number)
		}
		if index != "long" {
			continue
		}
		if _, err := h.Cancel(context.Background(), "alice", j.Number); err != nil {
			return added, done, cancelled
		}
		cancelled = append(cancelled, j.Number)
	}
	return added, done, cancelled
}

func TestNothingThatWasPromisedIsLostAfterACrashAtAnyOperation(t *testing.T) {
	random := seeded(t)
	count := disktest.Count()
	life(t, t.TempDir(), count)
	points := random.Perm(count.Operations())
	t.Logf("%d operations", len(points))
	most := 16
	if *long {
		most = 80
	}
	points = points[:min(most, len(points))]
	for _, point := range points {
		path := t.TempDir()
		added, done, cancelled := life(t, path, disktest.CrashAt(point+1))
		h := open(t, path, jobs.Options{})
		ran := map[int64]bool{}
		h.handle(func(_ context.Context, r *jobs.Run) error { ran[r.Number] = true; return nil })
		stop := h.run()
		for _, number := range added {
			until(t, "job to end", func() bool { return h.job(number).State.Ended() })
		}
		stop()
		for _, number := range done {
			if h.job(number).State != jobs.Done || ran[number] {
				t.Errorf("job %d was done, and is %s", number, h.job(number).State)
			}
		}
		for _, number := range cancelled {
			if h.job(number).State != jobs.Cancelled || ran[number] {
				t.Errorf("job %d was cancelled, and is %s", number, h.job(number).State)
			}
		}
		h.shut()
		if t.Failed() {
			t.Fatalf("crash at operation %d", point+1)
		}
	}
}

func TestAJobWhoseEndCannotBeWrittenIsRunAgain(t *testing.T) {
	path := t.TempDir()
	faults := disktest.Count()
	h, err := openHouse(t, path, faults.Hook, jobs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h.handle(func(context.Context, *jobs.Run) error {
		faults.Fail(errors.New("no device"))
		return nil
	})
	stop := h.run()
	j := h.add("docs")
	until(t, "run", faults.Tripped)
	stop()
	_ = h.close() // the device is gone
	h = open(t, path, jobs.Options{})
	defer h.shut()
	if got := h.job(j.Number); got.State != jobs.Queued {
		t.Errorf("%+v", got)
	}
	h.handle(func(context.Context, *jobs.Run) error { return nil })
	defer h.run()()
	h.reach(j.Number, jobs.Done)
}

// keepWorking is the second process of the kill test: it adds jobs and has them done until it is
// killed, says which were taken and which are done, and "-" before every file operation.
func keepWorking(path string) error {
	t := &testing.T{}
	h, err := openHouse(t, path, func(disk.Op, string) error {
		fmt.Print("-\n")
		return nil
	}, jobs.Options{})
	if err != nil {
		return err
	}
	h.Handle("k", jobs.Handler{
		Run:   func(_ context.Context, r *jobs.Run) error { r.Failure("a", "b"); return nil },
		Ended: func(j jobs.Job) { fmt.Printf("done %d\n", j.Number) },
	})
	h.run()
	for {
		j, err := h.Add(context.Background(), jobs.Order{Payer: alice, Kind: "k", Index: "docs"})
		if fault.Is(err, fault.Busy) {
			continue
		}
		if err != nil {
			return err
		}
		fmt.Printf("added %d\n", j.Number)
		until(t, "job", func() bool {
			l, err := h.Jobs(context.Background(), "alice", jobs.Look{State: jobs.Queued, Limit: 5})
			return err != nil || len(l) < 3 // some are left when it is killed
		})
	}
}

func TestMain(m *testing.M) {
	if path := os.Getenv("JOBS_TEST_WORKER"); path != "" {
		if err := keepWorking(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func TestNothingIsLostWhenTheProcessIsKilled(t *testing.T) {
	random := seeded(t)
	rounds := 5
	if *long {
		rounds = 15
	}
	path := t.TempDir()
	added, done := map[int64]bool{}, map[int64]bool{}
	for range rounds {
		disktest.KillAfter(t, "JOBS_TEST_WORKER="+path, random.IntN(1500), func(line string) {
			var number int64
			if n, _ := fmt.Sscanf(line, "added %d", &number); n == 1 {
				added[number] = true
			}
			if n, _ := fmt.Sscanf(line, "done %d", &number); n == 1 {
				done[number] = true
			}
		})
	}
	h := open(t, path, jobs.Options{})
	defer h.shut()
	h.handle(func(_ context.Context, r *jobs.Run) error {
		if done[r.Number] {
			t.Errorf("job %d was done and runs again", r.Number)
		}
		return nil
	})
	defer h.run()()
	for number := range added {
		h.reach(number, jobs.Done)
	}
	t.Logf("%d kills, %d jobs taken, %d done", rounds, len(added), len(done))
}
