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
	p := &s.pool
	for next := 0; next < len(p.entries); {
		e := p.entries[next]
		if e&expanded != 0 {
			next++
			continue
		}
		p.entries[next] = e | expanded
		next++
		s.counts.Hops++
		if next < len(p.entries) {
			g.prefetchLinks(p.entries[next].node())
		}
		next = min(next, g.bridge(s, g.links(e.node(), 0)))
	}
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

// bridge compares the matches among the neighbours of a node, and, as long as they
// are fewer than a list of links, those among the neighbours of the others. It
// returns the first place of the pool that changed.
func (g *Graph) bridge(s *Searcher, list []uint32) int {
	first, n := len(s.pool.entries), 0
	var others [2 * MaxM]uint32
	bridges := 0
	for i := range list {
		link := atomic.LoadUint32(&list[i])
		if link == 0 {
			break
		}
		switch node := link - 1; {
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
		n = g.over(s, node, n)
	}
	if n > 0 {
		first = s.take(s.entering(g, n))
	}
	return first
}

// over adds the matches among the neighbours of a node to the n that at holds, and
// returns how many it holds then: at most two lists of links.
func (g *Graph) over(s *Searcher, node uint32, n int) int {
	list := g.links(node, 0)
	for i := range list {
		link := atomic.LoadUint32(&list[i])
		if link == 0 {
			break
		}
		if s.accept.node(link-1) && s.visited.add(link-1) {
			s.at[n] = link - 1
			n++
		}
	}
	return n
}
