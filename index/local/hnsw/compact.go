package hnsw

import (
	"errors"
	"sync/atomic"
)

// Compacted returns a copy of the graph without its free nodes, with room for
// capacity nodes; ErrFull if it has more. Killed nodes stay killed: a repair before frees them. Links
// are copied, so it takes the time of reading the graph once, whatever an insert costs.
// Searches and kills may go on, but no inserts and repairs; kills made meanwhile
// must be made again on the copy. The codec is the same: for another one, insert all anew.
func (g *Graph) Compacted(capacity int) (*Graph, error) {
	used := g.Nodes() - g.Free()
	if used > capacity {
		return nil, ErrFull
	}
	options := g.options
	options.Capacity = capacity
	to, err := New(options)
	if err != nil {
		return nil, err
	}
	for range used {
		if _, err := to.newNode(); err != nil {
			return nil, errors.Join(err, to.Close())
		}
	}
	newCopier(g, to).copy()
	to.blur.Store(g.blur.Load())
	return to, nil
}

// copier copies one graph to another whose nodes have their room.
type copier struct {
	from, to *Graph
	number   []uint32 // the new number of each node; none: it is free
	raised   []uint32 // new numbers of nodes that are on higher levels than before
	old      []int    // the highest levels that those were on
}

// newCopier gives every node a new number on the same level, in the same order, as long as there are any:
// as the level follows from the number, some must go up or down, as many
// as chance makes numbers of one level more or fewer than nodes.
func newCopier(from, to *Graph) *copier {
	c := &copier{from: from, to: to, number: make([]uint32, from.Nodes())}
	var vacant, waiting [maxLevel + 1][]uint32
	for n := range to.next.Load() {
		level := to.topLevel(n)
		vacant[level] = append(vacant[level], n)
	}
	for node := range c.number {
		c.number[node] = none
		if _, used := from.Slot(uint32(node)); !used {
			continue
		}
		level := from.topLevel(uint32(node))
		if len(vacant[level]) == 0 {
			waiting[level] = append(waiting[level], uint32(node))
			continue
		}
		c.number[node], vacant[level] = vacant[level][0], vacant[level][1:]
	}
	c.settle(&vacant, &waiting)
	return c
}

// settle gives the highest of the nodes that wait the highest of the vacant numbers.
func (c *copier) settle(vacant, waiting *[maxLevel + 1][]uint32) {
	level := maxLevel
	for old := maxLevel; old >= 0; old-- {
		for _, node := range waiting[old] {
			for len(vacant[level]) == 0 {
				level--
			}
			c.number[node], vacant[level] = vacant[level][0], vacant[level][1:]
			if level > old {
				c.raised, c.old = append(c.raised, c.number[node]), append(c.old, old)
			}
		}
	}
}

// copy copies everything. Nobody else has the new graph yet.
func (c *copier) copy() {
	to, best := c.to, uint64(0)
	for node, number := range c.number {
		if number == none {
			continue
		}
		level := c.copyNode(uint32(node), number)
		if to.Killed(number) || level < to.topLevel(number) {
			continue
		}
		if e := entryAt(number, level); best == 0 || e>>32 > best>>32 {
			best = e
		}
	}
	to.entry.Store(best)
	var in Inserter
	for i, number := range c.raised {
		if !to.Killed(number) {
			to.lift(&in, number, c.old[i])
		}
	}
}

// copyNode copies a node, and returns the highest level on which it has its links.
func (c *copier) copyNode(node, number uint32) (level int) {
	from, to := c.from, c.to
	slot, _ := from.Slot(node)
	copy(to.code(number), from.code(node))
	to.nodes.terms[number], to.nodes.losses[number] = from.nodes.terms[node], from.nodes.losses[node]
	to.noteLoss(to.nodes.losses[number])
	atomic.StoreUint32(&to.nodes.slots[number], slot+1)
	if at, ok := from.places.get(slot); ok && at == node {
		to.places.set(slot, number)
	}
	if from.Killed(node) {
		to.nodes.dead[number>>5] |= 1 << (number & 31)
		to.dead.Add(1)
	}
	level = min(from.topLevel(node), to.topLevel(number))
	for l := range level + 1 {
		c.copyLinks(from.links(node, l), to.links(number, l), l)
	}
	return level
}

// copyLinks copies a list, but for what is not on its level any more.
func (c *copier) copyLinks(from, to []uint32, level int) {
	n := 0
	for node := range nodesOf(from) {
		if number := c.number[node]; number != none && (level == 0 || c.to.topLevel(number) >= level) {
			to[n] = number + 1
			n++
		}
	}
}

// lift links a node on the levels above the highest where it is linked.
func (g *Graph) lift(in *Inserter, node uint32, linked int) {
	level := g.topLevel(node)
	top := g.choose(in, node, level)
	for l := linked + 1; l <= top; l++ {
		setLinks(g.links(node, l), in.chosen[l])
		for _, neighbour := range in.chosen[l] {
			g.link(in, neighbour, node, l)
		}
	}
	g.raise(node, level)
}
