package neuron_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
	"nearside/llm/neuron"
	"nearside/llm/neuron/neurontest"
)

// named is a call that is charged once.
func named(t *testing.T, name string) neuron.Call {
	return neuron.Call{Payer: alice, Model: "m", Tariff: unit(t), Once: name}
}

func TestACallThatIsSettledAgainUnderItsNameIsNotChargedAgain(t *testing.T) {
	l := neurontest.Open(t, neuron.Options{})
	if cost := settle(t, reserve(t, l, named(t, "b/1"), 5), 10); cost != 10*one {
		t.Errorf("the first cost %s", cost)
	}
	for _, used := range []int{10, 3, 500} {
		if cost := settle(t, reserve(t, l, named(t, "b/1"), 5), used); cost != 10*one {
			t.Errorf("again it cost %s", cost)
		}
	}
	if cost := settle(t, reserve(t, l, named(t, "b/2"), 5), 1); cost != one {
		t.Errorf("another name cost %s", cost)
	}
	if sum := total(t, l, neuron.Query{Account: "alice"}); sum.Calls != 2 || sum.Neurons != 11*one || sum.Units[neuron.InputTokens] != 11 {
		t.Errorf("%+v", sum)
	}
}

func TestAReceiptIsKnownUntilItsGroupIsForgotten(t *testing.T) {
	path := t.TempDir()
	dir := disktest.OpenDir(t, path, disk.Options{})
	l := open(t, dir, neuron.Options{})
	for _, name := range []string{"b/1", "b/2", "bb/1", "b0/1", "a/1"} {
		settle(t, reserve(t, l, named(t, name), 1), 7)
	}
	shut(t, l)
	l = neurontest.OpenIn(t, dir, neuron.Options{})
	if spent, err := l.Spent(t.Context(), "b"); err != nil || spent != 14*one {
		t.Errorf("the group cost %s, %v", spent, err)
	}
	if err := l.Forget(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if spent, err := l.Spent(t.Context(), "b"); err != nil || spent != 0 {
		t.Errorf("the forgotten group cost %s, %v", spent, err)
	}
	for name, known := range map[string]bool{"b/1": false, "b/2": false, "bb/1": true, "b0/1": true, "a/1": true, "never/1": false} {
		cost, settled, err := l.Receipt(t.Context(), name)
		if err != nil || settled != known || known != (cost == 7*one) {
			t.Errorf("%s: %s, %v, %v", name, cost, settled, err)
		}
	}
	if sum := total(t, l, neuron.Query{Account: "alice"}); sum.Calls != 5 {
		t.Errorf("%+v", sum)
	}
}

// A call that was paid for and is made again finds room however little is left.
func TestACallThatWasPaidForIsNotRefusedWhenTheDayIsUsedUp(t *testing.T) {
	l := neurontest.Open(t, neuron.Options{PerDay: 10 * one})
	settle(t, reserve(t, l, named(t, "b/1"), 9), 10)
	if _, err := l.Reserve(t.Context(), named(t, "b/2"), tokens(1)); !fault.Is(err, fault.Quota) {
		t.Errorf("another call: %v", err)
	}
	again := reserve(t, l, named(t, "b/1"), 9)
	if again.Estimate() != 0 {
		t.Errorf("%s are reserved", again.Estimate())
	}
	if cost := settle(t, again, 9); cost != 10*one {
		t.Errorf("it cost %s", cost)
	}
	if left := l.Left(alice); left.Left != 0 {
		t.Errorf("%+v", left)
	}
}

func TestOfCallsOfOneNameAtTheSameTimeOneIsCharged(t *testing.T) {
	l := neurontest.Open(t, neuron.Options{})
	var work sync.WaitGroup
	costs := make([]neuron.Micro, 16)
	for i := range costs {
		r := reserve(t, l, named(t, "b/1"), 1)
		work.Go(func() {
			var err error
			if costs[i], err = r.Settle(context.Background(), tokens(i+1)); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	sum := total(t, l, neuron.Query{Account: "alice"})
	for _, cost := range costs {
		if cost != sum.Neurons || sum.Calls != 1 {
			t.Errorf("told %s, charged %+v", cost, sum)
		}
	}
}

func TestAChargeAndItsReceiptAreBothThereOrNeither(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	// life settles three calls, twice each, and says how many of them were acknowledged.
	life := func(path string, hook disk.Hook) (acknowledged int, err error) {
		dir, err := disk.OpenDir(path, disk.Options{Hook: hook, LogPages: 6})
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, dir.Close()) }()
		l, err := neuron.Open(dir, neuron.Options{})
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, l.Close()) }()
		for i := range 6 {
			r, err := l.Reserve(context.Background(), named(t, fmt.Sprintf("b/%d", i/2)), tokens(1))
			if err != nil {
				return acknowledged, err
			}
			if _, err := r.Settle(context.Background(), tokens(1)); err != nil {
				return acknowledged, err
			}
			acknowledged = i/2 + 1
		}
		return acknowledged, nil
	}
	count := disktest.Count()
	if _, err := life(t.TempDir(), count.Hook); err != nil {
		t.Fatal(err)
	}
	most := 8
	if *long {
		most = count.Operations()
	}
	for _, k := range sample(random, count.Operations(), most) {
		path := t.TempDir()
		acknowledged, crash := life(path, disktest.CrashAt(k).Hook)
		if again, err := life(path, nil); err != nil || again != 3 {
			t.Fatal(err)
		}
		l := open(t, disktest.OpenDir(t, path, disk.Options{}), neuron.Options{})
		if sum := total(t, l, neuron.Query{Account: "alice"}); sum.Calls != 3 || sum.Neurons != 3*one {
			t.Errorf("crash at operation %d (%v) with %d of 3 settled: %+v", k, crash, acknowledged, sum)
		}
		shut(t, l)
	}
}

// A ledger of version 1 is what everybody has who used nearside before batches.
func TestAnUpgradedLedgerSurvivesACrashAtAnyOperation(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	grow := func(path string, hook disk.Hook) error {
		dir, err := disk.OpenDir(path, disk.Options{Hook: hook})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, dir.Close()) }()
		l, err := neuron.Open(dir, neuron.Options{})
		if err != nil {
			return err
		}
		return l.Close()
	}
	count := disktest.Count()
	if err := grow(disktest.LayOut(t, golden1), count.Hook); err != nil {
		t.Fatal(err)
	}
	most := 8
	if *long {
		most = count.Operations()
	}
	for _, k := range sample(random, count.Operations(), most) {
		path := disktest.LayOut(t, golden1)
		crash := grow(path, disktest.CrashAt(k).Hook)
		l := open(t, disktest.OpenDir(t, path, disk.Options{}), neuron.Options{})
		settle(t, reserve(t, l, named(t, "b/1"), 1), 1)
		if _, settled, err := l.Receipt(t.Context(), "b/1"); !settled || err != nil {
			t.Errorf("crash at operation %d (%v): %v, %v", k, crash, settled, err)
		}
		if err := l.Check(t.Context()); err != nil {
			t.Error(err)
		}
		shut(t, l)
	}
}
