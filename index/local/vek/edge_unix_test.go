//go:build unix

package vek_test

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"nearside/index/local/vek"
)

// Rows may end where the memory ends: a byte read beyond would end the process.
func TestRowsAtTheEndOfMemory(t *testing.T) {
	page := os.Getpagesize()
	b, err := unix.Mmap(-1, 0, 2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(b)
	if err := unix.Mprotect(b[page:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	memory := unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), page/4)
	withEach(t, func(t *testing.T) {
		r := random()
		for n := 1; n <= 130; n++ {
			rows := memory[len(memory)-7*n:]
			fill(r, rows)
			compareAtEnd(t, rows, n)
		}
	})
}

func compareAtEnd(t *testing.T, rows []float32, n int) {
	t.Helper()
	q, out := make([]float32, n), make([]float32, 7)
	vek.DotRows(q, rows, n, out)
	vek.SquaredL2Rows(q, rows, n, out)
	vek.DotAt(q, rows, n, []uint32{0, 1, 2, 3, 4, 5, 6}, out)
	for i, got := range out {
		checkDot(t, got, q, rows[i*n:][:n], "row %d of 7", i)
	}
	last := rows[6*n:]
	checkDot(t, vek.Dot(last, last), last, last, "with itself")
	checkSquaredL2(t, vek.SquaredL2(last, rows[:n]), last, rows[:n], "last with first")
}
