package local

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"nearside/disk"
	"nearside/fault"
	"nearside/index"
)

// Options are the choices of Open.
type Options struct {
	MemoryBytes int64            // what open indexes may take together; 0 = no bound
	MaxOpen     int              // how many indexes are open at a time, each with some seven files; 0 = 128
	MaxAge      time.Duration    // how far back Read.Age reaches; 0 = the newest state only
	Workers     int              // goroutines of one scan; 0 = one a core
	Clock       func() time.Time // nil: time.Now
	Log         *slog.Logger     // nil: nothing is logged
	Graph       GraphOptions
	// Progress is told how far the rebuilding of an index's rows is; nil: nobody is.
	Progress func(n index.Number, done, total int)
}

func (o Options) withDefaults() Options {
	o.MaxOpen = cmp.Or(o.MaxOpen, 128)
	o.Workers = cmp.Or(o.Workers, runtime.GOMAXPROCS(0))
	o.Graph = o.Graph.withDefaults()
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = func(index.Number, int, int) {}
	}
	return o
}

// Engine keeps indexes in a directory, each in a folder named by its number.
type Engine struct {
	dir     *disk.Dir
	options Options
	pool    *pool // compares vectors, for all indexes

	building  chan struct{} // holds a token while a builder is at work
	lastAsked atomic.Int64  // when the last query was asked, about; nanoseconds since 1970

	mu      sync.Mutex // guards the fields below; held for memory work only
	handles map[index.Number]*handle
	open    map[*handle]int64      // the handles with an open store, and the memory each was granted
	granted int64                  // the sum of it
	warming map[index.Number]bool  // being opened
	damaged map[index.Number]error // out of service
	closed  bool
}

var _ index.Engine = (*Engine)(nil)

// Open returns the engine of a directory. It opens no index.
func Open(dir *disk.Dir, o Options) *Engine {
	o = o.withDefaults()
	return &Engine{
		dir:      dir,
		options:  o,
		pool:     newPool(o.Workers),
		building: make(chan struct{}, 1),
		handles:  map[index.Number]*handle{},
		open:     map[*handle]int64{},
		warming:  map[index.Number]bool{},
		damaged:  map[index.Number]error{},
	}
}

func folder(n index.Number) string { return strconv.FormatUint(uint64(n), 10) }

// Create makes an empty index under a number never used before.
func (e *Engine) Create(ctx context.Context, n index.Number, c index.Config) (index.Index, error) {
	if err := index.ValidateConfig(c); err != nil {
		return nil, err
	}
	return e.make(n, func(h *handle) (*store, error) { return e.createStore(ctx, h, c) })
}

// make enters a handle for a new number and fills its folder.
func (e *Engine) make(n index.Number, fill func(h *handle) (*store, error)) (index.Index, error) {
	h, err := e.enter(n)
	if err != nil {
		return nil, err
	}
	h.gate.Lock()
	defer h.gate.Unlock()
	found, err := e.exists(n)
	if err == nil && (found || h.store != nil) {
		return nil, fault.New(fault.Conflict, "there is an index number %d already", n)
	}
	if err == nil {
		// What an interrupted attempt left was never an index.
		err = e.dir.RemoveAll(folder(n))
	}
	if err == nil {
		err = e.admit(h, emptyBytes)
	}
	if err != nil {
		return nil, err
	}
	if h.store, err = fill(h); err != nil {
		e.release(h)
		return nil, errors.Join(err, e.dir.RemoveAll(folder(n)))
	}
	return h, nil
}

// exists reports whether the folder of a number holds an index: its database, or
// the witness that there must be one.
func (e *Engine) exists(n index.Number) (bool, error) {
	dir := e.dir.Sub(folder(n))
	found, err := dir.Exists(recordsFile)
	if err != nil || found {
		return found, err
	}
	return dir.Exists(recordsFile + ".head")
}

// Open opens an existing index; opening an open one returns the same index.
//
// The index is checked and read into memory by this call. Later it may be parked
// to make room for others, and then its next use opens it again.
func (e *Engine) Open(ctx context.Context, n index.Number) (index.Index, error) {
	found, err := e.exists(n)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fault.New(fault.NotFound, "there is no index number %d", n)
	}
	h, err := e.enter(n)
	if err != nil {
		return nil, err
	}
	_, err = h.acquire(ctx)
	if err != nil {
		return nil, err
	}
	h.gate.RUnlock()
	return h, nil
}

// enter returns the handle of a number, made if there is none.
func (e *Engine) enter(n index.Number) (*handle, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, closedError()
	}
	h, ok := e.handles[n]
	if !ok {
		h = &handle{engine: e, number: n}
		e.handles[n] = h
	}
	return h, nil
}

// Drop deletes an index and all it stored; dropping an unknown number does nothing.
// It waits for calls in flight; later calls fail.
func (e *Engine) Drop(_ context.Context, n index.Number) error {
	h, err := e.enter(n)
	if err != nil {
		return err
	}
	h.gate.Lock()
	defer h.gate.Unlock()
	if h.store != nil && h.store.builder != nil {
		h.store.builder.discarded = true
	}
	err = h.shut()
	h.ended = fault.New(fault.Gone, "index number %d was deleted", n)
	e.forget(h)
	return errors.Join(err, e.dir.RemoveAll(folder(n)))
}

// forget removes a handle that has ended.
func (e *Engine) forget(h *handle) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.handles[h.number] == h {
		delete(e.handles, h.number)
	}
	delete(e.damaged, h.number)
}

// Numbers lists the indexes that exist, ascending, damaged ones among them.
func (e *Engine) Numbers(context.Context) ([]index.Number, error) {
	names, err := e.dir.Names()
	if err != nil {
		return nil, err
	}
	var numbers []index.Number
	for _, name := range names {
		if n, err := strconv.ParseUint(name, 10, 64); err == nil && folder(index.Number(n)) == name {
			numbers = append(numbers, index.Number(n))
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// Close closes every open index. It waits for calls in flight; later calls fail.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	var handles []*handle
	for _, h := range e.handles {
		handles = append(handles, h)
	}
	e.mu.Unlock()
	var errs []error
	for _, h := range handles {
		errs = append(errs, h.Close())
	}
	e.pool.close()
	return errors.Join(errs...)
}

// Stats is what the engine holds, for metrics and health.
type Stats struct {
	Open     int                    // indexes in memory
	Records  int                    // records of the open indexes
	Bytes    int64                  // memory granted to them
	Unpurged int                    // superseded versions of the open indexes that still take space
	Warming  []index.Number         // indexes being opened, ascending
	Damaged  map[index.Number]error // indexes found to be damaged and out of service

	Building   []index.Number // open indexes whose graph is being built: they answer, but slower; ascending
	Tail       int            // records of the open indexes that their graphs do not have yet
	GraphBytes int64          // memory of the graphs
	Recall     float64        // the lowest that is known of an open index; 1 if none is
}

// Stats returns what the engine holds at this moment.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	st := Stats{Recall: 1, Open: len(e.open), Bytes: e.granted, Warming: slices.Sorted(maps.Keys(e.warming)), Damaged: maps.Clone(e.damaged)}
	handles := slices.Collect(maps.Keys(e.open))
	e.mu.Unlock()
	for _, h := range handles {
		if !h.gate.TryRLock() {
			continue // it is just being opened or closed
		}
		if h.store != nil {
			st.add(h.store)
		}
		h.gate.RUnlock()
	}
	slices.Sort(st.Building)
	return st
}

// add adds what an open index holds.
func (st *Stats) add(s *store) {
	v := s.views.newest.Load()
	g := s.graph(v)
	st.Records += v.count
	st.Unpurged += int(s.graves.count.Load())
	st.Tail += g.Tail
	st.GraphBytes += g.Bytes
	if g.Building {
		st.Building = append(st.Building, s.number)
	}
	if g.Recall.Queries > 0 {
		st.Recall = min(st.Recall, g.Recall.Mean)
	}
}

// noteWarming says that an index is about to be opened. One that was found to be
// damaged stays out of service: each caller would have all of it read again.
func (e *Engine) noteWarming(n index.Number) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.damaged[n]; err != nil {
		return err
	}
	e.warming[n] = true
	return nil
}

// noteOpened says that an index was opened, or why it was not.
func (e *Engine) noteOpened(n index.Number, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.warming, n)
	if fault.Is(err, fault.Corrupt) {
		e.damaged[n] = err
	} else if err == nil {
		delete(e.damaged, n)
	}
}

func closedError() error {
	return fault.New(fault.Unavailable, "the indexes are closed: nearside is shutting down")
}
