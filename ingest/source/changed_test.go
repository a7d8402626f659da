//go:build linux || darwin

package source_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"nearside/ingest"
	"nearside/ingest/source"
)

func TestAChangeWhoseTimeWasSetBackIsATimeOfItsOwn(t *testing.T) {
	began := time.Now().Add(-time.Second) // the clock of a file system may be a little behind
	path := filepath.Join(t.TempDir(), "a.txt")
	if err := os.WriteFile(path, []byte("words"), 0o600); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
	s, err := source.Folder(filepath.Dir(path), source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Walk(t.Context(), func(item *ingest.Item) error {
		if item.Modified.Before(began) {
			t.Errorf("%s was changed now, and is said to be of %v", item.Path, item.Modified)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
