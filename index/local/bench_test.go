package local_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
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

// BenchmarkOpen opens an index of 100,000 records, with rows that are there and
// rows that must be rebuilt, and reports the heap it takes for each record.
func BenchmarkOpen(b *testing.B) {
	const n = 100_000
	h := openHome(b, nil)
	x, err := h.Create(b.Context(), 1, index.Config{Dimensions: 384, Metric: index.Cosine})
	if err != nil {
		b.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	list := randomRecords(rnd, 0, 5000, 384)
	for from := 0; from < n; from += len(list) {
		for i := range list {
			list[i].ID = index.VectorID(fmt.Sprintf("record-%08d", from+i))
		}
		upsert(b, x, list...)
	}
	list = nil
	for _, rebuild := range []bool{false, true} {
		b.Run(fmt.Sprintf("rebuild=%v", rebuild), func(b *testing.B) {
			var heap uint64
			for b.Loop() {
				h.close(b)
				if rebuild {
					if err := os.Remove(filepath.Join(h.path, "indexes", "1", "vectors.rows")); err != nil {
						b.Fatal(err)
					}
				}
				before := heapBytes()
				h.open(b)
				h.openIndex(b, 1)
				heap = heapBytes() - before
			}
			b.ReportMetric(float64(heap)/n, "heap-B/record")
		})
	}
	b.Run("query", func(b *testing.B) {
		x := h.openIndex(b, 1)
		q := index.Query{Vector: randomRecords(rnd, 0, 1, 384)[0].Values, TopK: 10, Metadata: index.AllMetadata}
		for b.Loop() {
			if _, err := x.Query(b.Context(), q, index.Read{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("list", func(b *testing.B) {
		x := h.openIndex(b, 1)
		page := index.Page{}
		for b.Loop() {
			if page, err = x.List(b.Context(), page.Next, 100, index.Read{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("get", func(b *testing.B) {
		x := h.openIndex(b, 1)
		ids := []index.VectorID{"record-00000001", "record-00050000", "record-00099999"}
		for b.Loop() {
			if _, err := x.Get(b.Context(), ids, index.Read{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func heapBytes() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
