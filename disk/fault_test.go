package disk_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
)

// on returns Faults that count only one operation on files whose names end so.
func on(f *disktest.Faults, op disk.Op, suffix string) *disktest.Faults {
	f.Match = func(o disk.Op, path string) bool { return o == op && strings.HasSuffix(path, suffix) }
	return f
}

// openWith opens a database with changes in it. It is not closed in order.
func openWith(t *testing.T, path string, faults *disktest.Faults, changes uint64) *disk.DB {
	t.Helper()
	d, err := disk.OpenDir(path, disk.Options{Hook: faults.Hook})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	db, err := d.OpenDB("a.db", rows)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	mustChange(t, db, changes)
	return db
}

func TestAfterAFailedSyncTheDatabaseIsReadOnlyAndSaysSo(t *testing.T) {
	t.Parallel()
	for suffix, cause := range map[string]error{"-wal": syscall.EIO, "l": syscall.ENOSPC} {
		t.Run(suffix, func(t *testing.T) {
			faults := on(disktest.Count(), disk.OpSync, suffix)
			db := openWith(t, t.TempDir(), faults, 5)
			faults.Fail(cause)
			published := false
			err := db.Update(ctx, change, func() { published = true })
			faults.Fail(nil) // the disk says that all is well again; it is not to be believed
			for range 2 {
				if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "read-only") || !strings.Contains(err.Error(), "a.db") {
					t.Fatal(err)
				}
				err = db.Update(ctx, change, func() { published = true })
			}
			if published || db.Head() != 5 {
				t.Errorf("a change that may not be durable was acknowledged: head %d", db.Head())
			}
			if head, err := compare(db); err != nil || head < 5 {
				t.Errorf("reading at %d: %v", head, err)
			}
		})
	}
}

// The change itself is durable, and is acknowledged; it is the last.
func TestAfterAFailedSyncOfTheWitnessTheDatabaseIsReadOnlyAndSaysSo(t *testing.T) {
	t.Parallel()
	faults := on(disktest.Count(), disk.OpSync, ".head")
	db := openWith(t, t.TempDir(), faults, 5)
	if err := db.Check(ctx); err != nil { // nothing is being synced any more
		t.Fatal(err)
	}
	faults.Fail(syscall.EIO)
	mustChange(t, db, 6)
	published := false
	err := db.Update(ctx, change, func() { published = true })
	faults.Fail(nil) // the disk says that all is well again; it is not to be believed
	for range 2 {
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "read-only") || !strings.Contains(err.Error(), "a.db") {
			t.Fatal(err)
		}
		err = db.Update(ctx, change, func() { published = true })
	}
	if published || db.Head() != 6 {
		t.Errorf("a change that has no witness was acknowledged: head %d", db.Head())
	}
}

func TestAFullDiskRefusesWritesWithTheNumbersAndRecovers(t *testing.T) {
	t.Parallel()
	faults := on(disktest.Count(), disk.OpWrite, "-wal")
	db := openWith(t, t.TempDir(), faults, 5)
	for _, err := range []error{syscall.ENOSPC, io.ErrShortWrite} {
		head := db.Head()
		faults.Fail(err)
		refused := db.Update(ctx, change, func() { t.Error("a change was published that is not there") })
		if !fault.Is(refused, fault.Unavailable) {
			t.Fatal(refused)
		}
		if err == syscall.ENOSPC {
			for _, word := range []string{"disk is full", "a.db-wal", "more bytes", "free"} {
				if !strings.Contains(refused.Error(), word) {
					t.Errorf("%q is not in %q", word, refused)
				}
			}
		}
		mustBe(t, db, head)
		faults.Fail(nil)
		mustChange(t, db, head+2)
		mustBe(t, db, head+2)
	}
	if err := db.Check(ctx); err != nil {
		t.Error(err)
	}
}

// The log cannot be copied into a database that cannot grow. It still holds everything.
func TestOnAFullDiskADatabaseIsStillBackedUpAndChecked(t *testing.T) {
	t.Parallel()
	faults := on(disktest.Count(), disk.OpWrite, "/a.db")
	db := openWith(t, t.TempDir(), faults, 20)
	faults.Fail(syscall.ENOSPC)
	var b bytes.Buffer
	if head, err := db.Backup(ctx, &b); err != nil || head != 20 || !faults.Tripped() {
		t.Errorf("head %d: %v", head, err)
	}
	if err := disk.VerifyBackup(&b, "the copy"); err != nil {
		t.Error(err)
	}
	if err := db.Check(ctx); err != nil {
		t.Error(err)
	}
	mustChange(t, db, 22)
	faults.Fail(nil)
	mustBe(t, db, 22)
}

func TestAFullDiskIsNamedWithItsNumbersForEveryFile(t *testing.T) {
	t.Parallel()
	faults := disktest.Count()
	faults.Match = func(op disk.Op, _ string) bool { return op == disk.OpWrite }
	d := disktest.OpenDir(t, t.TempDir(), disk.Options{Hook: faults.Hook})
	faults.Fail(syscall.ENOSPC)
	_, opening := d.OpenDB("b.db", rows)
	writing := d.WriteAtomic("note", func(w io.Writer) error { _, err := w.Write(make([]byte, 100_000)); return err })
	for name, err := range map[string]error{"b.db": opening, "note": writing} {
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "disk is full") || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	faults.Fail(nil)
	disktest.OpenDB(t, d, "b.db", rows)
}

// When one caller fills the disk, SQLite undoes the transaction of all: each of
// them is told, and nothing of any of them stays.
func TestAFullDiskFailsEveryCallerOfTheGroup(t *testing.T) {
	t.Parallel()
	faults := on(disktest.Count(), disk.OpWrite, "-wal")
	db := openWith(t, t.TempDir(), faults, 5)
	var work sync.WaitGroup
	err := db.Update(ctx, func(tx *disk.Tx) error {
		for range 5 {
			work.Go(func() {
				if err := db.Update(ctx, change, nil); !fault.Is(err, fault.Unavailable) {
					t.Error(err)
				}
			})
		}
		until(func() bool { return disk.Waiting(db) == 5 })
		faults.Fail(syscall.ENOSPC)
		return change(tx)
	}, nil)
	if !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	work.Wait()
	faults.Fail(nil)
	mustBe(t, db, 5)
	mustChange(t, db, 8)
	mustBe(t, db, 8)
}

// Free pages are never read, except by Check and Backup.
func TestADamagedPageIsReportedWhenItIsRead(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	reopen(t, path, func(_ *disk.Dir, db *disk.DB) { mustChange(t, db, 40) })
	files := readDirectory(t, path)
	read := 0
	for at := rand.IntN(16384); at < len(files["a.db"]); at += 16384 {
		files.lay(t, path)
		flip(t, path+"/a.db", at, 1)
		d, err := disk.OpenDir(path, disk.Options{})
		if err != nil {
			t.Fatal(err)
		}
		db, err := d.OpenDB("a.db", rows)
		if err == nil {
			_, err = compare(db)
			if checked := db.Check(ctx); !fault.Is(checked, fault.Corrupt) || !strings.Contains(checked.Error(), "a.db") {
				t.Errorf("byte %d: Check: %v", at, checked)
			}
			if _, backed := db.Backup(ctx, io.Discard); !fault.Is(backed, fault.Corrupt) {
				t.Errorf("byte %d: Backup copied a damaged page: %v", at, backed)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
		if err != nil {
			read++
			if !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), "a.db") {
				t.Errorf("byte %d: %v", at, err)
			}
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if read < 3 {
		t.Errorf("only %d damaged pages were noticed by reading", read)
	}
}

// The driver's own Sync of a new log syncs the log twice and its directory never:
// after a power cut the log, and all in it, would be gone.
func TestTheNameOfANewLogIsSynced(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	reopen(t, path, func(_ *disk.Dir, db *disk.DB) {})
	var mu sync.Mutex // guards operations
	var operations []string
	d, err := disk.OpenDir(path, disk.Options{Hook: func(op disk.Op, path string) error {
		mu.Lock()
		defer mu.Unlock()
		operations = append(operations, string(op)+" "+path[strings.LastIndex(path, "/")+1:])
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	db, err := d.OpenDB("a.db", rows)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	mu.Lock()
	operations = nil
	mu.Unlock()
	mustChange(t, db, 1)
	mu.Lock()
	defer mu.Unlock()
	dir := path[strings.LastIndex(path, "/")+1:]
	if all := strings.Join(operations, "; "); !strings.Contains(all, "sync a.db-wal; syncdir "+dir) {
		t.Errorf("no sync of the directory after that of the log: %s", all)
	}
}
