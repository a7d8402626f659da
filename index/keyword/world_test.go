package keyword_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/disk"
	"nearside/index/keyword"
)

// world is an index in a folder that can be opened again.
type world struct {
	t        testing.TB
	root     *disk.Dir
	dir      *disk.Dir
	options  keyword.Options
	index    *keyword.Index
	sequence uint64
}

func newWorld(t testing.TB, o keyword.Options) *world {
	t.Helper()
	root, err := disk.OpenDir(t.TempDir(), disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, root: root, dir: root.Sub("keyword"), options: o}
	w.open()
	t.Cleanup(func() {
		if err := w.index.Close(); err != nil {
			t.Error(err)
		}
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) open() {
	w.t.Helper()
	x, err := keyword.Open(w.dir, w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	w.index, w.sequence = x, x.Covered()
}

// reopen closes the index and opens it again; it covers what it covered.
func (w *world) reopen() {
	w.t.Helper()
	covered := w.index.Covered()
	if err := w.index.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
	if w.index.Lost() != nil || w.sequence != covered {
		w.t.Fatalf("covers %d after %d: %v", w.sequence, covered, w.index.Lost())
	}
}

// add enters documents as the next mutation.
func (w *world) add(documents []keyword.Document) {
	w.t.Helper()
	w.sequence++
	if err := w.index.Add(context.Background(), w.sequence, documents); err != nil {
		w.t.Fatal(err)
	}
	if got := w.index.Covered(); got != w.sequence {
		w.t.Fatalf("covers %d, not %d", got, w.sequence)
	}
}

// texts enters documents that have a text only, the first as slot 0, in one mutation.
func (w *world) texts(texts ...string) {
	w.t.Helper()
	var documents []keyword.Document
	for i, text := range texts {
		documents = append(documents, keyword.Document{Slot: uint32(i), Text: text})
	}
	w.add(documents)
}

// slots returns the slots that a query finds, best first.
func (w *world) slots(q keyword.Query) []uint32 {
	w.t.Helper()
	answer, err := w.index.Search(context.Background(), q, everything(), 100)
	if err != nil {
		w.t.Fatal(err)
	}
	slots := []uint32{}
	for _, h := range answer.Hits {
		slots = append(slots, h.Slot)
	}
	return slots
}

func everything() *roaring.Bitmap {
	b := roaring.New()
	b.AddRange(0, 1<<20)
	return b
}

// files lists the files of the index.
func (w *world) files() []string {
	w.t.Helper()
	files, err := filepath.Glob(w.dir.Path("*"))
	if err != nil {
		w.t.Fatal(err)
	}
	return files
}
