package batch_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"nearside/disk"
	"nearside/fault"
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

// reopenWith closes a house and opens it with other options.
func reopenWith(h *house, path string, o batch.Options) *house {
	h.t.Helper()
	h.shut()
	return open(h.t, path, o)
}
