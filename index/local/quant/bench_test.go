package quant_test

import (
	"fmt"
	"testing"

	"nearside/index/local/quant"
	"nearside/index/local/vek"
)

func BenchmarkEncode(b *testing.B) {
	for _, kernel := range []vek.Kernel{vek.Best(), vek.Generic} {
		for _, metric := range metrics {
			for _, dimensions := range []int{128, 768} {
				b.Run(fmt.Sprintf("%s/%s/%d", kernel, metric, dimensions), func(b *testing.B) {
					defer use(b, kernel)()
					vectors := normal(random(), 100, dimensions, 0, 1)
					c := quant.Train(metric, dimensions, vectors)
					code := make([]byte, c.Stride())
					b.SetBytes(int64(4 * dimensions))
					for i := 0; b.Loop(); i++ {
						c.Encode(vectors[i%len(vectors)], code)
					}
				})
			}
		}
	}
}

func BenchmarkSet(b *testing.B) {
	for _, metric := range metrics {
		b.Run(string(metric), func(b *testing.B) {
			vectors := normal(random(), 100, 768, 0, 1)
			c := quant.Train(metric, 768, vectors)
			var q quant.Query
			for i := 0; b.Loop(); i++ {
				q.Set(&c, vectors[i%len(vectors)])
			}
		})
	}
}

func BenchmarkBounds(b *testing.B) {
	for _, metric := range metrics {
		b.Run(string(metric), func(b *testing.B) {
			vectors := normal(random(), 1000, 64, 0, 1)
			s := store(quant.Train(metric, 64, vectors), vectors)
			var q quant.Query
			q.Set(&s.c, vectors[0])
			keys := s.keys(&q)
			for i := 0; b.Loop(); i++ {
				n := i % len(keys)
				q.Bounds(keys[n], s.terms[n], s.losses[n])
			}
		})
	}
}

// use makes the named kernels those in use until the returned function is called.
func use(tb testing.TB, k vek.Kernel) (back func()) {
	before := vek.Using()
	if err := vek.Use(string(k)); err != nil {
		tb.Fatal(err)
	}
	return func() {
		if err := vek.Use(string(before)); err != nil {
			tb.Fatal(err)
		}
	}
}
