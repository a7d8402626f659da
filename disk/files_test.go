package disk_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"nearside/disk"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func TestWriteFileAtomicLeavesTheOldFileAfterAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "some", "where", "file")
	if err := disk.WriteFileAtomic(path, text("old")); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	err := disk.WriteFileAtomic(path, func(w io.Writer) error { return errors.Join(text("half")(w), boom) })
	if !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	onlyFile(t, path, "old")
}

func TestWriteFileAtomicBearsWritersAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := disk.WriteFileAtomic(path, text(strings.Repeat(fmt.Sprint(i), 100_000))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	onlyFile(t, path, strings.Repeat(string(got[:1]), 100_000))
}

// onlyFile checks that a file has a content and its directory nothing else.
func onlyFile(t *testing.T, path, content string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != content {
		t.Errorf("%d bytes, %v; %d bytes are right", len(got), err, len(content))
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, %v", entries, err)
	}
}
