package vek_test

import (
	"bytes"
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
			compareCodes(t, r, &q, values, r.IntN(20))
		}
	})
}

// compareCodes checks neighbouring and numbered codes, at any alignment, at once and in two steps.
func compareCodes(t *testing.T, r *rand.Rand, q *vek.Int8, values []int8, count int) {
	t.Helper()
	stride := q.Stride()
	codes := make([]byte, count*stride)
	randomBytes(r, codes)
	rows := pack(codes, stride, r.IntN(64))
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
	numbered := func(i int) int { return int(at[i]) }
	out[count] = -1
	vek.DotCodesRows(q, rows, stride, out[:count])
	check("DotCodesRows", func(i int) int { return i })
	vek.DotCodesAt(q, rows, stride, at, out[:count])
	check("DotCodesAt", numbered)
	vek.UppersAt(q, rows, stride, at, out[:count])
	for i, got := range out[:count] {
		if want := exactUppers(values, codes[numbered(i)*stride:]); got != want {
			t.Fatalf("UppersAt: row %d of %d, %d numbers: %d, want %d", i, count, len(values), got, want)
		}
	}
	vek.DotCodesFrom(q, rows, stride, at, out[:count])
	check("DotCodesFrom", numbered)
}

// exactUppers is the definition of what the upper halves of a code add up to.
func exactUppers(values []int8, code []byte) (sum int32) {
	for i, v := range values {
		sum += int32(v) * int32(code[i]>>4)
	}
	return sum
}

// pack returns the rows of codes, so many bytes behind the beginning of some memory.
func pack(codes []byte, stride, skip int) []byte {
	rows := make([]byte, skip+len(codes))[skip:]
	for at := 0; at < len(codes); at += stride {
		vek.Pack(rows[at:], codes[at:at+stride])
	}
	return rows
}

func TestARowUnpacksToItsCode(t *testing.T) {
	r := random()
	for n := 0; n < 1600; n += 64 {
		code, row, again := make([]byte, n), make([]byte, n), make([]byte, n)
		randomBytes(r, code)
		vek.Pack(row, code)
		vek.Unpack(again, row)
		if !bytes.Equal(again, code) {
			t.Fatalf("%d bytes: %v became %v", n, code, again)
		}
	}
}

// A code made a query is the same query as its numbers, and the memory of a query is used again
// whatever was in it.
func TestACodeMadeAQueryIsTheSameQueryAsItsNumbers(t *testing.T) {
	withEach(t, func(t *testing.T) {
		r := random()
		var fromCode, fromRow, fromNumbers vek.Int8
		for range 300 {
			skip := r.IntN(64) // codes stand anywhere
			code := make([]byte, skip+64*r.IntN(14))[skip:]
			randomBytes(r, code)
			values := make([]int8, len(code))
			for i, c := range code {
				values[i] = int8(int(c) - 128)
			}
			fromCode.SetCode(code)
			fromRow.SetRow(pack(code, max(64, len(code)), r.IntN(64)))
			fromNumbers.Set(values)
			for _, q := range []*vek.Int8{&fromCode, &fromRow, &fromNumbers} {
				if q.Stride() != len(code) || q.Sum() != fromNumbers.Sum() {
					t.Fatalf("a code of %d bytes: stride %d, sum %d", len(code), q.Stride(), q.Sum())
				}
				compareCodes(t, r, q, values, 1+r.IntN(9))
			}
		}
	})
}

// Sums that a kernel which saturates, or takes a sign for another, would get wrong.
func TestCodesOfTheLargestNumbersGiveTheExactSum(t *testing.T) {
	extremes := []int{-128, -127, -1, 0, 1, 126, 127}
	withEach(t, func(t *testing.T) {
		var q vek.Int8
		out := make([]int32, 5)
		for _, n := range []int{64, 128, 832, 4096} {
			codes, values := make([]byte, n), make([]int8, n)
			for _, x := range extremes {
				for _, y := range extremes {
					for i := range values {
						values[i], codes[i] = int8(x), byte(y+128)
					}
					q.Set(values)
					vek.DotCodesAt(&q, pack(codes, n, 0), n, make([]uint32, 5), out)
					for _, got := range out {
						if want := int32(n * x * y); got != want {
							t.Fatalf("%d times %d*%d: %d, want %d", n, x, y, got, want)
						}
					}
				}
			}
		}
	})
}

func TestAQueryStaysWithTheKernelsItWasSetWith(t *testing.T) {
	defer use(t, vek.Using())
	r := random()
	values := make([]int8, 200)
	for i := range values {
		values[i] = int8(r.Uint32())
	}
	for _, set := range vek.Kernels() {
		for _, other := range vek.Kernels() {
			var q vek.Int8
			use(t, set)
			q.Set(values)
			use(t, other)
			compareCodes(t, r, &q, values, 6)
		}
	}
}

func TestCodesThatAreTooShortPanic(t *testing.T) {
	codes, out := make([]byte, 4*128), make([]int32, 4)
	withEach(t, func(t *testing.T) {
		var q vek.Int8
		q.Set(make([]int8, 100))
		for name, call := range map[string]func(){
			"no whole line":    func() { new(vek.Int8).SetCode(codes[:100]) },
			"no whole row":     func() { new(vek.Int8).SetRow(codes[:100]) },
			"stride too short": func() { vek.DotCodesRows(&q, codes, 64, out) },
			"stride too long":  func() { vek.DotCodesAt(&q, codes, 192, []uint32{0}, out[:1]) },
			"rows":             func() { vek.DotCodesRows(&q, codes[:511], 128, out) },
			"at":               func() { vek.DotCodesAt(&q, codes, 128, []uint32{0, 1, 2}, out) },
			"row":              func() { vek.DotCodesAt(&q, codes, 128, []uint32{0, 4, 1, 2}, out) },
		} {
			t.Run(name, func(t *testing.T) {
				defer func() {
					if recover() == nil {
						t.Error("no panic")
					}
				}()
				call()
			})
		}
	})
}

func FuzzCodesGiveTheExactSum(f *testing.F) {
	f.Add([]byte{}, uint8(0), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, lines, rows uint8) {
		n, count := 64*(1+int(lines%20)), 1+int(rows%40)
		memory := make([]byte, n*(1+count))
		for i := range memory {
			if len(data) > 0 {
				memory[i] = data[i%len(data)] + byte(i/len(data))
			}
		}
		query, codes := memory[:n], memory[n:]
		packed := pack(codes, n, int(lines)%64)
		at, out := make([]uint32, count), make([]int32, count)
		for i := range at {
			at[i] = uint32(memory[i]) % uint32(count)
		}
		defer use(t, vek.Using())
		for _, k := range vek.Kernels() {
			use(t, k)
			var q vek.Int8
			q.SetCode(query)
			vek.DotCodesAt(&q, packed, n, at, out)
			for i, got := range out {
				var want int32
				for j, c := range codes[int(at[i])*n:][:n] {
					want += (int32(query[j]) - 128) * (int32(c) - 128)
				}
				if got != want {
					t.Fatalf("%s: row %d of %d, %d bytes: %d, want %d", k, i, count, n, got, want)
				}
			}
		}
	})
}

func TestPrefetchingHarmsNothing(t *testing.T) {
	b := make([]byte, 1000)
	for _, n := range []int{-1, 0, 1, 64, 1000, 1 << 20} {
		vek.Prefetch(unsafe.Pointer(&b[1]), n)
	}
	vek.Prefetch(nil, 100)
}
