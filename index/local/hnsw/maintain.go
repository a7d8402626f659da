package hnsw

import (
	"runtime"
	"sync/atomic"
)

// Kill takes the node of a slot out of all answers at once. It is still passed
// through until a repair has led its neighbours past it. It reports whether the slot was
// in the graph and alive. It takes no lock.
func (g *Graph) Kill(slot uint32) bool {
	node, ok := g.places.get(slot)
	if !ok {
		return false
	}
	bit := uint32(1) << (node & 31)
	if atomic.OrUint32(&g.nodes.dead[node>>5], bit)&bit != 0 {
		return false
	}
	g.dead.Add(1)
	return true
}

// Free returns how many nodes below Nodes are free: inserts use them first.
func (g *Graph) Free() int {
	g.memory.Lock()
	defer g.memory.Unlock()
	return len(g.free)
}

// Living returns how many nodes answers may have.
func (g *Graph) Living() int { return g.Nodes() - g.Free() - g.Dead() }

// A Repair is one pass over a graph:
//
//   - What links to a node that was killed before the pass gets other links.
//   - When nothing leads to the killed nodes any more, and nobody who came upon
//     one before is still there, they are freed for inserts to come.
//   - Living nodes that walks cannot come to are linked again (orphans.go).
//
// Searches, inserts and kills may go on meanwhile; of one graph only one pass may
// be under way. A pass may be given up at any time: the next one sees all that it left.
//
// A pass pays from about a twentieth of the nodes killed. Each list that is chosen
// again loses a little of what the build knew: after 200 generations of 1 % churn in 20,000
// vectors of low intrinsic dimension, recall@10 at ef = 64 was .0065 below that of a fresh build
// with a pass for each generation, .0008 with one for every fifth, and .0018 with one for every tenth, for
// .6 and .36 times the lists chosen. From two thirds killed on, the living are better inserted
// anew: walks pass through the killed, and each node that lost half of its links
// costs half an insert.
type Repair struct {
	g        *Graph
	next     work // nil when the pass is done
	did      int
	total    int
	counts   RepairCounts
	at, end  uint32   // the nodes that the present stage has left
	doomed   bitset   // killed before the pass
	settled  bitset   // living, and wholly linked
	reached  bitset   // what the entry leads to
	frontier []uint32 // those of them whose links were not followed
	mender   mender
}

// RepairCounts says what a pass did.
type RepairCounts struct {
	Relinked int // nodes that linked to killed ones
	Freed    int // killed nodes that are free now
	Orphans  int // living nodes that nothing led to, linked again
}

// work is a small piece of a pass. It returns what it cost, 0 if it must wait.
type work func(*Repair, *Inserter) (cost int)

// The costs of pieces of work, in nodes looked at.
const (
	lookCost = 1
	linkCost = 256 // to link a node again
)

// Repair begins a pass for the nodes that are killed now. Step does its work.
func (g *Graph) Repair() *Repair {
	end := g.next.Load()
	return &Repair{g: g, next: (*Repair).doom, end: end, total: 2 * int(end)}
}

// Step does work worth so many nodes linked again, each of which takes no longer
// than an insert, and reports whether the pass is done. It does nothing as long as a search or
// an insert that must end first is under way; it does not wait for it.
func (r *Repair) Step(in *Inserter, most int) (done bool) {
	for budget := most * linkCost; budget > 0 && r.next != nil; {
		cost := r.next(r, in)
		if cost == 0 {
			runtime.Gosched()
			break
		}
		budget -= cost
	}
	return r.next == nil
}

// Progress returns how much of its work the pass has done, in nodes looked at.
func (r *Repair) Progress() (did, total int) {
	if r.next == nil {
		return r.total, r.total
	}
	return min(r.did, r.total), r.total
}

// Counts returns what the pass has done so far.
func (r *Repair) Counts() RepairCounts { return r.counts }

// doom notes the killed nodes.
func (r *Repair) doom(*Inserter) int {
	r.doomed = newBitset(r.end)
	killed := 0
	for node := range r.end {
		if _, used := r.g.Slot(node); used && r.g.Killed(node) {
			r.doomed.add(node)
			killed++
		}
	}
	if killed == 0 {
		r.did += int(r.end)
		return r.settle((*Repair).trace)
	}
	r.after((*Repair).relink)
	return linkCost
}

// after has a stage begin when the searches and inserts under way have ended.
func (r *Repair) after(stage work) {
	turned := false
	r.next = func(r *Repair, _ *Inserter) int {
		turned = turned || r.g.readers.turn()
		if !turned || !r.g.readers.over() {
			return 0
		}
		r.at, r.next = 0, stage
		return lookCost
	}
}

// settle notes the living nodes, which are wholly linked when the inserts under way have ended.
func (r *Repair) settle(stage work) int {
	end := r.g.next.Load()
	r.total += int(end - r.end)
	r.end = end
	r.settled = newBitset(end)
	for node := range end {
		if _, used := r.g.Slot(node); used && !r.g.Killed(node) {
			r.settled.add(node)
		}
	}
	r.after(stage)
	return linkCost
}

// relink gives a node that links to doomed ones other links. Nobody links to a
// doomed one any more: every insert that could choose it has ended.
func (r *Repair) relink(in *Inserter) int {
	if r.at == r.doomed.end() {
		return r.settle((*Repair).hide)
	}
	node := r.at
	r.at++
	r.did++
	if r.doomed.has(node) {
		return lookCost
	}
	cost := lookCost
	for level := r.g.topLevel(node); level >= 0; level-- {
		if r.doomed.hasLink(r.g.links(node, level)) {
			r.mend(in, node, level)
			cost = linkCost
		}
	}
	r.counts.Relinked += cost / linkCost
	return cost
}

// hide takes the doomed nodes out of what is left that leads to them: the entry and the places.
func (r *Repair) hide(*Inserter) int {
	r.replaceEntry()
	for node := range r.doomed.end() {
		slot, _ := r.g.Slot(node)
		if !r.doomed.has(node) {
			continue
		}
		if n, ok := r.g.places.get(slot); ok && n == node { // else the slot was inserted again
			r.g.places.set(slot, none)
		}
	}
	r.after((*Repair).free)
	return linkCost
}

// replaceEntry has walks begin at the highest of the settled nodes, unless they begin
// at a living one as high.
func (r *Repair) replaceEntry() {
	best := uint64(0)
	for node := range r.end {
		if !r.settled.has(node) || r.g.Killed(node) {
			continue
		}
		if e := entryAt(node, r.g.topLevel(node)); best == 0 || e>>32 > best>>32 {
			best = e
		}
	}
	for {
		e := r.g.entry.Load()
		alive := e != 0 && !r.g.Killed(uint32(e)-1)
		if alive && e>>32 >= best>>32 || r.g.entry.CompareAndSwap(e, best) {
			return
		}
	}
}

func entryAt(node uint32, level int) uint64 { return uint64(level)<<32 | uint64(node) + 1 }

// free gives a doomed node back. Nobody knows of it any more.
func (r *Repair) free(*Inserter) int {
	for r.at < r.doomed.end() {
		node := r.at
		r.at++
		if r.doomed.has(node) {
			r.counts.Freed++
			r.g.release(node)
			return lookCost
		}
	}
	return r.settle((*Repair).trace)
}

// release makes a node a free one. It keeps its room for upper links, as its level
// follows from its number.
func (g *Graph) release(node uint32) {
	for level := g.topLevel(node); level >= 0; level-- {
		setLinks(g.links(node, level), nil)
	}
	atomic.StoreUint32(&g.nodes.slots[node], slotsOfNone)
	atomic.AndUint32(&g.nodes.dead[node>>5], ^(uint32(1) << (node & 31)))
	g.dead.Add(-1)
	g.memory.Lock()
	defer g.memory.Unlock()
	g.free = append(g.free, node)
}

// topLevel is level, without a logarithm for most nodes. The node must have its room.
func (g *Graph) topLevel(node uint32) int {
	if atomic.LoadUint32(&g.nodes.upper[node]) == 0 {
		return 0
	}
	return g.level(node)
}
