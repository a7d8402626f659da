package jobs_test

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"nearside/disk"
	"nearside/fault"
	"nearside/jobs"
	"nearside/llm/neuron"
)

var (
	long = flag.Bool("long", false, "run the slow sweeps")
	seed = flag.Uint64("seed", 1, "of the random tests")
)

func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	t.Logf("seed %d", *seed)
	return rand.New(rand.NewPCG(*seed, 0))
}

var alice = neuron.Payer{Account: "alice", Key: "k1", KeyPerDay: 7}

// house is a data directory with jobs.
type house struct {
	t   *testing.T
	dir *disk.Dir
	*jobs.Store
}

// openHouse opens what is in a directory, or says why not.
func openHouse(t *testing.T, path string, hook disk.Hook, o jobs.Options) (h *house, err error) {
	h = &house{t: t}
	if h.dir, err = disk.OpenDir(path, disk.Options{Hook: hook, LogPages: 12}); err != nil {
		return nil, err
	}
	if h.Store, err = jobs.Open(h.dir, o); err != nil {
		return nil, errors.Join(err, h.dir.Close())
	}
	return h, nil
}

// open is openHouse for directories that have no reason to fail.
func open(t *testing.T, path string, o jobs.Options) *house {
	t.Helper()
	h, err := openHouse(t, path, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// close closes everything.
func (h *house) close() error { return errors.Join(h.Store.Close(), h.dir.Close()) }

// shut checks that everything is whole and closes it.
func (h *house) shut() {
	h.t.Helper()
	if err := errors.Join(h.Check(context.Background()), h.close()); err != nil {
		h.t.Error(err)
	}
}

// run has jobs done beside the test until the function that it returns is called.
func (h *house) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

// handle has the jobs of the kind "k" done by a function.
func (h *house) handle(do func(ctx context.Context, r *jobs.Run) error) {
	h.Handle("k", jobs.Handler{Run: do})
}

func (h *house) add(index string) jobs.Job {
	h.t.Helper()
	return h.addFor(alice, index)
}

func (h *house) addFor(p neuron.Payer, index string) jobs.Job {
	h.t.Helper()
	j, err := h.Add(context.Background(), jobs.Order{Payer: p, Kind: "k", Index: index, Spec: []byte(`{"a":1}`), Total: 3})
	if err != nil {
		h.t.Fatal(err)
	}
	return j
}

func (h *house) job(number int64) jobs.Job {
	h.t.Helper()
	j, err := h.Job(context.Background(), "alice", number)
	if err != nil {
		h.t.Fatal(err)
	}
	return j
}

// reach waits until a job is in a state.
func (h *house) reach(number int64, state jobs.State) jobs.Job {
	h.t.Helper()
	until(h.t, "job to be "+string(state), func() bool { return h.job(number).State == state })
	return h.job(number)
}

// idle reports whether all jobs have ended.
func (h *house) idle() bool {
	n := 0
	err := h.Unfinished(context.Background(), "k", func(jobs.Job) error { n++; return nil })
	return err == nil && n == 0
}

// until waits for something that other goroutines are about to do.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	patience := time.After(time.Minute)
	for !done() {
		select {
		case <-patience:
			t.Fatalf("waited in vain for the %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

func wantKind(t *testing.T, err error, kind fault.Kind) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Errorf("got %v, want a fault of the kind %v", err, kind)
	}
}

// untilEnd is a handler that does nothing until it is told to end.
func untilEnd(ctx context.Context, _ *jobs.Run) error {
	<-ctx.Done()
	return ctx.Err()
}

// clock is a time that stands still unless it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
