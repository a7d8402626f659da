package hnsw

import "math"

// Compare compares a query with the codes of slots, one after the other, and tells
// visit the bounds between which the number lies by which each slot's vector is ranked
// (quant.Query.Bounds). For a slot that is not in the graph, or was killed, they are infinite.
// Slots whose lower bound is above a limit may be left out: infinity at first, then what visit returned last.
//
// It is a scan, not a walk: what it says is certain. Slots that ascend lie near each
// other in memory mostly, and are read several times as fast as in a walk.
func (g *Graph) Compare(s *Searcher, query []float32, slots []uint32, visit func(slot uint32, lower, upper float64) (limit float64)) {
	defer g.readers.enter(s).leave()
	s.begin(g, query, 1, nil)
	limit, highest, worst := math.Inf(1), int32(math.MaxInt32), g.worstLoss()
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
			if key > highest {
				continue
			}
			node := s.at[i]
			lower, upper := s.query.Bounds(key, g.nodes.terms[node], g.nodes.losses[node])
			if now := visit(of[i], lower, upper); now != limit {
				limit, highest = now, s.query.KeyLimit(now, worst)
			}
		}
		slots = slots[n:]
	}
}

// worstLoss is the largest loss of a code. Nodes that are inserted meanwhile may lose more: the
// caller's slots were there before.
func (g *Graph) worstLoss() float32 { return math.Float32frombits(g.worst.Load()) }

// noteLoss makes room for a loss in the largest. The bits of numbers that are not negative order as they do.
func (g *Graph) noteLoss(loss float32) {
	bits := math.Float32bits(loss)
	for now := g.worst.Load(); bits > now && !g.worst.CompareAndSwap(now, bits); now = g.worst.Load() {
	}
}

// compareAtOnce is how many codes Compare hands to the kernels at once.
const compareAtOnce = 2 * MaxM
