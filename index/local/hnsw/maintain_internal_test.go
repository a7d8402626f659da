package hnsw

import (
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"nearside/index"
	"nearside/index/local/quant"
)

// small makes a graph of n nodes; slot s has the vector s.
func small(t testing.TB, n int, o Options) (*Graph, [][]float32) {
	t.Helper()
	r := rand.New(rand.NewPCG(7, uint64(n)))
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = make([]float32, 12)
		for j := range vectors[i] {
			vectors[i][j] = float32(r.NormFloat64())
		}
	}
	o.Codec = quant.Train(index.Euclidean, 12, vectors)
	o.Capacity = max(o.Capacity, n)
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	var in Inserter
	for i, v := range vectors {
		if _, err := g.Insert(&in, uint32(i), v); err != nil {
			t.Fatal(err)
		}
	}
	return g, vectors
}

// pass does a whole repair.
func pass(g *Graph) RepairCounts {
	var in Inserter
	r := g.Repair()
	for !r.Step(&in, 16) {
	}
	return r.Counts()
}

func TestANodeIsNotFreedWhileSomebodyMayHoldIt(t *testing.T) {
	g, _ := small(t, 300, Options{})
	g.Kill(5)
	var reader Searcher
	for _, early := range []bool{true, false} { // an insert that began before the pass, a search that began in it
		var in Inserter
		r := g.Repair()
		if !early {
			g.Kill(6)
			r = g.Repair()
			for r.at < r.end {
				r.Step(&in, 1)
			}
		}
		held := g.readers.enter(&reader)
		for range 1000 {
			if r.Step(&in, 100) {
				t.Fatalf("early %t: a pass ends while a reader is there", early)
			}
		}
		later := g.readers.enter(&Searcher{}) // must not hold up the same stage
		if g.Free() != 0 && early {
			t.Fatal("a node is free that a reader may hold")
		}
		held.leave()
		r.Step(&in, 100)
		later.leave()
		for !r.Step(&in, 100) {
		}
		if g.Dead() != 0 {
			t.Fatalf("early %t: %d nodes are dead after the pass", early, g.Dead())
		}
	}
}

func TestReadersOfALaterPeriodAreNotWaitedFor(t *testing.T) {
	var r readers
	var s Searcher
	before := r.enter(&s)
	if !r.turn() {
		t.Fatal("nobody was there before, and the period does not turn")
	}
	after := r.enter(&s)
	if r.over() || r.turn() {
		t.Fatal("the period before is over, and its reader is there")
	}
	before.leave()
	if !r.over() {
		t.Fatal("the period before is not over, and its reader has left")
	}
	after.leave()
}

// cut makes orphans: nobody links to them any more.
func cut(g *Graph, orphans ...uint32) {
	for node := range g.next.Load() {
		for level := range g.topLevel(node) + 1 {
			var kept []uint32
			for n := range nodesOf(g.links(node, level)) {
				if !contains(orphans, n) {
					kept = append(kept, n)
				}
			}
			setLinks(g.links(node, level), kept)
		}
	}
}

func contains(nodes []uint32, node uint32) bool {
	for _, n := range nodes {
		if n == node {
			return true
		}
	}
	return false
}

func TestOrphansAreLinkedAgain(t *testing.T) {
	for _, m := range []int{MinM, 16} {
		g, vectors := small(t, 2000, Options{M: m})
		pass(g) // may find some that the build left
		entry, _, _ := g.start()
		var orphans []uint32
		for node := uint32(0); node < 2000; node += 17 {
			if node != entry {
				orphans = append(orphans, node)
			}
		}
		cut(g, orphans...)
		health, err := g.Check()
		if err != nil || health.Living-health.Reachable < len(orphans) { // what only an orphan linked to is one too
			t.Fatalf("M = %d: %d orphans were made: %+v, %v", m, len(orphans), health, err)
		}
		counts := pass(g)
		health, err = g.Check()
		if err != nil || health.Reachable != health.Living || counts.Orphans < len(orphans) {
			t.Fatalf("M = %d: %d orphans, the pass found %+v: %+v, %v", m, len(orphans), counts, health, err)
		}
		var s Searcher
		for _, orphan := range orphans {
			if found := g.Search(&s, vectors[orphan], 30); len(found) == 0 || found[0].Slot != orphan {
				t.Errorf("M = %d: a search for the vector of orphan %d finds %v", m, orphan, found)
			}
		}
	}
}

func TestAnIslandIsLinkedByOneOfItsNodes(t *testing.T) {
	g, _ := small(t, 600, Options{})
	pass(g)
	island := func(node uint32) bool { return node >= 500 } // nobody there was the entry
	if entry, _, _ := g.start(); island(entry) {
		t.Fatalf("the entry, node %d, is on the island", entry)
	}
	for node := range uint32(600) {
		for level := range g.topLevel(node) + 1 {
			var kept []uint32
			for n := range nodesOf(g.links(node, level)) {
				if island(n) == island(node) {
					kept = append(kept, n)
				}
			}
			setLinks(g.links(node, level), kept)
		}
	}
	before, err := g.Check()
	if err != nil || before.Reachable > 500 {
		t.Fatalf("%+v, %v; want an island of 100", before, err)
	}
	counts := pass(g)
	after, err := g.Check()
	if err != nil || after.Reachable != 600 || counts.Orphans > 50 {
		t.Errorf("%+v, %v after %+v; want all reachable, most of them by links of the island's own", after, err, counts)
	}
}

// An orphan whose neighbours' lists are full of nearer ones gets a place nevertheless.
func TestAnOrphanIsSqueezedIntoAFullList(t *testing.T) {
	g, _ := small(t, 400, Options{M: MinM})
	full := uint32(0)
	for len(g.links(full, 0)) > 0 && g.links(full, 0)[g.m0-1] == 0 {
		full++
	}
	orphan := uint32(399)
	for contains(append([]uint32{full}, collect(g.links(full, 0))...), orphan) {
		orphan--
	}
	if !g.squeeze(full, orphan, true) || !contains(collect(g.links(full, 0)), orphan) {
		t.Errorf("node %d has links to %v, and not to %d", full, collect(g.links(full, 0)), orphan)
	}
	if _, err := g.Check(); err != nil {
		t.Error(err)
	}
}

func collect(list []uint32) (nodes []uint32) {
	for n := range nodesOf(list) {
		nodes = append(nodes, n)
	}
	return nodes
}

// Every invariant is broken once.
func TestCheckFindsWhatIsBroken(t *testing.T) {
	upper := func(g *Graph) uint32 { // a node above the ground
		node := uint32(0)
		for g.topLevel(node) == 0 {
			node++
		}
		return node
	}
	ground := func(g *Graph) uint32 {
		node := uint32(0)
		for g.topLevel(node) != 0 {
			node++
		}
		return node
	}
	for want, damage := range map[string]func(g *Graph){
		"links to node 400 of 400 on level 0":      func(g *Graph) { g.links(3, 0)[0] = 401 },
		"links to itself":                          func(g *Graph) { g.links(3, 0)[0] = 4 },
		"twice on level 0":                         func(g *Graph) { g.links(3, 0)[1] = g.links(3, 0)[0] },
		"behind the end of its list":               func(g *Graph) { g.links(3, 0)[0] = 0 },
		"whose level is 0":                         func(g *Graph) { n := upper(g); g.links(n, 1)[0] = ground(g) + 1 },
		"whose level is -1":                        func(g *Graph) { g.links(3, 0)[0] = 391 },
		"node 390 is free and links to":            func(g *Graph) { g.links(390, 0)[0] = 1 },
		"node 390 is free and killed":              func(g *Graph) { g.nodes.dead[390>>5] |= 1 << (390 & 31) },
		"nodes are killed, 1 are counted":          func(g *Graph) { g.nodes.dead[0] |= 1 << 3 },
		"a node is killed that there is not":       func(g *Graph) { g.nodes.dead[400>>5] |= 1 << (401 & 31) },
		"the upper links of node":                  func(g *Graph) { g.nodes.upper[ground(g)] = 1 },
		"blocks of upper links":                    func(g *Graph) { g.blocks++ },
		"lost NaN of its vector":                   func(g *Graph) { g.nodes.losses[3] -= 2; g.nodes.losses[3] /= 0; g.nodes.losses[3] *= 0 },
		"is listed as free twice":                  func(g *Graph) { g.free = append(g.free, g.free[0]) },
		"is in use and listed as free":             func(g *Graph) { g.free[0] = 3 },
		"nodes are free":                           func(g *Graph) { g.free = nil },
		"node 400 of 400 is listed as free":        func(g *Graph) { g.free[0] = 400 },
		"slot 3 is at node 4":                      func(g *Graph) { g.places.set(3, 4) },
		"slot 3 is at node 400 of 400":             func(g *Graph) { g.places.set(3, 400) },
		"are at the place of their slot":           func(g *Graph) { g.places.set(3, none) },
		"walks begin nowhere":                      func(g *Graph) { g.entry.Store(0) },
		"walks begin at node 400 of 400":           func(g *Graph) { g.entry.Store(entryAt(400, 0)) },
		"walks begin on level 0, and node":         func(g *Graph) { g.entry.Store(entryAt(ground(g), 0)) },
		"on level 9, and its level is":             func(g *Graph) { g.entry.Store(entryAt(upper(g), 9)) },
		"walks begin at node 390 of 400, which is": func(g *Graph) { g.entry.Store(entryAt(390, 0)) },
	} {
		g, _ := small(t, 400, Options{M: MinM})
		g.Kill(390)
		pass(g)
		g.Kill(7)
		if _, err := g.Check(); err != nil {
			t.Fatalf("before the damage: %v", err)
		}
		damage(g)
		if _, err := g.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in what Check finds: %v", want, err)
		}
	}
}

func TestCheckSaysTenThingsAtMost(t *testing.T) {
	g, _ := small(t, 100, Options{})
	for node := range uint32(50) {
		g.links(node, 0)[0] = node + 1
	}
	_, err := g.Check()
	if err == nil || strings.Count(err.Error(), "\n") != mostFindings || !strings.HasSuffix(err.Error(), "and 40 more") {
		t.Errorf("of 50 broken lists Check says %v", err)
	}
}

// BenchmarkReaders is what a search pays for being waited for.
func BenchmarkReaders(b *testing.B) {
	var r readers
	var count atomic.Int64
	b.RunParallel(func(p *testing.PB) {
		s := new(Searcher)
		for p.Next() {
			r.enter(s).leave()
		}
		count.Add(1)
	})
}
