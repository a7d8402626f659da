package local

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"nearside/fault"
	"nearside/index"
	"nearside/index/local/hnsw"
)

// A builder is the background work on the graph of one store: it makes the graph
// when there are enough records, puts the tail into it, and takes out what no view
// shows any more. One goroutine does it, helped by others while many slots wait.
type builder struct {
	store *store
	covers
	wake      chan struct{}         // holds one token: there may be work
	progress  bell                  // rings when a turn has ended
	settling  atomic.Int32          // calls that wait for the whole tail to be absorbed
	turns     atomic.Uint64         // turns ended
	trouble   atomic.Pointer[error] // why the last turn failed, or nil
	inserters []*insertion          // by worker
	retired   []*cover              // graphs that were replaced, and may be in use still
	discarded bool                  // the index is being dropped: nothing is worth saving
	recall    *recallGauge
	next      *cover       // a graph built anew with another codec, not in use yet; or nil
	mending   *hnsw.Repair // the repair under way, or nil
	mends     atomic.Bool  // at the end of the last turn a repair was under way, or due
	rested    time.Time    // when upkeep may go on

	died []grave // guarded by store.publishing: versions that ended and may be in the graph, oldest first
}

const (
	// buildBatch is how many slots are inserted before queries see them in the graph: a second or two.
	buildBatch = 2048
	// buildPiece is how many of them a worker takes at a time.
	buildPiece = 16
	// measureAgain is how many times larger a graph is when its costs are measured again.
	measureAgain = 2
	// buildAgain is how long the builder waits after an error.
	buildAgain = 5 * time.Second
)

func newBuilder(s *store) *builder {
	return &builder{store: s, wake: make(chan struct{}, 1), recall: newRecallGauge(s.options.Graph)}
}

// workers returns the memory of the workers. A builder without work has none.
func (b *builder) workers() []*insertion {
	for len(b.inserters) < b.store.options.Graph.Workers {
		b.inserters = append(b.inserters, new(insertion))
	}
	return b.inserters
}

// note says that there may be work. It never waits.
func (b *builder) note() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// run works until ctx ends.
func (b *builder) run(ctx context.Context) {
	b.adopt(ctx)
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
		case <-pause.C:
		}
		more, err := b.turn(ctx)
		if ctx.Err() != nil {
			return
		}
		b.report(err)
		switch {
		case err != nil:
			pause.Reset(buildAgain)
		case more:
			b.note()
		default:
			pause.Reset(b.idle(ctx))
		}
	}
}

// report ends a turn: it tells whoever waits how it went.
func (b *builder) report(err error) {
	c := b.current.Load()
	b.mends.Store(c != nil && b.due(c))
	b.trouble.Store(nil)
	if err != nil {
		b.trouble.Store(&err)
		b.store.noteDamage(err)
		b.store.options.Log.Warn("the graph of an index is not built for now; answers are exact and slower; it is tried again", "index", b.store.number, "error", err)
	}
	b.turns.Add(1)
	b.progress.ring()
}

// turn does a piece of the work, and reports whether there is more.
func (b *builder) turn(ctx context.Context) (more bool, err error) {
	release, err := b.store.engine.buildTurn(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	b.free()
	c := b.current.Load()
	b.bury(c, b.next)
	if c == nil {
		if c, err = b.first(ctx); c == nil || err != nil {
			return false, err
		}
	}
	more, err = b.absorb(ctx, c)
	if more || err != nil || b.next == nil {
		return more, err
	}
	if more, err = b.absorb(ctx, b.next); !more && err == nil {
		b.promote(c)
	}
	return more, err
}

// buildTurn waits until no other index's builder is at work: one at a time has all the workers.
func (e *Engine) buildTurn(ctx context.Context) (release func(), err error) {
	select {
	case e.building <- struct{}{}:
		return func() { <-e.building }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// first begins the graph of the index, if there are records enough.
func (b *builder) first(ctx context.Context) (*cover, error) {
	v := b.store.views.pinNewest()
	defer v.unpin()
	if v.count < b.store.options.Graph.From {
		return nil, nil
	}
	c, err := b.begin(ctx, v)
	if err == nil {
		b.current.Store(c)
	}
	return c, err
}

// begin makes an empty graph for the vectors that a view shows.
func (b *builder) begin(ctx context.Context, v *view) (*cover, error) {
	s := b.store
	codec, err := s.train(ctx, v)
	if err != nil {
		return nil, err
	}
	o := s.options.Graph
	g, err := hnsw.New(hnsw.Options{Codec: codec, M: o.M, EFConstruction: o.EFConstruction, Capacity: graphCapacity(v.count)})
	if err != nil {
		return nil, noGraphMemory(err)
	}
	return &cover{graph: g}, nil
}

// minCapacity and growth say for how many nodes a graph has address space. When
// it is used up the graph is copied to a larger one.
const (
	minCapacity = 1 << 18
	growth      = 8
)

func graphCapacity(nodes int) int { return max(minCapacity, growth*nodes) }

// noGraphMemory says that the system gives no more memory.
func noGraphMemory(err error) error {
	return fault.New(fault.Unavailable, "there is no memory for the graph of an index; close other programs, or raise the limit of address space").Because(err)
}

// bury takes out of the graphs what no view shows any more, nor will.
func (b *builder) bury(covers ...*cover) {
	s := b.store
	horizon := s.views.oldest(s.options.Clock())
	s.publishing.Lock()
	n := 0
	for n < len(b.died) && b.died[n].died <= horizon {
		n++
	}
	gone := b.died[:n]
	b.died = b.died[n:]
	s.publishing.Unlock()
	for _, c := range covers {
		if c == nil || n == 0 {
			continue
		}
		c.since.Store(max(c.since.Load(), uint64(horizon)))
		for _, g := range gone {
			c.graph.Kill(g.slot)
		}
	}
}

// absorb puts the oldest slots of the tail into the graph, and reports whether more are waiting.
func (b *builder) absorb(ctx context.Context, c *cover) (more bool, err error) {
	waiting, upTo, end := b.waiting(c)
	if int(end-c.upTo.Load()) <= b.store.options.Graph.Tail && b.settling.Load() == 0 {
		return false, nil
	}
	done, err := b.insert(ctx, c, waiting)
	switch {
	case errors.Is(err, hnsw.ErrFull):
		return true, b.enlarge(c)
	case err != nil:
		return false, err
	case done < len(waiting): // the index is being closed
		c.upTo.Store(waiting[done])
		return false, nil
	}
	c.upTo.Store(upTo)
	if more = upTo < end; !more {
		err = b.settled(ctx, c)
	}
	return more, err
}

// settled does what is to be done once nothing waits.
func (b *builder) settled(ctx context.Context, c *cover) error {
	if c.upTo.Load() >= measureAgain*c.measured {
		c.measured = c.upTo.Load()
		b.measure(ctx, c)
		if err := b.gauge(ctx, c); err != nil {
			return err
		}
	}
	b.save(c, saveFrom, saveShare)
	return nil
}

// waiting returns the slots of the next batch that some view shows or may show:
// those up to upTo, of a tail that ends at end.
func (b *builder) waiting(c *cover) (slots []slot, upTo, end slot) {
	s := b.store
	horizon := s.views.oldest(s.options.Clock())
	s.publishing.Lock()
	v := s.views.newest.Load()
	var died []slot
	for _, g := range b.died {
		if g.died > horizon {
			died = append(died, g.slot)
		}
	}
	s.publishing.Unlock()
	slices.Sort(died)
	from := c.upTo.Load()
	upTo = min(v.slots, from+buildBatch)
	for at := from; at < upTo; at++ {
		_, late := slices.BinarySearch(died, at)
		if late || v.alive.Contains(at) {
			slots = append(slots, at)
		}
	}
	if len(slots) < int(upTo-from) {
		c.since.Store(max(c.since.Load(), uint64(horizon)))
	}
	return slots, upTo, v.slots
}

// An insertion is the memory of one worker.
type insertion struct {
	hnsw.Inserter
	vector []float32
}

// insert puts slots into the graph, on as many goroutines as are free for it. It
// returns how many of them it has put, the first ones: fewer than all if ctx ends.
func (b *builder) insert(ctx context.Context, c *cover, slots []slot) (done int, err error) {
	var next atomic.Int64
	var others sync.WaitGroup
	workers := b.workers()
	failed := make(chan error, len(workers))
	work := func(worker int) {
		for ctx.Err() == nil && len(failed) == 0 {
			from := int(next.Add(buildPiece)) - buildPiece
			if from >= len(slots) {
				return
			}
			for _, at := range slots[from:min(from+buildPiece, len(slots))] {
				if err := b.insertOne(context.WithoutCancel(ctx), c, workers[worker], at); err != nil {
					failed <- err
					return
				}
			}
			if worker > 0 && b.store.engine.asked(b.store.options.Clock()) {
				return // the cores are wanted for queries
			}
		}
	}
	for worker := 1; worker < min(len(workers), len(slots)/buildPiece); worker++ {
		others.Go(func() { work(worker) })
	}
	work(0)
	others.Wait()
	if len(failed) > 0 {
		return 0, <-failed
	}
	return min(int(next.Load()), len(slots)), nil // pieces that were begun were ended
}

func (b *builder) insertOne(ctx context.Context, c *cover, in *insertion, at slot) error {
	if _, known := c.graph.Node(at); known {
		return nil // from a batch that was interrupted
	}
	var err error
	if in.vector, err = b.store.vector(ctx, at, in.vector); err != nil {
		return err
	}
	_, err = c.graph.Insert(&in.Inserter, at, in.vector)
	return err
}

// asked reports whether the engine was asked a query lately.
func (e *Engine) asked(now time.Time) bool {
	return now.UnixNano()-e.lastAsked.Load() < int64(askedLately)
}

// noteAsked says that a query is asked.
func (e *Engine) noteAsked(now time.Time) {
	if at := now.UnixNano(); at-e.lastAsked.Load() > int64(askedLately/8) { // so that cores seldom take the word from each other
		e.lastAsked.Store(at)
	}
}

const askedLately = 200 * time.Millisecond

// enlarge replaces a graph that is full by a larger copy.
func (b *builder) enlarge(c *cover) error {
	g, err := c.graph.Compacted(graphCapacity(c.graph.Nodes()))
	if err != nil {
		return noGraphMemory(err)
	}
	b.replace(c, g)
	return nil
}

// replace has queries use a graph with the same slots instead of the one they use.
func (b *builder) replace(old *cover, g *hnsw.Graph) {
	c := &cover{graph: g, measured: old.measured, saved: old.saved}
	c.upTo.Store(old.upTo.Load())
	c.since.Store(old.since.Load())
	c.costs.Store(old.costs.Load())
	b.mending = nil
	if b.next == old {
		b.next = c
	} else {
		b.current.Store(c)
	}
	b.retired = append(b.retired, old)
}

// free closes the graphs that were replaced and in which nobody walks any more.
func (b *builder) free() {
	b.retired = slices.DeleteFunc(b.retired, func(c *cover) bool {
		if c.users.Load() > 0 {
			return false
		}
		b.closeGraph(c)
		return true
	})
}

// close saves the graph and frees everything. The builder has ended, and no call is in flight.
func (b *builder) close() {
	b.free()
	if b.next != nil {
		b.closeGraph(b.next)
	}
	if c := b.current.Swap(nil); c != nil {
		b.save(c, closeFrom, closeShare)
		b.closeGraph(c)
	}
}

func (b *builder) closeGraph(c *cover) {
	if err := c.graph.Close(); err != nil {
		b.store.options.Log.Error("the memory of a graph was not given back", "index", b.store.number, "error", err)
	}
}

// settle waits until the graph covers all that the newest view shows.
func (b *builder) settle(ctx context.Context) error {
	b.settling.Add(1)
	defer b.settling.Add(-1)
	goal := b.store.views.newest.Load()
	begun := b.turns.Load()
	for {
		rung := b.progress.next()
		c := b.current.Load()
		switch trouble := b.trouble.Load(); {
		case b.turns.Load() == begun: // what happened before does not count
		case trouble != nil:
			return *trouble
		case c == nil && b.store.views.newest.Load().count < b.store.options.Graph.From, c != nil && c.tail(goal) == 0 && !b.mends.Load():
			return nil
		}
		b.note()
		select {
		case <-rung:
		case <-ctx.Done():
			return canceled(ctx.Err())
		}
	}
}

// Settle waits until the graph of an index covers every record that the index has
// when it is called. An index without a graph, because it is small or
// GraphOptions.Off, has nothing to wait for.
func (e *Engine) Settle(ctx context.Context, n index.Number) error {
	x, err := e.Open(ctx, n)
	if err != nil {
		return err
	}
	_, err = call(ctx, x.(*handle), func(s *store) (struct{}, error) {
		if s.builder == nil {
			return struct{}{}, nil
		}
		return struct{}{}, s.builder.settle(ctx)
	})
	return err
}
