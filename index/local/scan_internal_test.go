package local

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/fault"
	"nearside/index"
	"nearside/index/local/vek"
)

// storedRows puts vectors as slots 0, 1, … of index 1 in a fresh directory.
func storedRows(t testing.TB, vectors [][]float32) *rows {
	t.Helper()
	r, _ := mustOpenRows(t, openDir(t, t.TempDir(), nil), 1, vectors)
	if err := r.put(0, vectors...); err != nil {
		t.Fatal(err)
	}
	return r
}

func startPool(t testing.TB, size int) *pool {
	p := newPool(size)
	t.Cleanup(p.close)
	return p
}

// runScan runs a scan in which every slot is visible, and ids are the numbers of the slots, if it does not say otherwise.
func runScan(t testing.TB, p *pool, s scan) []hit {
	t.Helper()
	s = withDefaults(s)
	hits, _, err := s.run(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	return hits
}

func withDefaults(s scan) scan {
	if s.visible == nil {
		s.visible = func(slot) bool { return true }
	}
	if s.id == nil {
		s.id = func(s slot) string { return strconv.Itoa(int(s)) }
	}
	return s
}

func slotsOf(hits []hit) []slot {
	var slots []slot
	for _, h := range hits {
		slots = append(slots, h.slot)
	}
	return slots
}

// expected is the answer by the definition: every row scored, all sorted.
func expected(s scan, vectors [][]float32) []hit {
	s = withDefaults(s)
	var matches []index.Match
	numbers := map[index.VectorID]slot{}
	for i := range s.slots {
		if (s.within == nil || s.within.Contains(i)) && s.visible(i) {
			id := index.VectorID(s.id(i))
			numbers[id] = i
			matches = append(matches, index.Match{Record: index.Record{ID: id}, Score: index.Score(s.metric, s.query, vectors[i])})
		}
	}
	slices.SortFunc(matches, func(a, b index.Match) int {
		if s.metric.Better(a, b) {
			return -1
		}
		return 1
	})
	var hits []hit
	for _, m := range matches[:min(s.k, len(matches))] {
		hits = append(hits, hit{slot: numbers[m.ID], score: m.Score})
	}
	return hits
}

func checkScan(t *testing.T, p *pool, s scan, vectors [][]float32) {
	t.Helper()
	got, want := runScan(t, p, s), expected(s, vectors)
	if len(got) != len(want) {
		t.Fatalf("%s, k %d: %d hits, want %d", s.metric, s.k, len(got), len(want))
	}
	for i := range want {
		if got[i].slot != want[i].slot || math.Float64bits(got[i].score) != math.Float64bits(want[i].score) {
			t.Fatalf("%s, k %d, hit %d of %d: slot %d with %v, want slot %d with %v",
				s.metric, s.k, i, len(want), got[i].slot, got[i].score, want[i].slot, want[i].score)
		}
	}
}

var metrics = []index.Metric{index.Cosine, index.Euclidean, index.DotProduct}

// withEachKernel runs a test with every set of kernels that this CPU has.
func withEachKernel(t *testing.T, test func(t *testing.T)) {
	t.Logf("kernels exercised: %v", vek.Kernels())
	defer vek.Use(string(vek.Using()))
	for _, k := range vek.Kernels() {
		if err := vek.Use(string(k)); err != nil {
			t.Fatal(err)
		}
		t.Run(string(k), test)
	}
}

func TestScanIsTheDefinition(t *testing.T) {
	withEachKernel(t, func(t *testing.T) {
		r := randomOf(t)
		for _, workers := range []int{1, 3} {
			p := startPool(t, workers)
			for _, dimensions := range []int{1, 2, 9, 64} {
				for _, n := range []int{1, 7, 300, 3000} {
					vectors := randomVectors(r, n, dimensions)
					stored := storedRows(t, vectors)
					for _, metric := range metrics {
						checkScans(t, r, p, stored, metric, vectors)
					}
				}
			}
		}
	})
}

// checkScans checks scans of all rows, of some, and of none, with and without dead rows.
func checkScans(t *testing.T, r *rand.Rand, p *pool, stored *rows, metric index.Metric, vectors [][]float32) {
	n := slot(len(vectors))
	dead, some := roaring.New(), roaring.New()
	for s := range n {
		if r.IntN(3) == 0 {
			dead.Add(s)
		}
		if r.IntN(5) == 0 {
			some.Add(s)
		}
	}
	some.Add(n + 5) // a view does not know the slots that came after it
	run := roaring.New()
	run.AddRange(uint64(n/4), uint64(n/2+1))
	alive := func(s slot) bool { return !dead.Contains(s) }
	for _, k := range []int{1, 10, len(vectors) + 1} {
		base := scan{rows: stored, metric: metric, query: randomVectors(r, 1, len(vectors[0]))[0], k: k, slots: n}
		checkScan(t, p, base, vectors)
		base.visible = alive
		checkScan(t, p, base, vectors)
		for _, base.within = range []*roaring.Bitmap{some, run, roaring.New()} {
			checkScan(t, p, base, vectors)
		}
		base.query = vectors[r.IntN(len(vectors))]
		base.within, base.slots = some, n/2
		checkScan(t, p, base, vectors)
	}
}

// Rows that float32 cannot tell apart, or computes nonsense of, are ordered all the same.
func TestScanIsTheDefinitionWhereFloat32Fails(t *testing.T) {
	const n, dimensions = 1000, 24
	r := randomOf(t)
	base := randomVectors(r, 1, dimensions)[0]
	// vectorsOf makes vectors, number by number, of base and of a random number around 0.
	vectorsOf := func(f func(i int, base, random float64) float64) [][]float32 {
		vectors := make([][]float32, n)
		for i := range vectors {
			vectors[i] = make([]float32, dimensions)
			for j := range vectors[i] {
				vectors[i][j] = float32(f(i, float64(base[j]), r.NormFloat64()))
			}
		}
		return vectors
	}
	for name, vectors := range map[string][][]float32{
		"copies":        vectorsOf(func(i int, x, _ float64) float64 { return x * float64(1+i%3) }),
		"zeros":         vectorsOf(func(i int, x, _ float64) float64 { return x * float64(i%2) }),
		"1e-5 apart":    vectorsOf(func(_ int, x, z float64) float64 { return x * (1 + 1e-5*z) }),
		"1e-7 apart":    vectorsOf(func(_ int, x, z float64) float64 { return x * (1 + 1e-7*z) }),
		"too close":     vectorsOf(func(_ int, x, z float64) float64 { return x * 0x1p-58 * (1 + 3e-5*z) }),
		"huge":          vectorsOf(func(i int, _, z float64) float64 { return math.Ldexp(math.Tanh(z), 60+i%69) }),
		"tiny":          vectorsOf(func(i int, _, z float64) float64 { return math.Ldexp(z, -148+i%8) }),
		"huge and tiny": vectorsOf(func(i int, _, z float64) float64 { return math.Ldexp(z, i%240-120) }),
	} {
		queries := [][]float32{vectors[1], base, randomVectors(r, 1, dimensions)[0], vectorsOf(func(_ int, x, _ float64) float64 { return x * 1e-44 })[0]}
		t.Run(name, func(t *testing.T) {
			withEachKernel(t, func(t *testing.T) {
				stored, p := storedRows(t, vectors), startPool(t, 2)
				for _, query := range queries {
					for _, metric := range metrics {
						if name == "zeros" && metric == index.Cosine {
							continue // such rows are refused
						}
						for _, k := range []int{40, n / 2} {
							checkScan(t, p, scan{rows: stored, metric: metric, query: query, k: k, slots: n}, vectors)
						}
					}
				}
				checkScan(t, p, scan{rows: stored, metric: index.DotProduct, query: make([]float32, dimensions), k: 40, slots: n}, vectors)
			})
		})
	}
}

// Squared distances that are about the largest float32: some are finite, some infinite.
func TestScanIsTheDefinitionAtTheEndOfFloat32(t *testing.T) {
	const n, dimensions = 1200, 24
	query := make([]float32, dimensions)
	for j := range query {
		query[j] = float32(math.Ldexp(1, 64) / math.Sqrt(dimensions))
	}
	vectors := randomVectors(randomOf(t), n, dimensions)
	for _, v := range vectors {
		for j := range v {
			v[j] *= 1 << 40
		}
	}
	withEachKernel(t, func(t *testing.T) {
		stored, p := storedRows(t, vectors), startPool(t, 2)
		// Few at a time, so that a finite limit is often met before an infinite row.
		for from := uint64(0); from < n; from += 12 {
			within := roaring.New()
			within.AddRange(from, from+12)
			for k := 1; k < 12; k++ {
				checkScan(t, p, scan{rows: stored, metric: index.Euclidean, query: query, k: k, slots: n, within: within}, vectors)
			}
		}
	})
}

func TestTheLimitSparesAlmostAllRowsTheSecondStep(t *testing.T) {
	vectors := randomVectors(randomOf(t), 20_000, 32)
	asked := 0
	runScan(t, startPool(t, 1), scan{rows: storedRows(t, vectors), metric: index.Cosine, query: vectors[0], k: 10, slots: 20_000,
		visible: func(slot) bool { asked++; return true }})
	// In random order the i-th row is among the first ten with probability 10/i: 86 expected.
	if asked > 300 {
		t.Errorf("%d candidates of 20,000 rows", asked)
	}
}

func TestAScanAllocatesTheSameForAnyNumberOfRows(t *testing.T) {
	vectors := randomVectors(randomOf(t), 20_000, 16)
	stored, p := storedRows(t, vectors), startPool(t, 2)
	within := roaring.New()
	within.AddRange(0, 20_000)
	within.Remove(77)
	for _, s := range []scan{{}, {within: within}} {
		s.rows, s.metric, s.query, s.k = stored, index.Cosine, vectors[0], 10
		s = withDefaults(s)
		run := func() {
			if _, _, err := s.run(context.Background(), p); err != nil {
				t.Error(err)
			}
		}
		for _, s.slots = range []slot{2_000, 20_000} {
			if n := testing.AllocsPerRun(20, run); n > 40 {
				t.Errorf("%d rows, filtered %v: %g allocations", s.slots, s.within != nil, n)
			}
		}
	}
}

func TestADamagedCandidateIsAnErrorThatNamesTheFile(t *testing.T) {
	vectors := randomVectors(randomOf(t), 500, 12)
	stored, p := storedRows(t, vectors), startPool(t, 2)
	b := readFile(t, stored.path)
	b[stored.offset(123)+5] ^= 1
	writeFile(t, stored.path, b)
	s := withDefaults(scan{rows: stored, metric: index.Euclidean, query: vectors[123], k: 3, slots: 500})
	_, _, err := s.run(context.Background(), p)
	if !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), stored.path) {
		t.Errorf("error: %v", err)
	}
}

func TestAScanEndsWithItsContext(t *testing.T) {
	vectors := randomVectors(randomOf(t), 20_000, 64)
	stored, p := storedRows(t, vectors), startPool(t, 2)
	ctx, cancel := context.WithCancel(context.Background())
	s := withDefaults(scan{rows: stored, metric: index.Euclidean, query: vectors[0], k: 20_000, slots: 20_000})
	var asked atomic.Int64
	s.visible = func(slot) bool {
		if asked.Add(1) == 100 {
			cancel()
		}
		return true
	}
	if _, _, err := s.run(ctx, p); !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	if _, _, err := s.run(ctx, p); !errors.Is(err, context.Canceled) {
		t.Errorf("begun after the end: %v", err)
	}
	checkScan(t, p, scan{rows: stored, metric: index.Euclidean, query: vectors[0], k: 10, slots: 20_000}, vectors)
}

// BenchmarkScan measures exact scans of 40,000 rows of 384 numbers, of all and of a
// share of them, on one core and on all, in bytes of rows compared a second.
func BenchmarkScan(b *testing.B) {
	const n, dimensions = 40_000, 384
	r := randomOf(b)
	vectors := randomVectors(r, n, dimensions)
	stored := storedRows(b, vectors)
	for _, workers := range []int{1, runtime.GOMAXPROCS(0)} {
		for _, share := range []int{1, 2, 10, 100} {
			b.Run(fmt.Sprintf("%d-core/1-in-%d", workers, share), func(b *testing.B) {
				p := startPool(b, workers)
				s := scan{rows: stored, metric: index.Cosine, query: vectors[0], k: 10, slots: n}
				compared := n
				if share > 1 {
					s.within = roaring.New()
					for i := range s.slots {
						if r.IntN(share) == 0 {
							s.within.Add(i)
						}
					}
					compared = int(s.within.GetCardinality())
				}
				b.SetBytes(int64(compared * dimensions * 4))
				b.ReportAllocs()
				for b.Loop() {
					runScan(b, p, s)
				}
			})
		}
	}
}

// BenchmarkRescore measures what follows a walk: fourteen rows, anywhere among 60,000
// of 784 numbers, are verified and scored.
func BenchmarkRescore(b *testing.B) {
	const n, dimensions, listed = 60_000, 784, 14
	r := randomOf(b)
	vectors := randomVectors(r, n, dimensions)
	stored, p := storedRows(b, vectors), startPool(b, 1)
	lists := make([][]candidate, 4096)
	for i := range lists {
		for range listed {
			lists[i] = append(lists[i], candidate{slot: slot(r.IntN(n))})
		}
	}
	s := scan{rows: stored, metric: index.Euclidean, query: vectors[0], k: 10, slots: n}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.near = lists[i%len(lists)]
		runScan(b, p, s)
	}
}
