// Package hnsw is a graph in which a walk finds the vectors nearest to a query
// (Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search
// using Hierarchical Navigable Small World graphs", arxiv.org/abs/1603.09320).
//
// A node stands for one slot of an index: one version of one record. The graph
// has the vector's code, not the vector (package quant), and the node's links to
// its neighbours; nodes of higher levels, which are fewer and fewer, have links
// there too. A walk descends from the top to the ground by the nearest node of
// each level, and there follows the links of the nearest nodes it has seen until
// none of the ef best is left to be followed.
//
// Everything is in flat arrays off the Go heap (region), numbered by node. A link
// is a node + 1, and 0 ends a list, so that fresh memory is a node without links.
//
// The files follow a node's life: insert.go, search.go and filter.go,
// maintain.go, snapshot.go, check.go.
//
// What the package promises:
//
//   - Searches take no lock and never wait. Inserts, kills and repairs may go on
//     at the same time, from any number of goroutines; a search sees a list of
//     links as it was, as it is, or some of both.
//   - A search allocates nothing once its Searcher has grown to its needs.
//   - Keys are integers: one graph and one query give one answer on every CPU.
//
// What it does not do: it is approximate, and leaves it to its caller to score the
// candidates exactly, to leave out what a view does not show, and to look at the
// slots that are not in the graph yet. It knows no ids, no metadata and no files.
package hnsw

import (
	"errors"
	"iter"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"unsafe"

	"nearside/index/local/quant"
)

// Options are fixed when a graph is made.
type Options struct {
	Codec quant.Codec // makes codes of vectors
	// M is the number of links of a node at each level above the ground, and half
	// of those at the ground; 0 = 16.
	M int
	// EFConstruction is how many candidates an insert keeps when it looks for
	// neighbours: more make a better graph, slowly; 0 = 200.
	EFConstruction int
	// Capacity is how many nodes the graph can ever have. It takes address space,
	// not memory, where the system tells the two apart.
	Capacity int
}

// The ranges of the options.
const (
	MinM, MaxM        = 4, 64
	MaxEFConstruction = 2000
	maxNodes          = 1<<nodeBits - 1
	defaultM          = 16
	defaultConstruct  = 200
	maxLevel          = 15
)

const (
	none        = ^uint32(0) // no node
	slotsOfNone = uint32(0)  // what stands for the slot of a node that is free
)

// ErrFull says that the graph has as many nodes as it can have: make a larger one.
var ErrFull = errors.New("hnsw: the graph is full")

// Graph is a graph over the codes of one index. It must be closed.
type Graph struct {
	options Options
	codec   quant.Codec
	stride  int // bytes of a code
	m, m0   int // links at a level above the ground, and at the ground

	regions [regionCount]region
	codes   []byte   // stride bytes a node
	ground  []uint32 // m0 links a node
	upper   []uint32 // blocks of m links: those of a node at levels 1, 2, … follow each other
	nodes   nodeArrays
	places  places  // the node of each slot
	readers readers // who may hold numbers of nodes

	blur   atomic.Pointer[quant.Blur] // nil: not measured yet
	entry  atomic.Uint64              // level<<32 | node+1 of the node where walks begin; 0 = the graph is empty
	next   atomic.Uint32              // the first node never used
	worst  atomic.Uint32              // bits of the largest loss that a code ever had
	dead   atomic.Int64               // nodes killed and still linked
	memory sync.Mutex                 // guards the growth of regions, free and blocks; no other lock is taken under it
	free   []uint32                   // nodes to be used again
	blocks int                        // blocks of upper links given away

	first sync.Mutex            // held by the insert of one of the first nodes
	locks [lockCount]sync.Mutex // of the links of the nodes with equal low bits; one at a time is held
}

// nodeArrays are the small things that are kept for each node.
type nodeArrays struct {
	terms  []int32   // what the code lacks for a key, see quant
	losses []float32 // bound of what the code lost, see quant
	slots  []uint32  // atomic: slot + 1; 0 = the node is free
	upper  []uint32  // atomic: 1 + its first block of upper links; 0 = it has none
	dead   []uint32  // atomic: a bit for each node that was killed
}

const lockCount = 1 << 10

// The regions of a graph.
const (
	codesRegion = iota
	groundRegion
	upperRegion
	termsRegion
	lossesRegion
	slotsRegion
	upperAtRegion
	deadRegion
	regionCount
)

// New returns an empty graph.
func New(o Options) (*Graph, error) {
	if o.M == 0 {
		o.M = defaultM
	}
	if o.EFConstruction == 0 {
		o.EFConstruction = defaultConstruct
	}
	o.M = min(max(o.M, MinM), MaxM)
	o.EFConstruction = min(max(o.EFConstruction, o.M), MaxEFConstruction)
	o.Capacity = min(max(o.Capacity, 1), maxNodes)
	g := &Graph{options: o, codec: o.Codec, stride: o.Codec.Stride(), m: o.M, m0: 2 * o.M}
	if err := g.reserve(); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// reserve takes the address space of all regions.
func (g *Graph) reserve() error {
	for i := range g.regions {
		var err error
		if g.regions[i], err = reserve(g.regionBytes(i, g.options.Capacity, g.blockCapacity())); err != nil {
			return err
		}
	}
	g.codes = g.regions[codesRegion].whole
	g.ground = numbers[uint32](&g.regions[groundRegion])
	g.upper = numbers[uint32](&g.regions[upperRegion])
	g.nodes = nodeArrays{
		terms:  numbers[int32](&g.regions[termsRegion]),
		losses: numbers[float32](&g.regions[lossesRegion]),
		slots:  numbers[uint32](&g.regions[slotsRegion]),
		upper:  numbers[uint32](&g.regions[upperAtRegion]),
		dead:   numbers[uint32](&g.regions[deadRegion]),
	}
	return nil
}

// numbers returns the memory of a region as numbers of four bytes.
func numbers[T int32 | uint32 | float32](r *region) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(r.whole))), len(r.whole)/4)
}

// regionBytes is what a region takes for so many nodes and blocks.
func (g *Graph) regionBytes(which, nodes, blocks int) int {
	switch which {
	case codesRegion:
		return nodes * g.stride
	case groundRegion:
		return nodes * g.m0 * 4
	case upperRegion:
		return blocks * g.m * 4
	case deadRegion:
		return (nodes + 31) / 32 * 4
	default:
		return nodes * 4
	}
}

// blockCapacity is for how many blocks of upper links there is room. One node in M
// has one at least, one in M*M two; twice that is never reached but by small graphs.
func (g *Graph) blockCapacity() int {
	return 2*g.options.Capacity/(g.m-1) + 1024
}

// Close gives the memory back. No call may be in flight, and none may follow.
func (g *Graph) Close() error {
	var errs []error
	for i := range g.regions {
		errs = append(errs, g.regions[i].free())
	}
	return errors.Join(errs...)
}

// Codec returns how the graph's codes are made.
func (g *Graph) Codec() quant.Codec { return g.codec }

// Nodes returns how many nodes there are, killed ones that are still linked
// included. Free ones may be among the numbers below it that Slot knows nothing of.
func (g *Graph) Nodes() int { return int(g.next.Load()) }

// Dead returns how many nodes were killed and are still linked.
func (g *Graph) Dead() int { return int(g.dead.Load()) }

// Capacity returns how many nodes the graph can have.
func (g *Graph) Capacity() int { return g.options.Capacity }

// SizeBytes returns the memory that the graph uses: codes, links, and what is beside them.
func (g *Graph) SizeBytes() int64 {
	g.memory.Lock()
	defer g.memory.Unlock()
	sum := 0
	for i := range g.regions {
		sum += g.regionBytes(i, int(g.next.Load()), g.blocks)
	}
	return int64(sum)
}

// Slot returns the slot of a node below Nodes; not ok if the node is free.
func (g *Graph) Slot(node uint32) (slot uint32, ok bool) {
	s := atomic.LoadUint32(&g.nodes.slots[node])
	return s - 1, s != slotsOfNone
}

// Node returns the node of a slot; not ok if the slot is not in the graph.
func (g *Graph) Node(slot uint32) (node uint32, ok bool) { return g.places.get(slot) }

// Killed reports whether a node was killed.
func (g *Graph) Killed(node uint32) bool {
	return atomic.LoadUint32(&g.nodes.dead[node>>5])&(1<<(node&31)) != 0
}

// code returns the code of a node.
func (g *Graph) code(node uint32) []byte {
	at := int(node) * g.stride
	return g.codes[at : at+g.stride : at+g.stride]
}

// links returns the list of a node at a level that the node has. Elements are read
// and written as atomics.
func (g *Graph) links(node uint32, level int) []uint32 {
	if level == 0 {
		at := int(node) * g.m0
		return g.ground[at : at+g.m0 : at+g.m0]
	}
	at := (int(atomic.LoadUint32(&g.nodes.upper[node])) - 1 + level - 1) * g.m
	return g.upper[at : at+g.m : at+g.m]
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

// level returns the highest level of a node. It follows from the node's number: one node
// in M is above the ground, of those one in M above level 1, and so on; so the levels
// do not depend on the order in which goroutines insert.
func (g *Graph) level(node uint32) int {
	h := (uint64(node) + 1) * 0x9e3779b97f4a7c15 // splitmix64, by Sebastiano Vigna
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	uniform := (float64((h^h>>31)>>11) + 1) / (1 << 53) // above 0, at most 1
	return min(int(-math.Log(uniform)/math.Log(float64(g.m))), maxLevel)
}

// start returns the node where walks begin, and its level. The graph is empty if ok is false.
func (g *Graph) start() (node uint32, level int, ok bool) {
	e := g.entry.Load()
	return uint32(e) - 1, int(e >> 32), e != 0
}

// newNode returns a node to be filled, with room for its links.
func (g *Graph) newNode() (uint32, error) {
	g.memory.Lock()
	defer g.memory.Unlock()
	if n := len(g.free); n > 0 {
		node := g.free[n-1]
		g.free = g.free[:n-1]
		return node, nil
	}
	node := g.next.Load()
	if int(node) >= g.options.Capacity {
		return none, ErrFull
	}
	level := g.level(node)
	if g.blocks+level > g.blockCapacity() {
		return none, ErrFull
	}
	for i := range g.regions {
		if err := g.regions[i].grow(g.regionBytes(i, int(node)+1, g.blocks+level)); err != nil {
			return none, err
		}
	}
	if level > 0 {
		atomic.StoreUint32(&g.nodes.upper[node], uint32(g.blocks)+1)
		g.blocks += level
	}
	g.next.Store(node + 1)
	return node, nil
}

// lock locks the links of a node. No other node's may be locked under it.
func (g *Graph) lock(node uint32) *sync.Mutex {
	l := &g.locks[bits.Reverse32(node*0x9e3779b1)%lockCount]
	l.Lock()
	return l
}
