package hnsw

import (
	"slices"
	"sync/atomic"
)

// An orphan is a living node that no chain of links of living nodes leads to from the
// entry: all who linked to it were killed, or found better neighbours. No walk can
// find it. A repair follows all links on the ground and links what it did not come to.

// trace follows the links of one node. When all were followed that can be come to, it
// links an orphan, and goes on from there: the rest of an island follows by itself.
func (r *Repair) trace(in *Inserter) int {
	switch n := len(r.frontier); {
	case r.reached.end() == 0:
		r.replaceEntry()
		r.reached = newBitset(r.end)
		if node, _, ok := r.g.start(); ok {
			r.reach(node)
		}
		return linkCost
	case n > 0:
		node := r.frontier[n-1]
		r.frontier = r.frontier[:n-1]
		r.did++
		for next := range nodesOf(r.g.links(node, 0)) {
			if !r.g.Killed(next) {
				r.reach(next)
			}
		}
		return lookCost
	}
	return r.nextOrphan(in)
}

// reach notes a node whose links are to be followed. Those that are newer than the stage are not its concern.
func (r *Repair) reach(node uint32) {
	if node < r.end && !r.reached.has(node) {
		r.reached.add(node)
		r.frontier = append(r.frontier, node)
	}
}

// nextOrphan links the next node that was not reached. Without one the pass is done.
func (r *Repair) nextOrphan(in *Inserter) int {
	for ; r.at < r.end; r.at++ {
		if r.settled.has(r.at) && !r.reached.has(r.at) && !r.g.Killed(r.at) {
			r.counts.Orphans++
			r.adopt(in, r.at)
			r.reach(r.at)
			return linkCost
		}
	}
	r.next = nil
	return lookCost
}

// adopt links an orphan with its neighbours: as an insert does, but one of them at least must link back.
func (r *Repair) adopt(in *Inserter, orphan uint32) {
	g, linked := r.g, false
	in.query.SetCode(&g.codec, g.code(orphan), g.nodes.terms[orphan])
	reached := func(node uint32) bool { return node >= r.end || r.reached.has(node) }
	near := slices.Clone(g.selectDiverse(in, in.query.Self(), g.around(&in.Searcher, orphan, reached), g.m))
	for _, n := range near {
		g.link(in, orphan, n, 0)
	}
	for _, n := range near {
		g.link(in, n, orphan, 0)
		linked = linked || slices.Contains(slices.Collect(nodesOf(g.links(n, 0))), orphan)
	}
	for i := 0; i < len(near) && !linked; i++ {
		linked = g.squeeze(near[i], orphan, i == len(near)-1)
	}
}

// squeeze puts an orphan into the full list of a neighbour, in place of a node that another of the list
// links to, so that it stays two steps away. If there is none, the last of the list
// has to go where anyway is set.
func (g *Graph) squeeze(neighbour, orphan uint32, anyway bool) bool {
	defer g.lock(neighbour).Unlock()
	list := g.links(neighbour, 0)
	nodes := slices.Collect(nodesOf(list))
	last := min(len(nodes), len(list)-1) // a place that is empty, or the last
	for at := len(nodes) - 1; at >= 0 && last < len(nodes); at-- {
		if g.linkedByOthers(nodes, at) {
			atomic.StoreUint32(&list[at], orphan+1)
			return true
		}
	}
	if anyway || last == len(nodes) {
		atomic.StoreUint32(&list[last], orphan+1)
		return true
	}
	return false
}

// linkedByOthers reports whether a living one of some nodes links to the one of them that is at a place.
func (g *Graph) linkedByOthers(nodes []uint32, at int) bool {
	return slices.ContainsFunc(nodes, func(other uint32) bool {
		return !g.Killed(other) && slices.Contains(slices.Collect(nodesOf(g.links(other, 0))), nodes[at])
	})
}
