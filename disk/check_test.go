package disk_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
)

func TestAColdCheckFindsWhatIsWrongAndChangesNothing(t *testing.T) {
	t.Parallel()
	closed, killed := closedDirectory(t), killedDirectory(t, false)
	for _, c := range []struct {
		name  string
		files directory
		spoil func(path string)
		file  string // that the finding names; "" if nothing is wrong
		says  []string
	}{
		{"closed", closed, func(string) {}, "", nil},
		{"killed", killed, func(string) {}, "", nil},
		{"a page", closed, func(p string) { flip(t, p+"/a.db", 2*16384+7, 1) }, "a.db", []string{"1 of ", "checksum: 3"}},
		{"the header", closed, func(p string) { flip(t, p+"/a.db", 20, 8) }, "a.db", []string{"first page"}},
		{"the log", killed, func(p string) { flip(t, p+"/a.db-wal", 60_000, 1) }, "a.db", []string{"to 6 were acknowledged", "bytes of the log", "whole"}},
		{"no log", killed, func(p string) { os.Remove(p + "/a.db-wal") }, "a.db", []string{"3 to 6", "0 of the 0 bytes", "up to sequence 2"}},
		{"no witness", closed, func(p string) { os.Remove(p + "/a.db.head") }, "a.db.head", []string{"missing"}},
		{"the witness", closed, func(p string) { flip(t, p+"/a.db.head", 0, 1); flip(t, p+"/a.db.head", 4096, 1) }, "a.db.head", []string{"slots"}},
		{"no database", closed, func(p string) { os.Remove(p + "/a.db") }, "a.db", []string{"missing"}},
		{"a journal", closed, func(p string) { write(t, p+"/a.db-journal", nil) }, "a.db-journal", []string{"another program"}},
		{"cut short", closed, func(p string) { os.Truncate(p+"/a.db", 3*16384) }, "a.db", []string{"damaged"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := t.TempDir()
			c.files.lay(t, path)
			c.spoil(path)
			d := disktest.OpenDir(t, path, disk.Options{})
			before := readDirectory(t, path)
			delete(before, "a.db-shm")
			findings, err := d.CheckDB(ctx, "a.db", rows)
			if err != nil {
				t.Fatal(err)
			}
			after := readDirectory(t, path)
			delete(after, "a.db-shm")
			for name := range before {
				if string(before[name]) != string(after[name]) {
					t.Errorf("the check has changed %s", name)
				}
				delete(after, name)
			}
			if len(after) > 0 {
				t.Errorf("the check has left %d files", len(after))
			}
			if c.file == "" {
				if len(findings) != 0 {
					t.Errorf("nothing is wrong, but: %q", findings)
				}
				return
			}
			if len(findings) != 1 || findings[0].Path != filepath.Join(path, c.file) || !strings.Contains(findings[0].Rescue, "snapshot") {
				t.Fatalf("%q", findings)
			}
			for _, words := range c.says {
				if text := findings[0].Problem + "; " + findings[0].Rescue; !strings.Contains(text, words) {
					t.Errorf("%q is not in %q", words, text)
				}
			}
		})
	}
}

func TestACheckOfAnOpenDatabaseSeesItsWitness(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	reopen(t, path, func(d *disk.Dir, db *disk.DB) {
		mustChange(t, db, 5)
		if err := db.Check(ctx); err != nil {
			t.Error(err)
		}
		if _, err := d.CheckDB(ctx, "a.db", rows); !fault.Is(err, fault.Conflict) {
			t.Errorf("a cold check of an open database: %v", err)
		}
		old := readDirectory(t, path)["a.db.head"]
		mustChange(t, db, 7)
		write(t, path+"/a.db.head", old) // as if the device had lost a write
		if err := db.Check(ctx); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), "a.db.head") {
			t.Error(err)
		}
	})
}
