package neuron_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/llm/neuron"
)

// life makes a ledger, settles and refunds some calls with others under way, opens it
// anew and goes on. It returns what was settled, as acknowledged, and what the charge
// costs that failed.
func life(t *testing.T, path string, hook disk.Hook) (acknowledged, failed neuron.Micro, calls int64, err error) {
	t.Helper()
	call := neuron.Call{Payer: neuron.Payer{Account: "alice", Key: "k", KeyPerDay: 1000 * one}, Model: "m", Tariff: unit(t)}
	era := func() (err error) {
		dir, err := disk.OpenDir(path, disk.Options{Hook: hook, LogPages: 6})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, dir.Close()) }()
		l, err := neuron.Open(dir, neuron.Options{PerDay: 1000 * one})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, l.Close()) }()
		for i := range 6 {
			reserve(t, l, call, 5) // is never settled
			refunded := reserve(t, l, call, 5)
			r := reserve(t, l, call, 5)
			cost, err := r.Settle(context.Background(), tokens(i+1))
			if err != nil {
				failed = neuron.Micro(i+1) * one
				return err
			}
			acknowledged += cost
			calls++
			refunded.Refund()
		}
		return nil
	}
	for range 2 {
		if err := era(); err != nil {
			return acknowledged, failed, calls, err
		}
	}
	return acknowledged, 0, calls, nil
}

func TestSettledChargesSurviveACrashAtAnyOperation(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	count := disktest.Count()
	if _, _, _, err := life(t, t.TempDir(), count.Hook); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d operations", count.Operations())
	most := 8
	if *long {
		most = count.Operations()
	}
	for _, k := range sample(random, count.Operations(), most) {
		path := t.TempDir()
		acknowledged, failed, calls, crash := life(t, path, disktest.CrashAt(k).Hook)
		l := open(t, disktest.OpenDir(t, path, disk.Options{}), neuron.Options{PerDay: 1000 * one})
		sum := total(t, l, neuron.Query{Account: "alice"})
		// A charge whose commit failed in the middle may be there, whole.
		exact := sum.Neurons == acknowledged && sum.Calls == calls
		if !exact && (sum.Neurons != acknowledged+failed || sum.Calls != calls+1 || failed == 0) {
			t.Errorf("crash at operation %d (%v): %d calls for %s were acknowledged, then one for %s failed; there are %+v", k, crash, calls, acknowledged, failed, sum)
		}
		if sum.Units[neuron.InputTokens] != int64(sum.Neurons/one) {
			t.Errorf("crash at operation %d: %+v", k, sum)
		}
		if a := l.Left(neuron.Payer{Account: "alice"}); a.Left != 1000*one-sum.Neurons || l.Reservations() != 0 {
			t.Errorf("crash at operation %d: %s are left, %d calls are under way", k, a.Left, l.Reservations())
		}
		shut(t, l)
	}
}

// sample takes n of the operations 1…of, or all if they are fewer.
func sample(random *rand.Rand, of, n int) []int {
	all := random.Perm(of)[:min(n, of)]
	for i := range all {
		all[i]++
	}
	return all
}

// TestConcurrentChargesSurviveACrash crashes while many callers settle.
func TestConcurrentChargesSurviveACrash(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	for range 2 {
		path := t.TempDir()
		faults := disktest.Count()
		end := 1 + random.Int64N(200) // the call at which it crashes
		dir, err := disk.OpenDir(path, disk.Options{Hook: faults.Hook})
		if err != nil {
			t.Fatal(err)
		}
		l := open(t, dir, neuron.Options{})
		call := neuron.Call{Payer: alice, Model: "m", Tariff: unit(t)}
		var mu sync.Mutex // guards the counts
		acknowledged, attempted := int64(0), int64(0)
		var work sync.WaitGroup
		for range 8 {
			work.Go(func() {
				for {
					r := reserve(t, l, call, 1)
					mu.Lock()
					if attempted++; attempted == end {
						faults.Fail(disktest.ErrInjected)
					}
					mu.Unlock()
					if _, err := r.Settle(context.Background(), tokens(1)); err != nil {
						return
					}
					mu.Lock()
					acknowledged++
					mu.Unlock()
				}
			})
		}
		work.Wait()
		_, _ = l.Close(), dir.Close() // as the process would end: without a word
		l = open(t, disktest.OpenDir(t, path, disk.Options{}), neuron.Options{})
		if sum := total(t, l, neuron.Query{Account: "alice"}); sum.Calls < acknowledged || sum.Calls > attempted || sum.Neurons != neuron.Micro(sum.Calls)*one {
			t.Errorf("%d of %d calls were acknowledged; there are %+v", acknowledged, attempted, sum)
		}
		shut(t, l)
	}
}
