package neuron_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
	"nearside/llm/neuron"
	"nearside/llm/neuron/neurontest"
)

// clock is a clock that stands still until a test moves it.
type clock struct{ at atomic.Int64 }

func clockAt(t time.Time) *clock {
	c := &clock{}
	c.set(t)
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) set(t time.Time)         { c.at.Store(t.UnixNano()) }
func (c *clock) forward(d time.Duration) { c.at.Add(int64(d)) }

var (
	noon  = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)
	alice = neuron.Payer{Account: "alice"}
)

// unit is a tariff of one neuron a token, in and out.
func unit(t testing.TB) neuron.Tariff {
	t.Helper()
	made, err := neuron.NewTariff([]neuron.Price{{neuron.InputTokens, "11", "1000000"}, {neuron.OutputTokens, "11", "1000000"}})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func tokens(n int) neuron.Usage { return neuron.Tokens(n, 0, 0) }

const one = neuron.Micro(1_000_000)

func reserve(t testing.TB, l *neuron.Ledger, call neuron.Call, estimate int) *neuron.Reservation {
	t.Helper()
	r, err := l.Reserve(context.Background(), call, tokens(estimate))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func settle(t testing.TB, r *neuron.Reservation, used int) neuron.Micro {
	t.Helper()
	cost, err := r.Settle(context.Background(), tokens(used))
	if err != nil {
		t.Fatal(err)
	}
	return cost
}

func refused(t *testing.T, l *neuron.Ledger, call neuron.Call, estimate int) *fault.Error {
	t.Helper()
	r, err := l.Reserve(t.Context(), call, tokens(estimate))
	f := fault.As(err)
	if f == nil || f.Kind != fault.Quota || f.Reason != neuron.ReasonExhausted || r != nil {
		t.Fatalf("an estimate of %d was not refused: %v", estimate, err)
	}
	return f
}

func total(t testing.TB, l *neuron.Ledger, q neuron.Query) neuron.Sum {
	t.Helper()
	report, err := l.Usage(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return report.Total.Sum
}

func TestWhatIsReservedAndSettledCountsAgainstTheLimitOfTheAccount(t *testing.T) {
	c := clockAt(noon)
	l := neurontest.Open(t, neuron.Options{Clock: c.now, PerDay: 100 * one})
	call := neuron.Call{Payer: alice, Model: "m", Tariff: unit(t)}

	settle(t, reserve(t, l, call, 10), 30) // more than was estimated
	held := reserve(t, l, call, 70)
	f := refused(t, l, call, 1)
	for _, fragment := range []string{
		"you have used up your daily free allocation of 10,000 neurons", "account alice", "used 30.000000 of its 100.000000 neurons",
		"reserved 70.000000", "may need 1.000000", "2030-01-03T00:00:00Z", "--neurons-per-day",
	} {
		if !strings.Contains(f.Message, fragment) {
			t.Errorf("the message lacks %q: %s", fragment, f.Message)
		}
	}
	if f.RetryAfter != 12*time.Hour {
		t.Errorf("the call may be tried again in %s", f.RetryAfter)
	}
	reserve(t, l, neuron.Call{Payer: neuron.Payer{Account: "bob"}, Model: "m", Tariff: unit(t)}, 100).Refund()

	held.Refund()
	reserve(t, l, call, 70).Refund()
	refused(t, l, call, 71)
}

func TestAKeyHasALimitOfItsOwnWithinThatOfItsAccount(t *testing.T) {
	l := neurontest.Open(t, neuron.Options{PerDay: 100 * one})
	keyed := neuron.Call{Payer: neuron.Payer{Account: "alice", Key: "k", KeyPerDay: 20 * one}, Model: "m", Tariff: unit(t)}
	other := neuron.Call{Payer: alice, Model: "m", Tariff: unit(t)}

	settle(t, reserve(t, l, keyed, 20), 20)
	if f := refused(t, l, keyed, 1); !strings.Contains(f.Message, "key k has used 20.000000 of its 20.000000") {
		t.Error(f.Message)
	}
	reserve(t, l, other, 80).Refund()
	refused(t, l, other, 81)
	settle(t, reserve(t, l, other, 80), 80)
	if a := l.Left(keyed.Payer); !a.Limited || a.Left != 0 {
		t.Errorf("got %+v", a)
	}
}

func TestAModelWithoutAPriceIsNeverRefused(t *testing.T) {
	l := neurontest.Open(t, neuron.Options{PerDay: one})
	settle(t, reserve(t, l, neuron.Call{Payer: alice, Model: "m", Tariff: unit(t)}, 1), 5)
	r := reserve(t, l, neuron.Call{Payer: alice, Model: "free"}, 1000)
	if cost := settle(t, r, 1000); cost != 0 {
		t.Errorf("it cost %s", cost)
	}
	if sum := total(t, l, neuron.Query{Account: "alice"}); sum.Unpriced != 1 || sum.Calls != 2 || sum.Neurons != 5*one {
		t.Errorf("got %+v", sum)
	}
}

func TestWithoutALimitNothingIsRefusedAndAllIsCounted(t *testing.T) {
	l := neurontest.Open(t, neuron.Options{})
	settle(t, reserve(t, l, neuron.Call{Payer: alice, Model: "m", Tariff: unit(t)}, 1_000_000), 999_999)
	if a := l.Left(alice); a.Limited || a.Warning != "" || a.Reset.Before(time.Now()) {
		t.Errorf("got %+v", a)
	}
	if sum := total(t, l, neuron.Query{Account: "alice"}); sum.Neurons != 999_999*one || sum.Units[neuron.InputTokens] != 999_999 {
		t.Errorf("got %+v", sum)
	}
}

func TestTheFirstOfSettleAndRefundTakesEffect(t *testing.T) {
	c := clockAt(noon)
	l := neurontest.Open(t, neuron.Options{Clock: c.now, PerDay: 100 * one})
	call := neuron.Call{Payer: alice, Model: "m", Tariff: unit(t)}

	settled := reserve(t, l, call, 10)
	for range 2 {
		if cost := settle(t, settled, 7); cost != 7*one {
			t.Errorf("settled for %s", cost)
		}
		settled.Refund()
	}
	if cost := settle(t, settled, 50); cost != 7*one {
		t.Errorf("settled again for %s", cost)
	}
	refunded := reserve(t, l, call, 10)
	for range 2 {
		refunded.Refund()
		if cost := settle(t, refunded, 7); cost != 0 {
			t.Errorf("settled after a refund for %s", cost)
		}
	}
	if sum := total(t, l, neuron.Query{Account: "alice"}); sum.Neurons != 7*one || sum.Calls != 1 || sum.Failed != 1 {
		t.Errorf("got %+v", sum)
	}
	if a := l.Left(alice); a.Left != 93*one || l.Reservations() != 0 {
		t.Errorf("got %+v and %d reservations", a, l.Reservations())
	}
}

func TestManySettlementsOfOneReservationChargeOnce(t *testing.T) {
	l := neurontest.Open(t, neuron.Options{})
	r := reserve(t, l, neuron.Call{Payer: alice, Model: "m", Tariff: unit(t)}, 10)
	var work sync.WaitGroup
	for range 16 {
		work.Go(func() {
			if cost, err := r.Settle(t.Context(), tokens(3)); cost != 3*one || err != nil {
				t.Errorf("settled for %s, %v", cost, err)
			}
		})
		work.Go(func() { _ = l.Left(alice) })
	}
	work.Wait()
	if sum := total(t, l, neuron.Query{Account: "alice"}); sum.Neurons != 3*one || sum.Calls != 1 {
		t.Errorf("got %+v", sum)
	}
}

func TestACallerWhoHasGoneReservesNothingButPays(t *testing.T) {
	l := neurontest.Open(t, neuron.Options{})
	call := neuron.Call{Payer: alice, Model: "m", Tariff: unit(t)}
	gone, leave := context.WithCancel(t.Context())
	r := reserve(t, l, call, 10)
	leave()
	if _, err := l.Reserve(gone, call, tokens(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("reserved: %v", err)
	}
	if cost, err := r.Settle(gone, tokens(4)); cost != 4*one || err != nil {
		t.Errorf("settled for %s, %v", cost, err)
	}
	if sum := total(t, l, neuron.Query{Account: "alice"}); sum.Neurons != 4*one {
		t.Errorf("got %+v", sum)
	}
}

func TestACallIsChargedToTheDayOnWhichItIsSettled(t *testing.T) {
	c := clockAt(time.Date(2030, 1, 2, 23, 59, 0, 0, time.UTC))
	l := neurontest.Open(t, neuron.Options{Clock: c.now, PerDay: 100 * one})
	call := neuron.Call{Payer: alice, Model: "m", Tariff: unit(t)}
	settle(t, reserve(t, l, call, 60), 60)
	over := reserve(t, l, call, 40) // under way at midnight
	refused(t, l, call, 1)
	c.forward(time.Minute)

	if a := l.Left(alice); a.Left != 60*one || !a.Reset.Equal(time.Date(2030, 1, 4, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("after midnight: %+v", a)
	}
	refused(t, l, call, 61)
	settle(t, over, 30)
	reserve(t, l, call, 70).Refund()
	refused(t, l, call, 71)
	report, err := l.Usage(t.Context(), neuron.Query{Account: "alice", From: "2030-01-01", To: "2030-01-31", By: neuron.ByDay})
	if err != nil || len(report.Rows) != 2 || report.Rows[0].Name != "2030-01-02" || report.Rows[0].Neurons != 60*one || report.Rows[1].Neurons != 30*one {
		t.Errorf("got %+v, %v", report, err)
	}
}

func TestAClockThatIsSetBackBringsNoDayBack(t *testing.T) {
	c := clockAt(time.Date(2030, 1, 3, 0, 0, 1, 0, time.UTC))
	l := neurontest.Open(t, neuron.Options{Clock: c.now, PerDay: 100 * one})
	call := neuron.Call{Payer: alice, Model: "m", Tariff: unit(t)}
	settle(t, reserve(t, l, call, 100), 100)
	c.forward(-time.Hour)
	refused(t, l, call, 1)
	c.forward(2 * time.Hour)
	refused(t, l, call, 1)
}

func TestPeopleAreWarnedFromEightyPercentOn(t *testing.T) {
	c := clockAt(noon)
	l := neurontest.Open(t, neuron.Options{Clock: c.now, PerDay: 1000 * one})
	keyed := neuron.Call{Payer: neuron.Payer{Account: "alice", Key: "k", KeyPerDay: 100 * one}, Model: "m", Tariff: unit(t)}
	settle(t, reserve(t, l, keyed, 79), 79)
	if a := l.Left(keyed.Payer); a.Warning != "" || a.Left != 21*one {
		t.Errorf("at 79 %%: %+v", a)
	}
	settle(t, reserve(t, l, keyed, 1), 1)
	want := "key k has used 80.000000 of its 100.000000 neurons for today; the day ends at 2030-01-03T00:00:00Z"
	if a := l.Left(keyed.Payer); a.Warning != want || a.Left != 20*one {
		t.Errorf("at 80 %%: %+v", a)
	}
	if a := l.Left(alice); a.Warning != "" || a.Left != 920*one {
		t.Errorf("the account is warned: %+v", a)
	}
}

func TestAReopenedLedgerKnowsWhatWasChargedTodayAndNothingReserved(t *testing.T) {
	c := clockAt(noon)
	dir := disktest.OpenDir(t, t.TempDir(), disk.Options{})
	keyed := neuron.Call{Payer: neuron.Payer{Account: "alice", Key: "k", KeyPerDay: 50 * one}, Model: "m", Tariff: unit(t)}
	l, err := neuron.Open(dir, neuron.Options{Clock: c.now, PerDay: 100 * one})
	if err != nil {
		t.Fatal(err)
	}
	settle(t, reserve(t, l, keyed, 10), 10)
	reserve(t, l, keyed, 30)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = neurontest.OpenIn(t, dir, neuron.Options{Clock: c.now, PerDay: 100 * one})
	if a, b := l.Left(keyed.Payer), l.Left(alice); a.Left != 40*one || b.Left != 90*one || l.Reservations() != 0 {
		t.Errorf("the key has %s left, the account %s", a.Left, b.Left)
	}
}

func TestChargesThatCannotBeWrittenAreNotChargedAndMayBeTriedAgain(t *testing.T) {
	full := disktest.Count()
	dir := disktest.OpenDir(t, t.TempDir(), disk.Options{Hook: full.Hook})
	l := neurontest.OpenIn(t, dir, neuron.Options{PerDay: 100 * one})
	call := neuron.Call{Payer: alice, Model: "m", Tariff: unit(t)}
	r := reserve(t, l, call, 40)
	reserve(t, l, call, 1).Refund() // waits to be written, and must not be lost

	full.Match = func(op disk.Op, path string) bool { return op == disk.OpWrite }
	full.Fail(syscall.ENOSPC)
	if _, err := r.Settle(t.Context(), tokens(30)); fault.KindOf(err) != fault.Unavailable {
		t.Fatalf("settled: %v", err)
	}
	if a := l.Left(alice); a.Left != 60*one {
		t.Errorf("after the failure %s are left", a.Left)
	}
	if sum := total(t, l, neuron.Query{Account: "alice"}); sum.Calls != 0 {
		t.Errorf("got %+v", sum)
	}
	full.Fail(nil)
	settle(t, r, 30)
	if sum := total(t, l, neuron.Query{Account: "alice"}); sum.Calls != 1 || sum.Failed != 1 || sum.Neurons != 30*one {
		t.Errorf("got %+v", sum)
	}
	if a := l.Left(alice); a.Left != 70*one {
		t.Errorf("in the end %s are left", a.Left)
	}
}

// stop is a hook that lets a sync of the ledger's log wait, or another operation on it.
type stop struct {
	op      disk.Op
	fails   error // with which the one that waited ends, and each after it while failing; nil: it is done
	failing atomic.Bool
	syncs   atomic.Int64
	waiting atomic.Bool // the next one waits
	reached chan struct{}
	release chan struct{}
	freed   sync.Once
}

func newStop() *stop {
	return &stop{op: disk.OpSync, reached: make(chan struct{}), release: make(chan struct{})}
}

// free lets the sync that waits go on; again it does nothing.
func (s *stop) free() { s.freed.Do(func() { close(s.release) }) }

func (s *stop) hook(op disk.Op, path string) error {
	if op != s.op || !strings.HasSuffix(path, "ledger.db-wal") {
		return nil
	}
	s.syncs.Add(1)
	if s.waiting.CompareAndSwap(true, false) {
		s.failing.Store(s.fails != nil)
		close(s.reached)
		<-s.release
	}
	if s.failing.Load() {
		return s.fails
	}
	return nil
}

func TestReservingDoesNotWaitForTheDisk(t *testing.T) {
	s := newStop()
	l := neurontest.OpenIn(t, disktest.OpenDir(t, t.TempDir(), disk.Options{Hook: s.hook}), neuron.Options{PerDay: 100 * one})
	call := neuron.Call{Payer: alice, Model: "m", Tariff: unit(t)}
	slow := reserve(t, l, call, 10)
	s.waiting.Store(true)
	defer s.free()
	var settling sync.WaitGroup
	settling.Go(func() { settle(t, slow, 10) })
	<-s.reached

	r := reserve(t, l, call, 90)
	refused(t, l, call, 1)
	r.Refund()
	l.Cached(call)
	if a := l.Left(alice); a.Left != 90*one {
		t.Errorf("%s are left", a.Left)
	}
	slow.Refund() // too late
	s.free()
	settling.Wait()
	if sum := total(t, l, neuron.Query{Account: "alice"}); sum.Calls != 1 || sum.Failed != 1 || sum.Cached != 1 || sum.Neurons != 10*one {
		t.Errorf("got %+v", sum)
	}
}

func TestARefundDuringASettlementThatFailsIsNotForgotten(t *testing.T) {
	s := newStop()
	s.op, s.fails = disk.OpWrite, syscall.ENOSPC
	l := neurontest.OpenIn(t, disktest.OpenDir(t, t.TempDir(), disk.Options{Hook: s.hook}), neuron.Options{PerDay: 100 * one})
	r := reserve(t, l, neuron.Call{Payer: alice, Model: "m", Tariff: unit(t)}, 10)
	s.waiting.Store(true)
	defer s.free()
	var settling sync.WaitGroup
	settling.Go(func() {
		if _, err := r.Settle(t.Context(), tokens(10)); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("settled: %v", err)
		}
	})
	<-s.reached
	r.Refund()
	if a := l.Left(alice); a.Left != 90*one {
		t.Errorf("while it is being settled %s are left", a.Left)
	}
	s.free()
	settling.Wait()
	s.failing.Store(false)
	if a := l.Left(alice); a.Left != 100*one || l.Reservations() != 0 {
		t.Errorf("in the end %s are left, %d calls are under way", a.Left, l.Reservations())
	}
	if sum := total(t, l, neuron.Query{Account: "alice"}); sum.Calls != 0 || sum.Failed != 1 {
		t.Errorf("got %+v", sum)
	}
}

func TestAChargeThatIsBeingWrittenAtMidnightBelongsToTheDayBefore(t *testing.T) {
	c := clockAt(time.Date(2030, 1, 2, 23, 59, 0, 0, time.UTC))
	s := newStop()
	l := neurontest.OpenIn(t, disktest.OpenDir(t, t.TempDir(), disk.Options{Hook: s.hook}), neuron.Options{Clock: c.now, PerDay: 100 * one})
	r := reserve(t, l, neuron.Call{Payer: alice, Model: "m", Tariff: unit(t)}, 10)
	s.waiting.Store(true)
	defer s.free()
	var settling sync.WaitGroup
	settling.Go(func() { settle(t, r, 10) })
	<-s.reached
	c.forward(time.Minute)
	s.free()
	settling.Wait()
	if a := l.Left(alice); a.Left != 100*one {
		t.Errorf("after midnight %s are left", a.Left)
	}
	if sum := total(t, l, neuron.Query{Account: "alice", From: "2030-01-02", To: "2030-01-02"}); sum.Neurons != 10*one {
		t.Errorf("got %+v", sum)
	}
}

func TestConcurrentSettlementsShareOneSync(t *testing.T) {
	path := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newStop()
		l := neurontest.OpenIn(t, disktest.OpenDir(t, path, disk.Options{Hook: s.hook}), neuron.Options{})
		call := neuron.Call{Payer: alice, Model: "m", Tariff: unit(t)}
		const callers = 100
		var reservations []*neuron.Reservation
		for range callers + 1 {
			reservations = append(reservations, reserve(t, l, call, 1))
		}
		settle(t, reserve(t, l, call, 1), 2) // the log's head is synced once
		s.waiting.Store(true)
		defer s.free()
		before := s.syncs.Load()
		var work sync.WaitGroup
		for _, r := range reservations {
			work.Go(func() { settle(t, r, 2) })
		}
		synctest.Wait() // one is syncing, and the others have joined it or queue behind it
		s.free()
		work.Wait()
		if n := s.syncs.Load() - before; n > 2 {
			t.Errorf("%d settlements took %d syncs", callers+1, n)
		}
		if sum := total(t, l, neuron.Query{Account: "alice"}); sum.Neurons != 2*(callers+2)*one {
			t.Errorf("got %+v", sum)
		}
	})
}

func TestWhatCostsNothingIsWrittenWithinSeconds(t *testing.T) {
	path := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newStop()
		l := neurontest.OpenIn(t, disktest.OpenDir(t, path, disk.Options{Hook: s.hook}), neuron.Options{})
		call := neuron.Call{Payer: alice, Model: "m", Tariff: unit(t)}
		settle(t, reserve(t, l, call, 1), 1) // the log's head is synced once
		before := s.syncs.Load()
		l.Cached(call)
		l.Queried("alice", 768)
		reserve(t, l, call, 1).Refund()
		if n := s.syncs.Load() - before; n != 0 {
			t.Errorf("%d syncs at once", n)
		}
		time.Sleep(6 * time.Second) // of the bubble's clock
		synctest.Wait()
		if n := s.syncs.Load() - before; n != 1 {
			t.Errorf("%d syncs after six seconds", n)
		}
		report, err := l.Usage(t.Context(), neuron.Query{Account: "alice"})
		if err != nil || report.Total.Cached != 1 || report.Total.Failed != 1 || report.Queried[time.Now().UTC().Format("2006-01")] != 768 {
			t.Errorf("got %+v, %v", report, err)
		}
	})
}
