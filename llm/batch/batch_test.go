package batch_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
	"nearside/llm"
	"nearside/llm/batch"
	"nearside/llm/chat"
	"nearside/llm/neuron"
)

var (
	long = flag.Bool("long", false, "run the slow sweeps")
	seed = flag.Uint64("seed", uint64(time.Now().UnixNano()), "seed of the random tests")
)

// seeded is randomness that a failure can be repeated with.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	t.Logf("seed %d", *seed)
	return rand.New(rand.NewPCG(*seed, 0))
}

// anHour is how long items wait in tests that wait until they no longer do.
const anHour = time.Hour

var alice = neuron.Payer{Account: "alice", Key: "k1"}

const one = neuron.Micro(1_000_000)

// house is a data directory with a ledger and batches.
type house struct {
	t      *testing.T
	dir    *disk.Dir
	ledger *neuron.Ledger
	*batch.Store
}

// openHouse opens what is in a directory, or says why not.
func openHouse(t *testing.T, path string, hook disk.Hook, o batch.Options) (h *house, err error) {
	h = &house{t: t}
	if h.dir, err = disk.OpenDir(path, disk.Options{Hook: hook, LogPages: 12}); err != nil {
		return nil, err
	}
	if h.ledger, err = neuron.Open(h.dir, neuron.Options{}); err != nil {
		return nil, errors.Join(err, h.dir.Close())
	}
	o.Ledger = h.ledger
	if h.Store, err = batch.Open(h.dir, o); err != nil {
		return nil, errors.Join(err, h.ledger.Close(), h.dir.Close())
	}
	return h, nil
}

// open is openHouse for directories that have no reason to fail.
func open(t *testing.T, path string, o batch.Options) *house {
	t.Helper()
	h, err := openHouse(t, path, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// close closes everything.
func (h *house) close() error {
	return errors.Join(h.Store.Close(), h.ledger.Close(), h.dir.Close())
}

// shut checks that everything is whole and closes it.
func (h *house) shut() {
	h.t.Helper()
	if n := h.ledger.Reservations(); n != 0 {
		h.t.Errorf("%d calls were neither settled nor refunded", n)
	}
	if err := errors.Join(h.ledger.Check(context.Background()), h.Check(context.Background()), h.close()); err != nil {
		h.t.Error(err)
	}
}

// run runs items beside the test until the function that it returns is called.
func (h *house) run(w batch.Worker) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx, w) })
	return func() {
		cancel()
		running.Wait()
	}
}

// items are n items that answer themselves.
func items(n int) []batch.Item {
	list := make([]batch.Item, n)
	for i := range list {
		list[i] = batch.Item{Input: fmt.Appendf(nil, `{"prompt":"%d"}`, i), Reference: fmt.Sprintf("r%d", i)}
	}
	return list
}

// add adds a batch of n items.
func (h *house) add(n int) (id string) {
	h.t.Helper()
	id, err := h.Add(context.Background(), batch.Batch{Payer: alice, Model: "m", Items: items(n)})
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}

func (h *house) look(id string) batch.Report {
	h.t.Helper()
	r, err := h.Look(context.Background(), "alice", id)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// ended runs items until a batch has ended.
func (h *house) ended(w batch.Worker, id string) batch.Report {
	h.t.Helper()
	defer h.run(w)()
	until(h.t, "the batch to end", func() bool { return h.look(id).State == batch.Ended })
	return h.look(id)
}

// until waits for something that other goroutines are about to do.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	patience := time.After(time.Minute)
	for !done() {
		select {
		case <-patience:
			t.Fatalf("waited in vain for %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

// charged is what the ledger has charged alice, and for how many calls.
func (h *house) charged() (neuron.Micro, int64) {
	h.t.Helper()
	day := func(n int) string { return time.Now().UTC().AddDate(0, 0, n).Format(time.DateOnly) }
	report, err := h.ledger.Usage(context.Background(), neuron.Query{Account: "alice", From: day(-9), To: day(0)})
	if err != nil {
		h.t.Fatal(err)
	}
	return report.Total.Neurons, report.Total.Calls
}

var tariff = func() neuron.Tariff {
	t, err := neuron.NewTariff([]neuron.Price{{Unit: neuron.InputTokens, USD: "11", Neurons: "1000000"}})
	if err != nil {
		panic(err)
	}
	return t
}()

// charging returns a worker that charges a neuron a token, one for each byte of the
// input, and answers with the input. before may fail, before anything is charged.
func (h *house) charging(before func(ctx context.Context, t batch.Task) error) batch.Worker {
	return batch.Worker{
		Word: func(err error) batch.Failure {
			return batch.Failure{Code: int(fault.KindOf(err)), Message: err.Error()}
		},
		Run: func(ctx context.Context, t batch.Task) (batch.Done, error) {
			if before != nil {
				if err := before(ctx, t); err != nil {
					return batch.Done{}, err
				}
			}
			used := neuron.Tokens(len(t.Input), 0, 0)
			r, err := h.ledger.Reserve(ctx, neuron.Call{Payer: t.Payer, Model: t.Model, Tariff: tariff, Once: t.Once}, used)
			if err != nil {
				return batch.Done{}, err
			}
			defer r.Refund()
			if _, err := r.Settle(ctx, used); err != nil {
				return batch.Done{}, err
			}
			return batch.Done{Result: t.Input, Usage: chat.Usage{Prompt: len(t.Input), Completion: 1}}, nil
		},
	}
}

func TestEveryItemIsAnsweredInItsPlaceAndTheCostAddsUp(t *testing.T) {
	h := open(t, t.TempDir(), batch.Options{})
	defer h.shut()
	id := h.add(40)
	if r := h.look(id); r.State != batch.Queued || r.Open != 40 || r.Responses != nil || r.Model != "m" {
		t.Errorf("before: %+v", r)
	}
	r := h.ended(h.charging(nil), id)
	bytes := 0
	for i, item := range items(40) {
		bytes += len(item.Input)
		if got := r.Responses[i]; string(got.Result) != string(item.Input) || got.Reference != item.Reference {
			t.Errorf("item %d: %+v", i, got)
		}
	}
	sum, calls := h.charged()
	if r.Neurons != sum || sum != neuron.Micro(bytes)*one || calls != 40 || r.Usage.Prompt != bytes || r.Usage.Completion != 40 {
		t.Errorf("told %s and %+v, charged %s for %d calls", r.Neurons, r.Usage, sum, calls)
	}
}

func TestABatchIsOnlyItsAccounts(t *testing.T) {
	h := open(t, t.TempDir(), batch.Options{})
	defer h.shut()
	id := h.add(1)
	for _, c := range [][2]string{{"bob", id}, {"alice", "no-such-batch"}, {"alice", ""}, {"", id}} {
		if _, err := h.Look(t.Context(), c[0], c[1]); !fault.Is(err, fault.NotFound) {
			t.Errorf("account %q, id %q: %v", c[0], c[1], err)
		}
	}
}

func TestLimits(t *testing.T) {
	h := open(t, t.TempDir(), batch.Options{HeldBytes: 12 << 20})
	defer h.shut()
	big := batch.Item{Input: make([]byte, batch.MaxBytes)}
	for name, c := range map[string]struct {
		items []batch.Item
		kind  fault.Kind // Internal: none
	}{
		"no item":            {nil, fault.Invalid},
		"most items":         {make([]batch.Item, batch.MaxItems), fault.Internal},
		"an item too many":   {make([]batch.Item, batch.MaxItems+1), fault.Invalid},
		"a byte too many":    {[]batch.Item{big, {Input: []byte("1")}}, fault.TooLarge},
		"longest reference":  {[]batch.Item{{Reference: strings.Repeat("r", batch.MaxReference)}}, fault.Internal},
		"too long reference": {[]batch.Item{{Reference: strings.Repeat("r", batch.MaxReference+1)}}, fault.Invalid},
	} {
		if err := (batch.Batch{Items: c.items}).Validate(); err != nil != (c.kind != fault.Internal) || fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	full := batch.Batch{Payer: alice, Model: "m", Items: []batch.Item{big}}
	if _, err := h.Add(t.Context(), full); err != nil {
		t.Error(err)
	}
	if _, err := h.Add(t.Context(), full); !fault.Is(err, fault.Busy) || fault.As(err).RetryAfter == 0 {
		t.Errorf("more than is held: %v", err)
	}
	h.add(1) // a refused batch holds nothing
}

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

// reopenWith closes a house and opens it with other options.
func reopenWith(h *house, path string, o batch.Options) *house {
	h.t.Helper()
	h.shut()
	return open(h.t, path, o)
}

// failing returns the error that a backend is said to fail with.
func failing(reason fault.Reason, kind fault.Kind) error {
	return &fault.Error{Kind: kind, Reason: reason, Message: "no"}
}

var (
	unreachable = failing(llm.ReasonNoBackend, fault.Unavailable)
	busy        = failing(llm.ReasonBusy, fault.Busy)
	broken      = failing(llm.ReasonBroken, fault.Unavailable)
	slow        = failing(llm.ReasonSlow, fault.Canceled)
	exhausted   = failing(neuron.ReasonExhausted, fault.Quota)
	refused     = failing(llm.ReasonInput, fault.Invalid)
)

func TestAnItemIsTriedAgainAsLongAsItMayHelp(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		tries int           // 0: many
		ends  time.Duration // at least
	}{
		"unreachable": {unreachable, 0, anHour},
		"busy":        {busy, 0, anHour},
		"broken":      {broken, batch.Tries, time.Second},
		"slow":        {slow, batch.Tries, time.Second},
		"exhausted":   {exhausted, 1, 0},
		"refused":     {refused, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, t.TempDir(), batch.Options{GiveUp: anHour})
				defer h.shut()
				began, tries := time.Now(), 0
				id := h.add(1)
				stop := h.run(h.charging(func(context.Context, batch.Task) error { tries++; return c.err }))
				for h.look(id).State != batch.Ended {
					time.Sleep(time.Minute)
				}
				stop()
				took := time.Since(began)
				if got := h.look(id).Responses[0]; got.Result != nil || !strings.HasPrefix(got.Failure.Message, "no") || strings.Contains(got.Failure.Message, "given up") != (c.tries == 0) {
					t.Errorf("%+v", got)
				}
				if tries != c.tries && (c.tries != 0 || tries < 60) || took < c.ends || took > c.ends+3*time.Minute {
					t.Errorf("%d tries in %v", tries, took)
				}
				if sum, calls := h.charged(); sum != 0 || calls != 0 {
					t.Errorf("charged %s for %d calls", sum, calls)
				}
			})
		})
	}
}

func TestAnItemWaitsForABackendThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := t.TempDir()
		h := open(t, path, batch.Options{GiveUp: anHour})
		id := h.add(20)
		began := time.Now()
		down := func(context.Context, batch.Task) error {
			if time.Since(began) < 50*time.Minute {
				return unreachable
			}
			return nil
		}
		stop := h.run(h.charging(down))
		time.Sleep(40 * time.Minute)
		if r := h.look(id); r.State != batch.Running || r.Open != 20 || r.Waiting != "no" {
			t.Errorf("while it is down: %+v", r)
		}
		stop()
		h = reopenWith(h, path, batch.Options{GiveUp: anHour}) // its clock goes on
		defer func() { h.shut() }()
		stop = h.run(h.charging(down))
		defer func() { stop() }()
		time.Sleep(15 * time.Minute)
		if r := h.look(id); r.State != batch.Ended || len(r.Responses) != 20 || r.Responses[19].Result == nil || r.Waiting != "" {
			t.Errorf("after it came back: %+v", r)
		}
	})
}

func TestGivingUpIsRememberedOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := t.TempDir()
		h := open(t, path, batch.Options{GiveUp: anHour})
		id := h.add(100)
		for range 3 {
			stop := h.run(h.charging(func(context.Context, batch.Task) error { return unreachable }))
			time.Sleep(anHour/2 - time.Minute)
			stop()
			if r := h.look(id); r.State == batch.Ended && len(r.Responses) == 100 {
				h.shut()
				return
			}
			h = reopenWith(h, path, batch.Options{GiveUp: anHour})
		}
		t.Errorf("after an hour and a half: %+v", h.look(id).State)
		h.shut()
	})
}

func TestABatchWhoseBackendIsGoneDoesNotHoldTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, t.TempDir(), batch.Options{})
		defer h.shut()
		dead := h.add(50)
		id, err := h.Add(t.Context(), batch.Batch{Payer: alice, Model: "alive", Items: items(50)})
		if err != nil {
			t.Fatal(err)
		}
		defer h.run(h.charging(func(_ context.Context, task batch.Task) error {
			if task.Model == "m" {
				return unreachable
			}
			return nil
		}))()
		time.Sleep(time.Minute)
		if r := h.look(id); r.State != batch.Ended {
			t.Errorf("%+v", r)
		}
		if r := h.look(dead); r.State != batch.Running || r.Open != 50 {
			t.Errorf("%+v", r)
		}
	})
}

// An item that always fails, because it kills its backend perhaps, goes behind the others.
func TestAnItemThatAlwaysFailsDoesNotHoldItsBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, t.TempDir(), batch.Options{GiveUp: anHour})
		defer h.shut()
		id := h.add(30)
		defer h.run(h.charging(func(_ context.Context, task batch.Task) error {
			if string(task.Input) == `{"prompt":"0"}` {
				return unreachable
			}
			return nil
		}))()
		time.Sleep(time.Minute)
		if r := h.look(id); r.Open != 1 {
			t.Errorf("%d are open", r.Open)
		}
		time.Sleep(anHour)
		if r := h.look(id); r.State != batch.Ended || r.Responses[0].Result != nil || r.Responses[1].Result == nil {
			t.Errorf("%+v", r)
		}
	})
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
