package hnsw_test

import (
	"cmp"
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"nearside/index"
	"nearside/index/local/hnsw"
	"nearside/index/local/quant"
)

var seed = flag.Uint64("seed", 1, "of the random vectors")

// made is a set of vectors with a graph over them; the slot of a vector is its place.
type made struct {
	metric  index.Metric
	vectors [][]float32
	graph   *hnsw.Graph
}

// mixture returns vectors of clusters, as those of texts are, drawn from a seed.
func mixture(t testing.TB, n, dimensions, clusters int) [][]float32 {
	t.Helper()
	t.Logf("seed %d", *seed)
	r := rand.New(rand.NewPCG(*seed, uint64(n)))
	centers := make([][]float32, clusters)
	for i := range centers {
		centers[i] = gaussian(r, dimensions, nil, 1)
	}
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = gaussian(r, dimensions, centers[r.IntN(clusters)], .7)
	}
	return vectors
}

func gaussian(r *rand.Rand, dimensions int, center []float32, sigma float64) []float32 {
	v := make([]float32, dimensions)
	for i := range v {
		v[i] = float32(sigma * r.NormFloat64())
		if center != nil {
			v[i] += center[i]
		}
	}
	return v
}

// build makes a graph with so many inserters.
func build(t testing.TB, metric index.Metric, vectors [][]float32, inserters int, o hnsw.Options) made {
	t.Helper()
	o.Codec = quant.Train(metric, len(vectors[0]), vectors)
	o.Capacity = max(o.Capacity, len(vectors))
	g, err := hnsw.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	insertAll(t, g, vectors, inserters)
	return made{metric, vectors, g}
}

func insertAll(t testing.TB, g *hnsw.Graph, vectors [][]float32, inserters int) {
	var next atomic.Int64
	var work sync.WaitGroup
	for range inserters {
		work.Go(func() {
			var in hnsw.Inserter
			for i := next.Add(1) - 1; i < int64(len(vectors)); i = next.Add(1) - 1 {
				if _, err := g.Insert(&in, uint32(i), vectors[i]); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
}

// nearest returns the k best of the slots that may be in the answer.
func (m *made) nearest(query []float32, slots []uint32, k int) []uint32 {
	type scored struct {
		slot  uint32
		score float64
	}
	all := make([]scored, len(slots))
	for i, s := range slots {
		all[i] = scored{s, index.Score(m.metric, query, m.vectors[s])}
		if !m.metric.Ascending() {
			all[i].score = -all[i].score
		}
	}
	slices.SortFunc(all, func(a, b scored) int { return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(a.slot, b.slot)) })
	best := make([]uint32, 0, k)
	for _, s := range all[:min(k, len(all))] {
		best = append(best, s.slot)
	}
	return best
}

// every returns the slots that keep lets pass; nil: all.
func (m *made) every(keep func(slot uint32) bool) []uint32 {
	var slots []uint32
	for i := range m.vectors {
		if keep == nil || keep(uint32(i)) {
			slots = append(slots, uint32(i))
		}
	}
	return slots
}

// recall is the share of the k nearest that a search finds, on average over some queries.
func (m *made) recall(t testing.TB, queries [][]float32, slots []uint32, k int, search func(s *hnsw.Searcher, q []float32) []hnsw.Candidate) float64 {
	t.Helper()
	var s hnsw.Searcher
	found, wanted := 0, 0
	for _, q := range queries {
		var got []uint32
		for _, c := range search(&s, q) {
			got = append(got, c.Slot)
		}
		got = m.nearest(q, got, k) // scored exactly, as the callers of the package do
		for _, slot := range m.nearest(q, slots, k) {
			wanted++
			if slices.Contains(got, slot) {
				found++
			}
		}
	}
	return float64(found) / float64(wanted)
}

var metrics = []index.Metric{index.Cosine, index.Euclidean, index.DotProduct}

func TestAWalkFindsTheNearest(t *testing.T) {
	all := mixture(t, 4100, 48, 40)
	vectors, queries := all[:4000], all[4000:]
	for _, metric := range metrics {
		for _, inserters := range []int{1, 4} {
			m := build(t, metric, vectors, inserters, hnsw.Options{})
			recall := m.recall(t, queries, m.every(nil), 10, func(s *hnsw.Searcher, q []float32) []hnsw.Candidate { return m.graph.Search(s, q, 64) })
			t.Logf("%s, %d inserters: recall@10 %.4f", metric, inserters, recall)
			if recall < .97 {
				t.Errorf("%s, %d inserters: recall@10 is %.4f, want at least .97", metric, inserters, recall)
			}
		}
	}
}

func TestCandidatesAscendByKeyAndComeOnce(t *testing.T) {
	vectors := mixture(t, 1000, 24, 10)
	for _, metric := range metrics {
		m := build(t, metric, vectors, 1, hnsw.Options{M: 8})
		var s hnsw.Searcher
		found := m.graph.Search(&s, vectors[7], 50)
		if len(found) != 50 {
			t.Fatalf("%s: %d candidates, want 50", metric, len(found))
		}
		seen := map[uint32]bool{}
		for i, c := range found {
			if i > 0 && found[i-1].Key > c.Key || seen[c.Slot] {
				t.Fatalf("%s: candidate %d, %+v, is out of order or there twice", metric, i, c)
			}
			seen[c.Slot] = true
			if node, ok := m.graph.Node(c.Slot); !ok || node != c.Node {
				t.Fatalf("%s: slot %d has node %d, the candidate says %d", metric, c.Slot, node, c.Node)
			}
		}
	}
}

func TestOneGraphAndOneQueryGiveOneAnswer(t *testing.T) {
	vectors := mixture(t, 800, 32, 10)
	m := build(t, index.Cosine, vectors, 1, hnsw.Options{})
	again := build(t, index.Cosine, vectors, 1, hnsw.Options{})
	var a, b hnsw.Searcher
	for _, q := range vectors[:50] {
		first := slices.Clone(m.graph.Search(&a, q, 30))
		if second := again.graph.Search(&b, q, 30); !slices.Equal(first, second) || a.Counts() != b.Counts() {
			t.Fatalf("two graphs made alike answer %v (%+v) and %v (%+v)", first, a.Counts(), second, b.Counts())
		}
	}
}

func TestSmallGraphsAnswerWithAllTheyHave(t *testing.T) {
	vectors := mixture(t, 20, 8, 2)
	for n := range 20 {
		g, err := hnsw.New(hnsw.Options{Codec: quant.Train(index.Euclidean, 8, vectors), Capacity: 20})
		if err != nil {
			t.Fatal(err)
		}
		insertAll(t, g, vectors[:n], 1)
		var s hnsw.Searcher
		if found := g.Search(&s, vectors[3], 64); len(found) != n {
			t.Errorf("a graph of %d nodes answers with %d", n, len(found))
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestManyInsertersAtOnceBeginAnEmptyGraph(t *testing.T) {
	vectors := mixture(t, 64, 8, 2)
	for range 200 {
		m := build(t, index.Euclidean, vectors, 8, hnsw.Options{M: 4})
		var s hnsw.Searcher
		if found := m.graph.Search(&s, vectors[0], 64); len(found) < 60 {
			t.Fatalf("%d of 64 nodes can be reached", len(found))
		}
	}
}

func TestAFullGraphSaysSo(t *testing.T) {
	vectors := mixture(t, 11, 8, 2)
	g, err := hnsw.New(hnsw.Options{Codec: quant.Train(index.Cosine, 8, vectors), Capacity: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	insertAll(t, g, vectors[:10], 1)
	var in hnsw.Inserter
	if _, err := g.Insert(&in, 10, vectors[10]); err != hnsw.ErrFull {
		t.Errorf("the eleventh of ten: %v, want ErrFull", err)
	}
}

// Of 250 copies of each vector a walk keeps 20. Where those of a wrong one fill it, links that lead
// elsewhere must save it.
func TestCopiesDoNotCutTheGraphApart(t *testing.T) {
	distinct := mixture(t, 60, 32, 60)
	var vectors [][]float32
	for range 250 {
		vectors = append(vectors, distinct...)
	}
	for _, inserters := range []int{1, 4} {
		m := build(t, index.Euclidean, vectors, inserters, hnsw.Options{})
		var s hnsw.Searcher
		right, wanted := 0, 0
		for i, q := range distinct {
			for _, c := range m.graph.Search(&s, q, 20) {
				if int(c.Slot)%len(distinct) == i {
					right++
				}
			}
			wanted += 20
		}
		t.Logf("%d inserters: %d of %d found are copies of the query", inserters, right, wanted)
		if right < wanted*3/4 {
			t.Errorf("%d inserters: %d of %d found are copies of the query, want three in four", inserters, right, wanted)
		}
	}
}

func TestASearchAllocatesNothing(t *testing.T) {
	vectors := mixture(t, 1000, 64, 10)
	m := build(t, index.Cosine, vectors, 1, hnsw.Options{})
	matching := bitsOf(m.every(func(slot uint32) bool { return slot%3 == 0 }), len(vectors))
	var s hnsw.Searcher
	for name, search := range map[string]func(q []float32){
		"Search":        func(q []float32) { m.graph.Search(&s, q, 64) },
		"SearchThrough": func(q []float32) { m.graph.SearchThrough(&s, q, 64, matching) },
	} {
		for _, q := range vectors {
			search(q)
		}
		i := 0
		if n := testing.AllocsPerRun(200, func() { i++; search(vectors[i]) }); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func TestSearchesSeeASoundGraphWhileItGrows(t *testing.T) {
	vectors := mixture(t, 3000, 16, 20)
	g, err := hnsw.New(hnsw.Options{Codec: quant.Train(index.Euclidean, 16, vectors), Capacity: len(vectors)})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	var done atomic.Bool
	var searchers sync.WaitGroup
	for range 2 {
		searchers.Go(func() {
			var s hnsw.Searcher
			for i := 0; !done.Load(); i++ {
				for _, c := range g.Search(&s, vectors[i%len(vectors)], 20) {
					if int(c.Slot) >= len(vectors) {
						t.Errorf("slot %d of %d", c.Slot, len(vectors))
						return
					}
				}
			}
		})
	}
	insertAll(t, g, vectors, 2)
	done.Store(true)
	searchers.Wait()
}

func TestLevelsThinOutByM(t *testing.T) {
	m := build(t, index.Euclidean, mixture(t, 20000, 4, 4), 2, hnsw.Options{M: 4, EFConstruction: 4})
	perNode := float64(m.graph.SizeBytes()) / 20000
	// A code of 64 bytes, 8 links, five numbers, and 4 links at each of 1/(4-1) levels on the average.
	if want := 64. + 8*4 + 4*4 + 1./8 + 4*4./3; math.Abs(perNode-want) > .5 {
		t.Errorf("a node takes %.2f bytes, want %.2f", perNode, want)
	}
}

// bitsOf returns slots as a bit for each.
func bitsOf(slots []uint32, n int) []uint64 {
	words := make([]uint64, (n+63)/64)
	for _, s := range slots {
		words[s>>6] |= 1 << (s & 63)
	}
	return words
}
