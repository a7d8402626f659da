package hnsw

import "sync/atomic"

// accept says which nodes may be in an answer.
type accept struct {
	graph    *Graph
	all      bool     // every node
	only     bool     // a walk compares only those, going from match to match
	matching []uint64 // a bit for each slot that may; slots beyond it may not; nil: all of them
}

// accept returns what takes the slots of matching, nil for all, and no killed node.
func (g *Graph) accept(matching []uint64) accept {
	return accept{graph: g, all: matching == nil && g.dead.Load() == 0, matching: matching}
}

func (a *accept) node(node uint32) bool {
	if a.graph.Killed(node) {
		return false
	}
	return a.matching == nil || a.slotOf(node)
}

func (a *accept) slotOf(node uint32) bool {
	slot := atomic.LoadUint32(&a.graph.nodes.slots[node]) - 1
	word := int(slot >> 6)
	return word < len(a.matching) && a.matching[word]&(1<<(slot&63)) != 0
}

// SearchThrough is Search among the slots whose bit is set in matching. The walk
// goes the way of Search and passes through the nodes that do not match. It suits
// filters that most of the nodes near the query pass.
func (g *Graph) SearchThrough(s *Searcher, query []float32, ef int, matching []uint64) []Candidate {
	defer g.readers.enter(s).leave()
	s.begin(g, query, ef, matching)
	if node, key, ok := g.descend(s, 0); ok {
		s.visited.reset(g.Nodes())
		s.enter(node, key)
		g.walk(s, 0)
	}
	return s.answer(g)
}

// SearchWithin is Search among the slots whose bit is set in matching. The walk
// goes from match to match: where a neighbour does not match, it looks at that
// one's neighbours instead, and compares matches only (as ACORN-1 by Patel et al.,
// arxiv.org/abs/2403.04871). It begins at the matching slots given as seeds, as many
// as there are, and where Search begins. It suits filters that few nodes near the query pass.
func (g *Graph) SearchWithin(s *Searcher, query []float32, ef int, matching []uint64, seeds []uint32) []Candidate {
	defer g.readers.enter(s).leave()
	s.begin(g, query, ef, matching)
	node, key, ok := g.descend(s, 0)
	if !ok {
		return nil
	}
	s.visited.reset(g.Nodes())
	s.enter(node, key)
	g.plant(s, seeds)
	s.accept.only = true
	g.walk(s, 0)
	return s.answer(g)
}

// plant enters the nodes of the seeds.
func (g *Graph) plant(s *Searcher, seeds []uint32) {
	n := 0
	for _, slot := range seeds {
		if node, ok := g.places.get(slot); ok && s.visited.add(node) {
			s.at[n] = node
			n++
		}
		if n == len(s.at) {
			s.take(s.compare(g, n))
			n = 0
		}
	}
	if n > 0 {
		s.take(s.compare(g, n))
	}
}

// bridge is gather for the matches among the neighbours of a node and, as long as they
// are fewer than a list of links, those among the neighbours of the others.
func (s *Searcher) bridge(g *Graph, list []uint32) int {
	n, bridges := 0, 0
	var others [2 * MaxM]uint32
	for node := range nodesOf(list) {
		switch {
		case !s.visited.add(node):
		case s.accept.node(node):
			s.at[n] = node
			n++
		default:
			others[bridges] = node
			bridges++
		}
	}
	for _, node := range others[:bridges] {
		if n >= g.m0 {
			break
		}
		n = s.over(g, node, n)
	}
	return n
}

// over adds the matches among the neighbours of a node to the n that at holds, and
// returns how many it holds then: fewer than two lists of links if it held fewer than one.
func (s *Searcher) over(g *Graph, node uint32, n int) int {
	for near := range nodesOf(g.links(node, 0)) {
		if s.accept.node(near) && s.visited.add(near) {
			s.at[n] = near
			n++
		}
	}
	return n
}
