package local_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"nearside/index"
)

// randomRecords makes records with vectors of the given size.
func randomRecords(rnd *rand.Rand, from, n, dimensions int) []index.Record {
	list := make([]index.Record, n)
	for i := range list {
		values := make([]float32, dimensions)
		for d := range values {
			values[d] = rnd.Float32() - 0.5
		}
		list[i] = index.Record{ID: index.VectorID(fmt.Sprintf("record-%08d", from+i)), Values: values, Metadata: []byte(`{"genre":"noir","year":1950}`)}
	}
	return list
}

// BenchmarkBulkLoad upserts new records of 768 dimensions in batches.
func BenchmarkBulkLoad(b *testing.B) {
	for _, batch := range []int{1000, 5000} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			h := openHome(b, nil)
			x, err := h.Create(b.Context(), 1, index.Config{Dimensions: 768, Metric: index.Cosine})
			if err != nil {
				b.Fatal(err)
			}
			rnd := rand.New(rand.NewPCG(1, 2))
			list := randomRecords(rnd, 0, batch, 768)
			b.ResetTimer()
			for n := 0; b.Loop(); n++ {
				for i := range list {
					list[i].ID = index.VectorID(fmt.Sprintf("record-%08d", n*batch+i))
				}
				upsert(b, x, list...)
			}
			b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkSingleWrites upserts one record of 768 dimensions at a time.
func BenchmarkSingleWrites(b *testing.B) {
	for _, writers := range []int{1, 8} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			h := openHome(b, nil)
			x, err := h.Create(b.Context(), 1, index.Config{Dimensions: 768, Metric: index.Cosine})
			if err != nil {
				b.Fatal(err)
			}
			list := randomRecords(rand.New(rand.NewPCG(1, 2)), 0, 1000, 768)
			var next atomic.Int64
			var all sync.WaitGroup
			b.ResetTimer()
			for range writers {
				all.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						upsert(b, x, list[i%1000])
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
		})
	}
}
