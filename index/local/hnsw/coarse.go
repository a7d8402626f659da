package hnsw

import (
	"slices"
	"unsafe"

	"nearside/index/local/quant"
	"nearside/index/local/vek"
)

// Most nodes that a walk compares are too far to enter its pool, and the upper
// halves of their codes tell. A walk whose pool is full compares those first, and
// reads the lower halves only of what may enter: half of the memory for most nodes.
// How sure that is depends on the codes; a graph measures it (quant.Blur) when it
// has some nodes, and each time it has twice as many.

// blurNodes is how many nodes are compared with their neighbours to measure the blur.
const blurNodes = 512

// sharpen measures the blur if a graph has grown to a power of two of nodes.
func (g *Graph) sharpen(node uint32) {
	if n := node + 1; n >= blurNodes && n&(n-1) == 0 {
		g.measureBlur(int(n))
	}
}

// measureBlur measures the blur on n nodes.
func (g *Graph) measureBlur(n int) {
	var b quant.Blurring
	var q quant.Query
	var at []uint32
	step := max(1, n/blurNodes)
	for node := 0; node < n; node += step {
		if _, used := g.Slot(uint32(node)); !used {
			continue
		}
		at = slices.AppendSeq(at[:0], nodesOf(g.links(uint32(node), 0)))
		q.SetCode(&g.codec, g.code(uint32(node)), g.nodes.terms[node])
		b.Add(&q, g.codes, g.stride, at)
	}
	if blur := b.Blur(); blur.Known() {
		g.blur.Store(&blur)
	}
}

// sift is compare for the n nodes of at of which only those matter that are nearer than
// the limit: it leaves those in at, most probably, and sets keys to their keys.
func (s *Searcher) sift(g *Graph, n int, limit int32) []int32 {
	s.counts.Distances += n
	uppers, keys := s.uppers[:n], s.keys[:n]
	s.query.Coarse(s.blur, g.codes, g.stride, g.nodes.terms, s.at[:n], uppers, keys)
	left := 0
	for i, key := range keys {
		if key <= limit {
			s.at[left], uppers[left] = s.at[i], uppers[i]
			left++
		}
	}
	if left == 0 {
		return nil
	}
	for _, node := range s.at[:left] {
		vek.Prefetch(unsafe.Pointer(&g.codes[int(node)*g.stride+g.stride/2]), g.stride/2)
	}
	s.counts.Fine += left
	s.query.Fine(g.codes, g.stride, g.nodes.terms, s.at[:left], uppers[:left])
	return uppers[:left]
}
