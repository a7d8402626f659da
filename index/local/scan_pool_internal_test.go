package local

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"nearside/fault"
)

func TestThePoolDoesEveryPieceOnce(t *testing.T) {
	p := startPool(t, 3)
	var callers sync.WaitGroup
	for pieces := range 50 {
		callers.Go(func() {
			times := make([]atomic.Int32, pieces)
			err := p.do(context.Background(), pieces, func(worker, piece int) error {
				if worker < 0 || worker >= 3 {
					t.Errorf("worker %d of 3", worker)
				}
				times[piece].Add(1)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			for piece := range times {
				if n := times[piece].Load(); n != 1 {
					t.Errorf("piece %d of %d was done %d times", piece, pieces, n)
				}
			}
		})
	}
	callers.Wait()
}

func TestNoMorePiecesAreInWorkThanThePoolHasWorkers(t *testing.T) {
	p := startPool(t, 2)
	var now, most atomic.Int32
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			_ = p.do(context.Background(), 20, func(int, int) error {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				runtime.Gosched()
				now.Add(-1)
				return nil
			})
		})
	}
	callers.Wait()
	if most.Load() > 2 {
		t.Errorf("%d pieces at a time", most.Load())
	}
}

func TestAShortJobDoesNotWaitForALongOne(t *testing.T) {
	p := startPool(t, 1)
	var mu sync.Mutex
	var order []string
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, what)
	}
	var short sync.WaitGroup
	err := p.do(context.Background(), 20, func(_, piece int) error {
		if piece == 0 {
			short.Go(func() {
				if err := p.do(context.Background(), 2, func(int, int) error { note("short"); return nil }); err != nil {
					t.Error(err)
				}
			})
			for waiting := 1; waiting < 2; runtime.Gosched() {
				p.mu.Lock()
				waiting = len(p.jobs)
				p.mu.Unlock()
			}
		}
		note("long")
		return nil
	})
	short.Wait()
	if err != nil {
		t.Fatal(err)
	}
	last := len(order) - 1 - slices.Index(reversed(order), "short")
	if last > 5 {
		t.Errorf("the short job ended after %d pieces: %v", last, order)
	}
}

func reversed(list []string) []string {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

func TestAnErrorEndsItsJobOnly(t *testing.T) {
	p, boom := startPool(t, 2), errors.New("boom")
	var begun atomic.Int32
	err := p.do(context.Background(), 1000, func(_, piece int) error {
		begun.Add(1)
		if piece == 3 {
			return boom
		}
		return nil
	})
	if !errors.Is(err, boom) {
		t.Errorf("error: %v", err)
	}
	if begun.Load() == 1000 {
		t.Error("every piece was begun")
	}
	if err := p.do(context.Background(), 5, func(int, int) error { return nil }); err != nil {
		t.Errorf("the next job: %v", err)
	}
	if err := p.do(context.Background(), 1, func(int, int) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("error of a single piece: %v", err)
	}
}

func TestAJobThatIsCancelledWaitsForThePiecesInWork(t *testing.T) {
	p := startPool(t, 2)
	ctx, cancel := context.WithCancel(context.Background())
	var working atomic.Int32
	err := p.do(ctx, 1000, func(_, piece int) error {
		working.Add(1)
		defer working.Add(-1)
		if piece == 1 {
			cancel()
			for range 100 {
				runtime.Gosched()
			}
		}
		return nil
	})
	if n := working.Load(); n != 0 {
		t.Errorf("%d pieces were in work after do returned", n)
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
}

func TestAClosedPoolHasNoGoroutinesAndRefusesJobs(t *testing.T) {
	before := runtime.NumGoroutine()
	p := newPool(4)
	if err := p.do(context.Background(), 10, func(int, int) error { return nil }); err != nil {
		t.Fatal(err)
	}
	p.close()
	p.close()
	for i := 0; runtime.NumGoroutine() > before && i < 1e6; i++ {
		runtime.Gosched() // the last of them are returning
	}
	if now := runtime.NumGoroutine(); now > before {
		t.Errorf("%d goroutines, %d before", now, before)
	}
	err := p.do(context.Background(), 10, func(int, int) error { return nil })
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("a job for a closed pool: %v", err)
	}
}
