package vek_test

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"nearside/index/local/vek"
)

var (
	kernels = flag.String("kernels", os.Getenv("NEARSIDE_CPU"), "the kernels the benchmarks use; the best ones if empty")
	seed    = flag.Uint64("seed", uint64(time.Now().UnixNano()), "seed of the random tests")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := vek.Use(*kernels); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("kernels exercised: %v, in use: %s, seed %d\n", vek.Kernels(), vek.Using(), *seed)
	os.Exit(m.Run())
}

// withEach runs the test with each set of kernels that this CPU has.
func withEach(t *testing.T, test func(t *testing.T)) {
	before := vek.Using()
	defer func() { use(t, before) }()
	for _, k := range vek.Kernels() {
		t.Run(string(k), func(t *testing.T) {
			use(t, k)
			test(t)
		})
	}
}

func use(t testing.TB, k vek.Kernel) {
	t.Helper()
	if err := vek.Use(string(k)); err != nil {
		t.Fatal(err)
	}
	if vek.Using() != k {
		t.Fatalf("asked for %s, got %s", k, vek.Using())
	}
}

func random() *rand.Rand { return rand.New(rand.NewPCG(*seed, 1)) }

// fill writes numbers of both signs whose sums cancel, over a few magnitudes.
func fill(r *rand.Rand, v []float32) {
	for i := range v {
		v[i] = float32(r.NormFloat64() * math.Exp2(float64(r.IntN(9)-4)))
	}
}

// exactDot returns the dot product and the sum of the magnitudes of its terms.
func exactDot(a, b []float32) (sum, size float64) {
	for i := range a {
		p := float64(a[i]) * float64(b[i])
		sum += p
		size += math.Abs(p)
	}
	return sum, size
}

func exactSquaredL2(a, b []float32) (sum float64) {
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return sum
}

func checkDot(t *testing.T, got float32, a, b []float32, where string, args ...any) {
	t.Helper()
	want, size := exactDot(a, b)
	bound := vek.Error(len(a))*size + float64(len(a))*vek.Tiny
	if math.IsInf(size, 0) || size > math.MaxFloat32/2 {
		return
	}
	if !(math.Abs(float64(got)-want) <= bound) {
		t.Errorf("%s: dot product of %d numbers is %g, want %g ± %g", fmt.Sprintf(where, args...), len(a), got, want, bound)
	}
}

func checkSquaredL2(t *testing.T, got float32, a, b []float32, where string, args ...any) {
	t.Helper()
	want := exactSquaredL2(a, b)
	bound := vek.Error(len(a))*want + float64(len(a))*vek.Tiny
	if want > math.MaxFloat32/2 {
		return
	}
	if !(math.Abs(float64(got)-want) <= bound) {
		t.Errorf("%s: squared distance of %d numbers is %g, want %g ± %g", fmt.Sprintf(where, args...), len(a), got, want, bound)
	}
}

func TestEveryLengthAndAlignmentStaysWithinTheErrorBound(t *testing.T) {
	withEach(t, func(t *testing.T) {
		r := random()
		store := make([]float32, 2*1100+64)
		for n := range 1101 {
			// Odd offsets of either vector, and an odd gap between them.
			at := r.IntN(16)
			a := store[at:][:n]
			b := store[at+n+r.IntN(16):][:n]
			fill(r, store)
			checkDot(t, vek.Dot(a, b), a, b, "length %d, offset %d", n, at)
			checkSquaredL2(t, vek.SquaredL2(a, b), a, b, "length %d, offset %d", n, at)
		}
	})
}

func TestManyRowsStayWithinTheErrorBound(t *testing.T) {
	withEach(t, func(t *testing.T) {
		r := random()
		for _, n := range []int{0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 96, 100, 127, 128, 384, 511, 512, 768, 784, 1536} {
			for _, count := range []int{0, 1, 2, 3, 4, 5, 15, 16, 17, 18, 40} {
				compareRows(t, r, n, count, n+r.IntN(9))
			}
		}
		compareRows(t, r, 5, 1000, 6) // more than the kernels take at once
	})
}

// compareRows checks neighbouring and numbered rows.
func compareRows(t *testing.T, r *rand.Rand, n, count, stride int) {
	t.Helper()
	q, rows := make([]float32, n), make([]float32, max(0, (count-1)*stride+n)+3)
	fill(r, q)
	fill(r, rows)
	rows = rows[r.IntN(4):]
	at := make([]uint32, count+r.IntN(9))
	for i := range at {
		at[i] = uint32(r.IntN(max(1, count)))
	}
	straight := func(i int) int { return i }
	numbered := func(i int) int { return int(at[i]) }
	for _, c := range []struct {
		name  string
		check func(t *testing.T, got float32, a, b []float32, where string, args ...any)
		run   func(out []float32)
		row   func(i int) int
	}{
		{"DotRows", checkDot, func(out []float32) { vek.DotRows(q, rows, stride, out) }, straight},
		{"SquaredL2Rows", checkSquaredL2, func(out []float32) { vek.SquaredL2Rows(q, rows, stride, out) }, straight},
		{"DotAt", checkDot, func(out []float32) { vek.DotAt(q, rows, stride, at, out) }, numbered},
		{"SquaredL2At", checkSquaredL2, func(out []float32) { vek.SquaredL2At(q, rows, stride, at, out) }, numbered},
	} {
		out := make([]float32, count+1)
		for i := range out {
			out[i] = float32(math.NaN())
		}
		c.run(out[:count])
		for i, got := range out[:count] {
			c.check(t, got, q, rows[c.row(i)*stride:][:n], "%s: row %d of %d, stride %d", c.name, i, count, stride)
		}
		if out[count] == out[count] {
			t.Fatalf("%s: %d rows of %d numbers: wrote behind the results", c.name, count, n)
		}
	}
}

// The kernels must not read past the last row: memory may end there.
func TestNothingIsReadBeyondTheRows(t *testing.T) {
	withEach(t, func(t *testing.T) {
		for n := range 200 {
			// NaN on both sides: one number too many and the sum shows it.
			store := make([]float32, n+64)
			for i := range store {
				store[i] = float32(math.NaN())
			}
			a, b := store[32:][:n], make([]float32, n)
			for i := range a {
				a[i], b[i] = 1, 2
			}
			if got := vek.Dot(a, b); got != float32(2*n) {
				t.Fatalf("dot product of %d ones and twos: %g", n, got)
			}
			if got := vek.SquaredL2(b, a); got != float32(n) {
				t.Fatalf("squared distance of %d ones and twos: %g", n, got)
			}
		}
	})
}

func TestNumbersBeyondFloat32AreInfiniteOrNaN(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	withEach(t, func(t *testing.T) {
		for _, n := range []int{1, 8, 16, 33, 100} {
			for _, bad := range []float32{inf, -inf, nan, math.MaxFloat32} {
				for i := range n {
					a, b := make([]float32, n), make([]float32, n)
					a[i], b[i] = bad, 3
					if got := float64(vek.Dot(a, b)); !math.IsInf(got, 0) && !math.IsNaN(got) {
						t.Fatalf("dot product with %g at %d of %d: %g", bad, i, n, got)
					}
					if got := float64(vek.SquaredL2(a, b)); !math.IsInf(got, 0) && !math.IsNaN(got) {
						t.Fatalf("squared distance with %g at %d of %d: %g", bad, i, n, got)
					}
				}
			}
		}
	})
}

func TestSlicesThatAreTooShortPanic(t *testing.T) {
	four, three := make([]float32, 4), make([]float32, 3)
	for name, call := range map[string]func(){
		"Dot":           func() { vek.Dot(four, three) },
		"SquaredL2":     func() { vek.SquaredL2(three, four) },
		"WideDot":       func() { vek.WideDot(four, three) },
		"WideDots":      func() { vek.WideDots(three, four) },
		"WideSquaredL2": func() { vek.WideSquaredL2(four, three) },
		"DotRows":       func() { vek.DotRows(three, four, 3, make([]float32, 2)) },
		"SquaredL2Rows": func() { vek.SquaredL2Rows(three, four, 3, make([]float32, 2)) },
		"DotAt row":     func() { vek.DotAt(three, four, 3, []uint32{0, 1}, make([]float32, 2)) },
		"DotAt at":      func() { vek.DotAt(three, four, 3, []uint32{0, 0}, make([]float32, 3)) },
		"SquaredL2At":   func() { vek.SquaredL2At(three, four, 3, []uint32{4e9}, make([]float32, 1)) },
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
}

func TestUnknownKernelsAreRefusedByName(t *testing.T) {
	before := vek.Using()
	for _, name := range []string{"AVX2", "sse", "avx1024"} {
		if err := vek.Use(name); err == nil {
			t.Errorf("Use(%q) succeeded", name)
		}
	}
	if vek.Using() != before {
		t.Errorf("a refused choice changed the kernels from %s to %s", before, vek.Using())
	}
	if err := vek.Use(""); err != nil || vek.Using() != vek.Best() {
		t.Errorf("Use(\"\") chose %s (%v), want %s", vek.Using(), err, vek.Best())
	}
	use(t, before)
}

func TestNothingIsAllocated(t *testing.T) {
	q, rows, out, at := make([]float32, 100), make([]float32, 1000), make([]float32, 10), make([]uint32, 10)
	codes, sums := make([]byte, 10*128), make([]int32, 10)
	withEach(t, func(t *testing.T) {
		var code vek.Int8
		code.SetRow(codes[:128])
		if n := testing.AllocsPerRun(10, func() {
			vek.DotRows(q, rows, 100, out)
			vek.DotAt(q, rows, 100, at, out)
			vek.SquaredL2At(q, rows, 100, at, out)
			out[0] = vek.Dot(q, q) + vek.SquaredL2(q, q)
			ab, bb := vek.WideDots(q, q)
			out[1] = float32(ab + bb + vek.WideDot(q, q) + vek.WideSquaredL2(q, q))
			code.SetRow(codes[128:][:128])
			vek.DotCodesAt(&code, codes, 128, at, sums)
			vek.DotCodesRows(&code, codes, 128, sums)
		}); n != 0 {
			t.Errorf("%g allocations", n)
		}
	})
}

func FuzzKernelsStayWithinTheErrorBound(f *testing.F) {
	f.Add([]byte{}, uint8(0))
	f.Add([]byte("\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\x40"), uint8(1))
	f.Add(make([]byte, 8*45), uint8(5))
	f.Fuzz(func(t *testing.T, data []byte, offset uint8) {
		data = data[:min(len(data), 4*2300)]
		numbers := make([]float32, int(offset%32)+len(data)/4)
		v := numbers[offset%32:]
		for i := range v {
			bits := uint32(data[4*i]) | uint32(data[4*i+1])<<8 | uint32(data[4*i+2])<<16 | uint32(data[4*i+3])<<24
			v[i] = math.Float32frombits(bits)
			if x := float64(v[i]); math.IsNaN(x) || math.IsInf(x, 0) {
				v[i] = float32(i)
			}
		}
		a, b := v[:len(v)/2], v[len(v)/2:][:len(v)/2]
		for _, k := range vek.Kernels() {
			use(t, k)
			checkDot(t, vek.Dot(a, b), a, b, "%s", k)
			checkSquaredL2(t, vek.SquaredL2(a, b), a, b, "%s", k)
		}
	})
}

// BenchmarkRows measures rows from the cache (a batch of 256) and from memory (256 MiB of them), in bytes of rows a second.
func BenchmarkRows(b *testing.B) {
	for _, k := range vek.Kernels() {
		for _, n := range []int{128, 384, 784} {
			for _, where := range []string{"cache", "memory", "memory-at"} {
				b.Run(fmt.Sprintf("%s/%d/%s", k, n, where), func(b *testing.B) {
					use(b, k)
					benchmarkRows(b, n, where)
				})
			}
		}
	}
	if err := vek.Use(*kernels); err != nil {
		b.Fatal(err)
	}
}

func benchmarkRows(b *testing.B, n int, where string) {
	const batch = 256
	count := batch
	if where != "cache" {
		count = 256 << 20 / 4 / n
	}
	rows, q, out := make([]float32, count*n), make([]float32, n), make([]float32, batch)
	for i := range rows {
		rows[i] = float32(i % 7)
	}
	at := make([]uint32, batch)
	i := 0
	for b.Loop() {
		if i += batch; i+batch > count {
			i = 0
		}
		if where == "memory-at" {
			for j := range at {
				at[j] = uint32((i + j) * 7919 % count)
			}
			vek.SquaredL2At(q, rows, n, at, out)
		} else {
			vek.SquaredL2Rows(q, rows[i*n:], n, out)
		}
	}
	b.SetBytes(int64(batch * n * 4))
}
