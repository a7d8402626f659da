package disk_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
)

func TestChangesSurviveReopening(t *testing.T) {
	path := t.TempDir()
	for _, head := range []uint64{1, 4, 20} {
		reopen(t, path, func(_ *disk.Dir, db *disk.DB) {
			mustChange(t, db, head)
			mustBe(t, db, head)
		})
	}
	reopen(t, path, func(_ *disk.Dir, db *disk.DB) { mustBe(t, db, 20) })
}

// Many goroutines change the database; each sees its own change at once, the
// sequences are consecutive, and the committed functions run in their order.
func TestConcurrentUpdatesAreCommittedInTheOrderOfTheirSequences(t *testing.T) {
	db := disktest.Open(t, rows)
	const writers, each = 8, 20
	var order []uint64 // committed functions never run at the same time
	var work sync.WaitGroup
	for range writers {
		work.Go(func() {
			for range each {
				var mine uint64
				err := db.Update(ctx, func(tx *disk.Tx) error {
					mine = tx.Sequence()
					return change(tx)
				}, func() { order = append(order, mine) })
				if err != nil {
					t.Error(err)
					return
				}
				if db.Head() < mine {
					t.Errorf("head %d after change %d was acknowledged", db.Head(), mine)
				}
				if head, err := compare(db); err != nil || head < mine {
					t.Errorf("a view at %d after change %d: %v", head, mine, err)
				}
			}
		})
	}
	work.Wait()
	if len(order) != writers*each || !slices.IsSorted(order) || order[0] != 1 || order[len(order)-1] != writers*each {
		t.Errorf("the committed functions ran in the order %v", order)
	}
	mustBe(t, db, writers*each)
}

func TestCallersAtTheSameTimeShareOneSync(t *testing.T) {
	syncs := disktest.Count()
	syncs.Match = func(op disk.Op, path string) bool { return op == disk.OpSync && strings.HasSuffix(path, "-wal") }
	db := disktest.OpenDB(t, disktest.OpenDir(t, t.TempDir(), disk.Options{Hook: syncs.Hook}), "a.db", rows)
	mustChange(t, db, 1)
	before := syncs.Operations()
	const callers = 20
	var work sync.WaitGroup
	work.Go(func() {
		if err := db.Update(ctx, func(tx *disk.Tx) error {
			for range callers {
				work.Go(func() {
					if err := db.Update(ctx, change, nil); err != nil {
						t.Error(err)
					}
				})
			}
			until(func() bool { return disk.Waiting(db) == callers })
			return change(tx)
		}, nil); err != nil {
			t.Error(err)
		}
	})
	work.Wait()
	if n := syncs.Operations() - before; n != 1 {
		t.Errorf("%d callers took %d syncs of the log", callers+1, n)
	}
	mustBe(t, db, callers+2)
}

func TestAFailedCallerLosesOnlyItsOwnChanges(t *testing.T) {
	db := disktest.Open(t, rows)
	refusal := errors.New("no")
	var work sync.WaitGroup
	for i := range 40 {
		work.Go(func() {
			err := db.Update(ctx, func(tx *disk.Tx) error {
				if err := change(tx); err != nil {
					return err
				}
				if i%2 == 0 {
					return refusal
				}
				return nil
			}, func() {
				if i%2 == 0 {
					t.Error("the committed function of a failed caller ran")
				}
			})
			if want := []error{refusal, nil}[i%2]; err != want {
				t.Errorf("caller %d: %v", i, err)
			}
		})
	}
	work.Wait()
	mustBe(t, db, 20)
}

func TestAPanicIsTheCallersOwnAndUndoesItsChanges(t *testing.T) {
	db := disktest.Open(t, rows)
	var work sync.WaitGroup
	var panics atomic.Int32
	for i := range 20 {
		work.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					if p != fmt.Sprint("panic of ", i) {
						t.Errorf("caller %d panicked with %v", i, p)
					}
					panics.Add(1)
				}
			}()
			if err := db.Update(ctx, func(tx *disk.Tx) error {
				err := change(tx)
				if i%4 == 0 {
					panic(fmt.Sprint("panic of ", i))
				}
				return err
			}, func() {
				if i%4 == 1 {
					panic(fmt.Sprint("panic of ", i))
				}
			}); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if panics.Load() != 10 {
		t.Errorf("%d panics instead of 10", panics.Load())
	}
	mustBe(t, db, 15) // a panic after the commit undoes nothing
}

func TestACallerWhoseContextHasEndedIsNotRun(t *testing.T) {
	db := disktest.Open(t, rows)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	run := func(*disk.Tx) error { t.Error("it was run"); return nil }
	if err := db.Update(gone, run, nil); !fault.Is(err, fault.Canceled) {
		t.Errorf("Update: %v", err)
	}
	if err := db.View(gone, run); !fault.Is(err, fault.Canceled) {
		t.Errorf("View: %v", err)
	}
	// One that ends while it waits for its turn.
	waiting, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	err := db.Update(ctx, func(tx *disk.Tx) error {
		work.Go(func() {
			if err := db.Update(waiting, run, nil); !fault.Is(err, fault.Canceled) {
				t.Errorf("Update in the queue: %v", err)
			}
		})
		until(func() bool { return disk.Waiting(db) > 0 })
		cancel()
		work.Wait()
		return change(tx)
	}, nil)
	if err != nil {
		t.Error(err)
	}
	// One that ends while it runs: its changes are undone.
	running, cancel := context.WithCancel(ctx)
	err = db.Update(running, func(tx *disk.Tx) error {
		defer cancel()
		return change(tx)
	}, nil)
	if !fault.Is(err, fault.Canceled) {
		t.Errorf("Update that was canceled at its end: %v", err)
	}
	mustBe(t, db, 1)
}

func TestAViewSeesOneStateWhileWritersGoOn(t *testing.T) {
	db := disktest.Open(t, rows)
	mustChange(t, db, 3)
	err := db.View(ctx, func(tx *disk.Tx) error {
		mustChange(t, db, 9)
		if tx.Sequence() != 3 {
			t.Errorf("sequence %d", tx.Sequence())
		}
		return tx.Each(`SELECT max(id) FROM t`, func(r *disk.Row) error {
			if r.Int(0) != 1 {
				t.Errorf("row %d of change %d is seen at sequence 3", r.Int(0), 2*r.Int(0))
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	mustBe(t, db, 9)
}

// A view keeps the log from beginning anew; once it has ended the log does.
func TestTheLogStopsGrowingWhenALongViewEnds(t *testing.T) {
	path := t.TempDir()
	db := disktest.OpenDB(t, disktest.OpenDir(t, path, disk.Options{LogPages: 8}), "a.db", rows)
	mustChange(t, db, 1)
	size := func() int64 {
		info, err := os.Stat(path + "/a.db-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	short := size()
	err := db.View(ctx, func(tx *disk.Tx) error {
		mustChange(t, db, 20)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	long := size()
	mustChange(t, db, 60)
	if long < 4*short || size() > 2*long {
		t.Errorf("the log was %d bytes, then %d, and is %d", short, long, size())
	}
	mustBe(t, db, 60)
}

func TestAViewCannotWriteAndIsCanceledWithinAStatement(t *testing.T) {
	db := disktest.Open(t, rows)
	if err := db.View(ctx, func(tx *disk.Tx) error { return tx.Exec(`DELETE FROM t`) }); err == nil {
		t.Error("a view has written")
	}
	endless, cancel := context.WithCancel(ctx)
	err := db.View(endless, func(tx *disk.Tx) error {
		cancel()
		return tx.Each(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n`,
			func(*disk.Row) error { return nil })
	})
	if !fault.Is(err, fault.Canceled) {
		t.Error(err)
	}
	mustBe(t, db, 0)
}

func TestValuesComeBackAsTheyWere(t *testing.T) {
	db := disktest.Open(t, disk.Schema{Application: "values", Version: 1, Statements: []string{`CREATE TABLE v (id INTEGER PRIMARY KEY, x)`}})
	err := db.Update(ctx, func(tx *disk.Tx) error {
		for i, v := range []any{nil, -7, int64(math.MinInt64), uint64(math.MaxInt64), 0.1, true, "a\x00ü", []byte{0, 255}, []byte{}, []byte(nil), ""} {
			if err := tx.Exec(`INSERT INTO v VALUES (?, ?)`, i, v); err != nil || tx.Changes() != 1 {
				t.Errorf("value %d: %v, %d changes", i, err, tx.Changes())
			}
		}
		if err := tx.Exec(`INSERT INTO v VALUES (99, ?)`, uint64(math.MaxInt64)+1); err == nil {
			t.Error("2^63 was stored")
		}
		if err := tx.Exec(`INSERT INTO v VALUES (99, ?)`, struct{}{}); err == nil {
			t.Error("a struct was stored")
		}
		if err := tx.Exec(`SELECT 1; SELECT 2`); err == nil {
			t.Error("two statements were run as one")
		}
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(`SELECT x FROM v ORDER BY id`, func(r *disk.Row) error {
			got = append(got, fmt.Sprintf("%v %d %g %q %v", r.Null(0), r.Int(0), r.Float(0), r.Text(0), r.Blob(0) == nil))
			return nil
		})
	})
	want := []string{
		`true 0 0 "" true`, `false -7 -7 "-7" false`, `false -9223372036854775808 -9.223372036854776e+18 "-9223372036854775808" false`,
		`false 9223372036854775807 9.223372036854776e+18 "9223372036854775807" false`, `false 0 0.1 "0.1" false`, `false 1 1 "1" false`,
		`false 0 0 "a\x00ü" false`, `false 0 0 "\x00\xff" false`, `false 0 0 "" true`, `true 0 0 "" true`, `false 0 0 "" true`,
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v\ngot  %q\nwant %q", err, got, want)
	}
}

func TestQueriesMayBeNested(t *testing.T) {
	db := disktest.Open(t, rows)
	mustChange(t, db, 8)
	const query = `SELECT id FROM t ORDER BY id`
	pairs := 0
	err := db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(query, func(*disk.Row) error {
			return tx.Each(query, func(*disk.Row) error { pairs++; return nil })
		})
	})
	if n := len(model(8)); err != nil || pairs != n*n {
		t.Errorf("%d pairs of %d rows: %v", pairs, n, err)
	}
}

func TestABrokenRuleIsAConflictAndUndoesOnlyTheStatement(t *testing.T) {
	db := disktest.Open(t, rows)
	err := db.Update(ctx, func(tx *disk.Tx) error {
		if err := change(tx); err != nil {
			return err
		}
		if err := tx.Exec(`INSERT INTO t VALUES (0, x'00')`); !fault.Is(err, fault.Conflict) {
			t.Errorf("a second row 0: %v", err)
		}
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	mustBe(t, db, 1)
}

func TestADatabaseIsOpenedOnceAndNotAfterItWasClosed(t *testing.T) {
	d := disktest.OpenDir(t, t.TempDir(), disk.Options{})
	db, err := d.OpenDB("a.db", rows)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.OpenDB("a.db", rows); !fault.Is(err, fault.Conflict) {
		t.Errorf("opened twice: %v", err)
	}
	if err := d.Close(); !fault.Is(err, fault.Conflict) {
		t.Errorf("the directory was closed under an open database: %v", err)
	}
	if err := d.RemoveAll("a.db"); !fault.Is(err, fault.Conflict) {
		t.Errorf("an open database was removed: %v", err)
	}
	for range 2 {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := db.Update(ctx, change, nil); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Update after Close: %v", err)
	}
	if err := db.View(ctx, change); !fault.Is(err, fault.Unavailable) {
		t.Errorf("View after Close: %v", err)
	}
	if err := db.Check(ctx); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Check after Close: %v", err)
	}
}

func TestCloseWaitsForTheCallsInFlight(t *testing.T) {
	d := disktest.OpenDir(t, t.TempDir(), disk.Options{})
	db, err := d.OpenDB("a.db", rows)
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			for {
				if err := db.Update(ctx, change, nil); err != nil {
					if !fault.Is(err, fault.Unavailable) {
						t.Error(err)
					}
					return
				}
				if _, err := compare(db); err != nil && !fault.Is(err, fault.Unavailable) {
					t.Error(err)
				}
			}
		})
	}
	until(func() bool { return db.Head() >= 20 })
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	work.Wait()
	head := db.Head()
	again := disktest.OpenDB(t, d, "a.db", rows)
	mustBe(t, again, head)
}

func TestAnotherVersionOrApplicationIsRefusedNamingBoth(t *testing.T) {
	path := t.TempDir()
	reopen(t, path, func(_ *disk.Dir, db *disk.DB) { mustChange(t, db, 2) })
	d := disktest.OpenDir(t, path, disk.Options{})
	for _, c := range []struct {
		application string
		version     int
		kind        fault.Kind
		names       []string
	}{
		{"test", 2, fault.Unsupported, []string{"version 1", "version 2"}},
		{"other", 1, fault.Corrupt, []string{`"test"`, `"other"`}},
	} {
		_, err := d.OpenDB("a.db", disk.Schema{Application: c.application, Version: c.version})
		if !fault.Is(err, c.kind) {
			t.Errorf("%s %d: %v", c.application, c.version, err)
			continue
		}
		for _, name := range append(c.names, "a.db") {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("%q is not in %q", name, err)
			}
		}
	}
}
