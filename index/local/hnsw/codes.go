package hnsw

import "math"

// Compare compares a query with the codes of slots, one after the other, and tells
// visit the bounds between which the number lies by which each slot's vector is ranked
// (quant.Query.Bounds). For a slot that is not in the graph, or was killed, they are infinite.
//
// It is a scan, not a walk: what it says is certain. Slots that ascend lie near each
// other in memory mostly, and are read several times as fast as in a walk.
func (g *Graph) Compare(s *Searcher, query []float32, slots []uint32, visit func(slot uint32, lower, upper float64)) {
	defer g.readers.enter(s).leave()
	s.begin(g, query, 1, nil)
	var of [compareAtOnce]uint32 // the slots of the nodes in s.at
	for len(slots) > 0 {
		n, m := min(len(slots), compareAtOnce), 0
		for _, slot := range slots[:n] {
			if node, ok := g.places.get(slot); ok && !g.Killed(node) {
				s.at[m] = node
				of[m] = slot
				m++
				continue
			}
			visit(slot, math.Inf(-1), math.Inf(1))
		}
		for i, key := range s.compare(g, m) {
			node := s.at[i]
			lower, upper := s.query.Bounds(key, g.nodes.terms[node], g.nodes.losses[node])
			visit(of[i], lower, upper)
		}
		slots = slots[n:]
	}
}

// compareAtOnce is how many codes Compare hands to the kernels at once.
const compareAtOnce = 2 * MaxM
