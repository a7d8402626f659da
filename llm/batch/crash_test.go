package batch_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/llm/batch"
	"nearside/llm/neuron"
)

// taken is a batch that was acknowledged, on the bill of an account of its own.
type taken struct {
	account, id string
	items       int
}

// take adds a batch.
func (h *house) take(account string, n int) (taken, error) {
	id, err := h.Add(context.Background(), batch.Batch{Payer: neuron.Payer{Account: account}, Model: "m", Items: items(n)})
	return taken{account, id, n}, err
}

// mustAddUp checks that a batch has ended, each item with its own answer, and costs what was charged.
func (h *house) mustAddUp(b taken) {
	h.t.Helper()
	r, err := h.Look(context.Background(), b.account, b.id)
	if err != nil || r.State != batch.Ended || len(r.Responses) != b.items {
		h.t.Fatalf("%+v: %+v, %v", b, r, err)
	}
	for i, item := range items(b.items) {
		if got := r.Responses[i]; string(got.Result) != string(item.Input) || got.Reference != item.Reference {
			h.t.Errorf("%+v, item %d: %+v", b, i, got)
		}
	}
	report, err := h.ledger.Usage(context.Background(), neuron.Query{Account: b.account})
	if sum := report.Total; err != nil || sum.Neurons != r.Neurons || sum.Calls != int64(b.items) || sum.Units[neuron.InputTokens] != int64(r.Usage.Prompt) {
		h.t.Errorf("%+v: told %s, charged %s for %d calls: %v", b, r.Neurons, sum.Neurons, sum.Calls, err)
	}
}

// finish runs everything to its end and checks it.
func (h *house) finish(all []taken) {
	h.t.Helper()
	stop := h.run(h.charging(nil))
	for _, b := range all {
		until(h.t, "a batch to end", func() bool {
			r, err := h.Look(context.Background(), b.account, b.id)
			return err != nil || r.State == batch.Ended
		})
	}
	stop()
	for _, b := range all {
		h.mustAddUp(b)
	}
}

func TestNothingIsLostOrChargedTwiceAfterACrashAtAnyOperation(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	// life takes two batches and runs them, until something fails.
	life := func(path string, faults *disktest.Faults) (all []taken) {
		h, err := openHouse(t, path, faults.Hook, batch.Options{AtOnce: 2})
		if err != nil {
			return nil
		}
		defer func() { _ = h.close() }() // as the process would end: without a word
		defer h.run(h.charging(nil))()
		for i := range 2 {
			b, err := h.take(fmt.Sprintf("account-%d", i), 3)
			if err != nil {
				return all
			}
			all = append(all, b)
			until(t, "the batch to end, or the crash", func() bool {
				r, err := h.Look(context.Background(), b.account, b.id)
				return faults.Tripped() || err == nil && r.State == batch.Ended
			})
		}
		return all
	}
	count := disktest.Count()
	life(t.TempDir(), count)
	points := random.Perm(count.Operations())
	t.Logf("%d operations", len(points))
	if !*long {
		points = points[:12]
	}
	for _, point := range points {
		path, k := t.TempDir(), point+1
		faults := disktest.CrashAt(k)
		all := life(path, faults)
		h := open(t, path, batch.Options{})
		h.finish(all)
		h.shut()
		if t.Failed() {
			t.Fatalf("crash at operation %d", k)
		}
	}
}

// keepTaking is the second process of the kill test: it takes batches and runs them
// until it is killed. It says which it has taken, and "-" before every file operation.
func keepTaking(path string) error {
	t := &testing.T{}
	h, err := openHouse(t, path, func(disk.Op, string) error {
		fmt.Print("-\n")
		return nil
	}, batch.Options{AtOnce: 4})
	if err != nil {
		return err
	}
	h.run(h.charging(nil))
	for {
		b, err := h.take(fmt.Sprintf("account-%d", rand.Uint64()), 1+rand.IntN(4))
		if err != nil {
			return err
		}
		fmt.Printf("%s %s %d\n", b.account, b.id, b.items)
		until(t, "the batch to end", func() bool {
			r, err := h.Look(context.Background(), b.account, b.id)
			return err != nil || r.Open < 2 // sometimes there is one left of the batch before
		})
	}
}

func TestMain(m *testing.M) {
	if path := os.Getenv("BATCH_TEST_TAKER"); path != "" {
		if err := keepTaking(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func TestNothingIsLostOrChargedTwiceWhenTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	rounds := 8
	if *long {
		rounds = 100
	}
	var path string
	var all []taken
	for round := range rounds {
		if round%4 == 0 { // an empty directory, killed in its first moments
			path, all = t.TempDir(), nil
		}
		all = append(all, killAfter(t, path, random.IntN([]int{300, 1500, 600, 3000}[round%4]))...)
		h := open(t, path, batch.Options{AtOnce: 4})
		if round%4 == 3 {
			h.finish(all)
		}
		h.shut()
	}
	t.Logf("%d kills, %d batches acknowledged in the last directory", rounds, len(all))
}

// killAfter kills a process that takes batches after some lines of what it says,
// and returns those that it acknowledged.
func killAfter(t *testing.T, path string, lines int) (all []taken) {
	t.Helper()
	disktest.KillAfter(t, "BATCH_TEST_TAKER="+path, lines, func(line string) {
		var b taken
		if n, _ := fmt.Sscanf(line, "%s %s %d", &b.account, &b.id, &b.items); n == 3 {
			all = append(all, b)
		}
	})
	return all
}
