// Package neurontest opens ledgers for tests.
package neurontest

import (
	"context"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/llm/neuron"
)

// Open opens a ledger in a new data directory. When the test ends it is checked,
// has no reservation left, and is closed.
func Open(t testing.TB, o neuron.Options) *neuron.Ledger {
	t.Helper()
	return OpenIn(t, disktest.OpenDir(t, t.TempDir(), disk.Options{}), o)
}

// OpenIn is Open in a directory that is there.
func OpenIn(t testing.TB, dir *disk.Dir, o neuron.Options) *neuron.Ledger {
	t.Helper()
	l, err := neuron.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := l.Reservations(); n != 0 {
			t.Errorf("%d calls were neither settled nor refunded", n)
		}
		if err := l.Check(context.Background()); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}
