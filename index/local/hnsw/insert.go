package hnsw

import (
	"cmp"
	"math"
	"slices"
	"sync/atomic"

	"nearside/index/local/quant"
)

// An Inserter is the memory of one insert at a time. It is kept for the inserts to come.
type Inserter struct {
	Searcher
	base     quant.Query // a stored node, when its neighbours are compared with each other
	chosen   [maxLevel + 1][]uint32
	selected []uint32
	ties     []uint32
	list     []entry
}

// firstNodes are inserted one after the other: at the same time they would not see each other, and
// there is nobody else yet who would link them.
const firstNodes = 256

// Insert adds a slot with its vector, and returns its node. Any number of
// goroutines may insert, each with its own Inserter.
func (g *Graph) Insert(in *Inserter, slot uint32, vector []float32) (node uint32, err error) {
	defer g.readers.enter(&in.Searcher).leave()
	if node, err = g.newNode(); err != nil {
		return none, err
	}
	if node < firstNodes {
		g.first.Lock()
		defer g.first.Unlock()
	}
	g.nodes.terms[node], g.nodes.losses[node] = g.codec.Encode(vector, g.code(node))
	g.noteLoss(g.nodes.losses[node])
	atomic.StoreUint32(&g.nodes.slots[node], slot+1)
	g.places.set(slot, node)
	g.connect(in, node)
	g.sharpen(node)
	return node, nil
}

// connect links a node that has its code. Nobody can reach it before it has all its
// own links: a walk that came upon it on one level could not go on at the next.
func (g *Graph) connect(in *Inserter, node uint32) {
	level := g.level(node)
	e := g.entry.Load()
	top := g.choose(in, node, level)
	for (top < 0 || len(in.chosen[0]) == 0) && !g.entry.CompareAndSwap(e, entryAt(node, level)) {
		e = g.entry.Load() // somebody else was the first living one
		top = g.choose(in, node, level)
	}
	for l := top; l >= 0; l-- {
		setLinks(g.links(node, l), in.chosen[l])
	}
	for l := 0; l <= top; l++ {
		for _, neighbour := range in.chosen[l] {
			g.link(in, neighbour, node, l)
		}
	}
	g.raise(node, level)
}

// choose finds the neighbours of a node on each of its levels, and returns the
// highest on which there are others; -1 if the graph is empty.
func (g *Graph) choose(in *Inserter, node uint32, level int) int {
	s := &in.Searcher
	s.query.SetCode(&g.codec, g.code(node), g.nodes.terms[node])
	s.toTheEnd(g)
	_, top, ok := g.start()
	if !ok {
		return -1
	}
	top = min(top, level)
	at, key, _ := g.descend(s, top)
	for l := top; l >= 0; l-- {
		s.visited.reset(g.Nodes())
		s.visited.add(node) // that it is linked already can be only by a repair
		s.pool.reset(g.options.EFConstruction, mostTies)
		s.enter(at, key)
		g.walk(s, l)
		nearest := s.pool.entries[0]
		at, key = nearest.node(), nearest.key()
		in.chosen[l] = append(in.chosen[l][:0], g.selectDiverse(in, s.query.Self(), s.pool.entries, g.m)...)
	}
	return top
}

// selectDiverse returns up to m of the candidates, which are sorted by their
// keys: each that is nearer to the base than to every one selected before it, so
// that links lead in all directions. Those as near to a selected one as to the base
// come last: of many copies of one vector they must not push out the links that
// lead elsewhere. self is what quant.Query.Self says of the base.
func (g *Graph) selectDiverse(in *Inserter, self int32, candidates []entry, m int) []uint32 {
	in.selected, in.ties = in.selected[:0], in.ties[:0]
	for _, c := range candidates {
		if len(in.selected) == m {
			return in.selected
		}
		if g.Killed(c.node()) {
			continue
		}
		distance := c.key() + self
		switch nearest := g.nearestSelected(in, c.node(), distance); {
		case nearest > distance:
			in.selected = append(in.selected, c.node())
		case nearest == distance && len(in.ties) < m:
			in.ties = append(in.ties, c.node())
		}
	}
	return append(in.selected, in.ties[:min(m-len(in.selected), len(in.ties))]...)
}

// selectedAtOnce is how many selected nodes are compared before the first are looked at:
// mostly one of the nearest decides.
const selectedAtOnce = 4

// nearestSelected returns the distance of a candidate to the nearest selected node.
// Once that is less than its distance to the base, it looks no further.
func (g *Graph) nearestSelected(in *Inserter, candidate uint32, distance int32) int32 {
	nearest := int32(math.MaxInt32)
	if len(in.selected) == 0 {
		return nearest
	}
	in.base.SetCode(&g.codec, g.code(candidate), g.nodes.terms[candidate])
	self := in.base.Self()
	for at := in.selected; len(at) > 0 && nearest >= distance; {
		n := min(len(at), selectedAtOnce)
		keys := in.keys[:n]
		in.base.Keys(g.codes, g.stride, g.nodes.terms, at[:n], keys)
		nearest = min(nearest, slices.Min(keys)+self)
		at = at[n:]
	}
	return nearest
}

// link adds a node to the list of one of its neighbours. A full list is chosen anew.
func (g *Graph) link(in *Inserter, neighbour, node uint32, level int) {
	defer g.lock(neighbour).Unlock()
	list := g.links(neighbour, level)
	for i := range list {
		switch atomic.LoadUint32(&list[i]) {
		case 0:
			atomic.StoreUint32(&list[i], node+1)
			return
		case node + 1:
			return
		}
	}
	setLinks(list, g.chooseAgain(in, neighbour, list, node))
}

// chooseAgain selects from a full list and one node more.
func (g *Graph) chooseAgain(in *Inserter, base uint32, list []uint32, more uint32) []uint32 {
	at := append(in.at[:0], more)
	for i := range list {
		at = append(at, atomic.LoadUint32(&list[i])-1)
	}
	in.base.SetCode(&g.codec, g.code(base), g.nodes.terms[base])
	self := in.base.Self()
	keys := in.keys[:len(at)]
	in.base.Keys(g.codes, g.stride, g.nodes.terms, at, keys)
	in.list = in.list[:0]
	for i, k := range keys {
		in.list = append(in.list, newEntry(k, at[i]))
	}
	slices.SortFunc(in.list, func(a, b entry) int {
		// Of equal ones it is chance which are kept, so that none is left out of all lists.
		return cmp.Or(cmp.Compare(a.key(), b.key()), cmp.Compare(a.node()*0x9e3779b1^base, b.node()*0x9e3779b1^base))
	})
	return g.selectDiverse(in, self, in.list, len(list))
}

// setLinks replaces a list. Who reads it meanwhile sees links of both.
func setLinks(list, nodes []uint32) {
	for i := range list {
		link := uint32(0)
		if i < len(nodes) {
			link = nodes[i] + 1
		}
		atomic.StoreUint32(&list[i], link)
	}
}

// raise makes a node the one where walks begin, if it is above the one that is.
func (g *Graph) raise(node uint32, level int) {
	for {
		e := g.entry.Load()
		if e != 0 && int(e>>32) >= level {
			return
		}
		if g.entry.CompareAndSwap(e, entryAt(node, level)) {
			return
		}
	}
}
