package local_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"nearside/index"
)

var smallIndexes = flag.Int("indexes", 30, "how many indexes TestManySmallIndexesFitInLittleMemory makes")

// resident returns the resident memory of this process in bytes, and its open files; 0 where that is not known.
func resident(t testing.TB) (bytes int64, files int) {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0, 0
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			bytes = kb << 10
		}
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return bytes, len(entries)
}

func TestManySmallIndexesFitInLittleMemory(t *testing.T) {
	indexes := *smallIndexes
	h := openHome(t, func(h *home) { h.options.MaxOpen = 64 })
	rnd := rand.New(rand.NewPCG(1, 2))
	start := time.Now()
	before, _ := resident(t)
	var handles []index.Index
	for n := range indexes {
		x, err := h.Create(t.Context(), index.Number(n+1), index.Config{Dimensions: 384, Metric: index.Cosine})
		if err != nil {
			t.Fatal(err)
		}
		upsert(t, x, randomRecords(rnd, 0, 10, 384)...)
		handles = append(handles, x)
	}
	created := time.Since(start)
	query := randomRecords(rnd, 0, 1, 384)[0].Values
	start = time.Now()
	for _, x := range handles {
		res, err := x.Query(t.Context(), index.Query{Vector: query, TopK: 3, Metadata: index.AllMetadata}, index.Read{})
		if err != nil || len(res.Matches) != 3 {
			t.Fatalf("%d matches, %v", len(res.Matches), err)
		}
	}
	bytes, files := resident(t)
	t.Logf("%d indexes of 10 records: %d MB resident (%d MB before), %d open files, %d open indexes; %s each to create and fill, %s each to open and query",
		indexes, bytes>>20, before>>20, files, h.Stats().Open, created/time.Duration(indexes), time.Since(start)/time.Duration(indexes))
	if limit := int64(600 << 20); bytes-before > limit {
		t.Errorf("%d indexes take %d MB, at most %d MB are allowed", indexes, (bytes-before)>>20, limit>>20)
	}
	if files > 1000 {
		t.Errorf("%d files are open, fewer than 1000 are allowed", files)
	}
}
