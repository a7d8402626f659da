package disktest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"nearside/disk"
)

// Examine fails the test unless check finds nothing wrong in a new data directory, which has no such
// database, and in the one at path; one thing after a byte of its file was changed; and one after
// the file was removed.
func Examine(t testing.TB, path, file string, check func(context.Context, *disk.Dir) ([]disk.Finding, error)) {
	t.Helper()
	want := func(state string, dir *disk.Dir, n int) {
		t.Helper()
		if found, err := check(t.Context(), dir); len(found) != n || err != nil {
			t.Errorf("%s: %v, %v", state, found, err)
		}
	}
	want("new", OpenDir(t, t.TempDir(), disk.Options{}), 0)
	dir := OpenDir(t, path, disk.Options{})
	want("sound", dir, 0)
	whole := filepath.Join(path, file)
	content, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(whole, content, 0o600); err != nil {
		t.Fatal(err)
	}
	want("damaged", dir, 1)
	if err := os.Remove(whole); err != nil {
		t.Fatal(err)
	}
	want("gone", dir, 1)
}
