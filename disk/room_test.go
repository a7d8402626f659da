package disk_test

import (
	"io"
	"os"
	"syscall"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
)

// logSizes makes changes one by one, and returns how long the log was after each.
func logSizes(t *testing.T, db *disk.DB, changes int) (sizes []int64) {
	t.Helper()
	for range changes {
		mustChange(t, db, db.Head()+1)
		info, err := os.Stat(db.Path() + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, info.Size())
	}
	return sizes
}

func TestMostCommitsDoNotLengthenTheLog(t *testing.T) {
	t.Parallel()
	db := disktest.Open(t, rows)
	sizes := logSizes(t, db, 200)
	longer := 0
	for i := 1; i < len(sizes); i++ {
		if sizes[i] != sizes[i-1] {
			longer++
		}
	}
	if longer > len(sizes)/5 {
		t.Errorf("%d of %d commits lengthened the log, to %d bytes in the end", longer, len(sizes), sizes[len(sizes)-1])
	}
}

func TestTheLogOfASmallDatabaseStaysSmall(t *testing.T) {
	t.Parallel()
	db := disktest.Open(t, rows)
	if sizes := logSizes(t, db, 1); sizes[0] > 128<<10 {
		t.Errorf("the log of one change is %d bytes", sizes[0])
	}
}

// What lies behind the last commit is the end of the log, be it zeros or frames of an
// older log: nothing of it is taken for a change, and nothing before it is missed.
func TestRoomBehindTheLogIsItsEnd(t *testing.T) {
	t.Parallel()
	for name, logPages := range map[string]int{"zeros": 1000, "older frames": 6} {
		t.Run(name, func(t *testing.T) {
			path, left := t.TempDir(), t.TempDir()
			db := disktest.OpenDB(t, disktest.OpenDir(t, path, disk.Options{LogPages: logPages}), "a.db", rows)
			for head := uint64(1); head <= 30; head++ {
				mustChange(t, db, head)
				readDirectory(t, path).lay(t, left)
				reopen(t, left, func(_ *disk.Dir, db *disk.DB) {
					mustBe(t, db, head)
					mustChange(t, db, head+2)
					mustBe(t, db, head+2)
				})
			}
		})
	}
}

// A log that cannot have room is written without: only a change that itself finds no
// space is refused.
func TestALogWithoutSpaceForRoomIsWrittenAllTheSame(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{syscall.ENOSPC, io.ErrShortWrite} {
		refused, without := 0, 0
		for k := 1; refused == 0 || without < 2; k++ {
			faults := on(disktest.FailAt(k, cause), disk.OpWrite, "/a.db-wal")
			db := disktest.OpenDB(t, disktest.OpenDir(t, t.TempDir(), disk.Options{Hook: faults.Hook}), "a.db", rows)
			for !faults.Tripped() {
				switch err := db.Update(ctx, change, nil); {
				case fault.Is(err, fault.Unavailable):
					refused++
				case err != nil:
					t.Fatal(err)
				case faults.Tripped():
					without++
				}
			}
			mustBe(t, db, db.Head())
			mustChange(t, db, db.Head()+2)
			mustBe(t, db, db.Head())
		}
	}
}
