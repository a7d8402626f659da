package vek_test

import (
	"fmt"
	"testing"

	"nearside/index/local/vek"
)

// withEachKernel runs the benchmark with each set of kernels.
func withEachKernel(b *testing.B, run func(b *testing.B, k vek.Kernel)) {
	defer use(b, vek.Using())
	for _, k := range vek.Kernels() {
		use(b, k)
		run(b, k)
	}
}

func perRow(b *testing.B, rows int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
}

// BenchmarkCodes measures what a walk through a graph does: rows from anywhere in 100,000 of 768
// numbers, sixteen at a time ("at") or each on its own ("single"), or their upper planes only ("uppers"); the same from the cache; and a
// code against four others, made a query first ("few").
func BenchmarkCodes(b *testing.B) {
	const n, count, batch = 768, 100_000, 16
	r := random()
	codes := make([]byte, count*n)
	for i := range codes {
		codes[i] = byte(i * 7919 >> 5)
	}
	far, near := make([]uint32, 1<<16), make([]uint32, 1<<8)
	for i := range far {
		far[i] = uint32(r.IntN(count))
	}
	for i := range near {
		near[i] = uint32(i)
	}
	var q vek.Int8
	out := make([]int32, batch)
	walk := func(at []uint32, step int) func(b *testing.B) {
		return func(b *testing.B) {
			q.SetRow(codes[:n])
			for i := 0; b.Loop(); i = (i + batch) % len(at) {
				for j := 0; j < batch; j += step {
					vek.DotCodesAt(&q, codes, n, at[i+j:][:step], out[j:][:step])
				}
			}
			perRow(b, batch)
		}
	}
	withEachKernel(b, func(b *testing.B, k vek.Kernel) {
		b.Run(fmt.Sprintf("%s/memory/at", k), walk(far, batch))
		b.Run(fmt.Sprintf("%s/memory/single", k), walk(far, 1))
		b.Run(fmt.Sprintf("%s/memory/uppers", k), func(b *testing.B) {
			q.SetRow(codes[:n])
			for i := 0; b.Loop(); i = (i + batch) % len(far) {
				vek.UppersAt(&q, codes, n, far[i:][:batch], out)
			}
			perRow(b, batch)
		})
		b.Run(fmt.Sprintf("%s/cache/at", k), walk(near, batch))
		b.Run(fmt.Sprintf("%s/cache/single", k), walk(near, 1))
		b.Run(fmt.Sprintf("%s/cache/few", k), func(b *testing.B) {
			for i := 0; b.Loop(); i = (i + 4) % len(near) {
				q.SetRow(codes[i*n:][:n])
				vek.DotCodesAt(&q, codes, n, near[i:][:4], out[:4])
			}
			perRow(b, 4)
		})
		b.Run(fmt.Sprintf("%s/cache/set", k), func(b *testing.B) {
			for b.Loop() {
				q.SetRow(codes[:n])
			}
		})
	})
}

// BenchmarkWide measures one pair of 768 numbers.
func BenchmarkWide(b *testing.B) {
	x, y := make([]float32, 768), make([]float32, 768)
	fill(random(), x)
	fill(random(), y)
	var sum float64
	withEachKernel(b, func(b *testing.B, k vek.Kernel) {
		for _, c := range []struct {
			name string
			run  func()
		}{
			{"dot", func() { sum += vek.WideDot(x, y) }},
			{"dots", func() { ab, bb := vek.WideDots(x, y); sum += ab + bb }},
			{"squaredL2", func() { sum += vek.WideSquaredL2(x, y) }},
		} {
			b.Run(fmt.Sprintf("%s/%s", k, c.name), func(b *testing.B) {
				for b.Loop() {
					c.run()
				}
			})
		}
	})
}
