package local

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/index"
)

// A view is one state of an index. It never changes, and all that it reaches in
// the slot table and the rows was complete before anybody could see it.
type view struct {
	mutation   index.Mutation  // the last one applied; its sequence is the view's
	since      time.Time       // when it became the newest
	slots      slot            // the first slot the view does not know
	alive      *roaring.Bitmap // the versions it shows; frozen, see freeze
	count      int             // how many those are
	namespaces func() int      // in how many namespaces, "" not counted
	table      *slotTable
	columns    []*column // metadata indexes, oldest first

	// What scans ask, ready to be passed on:
	shows func(slot) bool   // of alive
	id    func(slot) string // of table

	pins atomic.Int64 // readers at work in it
}

// ready completes a view that is about to be published.
func (v *view) ready() *view {
	v.shows, v.id = v.alive.Contains, v.table.id
	return v
}

func (v *view) sequence() index.Sequence { return v.mutation.Sequence }

func (v *view) unpin() { v.pins.Add(-1) }

// freeze returns a copy of a bitmap that may be read from any goroutine while the
// original changes on. It costs a few bytes for every 65,536 slots.
func freeze(b *roaring.Bitmap) *roaring.Bitmap {
	b.SetCopyOnWrite(true)
	return b.Clone()
}

// maxViews bounds how many views are remembered for reads of an earlier state.
// Past it, views that follow each other closely are thinned out.
const maxViews = 1024

// views holds the newest view and those that somebody may still ask for.
type views struct {
	newest atomic.Pointer[view]
	maxAge time.Duration

	mu   sync.Mutex // guards past; held for memory work only
	past []*view    // superseded views, oldest first
}

// publish makes v the newest view. There is one publisher at a time.
func (h *views) publish(v *view) {
	old := h.newest.Swap(v)
	if old == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.past = append(h.past, old)
	h.forgetLocked(v.since)
	if len(h.past) > maxViews {
		h.thinLocked()
	}
}

// forgetLocked drops the views that no read may ask for at a time and nobody
// reads: those that were superseded before the oldest age.
func (h *views) forgetLocked(now time.Time) {
	oldest, n := now.Add(-h.maxAge), 0
	for n < len(h.past) && h.past[n].pins.Load() == 0 {
		next := h.newest.Load()
		if n+1 < len(h.past) {
			next = h.past[n+1]
		}
		if next.since.After(oldest) {
			break
		}
		n++
	}
	h.past = slices.Delete(h.past, 0, n)
}

// thinLocked drops every second view that nobody reads, the youngest half excepted.
func (h *views) thinLocked() {
	kept := h.past[:0:0]
	for i, v := range h.past {
		if i%2 == 0 || i >= maxViews/2 || v.pins.Load() > 0 {
			kept = append(kept, v)
		}
	}
	h.past = kept
}

// pin returns the view that was the newest at a time, or the oldest one remembered. The caller unpins it.
func (h *views) pin(at time.Time) *view {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.newest.Load()
	for i := len(h.past) - 1; i >= 0 && v.since.After(at); i-- {
		v = h.past[i]
	}
	v.pins.Add(1)
	return v
}

// pinNewest needs no lock. A view that is still the newest after it was pinned was
// pinned before anybody could decide to forget it.
func (h *views) pinNewest() *view {
	for {
		v := h.newest.Load()
		v.pins.Add(1)
		if h.newest.Load() == v {
			return v
		}
		v.unpin()
	}
}

// oldest returns the lowest sequence that a reader holds or may still ask for.
func (h *views) oldest(now time.Time) index.Sequence {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forgetLocked(now)
	if len(h.past) > 0 {
		return h.past[0].sequence()
	}
	return h.newest.Load().sequence()
}
