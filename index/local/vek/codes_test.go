package vek_test

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"nearside/index/local/vek"
)

// exactCodes is the definition: the dot product of numbers and a code.
func exactCodes(values []int8, code []byte) (sum int32) {
	for i, v := range values {
		sum += int32(v) * (int32(code[i]) - 128)
	}
	return sum
}

func randomBytes(r *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
}

func TestCodesOfEveryLengthGiveTheExactSum(t *testing.T) {
	withEach(t, func(t *testing.T) {
		r := random()
		var q vek.Int8
		for n := range 1101 {
			values := make([]int8, n)
			for i := range values {
				values[i] = int8(r.Uint32())
			}
			q.Set(values)
			if want := (n + 63) / 64 * 64; q.Stride() != want {
				t.Fatalf("a query of %d numbers has the stride %d, want %d", n, q.Stride(), want)
			}
			stride := q.Stride() + 64*r.IntN(3)
			compareCodes(t, r, &q, values, stride, r.IntN(20))
		}
	})
}

// compareCodes checks neighbouring and numbered codes, at any alignment.
func compareCodes(t *testing.T, r *rand.Rand, q *vek.Int8, values []int8, stride, count int) {
	t.Helper()
	codes := make([]byte, max(0, count-1)*stride+q.Stride()+64)[r.IntN(64):]
	randomBytes(r, codes)
	at := make([]uint32, count+r.IntN(5))
	for i := range at {
		at[i] = uint32(r.IntN(max(1, count)))
	}
	out := make([]int32, count+1)
	check := func(name string, row func(i int) int) {
		t.Helper()
		for i, got := range out[:count] {
			if want := exactCodes(values, codes[row(i)*stride:]); got != want {
				t.Fatalf("%s: row %d of %d, %d numbers, stride %d: %d, want %d", name, i, count, len(values), stride, got, want)
			}
		}
		if out[count] != -1 {
			t.Fatalf("%s: %d rows: wrote behind the results", name, count)
		}
	}
	out[count] = -1
	vek.DotCodesRows(q, codes, stride, out[:count])
	check("DotCodesRows", func(i int) int { return i })
	vek.DotCodesAt(q, codes, stride, at, out[:count])
	check("DotCodesAt", func(i int) int { return int(at[i]) })
}

func TestPrefetchingHarmsNothing(t *testing.T) {
	b := make([]byte, 1000)
	for _, n := range []int{-1, 0, 1, 64, 1000, 1 << 20} {
		vek.Prefetch(unsafe.Pointer(&b[1]), n)
	}
	vek.Prefetch(nil, 100)
}
