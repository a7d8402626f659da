package local

import (
	"context"
	"strconv"
	"testing"

	"nearside/disk"
)

// storedRows puts vectors as slots 0, 1, … of index 1 in a fresh directory.
func storedRows(t testing.TB, vectors [][]float32) *rows {
	t.Helper()
	dir, err := disk.OpenDir(t.TempDir(), disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	r, _, err := openRows(dir, 1, len(vectors[0]), 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.close() })
	if err := r.put(0, vectors...); err != nil {
		t.Fatal(err)
	}
	return r
}

func runScan(t testing.TB, p *pool, s scan) []hit {
	t.Helper()
	if s.visible == nil {
		s.visible = func(slot) bool { return true }
	}
	if s.id == nil {
		s.id = func(s slot) string { return strconv.Itoa(int(s)) }
	}
	hits, _, err := s.run(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	return hits
}

func slotsOf(hits []hit) []slot {
	var slots []slot
	for _, h := range hits {
		slots = append(slots, h.slot)
	}
	return slots
}
