package local_test

import (
	"strings"
	"syscall"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
	"nearside/index"
)

func TestFullDiskRefusesWritesOnlyWhileItIsFull(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"records.db-wal", "vectors.rows"} {
		faults := disktest.Count()
		faults.Match = func(op disk.Op, path string) bool { return op == disk.OpWrite && strings.HasSuffix(path, file) }
		h := openHome(t, func(h *home) { h.hook = faults.Hook })
		x := h.create(t, 1)
		upsert(t, x, records(0, 50, 1)...)
		want, err := answers(x)
		if err != nil {
			t.Fatal(err)
		}
		faults.Fail(syscall.ENOSPC)
		for range 3 {
			_, err := x.Upsert(t.Context(), records(0, 300, 2), index.Scope{})
			if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "bytes") {
				t.Errorf("a write to a full disk (%s): %v", file, err)
			}
		}
		if got, err := answers(x); err != nil || got != want {
			t.Errorf("other answers while the disk is full (%s), or %v", file, err)
		}
		faults.Fail(nil)
		upsert(t, x, records(0, 300, 3)...)
		if n := count(t, x); n != 300 {
			t.Errorf("%d records after there was room again (%s)", n, file)
		}
		h.restart(t)
		if n := count(t, h.openIndex(t, 1)); n != 300 {
			t.Errorf("%d records after a restart (%s)", n, file)
		}
	}
}
