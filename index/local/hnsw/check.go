package hnsw

import (
	"errors"
	"fmt"
	"sync/atomic"
)

// Health is what Check counted.
type Health struct {
	Nodes     int // numbers given to nodes: the sum of the next three
	Living    int
	Dead      int // killed, and still linked
	Free      int
	Reachable int // living nodes that walks can come to; the others are orphans, which a repair links
}

// Check verifies all that the rest of the package takes for granted. The error joins
// the first of what it finds broken; a graph of which it finds anything must be dropped and made
// anew. It takes some tens of milliseconds for 100,000 nodes. Searches may go on, but
// no inserts, kills, and repairs.
func (g *Graph) Check() (Health, error) {
	c := newChecker(g)
	c.checkAll()
	if c.found == 0 { // else following links is not safe
		c.health.Reachable = c.reachable()
	}
	return c.health, c.result()
}

// checker goes over a graph and notes what is broken.
type checker struct {
	g      *Graph
	nodes  uint32
	levels []int8 // of each node; -1 = it is free
	health Health
	found  int
	errs   []error
}

const mostFindings = 10

func newChecker(g *Graph) *checker {
	nodes := g.next.Load()
	return &checker{g: g, nodes: nodes, levels: make([]int8, nodes), health: Health{Nodes: int(nodes)}}
}

func (c *checker) broken(format string, args ...any) {
	if c.found++; c.found <= mostFindings {
		c.errs = append(c.errs, fmt.Errorf(format, args...))
	}
}

func (c *checker) result() error {
	if c.found > mostFindings {
		c.errs = append(c.errs, fmt.Errorf("and %d more", c.found-mostFindings))
	}
	return errors.Join(c.errs...)
}

// checkAll is all of Check but the reachable nodes.
func (c *checker) checkAll() {
	c.checkNodes()
	c.checkFree()
	c.checkPlaces()
	c.checkEntry()
	c.checkLinks()
}

// checkNodes counts the nodes, and finds out their levels.
func (c *checker) checkNodes() {
	g, blocks := c.g, 0
	for node := range c.nodes {
		level := g.level(node)
		want := uint32(0)
		if level > 0 {
			want = uint32(blocks) + 1
			blocks += level
		}
		if has := atomic.LoadUint32(&g.nodes.upper[node]); has != want {
			c.broken("the upper links of node %d are at block %d, not at %d", node, int64(has)-1, int64(want)-1)
		}
		c.levels[node] = int8(level)
		if loss := g.nodes.losses[node]; !(loss >= 0) { // NaN too
			c.broken("the code of node %d lost %v of its vector", node, loss)
		}
		switch _, used := g.Slot(node); {
		case !used && g.Killed(node):
			c.broken("node %d is free and killed", node)
			fallthrough
		case !used:
			c.levels[node] = -1
			c.health.Free++
		case g.Killed(node):
			c.health.Dead++
		default:
			c.health.Living++
		}
	}
	if spare := c.nodes & 31; spare != 0 && atomic.LoadUint32(&g.nodes.dead[c.nodes>>5])>>spare != 0 {
		c.broken("a node is killed that there is not: the last is %d", int64(c.nodes)-1)
	}
	if blocks != g.blocks {
		c.broken("the nodes have %d blocks of upper links, %d are given away", blocks, g.blocks)
	}
	if dead := g.Dead(); dead != c.health.Dead {
		c.broken("%d nodes are killed, %d are counted", c.health.Dead, dead)
	}
}

// checkFree compares the list of free nodes with the nodes.
func (c *checker) checkFree() {
	c.g.memory.Lock()
	defer c.g.memory.Unlock()
	listed := newBitset(c.nodes)
	for _, node := range c.g.free {
		switch {
		case node >= c.nodes:
			c.broken("node %d of %d is listed as free", node, c.nodes)
			continue
		case c.levels[node] >= 0:
			c.broken("node %d is in use and listed as free", node)
		case listed.has(node):
			c.broken("node %d is listed as free twice", node)
		}
		listed.add(node)
	}
	if len(c.g.free) != c.health.Free {
		c.broken("%d nodes are free, %d are listed", c.health.Free, len(c.g.free))
	}
}

// checkPlaces verifies that slots and places are the inverse of each other. Of a slot that was killed and
// inserted again, the place is that of the living node.
func (c *checker) checkPlaces() {
	placed := 0
	c.g.places.each(func(slot, node uint32) {
		if node >= c.nodes {
			c.broken("slot %d is at node %d of %d", slot, node, c.nodes)
			return
		}
		if s, used := c.g.Slot(node); !used || s != slot {
			c.broken("slot %d is at node %d, which has slot %d (in use: %t)", slot, node, s, used)
		}
		if !c.g.Killed(node) {
			placed++
		}
	})
	if placed != c.health.Living {
		c.broken("%d nodes are living, %d are at the place of their slot", c.health.Living, placed)
	}
}

// checkEntry verifies that walks begin at the top.
func (c *checker) checkEntry() {
	node, level, ok := c.g.start()
	switch {
	case !ok:
		if c.health.Living > 0 {
			c.broken("walks begin nowhere, and %d nodes are living", c.health.Living)
		}
		return
	case node >= c.nodes || c.levels[node] < 0:
		c.broken("walks begin at node %d of %d, which is not in use", node, c.nodes)
		return
	case int(c.levels[node]) != level:
		c.broken("walks begin at node %d on level %d, and its level is %d", node, level, c.levels[node])
	}
	for n, l := range c.levels {
		if int(l) > level && !c.g.Killed(uint32(n)) {
			c.broken("walks begin on level %d, and node %d is on level %d", level, n, l)
			return
		}
	}
}

// checkLinks verifies all lists.
func (c *checker) checkLinks() {
	last := make([]uint32, c.nodes) // 1 + the list that linked to a node last
	lists := uint32(0)
	for node := range c.nodes {
		for level := range c.g.topLevel(node) + 1 {
			lists++
			c.checkList(node, level, lists, last)
		}
	}
}

func (c *checker) checkList(node uint32, level int, number uint32, last []uint32) {
	list := c.g.links(node, level)
	n := 0
	for next := range nodesOf(list) {
		n++
		switch {
		case next >= c.nodes:
			c.broken("node %d links to node %d of %d on level %d", node, next, c.nodes, level)
			continue
		case c.levels[node] < 0:
			c.broken("node %d is free and links to node %d on level %d", node, next, level)
		case int(c.levels[next]) < level:
			c.broken("node %d links to node %d on level %d, whose level is %d (-1: it is free)", node, next, level, c.levels[next])
		case next == node:
			c.broken("node %d links to itself on level %d", node, level)
		case last[next] == number:
			c.broken("node %d links to node %d twice on level %d", node, next, level)
		}
		last[next] = number
	}
	for ; n < len(list); n++ {
		if link := atomic.LoadUint32(&list[n]); link != 0 {
			c.broken("node %d links to node %d behind the end of its list on level %d", node, int64(link)-1, level)
			return
		}
	}
}

// reachable counts the living nodes that the links on the ground lead to.
func (c *checker) reachable() int {
	node, _, ok := c.g.start()
	if !ok {
		return 0
	}
	seen := newBitset(c.nodes)
	seen.add(node)
	living := 0
	for frontier := []uint32{node}; len(frontier) > 0; {
		node = frontier[len(frontier)-1]
		frontier = frontier[:len(frontier)-1]
		if !c.g.Killed(node) {
			living++
		}
		for next := range nodesOf(c.g.links(node, 0)) {
			if !seen.has(next) {
				seen.add(next)
				frontier = append(frontier, next)
			}
		}
	}
	return living
}
