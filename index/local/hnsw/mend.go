package hnsw

import (
	"iter"
	"slices"
	"sync/atomic"
)

// mender is the memory of a repair for one list at a time.
type mender struct {
	around []uint32 // living nodes that the list could link to and does not
	keys   []int32
	sorted []entry // the same, the nearest first
	fresh  []uint32
}

// mend takes the killed nodes out of a list. What a killed node linked to lies where
// it lay: those are the candidates for its place. Links to living nodes stay, and
// the list does not grow. The new neighbours link back, as they may have lost links too.
func (r *Repair) mend(in *Inserter, node uint32, level int) {
	g, m, s := r.g, &r.mender, &in.Searcher
	m.survey(g, s, node, level)
	s.query.SetCode(&g.codec, g.code(node), g.nodes.terms[node])
	m.sort(g, s)
	m.replace(g, in, node, level)
	for _, n := range m.fresh {
		g.link(in, n, node, level)
	}
}

// survey collects the living nodes that the killed ones of a list link to.
func (m *mender) survey(g *Graph, s *Searcher, node uint32, level int) {
	list := g.links(node, level)
	s.visited.reset(g.Nodes())
	s.visited.add(node)
	for n := range nodesOf(list) {
		s.visited.add(n)
	}
	m.around = m.around[:0]
	for n := range nodesOf(list) {
		if !g.Killed(n) {
			continue
		}
		for next := range nodesOf(g.links(n, level)) {
			if s.visited.add(next) && !g.Killed(next) {
				m.around = append(m.around, next)
			}
		}
	}
}

// sort sorts the nodes around by their keys.
func (m *mender) sort(g *Graph, s *Searcher) {
	m.keys = slices.Grow(m.keys[:0], len(m.around))[:len(m.around)]
	s.query.Keys(g.codes, g.stride, g.nodes.terms, m.around, m.keys)
	m.sorted = m.sorted[:0]
	for i, key := range m.keys {
		m.sorted = append(m.sorted, newEntry(key, m.around[i]))
	}
	slices.Sort(m.sorted)
}

// replace sets a list to the living nodes it has and to some of those around instead of the killed ones.
func (m *mender) replace(g *Graph, in *Inserter, node uint32, level int) {
	defer g.lock(node).Unlock()
	list := g.links(node, level)
	degree := 0
	in.selected = in.selected[:0]
	for n := range nodesOf(list) {
		degree++
		if !g.Killed(n) {
			in.selected = append(in.selected, n)
		}
	}
	kept := len(in.selected)
	candidates := slices.DeleteFunc(m.sorted, func(e entry) bool { // it was linked meanwhile
		return slices.Contains(in.selected[:kept], e.node())
	})
	selected := g.selectMore(in, in.Searcher.query.Self(), candidates, degree)
	m.fresh = append(m.fresh[:0], selected[kept:]...)
	setLinks(list, selected)
}

// nodesOf yields the nodes that a list links to.
func nodesOf(list []uint32) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for i := range list {
			if link := atomic.LoadUint32(&list[i]); link == 0 || !yield(link-1) {
				return
			}
		}
	}
}
