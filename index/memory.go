package index

import (
	"context"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"nearside/fault"
)

// Memory is the engine that keeps everything in lists and answers by going
// through them: slow, forgetful at the end of the process, and so plain that it
// serves as the oracle for every other engine. It remembers every state.
type Memory struct {
	clock func() time.Time

	mu      sync.Mutex // guards the fields below; taken before the lock of any index
	indexes map[Number]*memoryIndex
	closed  bool
}

var _ Engine = (*Memory)(nil)

// NewMemory returns an engine without indexes that takes the time from clock.
func NewMemory(clock func() time.Time) *Memory {
	return &Memory{clock: clock, indexes: map[Number]*memoryIndex{}}
}

// Create makes an empty index under a number never used before.
func (e *Memory) Create(ctx context.Context, n Number, c Config) (Index, error) {
	if err := ValidateConfig(c); err != nil {
		return nil, err
	}
	created := Mutation{Time: e.clock().UTC()}
	return e.enter(ctx, &memoryIndex{number: n, config: c, clock: e.clock, states: []Mutation{created}, alive: map[VectorID]*version{}})
}

// enter adds a new index and opens it.
func (e *Memory) enter(ctx context.Context, x *memoryIndex) (Index, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.usableLocked(ctx); err != nil {
		return nil, err
	}
	if e.indexes[x.number] != nil {
		return nil, fault.New(fault.Conflict, "there is an index number %d already", x.number)
	}
	e.indexes[x.number] = x
	return x.open(), nil
}

// Open opens an existing index; opening an open one returns the same index.
func (e *Memory) Open(ctx context.Context, n Number) (Index, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.usableLocked(ctx); err != nil {
		return nil, err
	}
	x := e.indexes[n]
	if x == nil {
		return nil, fault.New(fault.NotFound, "there is no index number %d", n)
	}
	return x.open(), nil
}

// Drop deletes an index and all it stored; dropping an unknown number does nothing.
func (e *Memory) Drop(ctx context.Context, n Number) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.usableLocked(ctx); err != nil {
		return err
	}
	if x := e.indexes[n]; x != nil {
		x.release(fault.New(fault.Gone, "index number %d was deleted", n))
		delete(e.indexes, n)
	}
	return nil
}

// Restore makes an index under a new number from what Snapshot wrote.
func (e *Memory) Restore(ctx context.Context, n Number, src io.Reader) (Index, error) {
	x, err := readMemory(src)
	if err != nil {
		return nil, err
	}
	x.number, x.clock = n, e.clock
	return e.enter(ctx, x)
}

// Numbers lists the indexes that exist, ascending.
func (e *Memory) Numbers(ctx context.Context) ([]Number, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.usableLocked(ctx); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(e.indexes)), nil
}

// Close closes every open index.
func (e *Memory) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	for _, x := range e.indexes {
		x.release(closedIndex(x.number))
	}
	return nil
}

func (e *Memory) usableLocked(ctx context.Context) error {
	if e.closed {
		return fault.New(fault.Unavailable, "the indexes are closed")
	}
	return canceled(ctx)
}

// canceled returns the fault of a caller that no longer waits, or nil.
func canceled(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fault.New(fault.Canceled, "the caller has gone").Because(err)
	}
	return nil
}

func closedIndex(n Number) error {
	return fault.New(fault.Unavailable, "index number %d is closed", n)
}

// memoryIndex is what the engine knows of one index.
type memoryIndex struct {
	number Number
	config Config
	clock  func() time.Time

	mu       sync.RWMutex          // guards the fields below
	versions []*version            // every version of every record there ever was, in the order of their birth
	alive    map[VectorID]*version // those of the newest state
	metadata []*metadataVersion    // every metadata index there ever was, oldest first
	states   []Mutation            // what led to each state; the first is the oldest one known
	handle   *memoryHandle         // nil unless open
}

// version is a record from one mutation to another.
type version struct {
	Record
	born, died Sequence // died is 0 while it lives
}

// metadataVersion is a metadata index from one mutation to another.
type metadataVersion struct {
	MetadataIndex
	backfilled    bool
	created, died Sequence
}

// existed reports whether something born and dead at the given sequences was there in a state.
func existed(born, died, state Sequence) bool {
	return born <= state && (died == 0 || died > state)
}

// newest returns the sequence of the newest state.
func (x *memoryIndex) newest() Sequence { return x.states[len(x.states)-1].Sequence }

// open returns the handle of the index, made if there is none.
func (x *memoryIndex) open() *memoryHandle {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.handle == nil {
		x.handle = &memoryHandle{index: x}
	}
	return x.handle
}

// release ends the handle, if the index is open; calls that come later get the fault.
func (x *memoryIndex) release(because error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.handle != nil {
		x.handle.ended = because
		x.handle = nil
	}
}

// memoryHandle is an open index.
type memoryHandle struct {
	index *memoryIndex
	ended error // guarded by index.mu
}

// Close releases the index. It waits for calls in flight; later calls fail.
func (h *memoryHandle) Close() error {
	h.index.mu.Lock()
	defer h.index.mu.Unlock()
	if h.ended == nil {
		h.ended = closedIndex(h.index.number)
		h.index.handle = nil
	}
	return nil
}

// usable reports why a call cannot be answered. The caller holds the lock.
func (h *memoryHandle) usable(ctx context.Context) error {
	if h.ended != nil {
		return h.ended
	}
	return canceled(ctx)
}
