package local

import (
	"sync/atomic"

	"nearside/index"
	"nearside/index/local/hnsw"
)

// A cover is a graph and the part of the index that it covers: of every view from
// the sequence since on, all that the view shows of the slots below upTo. The
// slots from upTo on are the tail, which queries compare one by one.
type cover struct {
	graph *hnsw.Graph
	upTo  atomic.Uint32
	since atomic.Uint64 // index.Sequence

	users atomic.Int64 // those who walk in the graph

	costs atomic.Pointer[costs] // nil: not measured yet

	// The builder's:
	measured uint32 // how many nodes there were when the costs were measured
	saved    uint32 // up to which slot the snapshot covers
}

// covers holds the cover that queries use. The builder alone replaces it.
type covers struct{ current atomic.Pointer[cover] }

// pin returns the cover, or nil if there is none. The caller unpins it. A cover
// that is still the current one after it was pinned was pinned before anybody could
// find that it has no users.
func (h *covers) pin() *cover {
	for {
		c := h.current.Load()
		if c == nil {
			return nil
		}
		c.users.Add(1)
		if h.current.Load() == c {
			return c
		}
		c.unpin()
	}
}

func (c *cover) unpin() { c.users.Add(-1) }

// serves reports whether the graph has what a view shows of the slots below upTo.
func (c *cover) serves(v *view) bool { return v.sequence() >= index.Sequence(c.since.Load()) }

// tail returns how many slots a view has that the graph does not cover.
func (c *cover) tail(v *view) int { return int(v.slots) - int(min(v.slots, c.upTo.Load())) }
