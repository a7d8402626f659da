package local_test

import (
	"fmt"
	"runtime"
	"testing"

	"nearside/index"
)

// TestManyNamespacesCostBytes measures what a namespace costs beside its records.
func TestManyNamespacesCostBytes(t *testing.T) {
	each := sample(10, 100)
	spaces := sample(1000, 10_000)
	heap := func(namespaced bool) int64 {
		h := openHome(t, func(h *home) { h.options.Graph.Off = true }) // a graph is not on the heap
		x := h.create(t, 1)
		for from := 0; from < spaces*each; from += 5000 {
			var list []index.Record
			for i := from; i < min(from+5000, spaces*each); i++ {
				r := index.Record{ID: index.VectorID(fmt.Sprintf("r%07d", i)), Values: []float32{1, float32(i % 97), float32(i % 89), 1}}
				if namespaced {
					r.Namespace = fmt.Sprintf("customer-%06d", i%spaces)
				}
				list = append(list, r)
			}
			upsert(t, x, list...)
		}
		h.settle(t)
		if namespaced {
			got := ask(t, x, index.Query{Vector: []float32{1, 2, 3, 4}, TopK: 5, Namespace: "customer-000007"}, index.Read{})
			if got.Explain.Matching != each || len(got.Matches) != 5 || !got.Explain.Exhaustive {
				t.Errorf("in one namespace: %+v", got.Explain)
			}
		}
		bytes := int64(heapBytes())
		runtime.KeepAlive(x)
		h.close(t)
		return bytes
	}
	without := heap(false)
	cost := (heap(true) - without) / int64(spaces)
	t.Logf("%d namespaces of %d records: %d bytes each", spaces, each, cost)
	if cost > 2000 {
		t.Errorf("a namespace costs %d bytes, at most 2,000 are allowed", cost)
	}
}
