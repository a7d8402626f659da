package disk_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
)

// backup returns a copy of a database with some changes.
func backup(t *testing.T, changes uint64) []byte {
	t.Helper()
	db := disktest.Open(t, rows)
	mustChange(t, db, changes)
	var b bytes.Buffer
	if head, err := db.Backup(ctx, &b); err != nil || head != changes {
		t.Fatalf("head %d: %v", head, err)
	}
	return b.Bytes()
}

func TestABackupTakenWhileWritingIsTheStateOfItsHead(t *testing.T) {
	t.Parallel()
	for _, logPages := range []int{4, 20, 1000} { // checkpoints often, now and then, never
		d := disktest.OpenDir(t, t.TempDir(), disk.Options{LogPages: logPages})
		db := disktest.OpenDB(t, d, "a.db", rows)
		mustChange(t, db, 10)
		stop := make(chan struct{})
		var work sync.WaitGroup
		work.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := db.Update(ctx, change, nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
		var last uint64
		for i := range 5 {
			var b bytes.Buffer
			start := db.Head()
			head, err := db.Backup(ctx, slow{&b, db})
			if err != nil || head < start {
				t.Fatalf("head %d, %d before: %v", head, start, err)
			}
			if err := disk.VerifyBackup(bytes.NewReader(b.Bytes()), "the copy"); err != nil {
				t.Error(err)
			}
			name := string(rune('b'+i)) + ".db"
			installed, err := d.InstallDB(ctx, name, &b, rows)
			if err != nil || installed != head {
				t.Fatalf("installed at %d instead of %d: %v", installed, head, err)
			}
			mustBe(t, disktest.OpenDB(t, d, name, rows), head)
			last = head
		}
		close(stop)
		work.Wait()
		mustBe(t, db, db.Head())
		if db.Head() == last {
			t.Error("nobody wrote during the backups")
		}
	}
}

// slow lets a few changes happen before every write of a backup.
type slow struct {
	io.Writer
	db *disk.DB
}

func (s slow) Write(p []byte) (int, error) {
	head := s.db.Head()
	until(func() bool { return s.db.Head() > head+1 })
	return s.Writer.Write(p)
}

func TestADamagedBackupIsRefusedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	good := backup(t, 12)
	foreign := bytes.Clone(good)
	for name, bad := range map[string][]byte{
		"empty":              {},
		"text":               []byte("hello"),
		"one page":           good[:16384],
		"a page short":       good[:len(good)-16384],
		"a byte short":       good[:len(good)-1],
		"a byte too long":    append(bytes.Clone(good), 0),
		"a page too long":    append(bytes.Clone(good), good[:16384]...),
		"a flipped byte":     flipped1(good, len(good)/2),
		"a flipped header":   flipped1(good, 20),
		"a flipped length":   flipped1(good, 31),
		"sealed, but rotten": rotten(foreign),
	} {
		t.Run(name, func(t *testing.T) {
			d := disktest.OpenDir(t, t.TempDir(), disk.Options{})
			_, err := d.InstallDB(ctx, "a.db", bytes.NewReader(bad), rows)
			if !fault.Is(err, fault.Corrupt) {
				t.Errorf("InstallDB: %v", err)
			}
			if names, err := d.Names(); err != nil || !slices.Equal(names, []string{"format", "owner"}) {
				t.Errorf("%q is left: %v", names, err)
			}
			if name == "sealed, but rotten" {
				return // only SQLite sees that
			}
			if err := disk.VerifyBackup(bytes.NewReader(bad), "the copy"); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), "the copy") {
				t.Errorf("VerifyBackup: %v", err)
			}
		})
	}
}

func flipped1(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 4
	return b
}

// rotten spoils a page of a table and gives it a right checksum.
func rotten(b []byte) []byte {
	page := b[3*16384 : 4*16384]
	for i := range 200 {
		page[i] = 0xEE
	}
	var s1, s2 uint32
	for a := page[:16384-8]; len(a) > 0; a = a[8:] {
		s1 += binary.LittleEndian.Uint32(a) + s2
		s2 += binary.LittleEndian.Uint32(a[4:]) + s1
	}
	binary.LittleEndian.PutUint32(page[16384-8:], s1)
	binary.LittleEndian.PutUint32(page[16384-4:], s2)
	return b
}

func TestABackupOfAnotherSchemaIsRefused(t *testing.T) {
	t.Parallel()
	good := backup(t, 3)
	d := disktest.OpenDir(t, t.TempDir(), disk.Options{})
	for _, s := range []disk.Schema{
		{Application: "other", Version: 1, Statements: rows.Statements},
		{Application: "test", Version: 2, Statements: rows.Statements},
		{Application: "test", Version: 1, Statements: rows.Statements[:1]},
	} {
		if _, err := d.InstallDB(ctx, "a.db", bytes.NewReader(good), s); !fault.Is(err, fault.Corrupt) && !fault.Is(err, fault.Unsupported) {
			t.Errorf("%v: %v", s, err)
		}
	}
}

func TestInstallReplacesNothing(t *testing.T) {
	t.Parallel()
	good := backup(t, 3)
	d := disktest.OpenDir(t, t.TempDir(), disk.Options{})
	db, err := d.OpenDB("a.db", rows)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.InstallDB(ctx, "a.db", bytes.NewReader(good), rows); !fault.Is(err, fault.Conflict) {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.InstallDB(ctx, "a.db", bytes.NewReader(good), rows); !fault.Is(err, fault.Conflict) {
		t.Error(err)
	}
	mustBe(t, disktest.OpenDB(t, d, "a.db", rows), 0)
}

// A copy must not pass for the original whose witness it does not have.
func TestAnInstalledDatabaseDoesNotTakeTheOriginalsWitness(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	reopen(t, path, func(d *disk.Dir, db *disk.DB) {
		mustChange(t, db, 3)
		var b bytes.Buffer
		if _, err := db.Backup(ctx, &b); err != nil {
			t.Fatal(err)
		}
		if _, err := d.InstallDB(ctx, "b.db", &b, rows); err != nil {
			t.Fatal(err)
		}
	})
	files := readDirectory(t, path)
	write(t, path+"/b.db.head", files["a.db.head"])
	d := disktest.OpenDir(t, path, disk.Options{})
	if _, err := d.OpenDB("b.db", rows); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), "another database") {
		t.Error(err)
	}
}

func TestABackupStopsWhenItsCallerGoes(t *testing.T) {
	t.Parallel()
	db := disktest.Open(t, rows)
	mustChange(t, db, 5)
	gone, cancel := context.WithCancel(ctx)
	_, err := db.Backup(gone, writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }))
	if err == nil {
		cancel()
		_, err = db.Backup(gone, io.Discard)
	}
	if !fault.Is(err, fault.Canceled) {
		t.Error(err)
	}
	mustChange(t, db, 6)
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
