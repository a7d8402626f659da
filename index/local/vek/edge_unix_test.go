//go:build unix

package vek_test

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"nearside/index/local/vek"
)

// memoryWithAnEnd returns memory behind which there is none.
func memoryWithAnEnd(t *testing.T, size int) []byte {
	t.Helper()
	page := os.Getpagesize()
	size = (size + page - 1) / page * page
	b, err := unix.Mmap(-1, 0, size+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(b) })
	if err := unix.Mprotect(b[size:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	return b[:size]
}

// Rows may end where the memory ends: a byte read beyond would end the process.
func TestRowsAtTheEndOfMemory(t *testing.T) {
	b := memoryWithAnEnd(t, 4096)
	memory := unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), len(b)/4)
	withEach(t, func(t *testing.T) {
		r := random()
		for n := 1; n <= 130; n++ {
			rows := memory[len(memory)-7*n:]
			fill(r, rows)
			compareAtEnd(t, rows, n)
			checkWide(t, rows[5*n:][:n], rows[6*n:])
			checkWide(t, rows[6*n:], rows[5*n:][:n])
		}
	})
}

// Codes too, at any alignment of their end. What is prefetched may not be there at all.
func TestCodesAtTheEndOfMemory(t *testing.T) {
	const stride, count = 192, 7
	memory := memoryWithAnEnd(t, stride*count+64)
	values := make([]int8, 130)
	for i := range values {
		values[i] = int8(i)
	}
	withEach(t, func(t *testing.T) {
		var q vek.Int8
		q.Set(values)
		for n := 1; n <= count; n++ {
			codes, rows := make([]byte, n*stride), memory[len(memory)-n*stride:]
			randomBytes(random(), codes)
			copy(rows, pack(codes, stride, 0))
			at, out := []uint32{0, 1, 2, 3, 4, 5, 6, 1 << 31, 1<<32 - 1}, make([]int32, n)
			vek.DotCodesAt(&q, rows, stride, append(at[:n], at[count:]...), out)
			for i, got := range out {
				if want := exactCodes(values, codes[i*stride:]); got != want {
					t.Fatalf("row %d of %d: %d, want %d", i, n, got, want)
				}
			}
			vek.DotCodesRows(&q, rows, stride, out)
			q.SetRow(rows[(n-1)*stride:])
			q.Set(values)
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
