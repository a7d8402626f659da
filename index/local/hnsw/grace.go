package hnsw

import (
	"sync/atomic"
	"unsafe"
)

// readers knows who may hold the number of a node, so that a node is used again only
// when nobody thinks of it as what it was. A search or an insert is counted in
// when it begins and out when it ends. A repair takes a node out of everything that
// leads to it, turns to a new period, and uses the node again once the readers of the
// period before have left: those who came later cannot have come upon it.
//
// It costs a search two additions to a number that few others add to.
type readers struct {
	period atomic.Uint64
	lanes  [2][laneCount]lane // of even periods and of odd ones
}

// laneCount is a power of two: enough for as many cores to count in different lanes mostly.
const laneCount = 64

// A lane is a number in a line of the cache of its own, and in the next, which CPUs fetch in pairs.
type lane struct {
	count atomic.Int64
	_     [120]byte
}

// enter counts s in until leave is called on what is returned.
func (r *readers) enter(s *Searcher) *lane {
	at := (uint64(uintptr(unsafe.Pointer(s))) * 0x9e3779b97f4a7c15) >> 32 % laneCount
	for {
		period := r.period.Load()
		l := &r.lanes[period&1][at]
		l.count.Add(1)
		if r.period.Load() == period {
			return l
		}
		l.count.Add(-1) // too late: the period may be waited for already, or be over
	}
}

func (l *lane) leave() { l.count.Add(-1) }

// turn begins a new period. That fails as long as readers are there of the period
// before the present one. Only one goroutine may turn.
func (r *readers) turn() bool {
	if !r.over() {
		return false
	}
	r.period.Add(1)
	return true
}

// over reports whether the readers who came before the last turn have left.
func (r *readers) over() bool {
	before := &r.lanes[(r.period.Load()+1)&1]
	for i := range before {
		if before[i].count.Load() != 0 {
			return false
		}
	}
	return true
}
