package hnsw

import (
	"math"
	"sync/atomic"
	"unsafe"

	"nearside/index/local/quant"
	"nearside/index/local/vek"
)

// atOnce is the most nodes that are compared at once: a list of links, and one.
const atOnce = 2*MaxM + 1

// A Searcher is the memory of one search at a time. It serves any graph, and is
// kept for the searches to come.
type Searcher struct {
	// Wanted is how many candidates, the nearest by their keys, the caller is after. Those are told
	// with a bound, and a walk that has long found nothing nearer than the last of them ends. 0: all, and none has a bound.
	Wanted int

	query   quant.Query
	visited visited
	pool    pool
	found   []Candidate
	accept  accept

	// The nodes compared at once, and their keys.
	at     [atOnce]uint32
	keys   [atOnce]int32
	uppers [atOnce]int32
	blur   *quant.Blur // nil: whole codes are compared

	patience int // hops without one of those wanted after which a walk ends

	counts Counts
}

// A Candidate is a node that may be among the nearest.
type Candidate struct {
	Slot  uint32
	Node  uint32
	Key   int32   // see quant: the lowest is the nearest
	Lower float64 // of the number by which the vector is ranked (quant.Query.Bounds); -Inf if the candidate is not one of those wanted
}

// Counts says what a search did: the same on every machine.
type Counts struct {
	Distances int // codes compared, by their upper halves at least
	Fine      int // codes of which the lower halves were compared too
	Hops      int // nodes whose links were followed
}

// Counts returns what the last search of s did.
func (s *Searcher) Counts() Counts { return s.counts }

// Query returns the query of the last search, as its keys were made from it.
func (s *Searcher) Query() *quant.Query { return &s.query }

// Search returns the ef nearest nodes that a walk finds, the nearest first; fewer
// if the walk ends before. Killed nodes are passed through and left out. The
// result is the searcher's: it is valid until its next search.
func (g *Graph) Search(s *Searcher, query []float32, ef int) []Candidate {
	return g.SearchThrough(s, query, ef, nil)
}

// patienceShare is the share of ef, one in so many, that a walk goes on hops that find none of those
// wanted. At recalls from .95 to .995 walks that so end compare 5 to 8 % fewer codes on lid768, 2 to 8 % on
// gmm128, and as many where queries are unlike the vectors; with a third or less of ef it is more there.
const patienceShare = 2

// begin readies s for a search of a graph, within some slots if matching is not nil.
func (s *Searcher) begin(g *Graph, query []float32, ef int, matching []uint64) {
	s.query.Set(&g.codec, query)
	s.pool.reset(max(ef, 1), anyTies)
	s.toTheEnd(g)
	s.counts = Counts{}
	if matching != nil {
		s.accept = g.accept(matching)
	} else if s.Wanted > 0 {
		s.patience = ef / patienceShare
	}
}

// toTheEnd readies s for walks among all nodes that end where there is nothing left to follow.
func (s *Searcher) toTheEnd(g *Graph) {
	s.accept, s.blur, s.patience = g.accept(nil), g.blur.Load(), math.MaxInt
}

// enter makes a node part of the pool.
func (s *Searcher) enter(node uint32, key int32) {
	s.visited.add(node)
	e := newEntry(key, node)
	if !s.accept.all && !s.accept.node(node) {
		e |= passThrough
	}
	if e < s.pool.limit() {
		s.pool.insert(e)
	}
}

// answer returns what the pool holds.
func (s *Searcher) answer(g *Graph) []Candidate {
	s.found = s.found[:0]
	for _, e := range s.pool.entries {
		if e&passThrough != 0 {
			continue
		}
		if slot, ok := g.Slot(e.node()); ok {
			s.found = append(s.found, Candidate{Slot: slot, Node: e.node(), Key: e.key(), Lower: math.Inf(-1)})
		}
	}
	s.bound(g, s.found[:min(s.Wanted, len(s.found))])
	return s.found
}

// bound sets the bounds of candidates.
func (s *Searcher) bound(g *Graph, found []Candidate) {
	for i := range found {
		c := &found[i]
		c.Lower, _ = s.query.Bounds(c.Key, g.nodes.terms[c.Node], g.nodes.losses[c.Node])
	}
}

// compare sets keys to those of the first n nodes of at.
func (s *Searcher) compare(g *Graph, n int) []int32 {
	s.counts.Distances += n
	s.counts.Fine += n
	s.query.Keys(g.codes, g.stride, g.nodes.terms, s.at[:n], s.keys[:n])
	return s.keys[:n]
}

// descend goes from the top down to a level, on each level above it to the nearest
// node that steps to ever nearer neighbours reach. It returns the node it ends at.
func (g *Graph) descend(s *Searcher, to int) (node uint32, key int32, ok bool) {
	node, level, ok := g.start()
	if !ok {
		return 0, 0, false
	}
	s.visited.reset(g.Nodes())
	s.visited.add(node)
	s.at[0] = node
	key = s.compare(g, 1)[0]
	for ; level > to; level-- {
		for moved := true; moved; {
			node, key, moved = g.step(s, node, key, level)
		}
	}
	return node, key, true
}

// step compares the neighbours of a node that were not compared before, and returns the nearest of all.
func (g *Graph) step(s *Searcher, node uint32, key int32, level int) (uint32, int32, bool) {
	s.counts.Hops++
	n := s.gather(g.links(node, level))
	if n == 0 {
		return node, key, false
	}
	moved := false
	for i, k := range s.nearer(g, n, key) {
		if k < key {
			node, key, moved = s.at[i], k, true
		}
	}
	return node, key, moved
}

// gather sets at to the nodes of a list that were not visited before, and returns how many those are.
func (s *Searcher) gather(list []uint32) int {
	n := 0
	for i := range list {
		link := atomic.LoadUint32(&list[i])
		if link == 0 {
			break
		}
		s.at[n] = link - 1
		if s.visited.add(link - 1) {
			n++
		}
	}
	return n
}

// walk follows the links of the nearest entry of the pool that was not expanded, until there
// is none, or the pool is full and none of the last hops found one of those wanted.
func (g *Graph) walk(s *Searcher, level int) {
	p, idle := &s.pool, 0
	for next := 0; next < len(p.entries) && idle <= s.patience; {
		e := p.entries[next]
		if e&expanded != 0 {
			next++
			continue
		}
		p.entries[next] = e | expanded
		next++
		s.counts.Hops++
		if p.limit() != farthest {
			idle++
		}
		n := s.gather(g.links(e.node(), level))
		if n == 0 {
			continue
		}
		if level == 0 && next < len(p.entries) {
			g.prefetchLinks(p.entries[next].node())
		}
		first := s.take(s.entering(g, n))
		if first < s.Wanted {
			idle = 0
		}
		next = min(next, first)
	}
}

// entering compares the first n nodes of at and returns their keys, or those of the
// nodes that may enter the pool, which are then the first of at.
func (s *Searcher) entering(g *Graph, n int) []int32 {
	if limit := s.pool.limit(); limit != farthest {
		return s.nearer(g, n, limit.key())
	}
	return s.compare(g, n)
}

// nearer compares the first n nodes of at and returns their keys, or those of the
// nodes that are nearer than a limit, which are then the first of at.
func (s *Searcher) nearer(g *Graph, n int, limit int32) []int32 {
	if s.blur == nil {
		return s.compare(g, n)
	}
	return s.sift(g, n, limit)
}

// take enters the nodes just compared into the pool, and returns the first place that changed.
func (s *Searcher) take(keys []int32) int {
	p := &s.pool
	first, limit := len(p.entries), p.limit()
	for i, key := range keys {
		e := newEntry(key, s.at[i])
		if e >= limit || p.crowded(e) {
			continue
		}
		if !s.accept.all && !s.accept.node(s.at[i]) {
			e |= passThrough
		}
		first = min(first, p.insert(e))
		limit = p.limit()
	}
	return first
}

// prefetchLinks asks for the links of the node that will probably be followed next.
func (g *Graph) prefetchLinks(node uint32) {
	vek.Prefetch(unsafe.Pointer(&g.ground[int(node)*g.m0]), 4*g.m0)
}
