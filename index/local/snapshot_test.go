package local_test

import (
	"bytes"
	"sync"
	"testing"

	"nearside/fault"
	"nearside/index"
	"nearside/index/local"
)

// writing is a writer that calls a function with every piece it is given.
type writing func(p []byte)

func (w writing) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

func TestSnapshotsTakenAtTheSameTimeEachNameTheirOwnState(t *testing.T) {
	t.Parallel()
	h := openHome(t, nil)
	x := h.create(t, 1)
	upsert(t, x, records(0, 50, 1)...)
	var first, second bytes.Buffer
	var others sync.WaitGroup
	pieces := 0
	_, err := x.Snapshot(t.Context(), writing(func(p []byte) {
		first.Write(p)
		if pieces++; pieces != 4 {
			return // with the fourth piece, of the database, the state of the copy is settled
		}
		upsert(t, x, records(50, 60, 1)...)
		begun := make(chan struct{})
		begin := sync.OnceFunc(func() { close(begun) })
		others.Go(func() {
			_, err := x.Snapshot(t.Context(), writing(func(p []byte) {
				second.Write(p)
				begin()
			}))
			if err != nil {
				t.Error(err)
			}
		})
		<-begun
	}))
	if err != nil {
		t.Fatal(err)
	}
	others.Wait()
	for number, want := range []int{50, 60} {
		restored, err := h.Restore(t.Context(), 2+index.Number(number), []*bytes.Buffer{&first, &second}[number])
		if err != nil {
			t.Fatalf("snapshot %d: %v", number+1, err)
		}
		if n := count(t, restored); n != want {
			t.Errorf("snapshot %d holds %d records, not %d", number+1, n, want)
		}
	}
}

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
