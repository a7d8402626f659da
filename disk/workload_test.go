package disk_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"

	"nearside/disk"
)

var long = flag.Bool("long", false, "run the slow sweeps")

var ctx = context.Background()

// rows is a table of numbered blobs, with a second table that must always agree with it.
var rows = disk.Schema{Application: "test", Version: 1, Statements: []string{
	`CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB NOT NULL) STRICT`,
	`CREATE TABLE u (id INTEGER PRIMARY KEY, bytes INTEGER NOT NULL) STRICT`,
}}

// blob is the value that the n-th change writes: small, and now and then larger than a page.
func blob(n uint64) []byte {
	size := 20 + int(n*104729%700)
	if n%6 == 0 {
		size += 30_000
	}
	return bytes.Repeat(binary.LittleEndian.AppendUint64(nil, n*0x9E3779B97F4A7C15), size/8+1)
}

// change is the n-th change: it writes row n/2 and removes an old row now and then.
func change(tx *disk.Tx) error {
	n := tx.Sequence()
	v := blob(n)
	if err := tx.Exec(`INSERT OR REPLACE INTO t VALUES (?, ?)`, n/2, v); err != nil {
		return err
	}
	if err := tx.Exec(`INSERT OR REPLACE INTO u VALUES (?, ?)`, n/2, len(v)); err != nil {
		return err
	}
	if n%5 != 0 {
		return nil
	}
	if err := tx.Exec(`DELETE FROM t WHERE id = ?`, n/10); err != nil {
		return err
	}
	return tx.Exec(`DELETE FROM u WHERE id = ?`, n/10)
}

// model is what the table holds after n changes: the change that wrote each row.
func model(n uint64) map[int64]uint64 {
	m := map[int64]uint64{}
	for i := uint64(1); i <= n; i++ {
		m[int64(i/2)] = i
		if i%5 == 0 {
			delete(m, int64(i/10))
		}
	}
	return m
}

// compare returns how the tables differ from what they hold after the view's sequence.
func compare(db *disk.DB) (head uint64, err error) {
	err = db.View(ctx, func(tx *disk.Tx) error {
		head = tx.Sequence()
		want := model(head)
		seen := 0
		err := tx.Each(`SELECT t.id, t.v, u.bytes FROM t JOIN u USING (id)`, func(r *disk.Row) error {
			seen++
			n, ok := want[r.Int(0)]
			if !ok {
				return fmt.Errorf("at sequence %d there is a row %d", head, r.Int(0))
			}
			if v := blob(n); !bytes.Equal(v, r.Blob(1)) || r.Int(2) != int64(len(v)) {
				return fmt.Errorf("at sequence %d row %d is not the one of change %d", head, r.Int(0), n)
			}
			return nil
		})
		if err == nil && seen != len(want) {
			err = fmt.Errorf("at sequence %d there are %d rows instead of %d", head, seen, len(want))
		}
		return err
	})
	return head, err
}

// changeTo makes changes until the database has the given head, and returns the
// last acknowledged one.
func changeTo(db *disk.DB, head uint64) (acknowledged uint64, err error) {
	acknowledged = db.Head()
	for acknowledged < head {
		if err := db.Update(ctx, change, nil); err != nil {
			return acknowledged, err
		}
		acknowledged++
	}
	return acknowledged, nil
}

// mustChange is changeTo for databases that have no reason to fail.
func mustChange(t testing.TB, db *disk.DB, head uint64) {
	t.Helper()
	if _, err := changeTo(db, head); err != nil {
		t.Fatal(err)
	}
}

// mustBe fails the test unless the database holds what it holds after head changes.
func mustBe(t testing.TB, db *disk.DB, head uint64) {
	t.Helper()
	got, err := compare(db)
	if err != nil || got != head {
		t.Fatalf("head %d instead of %d: %v", got, head, err)
	}
}

// reopen opens a data directory and the database in it, and closes both when use returns.
func reopen(t testing.TB, path string, use func(d *disk.Dir, db *disk.DB)) {
	t.Helper()
	d, err := disk.OpenDir(path, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	db, err := d.OpenDB("a.db", rows)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	use(d, db)
}

// until waits for something that other goroutines are about to do.
func until(done func() bool) {
	for !done() {
		runtime.Gosched()
	}
}

// resident returns the memory of the process in bytes; 0 where /proc does not say.
func resident(t testing.TB) (bytes int64) {
	t.Helper()
	stat, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(stat), &size, &pages); err != nil {
		t.Error(err)
	}
	return pages * int64(os.Getpagesize())
}
