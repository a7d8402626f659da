package local_test

import (
	"bytes"
	"testing"

	"nearside/fault"
	"nearside/index/local"
)

// Whatever the bytes, reading a snapshot ends with a manifest or with a fault.
func FuzzVerifySnapshot(f *testing.F) {
	h := openHome(f, nil)
	x := h.create(f, 1)
	upsert(f, x, records(0, 3, 1)...)
	whole := snapshotOf(f, x)
	f.Add(whole)
	f.Add(whole[:40])
	f.Add(append(bytes.Clone(whole[:28]), 0, 0, 0, 0, 2, 0, 0, 0, '{', '}'))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := local.VerifySnapshot(bytes.NewReader(b))
		if err != nil && fault.As(err) == nil {
			t.Fatalf("not a fault: %v", err)
		}
		if err == nil && (m.Bytes <= 0 || int64(len(b)) < m.Bytes) {
			t.Fatalf("%d bytes pass for a snapshot of %d", len(b), m.Bytes)
		}
	})
}
