package keyword_test

import (
	"context"
	"fmt"
	"testing"

	"nearside/index/keyword"
)

// BenchmarkAdd enters documents of medquad in batches of several sizes: what a write waits
// for that is to be found at once.
func BenchmarkAdd(b *testing.B) {
	c := collection(b, "medquad")
	for _, batch := range []int{1, 10, 100, 500} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			w := newWorld(b, keyword.Options{})
			b.ResetTimer()
			slot := 0
			for range b.N {
				documents := make([]keyword.Document, batch)
				for i := range documents {
					documents[i] = documentOf(slot, c.Documents[slot%len(c.Documents)])
					slot++
				}
				w.add(documents)
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(slot)*1e6, "µs/document")
		})
	}
}

// BenchmarkSearch asks medquad's questions of one file, and of the same documents with the last
// hundred in segments of their own in memory: what the tail costs.
func BenchmarkSearch(b *testing.B) {
	c := collection(b, "medquad")
	for _, tail := range []int{0, 10, 30} {
		b.Run(fmt.Sprintf("tail=%d", tail), func(b *testing.B) {
			w := newWorld(b, keyword.Options{FlushBytes: 1 << 30})
			some := *c
			some.Documents = c.Documents[:10_000]
			w.load(&some, 10_000)
			w.reopen()
			for slot := 10_000; slot < 10_000+tail; slot++ {
				w.add([]keyword.Document{documentOf(slot, c.Documents[slot])})
			}
			all := everything()
			b.ResetTimer()
			for i := range b.N {
				if _, err := w.index.Search(context.Background(), keyword.Query{Text: c.Queries[i%len(c.Queries)].Text}, all, 100); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(w.index.Stats().Segments), "segments")
		})
	}
}
