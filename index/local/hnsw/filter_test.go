package hnsw_test

import (
	"math/rand/v2"
	"testing"

	"nearside/index"
	"nearside/index/local/hnsw"
)

// filters are shares of the slots: at random, and by nearness to a vector far from and near to the queries.
func filters(m *made, queries [][]float32) map[string]func(slot uint32) bool {
	r := rand.New(rand.NewPCG(*seed, 9))
	half, tenth := map[uint32]bool{}, map[uint32]bool{}
	for i := range m.vectors {
		half[uint32(i)], tenth[uint32(i)] = r.IntN(2) == 0, r.IntN(10) == 0
	}
	positive := func(slot uint32) bool { return m.vectors[slot][0]+m.vectors[slot][1] > 0 }
	return map[string]func(slot uint32) bool{
		"a random half":  func(slot uint32) bool { return half[slot] },
		"a random tenth": func(slot uint32) bool { return tenth[slot] },
		"one side":       positive,
	}
}

func TestFilteredWalksFindTheNearestThatMatch(t *testing.T) {
	all := mixture(t, 4100, 32, 40)
	vectors, queries := all[:4000], all[4000:]
	for _, metric := range metrics {
		m := build(t, metric, vectors, 2, hnsw.Options{})
		for name, keep := range filters(&m, queries) {
			slots := m.every(keep)
			matching := bitsOf(slots, len(vectors))
			recall := m.recall(t, queries, slots, 10, func(s *hnsw.Searcher, q []float32) []hnsw.Candidate {
				return onlyMatching(t, m.graph.SearchThrough(s, q, 80, matching), keep)
			})
			t.Logf("%s, %s: recall@10 %.4f", metric, name, recall)
			if recall < .95 {
				t.Errorf("%s, %s: recall@10 %.4f, want at least .95", metric, name, recall)
			}
		}
	}
}

func onlyMatching(t *testing.T, found []hnsw.Candidate, keep func(slot uint32) bool) []hnsw.Candidate {
	t.Helper()
	for _, c := range found {
		if !keep(c.Slot) {
			t.Fatalf("slot %d was found, which does not match", c.Slot)
		}
	}
	return found
}

func TestFilteredWalksOfNothingFindNothing(t *testing.T) {
	vectors := mixture(t, 500, 16, 5)
	m := build(t, index.Cosine, vectors, 1, hnsw.Options{})
	var s hnsw.Searcher
	none := make([]uint64, 8)
	if found := m.graph.SearchThrough(&s, vectors[0], 10, none); len(found) != 0 {
		t.Errorf("SearchThrough found %v", found)
	}
}

// Slots that the bits say nothing of, being newer, do not match.
func TestSlotsBeyondTheBitsDoNotMatch(t *testing.T) {
	vectors := mixture(t, 500, 16, 5)
	m := build(t, index.Cosine, vectors, 1, hnsw.Options{})
	var s hnsw.Searcher
	for _, c := range m.graph.SearchThrough(&s, vectors[400], 50, []uint64{^uint64(0)}) {
		if c.Slot >= 64 {
			t.Fatalf("slot %d was found; the bits end at 63", c.Slot)
		}
	}
}

// With the most links a node can have, a walk within a filter has the most to compare at once.
func TestFilteredWalksOfTheWidestGraphFindTheNearestThatMatch(t *testing.T) {
	all := mixture(t, 1550, 16, 1)
	vectors, queries := all[:1500], all[1500:]
	m := build(t, index.Euclidean, vectors, 2, hnsw.Options{M: hnsw.MaxM})
	keep := func(slot uint32) bool { return slot%4 == 0 }
	slots := m.every(keep)
	recall := m.recall(t, queries, slots, 10, func(s *hnsw.Searcher, q []float32) []hnsw.Candidate {
		return onlyMatching(t, m.graph.SearchThrough(s, q, 80, bitsOf(slots, len(vectors))), keep)
	})
	if recall < .99 {
		t.Errorf("recall@10 %.4f", recall)
	}
}
