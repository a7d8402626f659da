package hnsw

import "sync/atomic"

// accept says which nodes may be in an answer.
type accept struct {
	graph    *Graph
	all      bool     // every node
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

// SearchThrough is Search among the slots whose bit is set in matching; nil is all. The
// walk goes the way of Search and passes through the nodes that do not match, until it has
// ef that do. So where few match it sees far more nodes than ef, and needs a lower ef.
//
// A walk from match to match, which looks at the neighbours of the neighbours that do not
// match (ACORN-1 by Patel et al., arxiv.org/abs/2403.04871), was tried and left out: on
// 100,000 vectors of 768 dimensions it took as long at .98 recall where a tenth matched, longer
// where a half did, and found too little where a hundredth did.
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
