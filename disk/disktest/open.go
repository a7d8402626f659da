package disktest

import (
	"context"
	"testing"

	"nearside/disk"
)

// OpenDir opens a data directory for the length of the test.
func OpenDir(t testing.TB, path string, o disk.Options) *disk.Dir {
	t.Helper()
	d, err := disk.OpenDir(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// Open opens a database in a new data directory. When the test ends it is checked whole and closed.
func Open(t testing.TB, s disk.Schema) *disk.DB {
	t.Helper()
	return OpenDB(t, OpenDir(t, t.TempDir(), disk.Options{}), "test.db", s)
}

// OpenDB opens a database. When the test ends it is checked whole and closed.
func OpenDB(t testing.TB, d *disk.Dir, name string, s disk.Schema) *disk.DB {
	t.Helper()
	db, err := d.OpenDB(name, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Check(context.Background()); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
