package local

import (
	"cmp"
	"context"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"nearside/fault"
	"nearside/index"
)

// A handle is the index.Index that callers hold. It outlives its store: an idle
// store is parked (closed) when others need the room, and the handle's next use
// opens it again.
type handle struct {
	engine  *Engine
	number  index.Number
	lastUse atomic.Int64 // from the engine's clock; orders idle stores

	gate  sync.RWMutex // held shared by calls in flight, exclusively to open, park or end the store; guards:
	store *store       // nil while parked
	ended error        // why the handle can no longer be used, or nil
}

var _ index.Index = (*handle)(nil)

// acquire returns the open store. The caller releases it with gate.RUnlock.
func (h *handle) acquire(ctx context.Context) (*store, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, canceled(err)
		}
		h.gate.RLock()
		if h.store != nil {
			h.lastUse.Store(h.engine.options.Clock().UnixNano())
			return h.store, nil
		}
		ended := h.ended
		h.gate.RUnlock()
		if ended != nil {
			return nil, ended
		}
		if err := h.reopen(ctx); err != nil {
			return nil, err
		}
	}
}

// reopen opens the store, unless somebody else has just done it.
func (h *handle) reopen(ctx context.Context) error {
	h.gate.Lock()
	defer h.gate.Unlock()
	if h.store != nil || h.ended != nil {
		return nil
	}
	if err := h.engine.noteWarming(h.number); err != nil {
		return err
	}
	// A caller who goes must not undo what others wait for: a large index would never be open.
	s, err := h.engine.openStore(context.WithoutCancel(ctx), h)
	h.engine.noteOpened(h.number, err)
	if err != nil {
		h.engine.release(h)
		return err
	}
	h.store = s
	return nil
}

// shut closes the store, if it is open. The caller holds the gate exclusively.
func (h *handle) shut() error {
	if h.store == nil {
		return nil
	}
	err := h.store.close()
	h.store = nil
	h.engine.release(h)
	return err
}

// Close releases the index. It waits for calls in flight; later calls fail.
func (h *handle) Close() error {
	h.gate.Lock()
	defer h.gate.Unlock()
	err := h.shut()
	if h.ended == nil {
		h.ended = fault.New(fault.Unavailable, "index number %d is closed", h.number)
	}
	h.engine.forget(h)
	return err
}

// call runs fn with the open store, which stays open meanwhile.
func call[T any](ctx context.Context, h *handle, fn func(s *store) (T, error)) (T, error) {
	s, err := h.acquire(ctx)
	if err != nil {
		var zero T
		return zero, err
	}
	defer h.gate.RUnlock()
	if damage := s.damage.Load(); damage != nil {
		var zero T
		return zero, *damage
	}
	result, err := fn(s)
	if err != nil {
		s.noteDamage(err)
	}
	return result, err
}

func (h *handle) Insert(ctx context.Context, records []index.Record, within index.Scope) (index.Mutation, error) {
	return call(ctx, h, func(s *store) (index.Mutation, error) { return s.insert(ctx, records, within) })
}

func (h *handle) Upsert(ctx context.Context, records []index.Record, within index.Scope) (index.Mutation, error) {
	return call(ctx, h, func(s *store) (index.Mutation, error) { return s.upsert(ctx, records, within) })
}

func (h *handle) Delete(ctx context.Context, ids []index.VectorID, within index.Scope) (index.Mutation, error) {
	return call(ctx, h, func(s *store) (index.Mutation, error) { return s.delete(ctx, ids, within) })
}

func (h *handle) CreateMetadataIndex(ctx context.Context, m index.MetadataIndex, backfill bool) (index.Mutation, error) {
	return call(ctx, h, func(s *store) (index.Mutation, error) { return s.createMetadataIndex(ctx, m, backfill) })
}

func (h *handle) DeleteMetadataIndex(ctx context.Context, property string) (index.Mutation, error) {
	return call(ctx, h, func(s *store) (index.Mutation, error) { return s.deleteMetadataIndex(ctx, property) })
}

func (h *handle) Get(ctx context.Context, ids []index.VectorID, r index.Read) ([]index.Record, error) {
	return call(ctx, h, func(s *store) ([]index.Record, error) { return s.get(ctx, ids, r) })
}

func (h *handle) List(ctx context.Context, cursor string, count int, r index.Read) (index.Page, error) {
	return call(ctx, h, func(s *store) (index.Page, error) { return s.list(ctx, cursor, count, r) })
}

func (h *handle) Query(ctx context.Context, q index.Query, r index.Read) (index.Result, error) {
	return call(ctx, h, func(s *store) (index.Result, error) { return s.query(ctx, q, r) })
}

func (h *handle) MetadataIndexes(ctx context.Context, r index.Read) ([]index.MetadataIndex, error) {
	return call(ctx, h, func(s *store) ([]index.MetadataIndex, error) { return s.metadataIndexes(r), nil })
}

func (h *handle) Info(ctx context.Context, r index.Read) (index.Info, error) {
	return call(ctx, h, func(s *store) (index.Info, error) { return s.info(r) })
}

func (h *handle) Snapshot(ctx context.Context, w io.Writer) (index.Sequence, error) {
	return call(ctx, h, func(s *store) (index.Sequence, error) { return s.snapshot(ctx, w) })
}

// admit grants memory to a handle, in place of what it had, and counts it as open.
// Others that are idle are parked to make room; what does not fit even so is refused.
func (e *Engine) admit(h *handle, bytes int64) error {
	for {
		victims := e.tryAdmit(h, bytes)
		if victims == nil {
			return nil
		}
		if !e.parkOne(victims) {
			return e.tooMuch(h, bytes)
		}
	}
}

// tryAdmit grants the memory and returns nil, or else the other open handles, the
// longest idle first, of which one must be parked before: perhaps none, but never nil.
func (e *Engine) tryAdmit(h *handle, bytes int64) []*handle {
	e.mu.Lock()
	defer e.mu.Unlock()
	before, isOpen := e.open[h]
	after := e.granted - before + bytes
	fits := e.options.MemoryBytes == 0 || after <= e.options.MemoryBytes
	if fits && (isOpen || len(e.open) < e.options.MaxOpen) {
		e.open[h] = bytes
		e.granted = after
		return nil
	}
	victims := []*handle{}
	for v := range e.open {
		if v != h {
			victims = append(victims, v)
		}
	}
	slices.SortFunc(victims, func(a, b *handle) int { return cmp.Compare(a.lastUse.Load(), b.lastUse.Load()) })
	return victims
}

// parkOne closes the first of the handles that nobody uses.
func (e *Engine) parkOne(victims []*handle) bool {
	for _, v := range victims {
		if !v.gate.TryLock() {
			continue
		}
		open := v.store != nil
		if err := v.shut(); err != nil {
			e.options.Log.Error("an idle index did not close cleanly", "index", v.number, "error", err)
		}
		v.gate.Unlock()
		if open {
			return true
		}
	}
	return false
}

func (e *Engine) tooMuch(h *handle, bytes int64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	others := e.granted - e.open[h]
	if e.options.MemoryBytes > 0 && others+bytes > e.options.MemoryBytes {
		return fault.New(fault.Unavailable, "index number %d needs %d MB of memory; %d MB of the %d MB allowed are taken by %d other indexes in use; raise --memory",
			h.number, megabytes(bytes), megabytes(others), megabytes(e.options.MemoryBytes), len(e.open))
	}
	busy := fault.New(fault.Busy, "index number %d cannot be opened: %d indexes are in use at this moment, which is the limit; try again", h.number, len(e.open))
	busy.RetryAfter = time.Second
	return busy
}

// release takes back what was granted to a handle.
func (e *Engine) release(h *handle) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.granted -= e.open[h]
	delete(e.open, h)
}

func megabytes(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }

func canceled(err error) error {
	return fault.New(fault.Canceled, "the caller has gone").Because(err)
}
