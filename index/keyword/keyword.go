package keyword

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	"golang.org/x/sync/errgroup"

	"nearside/disk"
	"nearside/fault"
)

// Options are the choices of Open. Analysis and Owner are kept with what is stored.
type Options struct {
	Analysis Analysis
	Owner    string       // whose slots these are; an index of another owner is made anew
	Log      *slog.Logger // nil: nothing is logged

	FlushBytes int64 // segments in memory are written to a file when they take so much; 0: 8 MB
}

// What a tail may become before it is written, and before writers wait for that: every
// segment costs a query a look-up for each term and field (BenchmarkSearch).
const (
	defaultFlushBytes = 8 << 20
	flushSegments     = 32
	mostSegments      = 256
)

// Index is the keyword index of the slots of one index. Its methods may be called
// from any goroutine.
type Index struct {
	dir      *disk.Dir
	options  Options
	analyzer *Analyzer
	lost     error

	adding sync.Mutex // held by the one who adds, resets or closes

	mu       sync.Mutex // guards the fields below; held for memory work only
	segments []*segment // in the order of their slots; replaced, never changed
	covered  uint64
	written  manifest // as it is on the disk
	kept     *roaring.Bitmap
	damage   error // why searches fail, until Reset
	trouble  error // why the last attempt to write failed
	closed   bool
	changed  chan struct{} // closed, and replaced, with every change of what is above

	work sync.WaitGroup // the merger
	stop chan struct{}  // closed when it is to end
}

// Open opens the index in a folder that is its own, and makes it where there is none.
//
// What is stored and of no use, because it is damaged, of another version, analysis or
// owner, is removed: Lost says why. The caller adds what is missing, from Covered on;
// that may be everything.
func Open(dir *disk.Dir, o Options) (*Index, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.FlushBytes <= 0 {
		o.FlushBytes = defaultFlushBytes
	}
	o.Analysis = o.Analysis.withDefaults()
	analyzer, err := NewAnalyzer(o.Analysis)
	if err != nil {
		return nil, err
	}
	x := &Index{dir: dir, options: o, analyzer: analyzer, changed: make(chan struct{}), stop: make(chan struct{})}
	if x.lost = x.load(); x.lost != nil {
		if err := x.dir.RemoveAll(""); err != nil {
			return nil, err
		}
		x.written = x.blank()
	}
	x.work.Go(x.merge)
	return x, nil
}

func (x *Index) blank() manifest {
	return manifest{Analysis: x.options.Analysis, Version: version, Owner: x.options.Owner, Next: 1}
}

// load takes what is stored; an error says why it is of no use.
func (x *Index) load() error {
	m, err := readManifest(x.dir)
	if err != nil {
		return err
	}
	blank := x.blank()
	if m == nil {
		m = &blank
	}
	if m.Analysis != blank.Analysis || m.Version != blank.Version || m.Owner != blank.Owner {
		return fault.New(fault.Corrupt, "%s is of analysis %v, version %d, owner %q; asked for are %v, %d and %q",
			x.dir.Path(manifestFile), m.Analysis, m.Version, m.Owner, blank.Analysis, blank.Version, blank.Owner)
	}
	if err := m.sweep(x.dir); err != nil {
		return err
	}
	segments, err := m.openSegments(x.dir)
	if err != nil {
		return err
	}
	for _, s := range segments {
		s.pins = 1
	}
	x.segments, x.covered, x.written = segments, m.Covered, *m
	return nil
}

// Lost says why what was stored when the index was opened was of no use, nil if it was.
func (x *Index) Lost() error { return x.lost }

// Analyzer returns the analyzer of the index.
func (x *Index) Analyzer() *Analyzer { return x.analyzer }

// Covered returns the sequence up to which the index is whole.
func (x *Index) Covered() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.covered
}

// Add enters the documents of the mutations up to a sequence, which is higher than
// Covered. Their slots are ascending, and higher than all before. When it returns, searches
// find them, and Covered is the sequence; they are on the disk some time later.
// After an error nothing was entered.
func (x *Index) Add(ctx context.Context, upTo uint64, documents []Document) error {
	x.adding.Lock()
	defer x.adding.Unlock()
	if err := x.makeWay(ctx); err != nil {
		return err
	}
	if err := x.check(upTo, documents); err != nil {
		return err
	}
	made, err := x.segmentsOf(ctx, documents)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, s := range made {
		s.pins = 1
	}
	x.segments = slices.Concat(x.segments, made)
	x.covered = upTo
	x.ringLocked()
	return nil
}

// check refuses what cannot follow what is there: a mistake of the caller.
func (x *Index) check(upTo uint64, documents []Document) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	next := int64(-1)
	if len(x.segments) > 0 {
		next = int64(x.segments[len(x.segments)-1].highest())
	}
	if upTo <= x.covered {
		return fmt.Errorf("the keyword index covers sequence %d already; %d was added", x.covered, upTo)
	}
	for i := range documents {
		if int64(documents[i].Slot) <= next {
			return fmt.Errorf("slot %d was added to the keyword index after slot %d", documents[i].Slot, next)
		}
		next = int64(documents[i].Slot)
	}
	return nil
}

// buildTogether is the least number of documents that are worth a segment of their own
// when a batch is cut in parts, one for each core.
const buildTogether = 64

// segmentsOf makes segments of some documents, on all cores.
func (x *Index) segmentsOf(ctx context.Context, documents []Document) ([]*segment, error) {
	if len(documents) == 0 {
		return nil, nil
	}
	parts := max(1, min(runtime.GOMAXPROCS(0), len(documents)/buildTogether))
	made := make([]*segment, parts)
	group, ctx := errgroup.WithContext(ctx)
	for i := range made {
		group.Go(func() (err error) {
			made[i], err = x.segmentOf(ctx, documents[len(documents)*i/parts:len(documents)*(i+1)/parts])
			return err
		})
	}
	return made, group.Wait()
}

func (x *Index) segmentOf(ctx context.Context, documents []Document) (*segment, error) {
	ready := make([]*prepared, len(documents))
	for i := range documents {
		if err := ctx.Err(); err != nil {
			return nil, hungUp(err)
		}
		ready[i] = x.analyzer.prepare(&documents[i])
	}
	return contain("a batch of documents", func() (*segment, error) { return build(ready) })
}

// makeWay waits until there are few enough segments in memory.
func (x *Index) makeWay(ctx context.Context) error {
	for {
		x.mu.Lock()
		_, count, size := x.tailLocked()
		full := count >= mostSegments || size >= 4*x.options.FlushBytes
		trouble, closed, changed := errors.Join(x.damage, x.trouble), x.closed, x.changed
		x.mu.Unlock()
		switch {
		case closed:
			return errClosed()
		case !full:
			return nil
		case trouble != nil:
			return fault.New(fault.Unavailable, "%s cannot be written, and what is not written yet fills the memory it may have", x.dir.Path()).Because(trouble)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fault.New(fault.Canceled, "the keyword index was not written to: the caller hung up").Because(ctx.Err())
		}
	}
}

func errClosed() error { return fault.New(fault.Unavailable, "the keyword index is closed") }

// tailLocked says where the segments in memory begin, how many they are and what they take.
func (x *Index) tailLocked() (from, count int, size int64) {
	from = len(x.segments)
	for from > 0 && x.segments[from-1].file == "" {
		from--
		size += x.segments[from].size
	}
	return from, len(x.segments) - from, size
}

// ringLocked tells everybody who waits that something has changed.
func (x *Index) ringLocked() {
	close(x.changed)
	x.changed = make(chan struct{})
}

// Wait returns when the index covers a sequence.
func (x *Index) Wait(ctx context.Context, sequence uint64) error {
	for {
		x.mu.Lock()
		covered, damage, closed, changed := x.covered, x.damage, x.closed, x.changed
		x.mu.Unlock()
		switch {
		case damage != nil:
			return damage
		case covered >= sequence:
			return nil
		case closed:
			return errClosed()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fault.New(fault.Canceled, "the keyword index covers sequence %d, not yet %d", covered, sequence).Because(ctx.Err())
		}
	}
}

// Keep says which of the slots below a number may still be asked for. The others are
// left out of what is written from now on; where they are many, segments are written anew.
func (x *Index) Keep(slots *roaring.Bitmap, below uint32) {
	kept := slots.Clone()
	kept.AddRange(uint64(below), 1<<32)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.kept = kept
	for _, s := range x.segments {
		s.countDead(kept)
	}
	x.ringLocked()
}

// Damage says why searches fail: a segment could not be read. nil: they do not. Reset mends it.
func (x *Index) Damage() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.damage
}

// Reset empties the index, durably: it covers nothing then.
func (x *Index) Reset() error {
	x.adding.Lock()
	defer x.adding.Unlock()
	if err := x.halt(); err != nil {
		return err
	}
	x.mu.Lock()
	old := x.segments
	x.segments, x.covered, x.damage, x.trouble, x.kept, x.written = nil, 0, nil, nil, nil, x.blank()
	x.ringLocked()
	x.mu.Unlock()
	err := errors.Join(x.dir.RemoveAll(""), x.release(old))
	x.stop = make(chan struct{})
	x.work.Go(x.merge)
	return err
}

// halt ends the merger. The caller holds adding.
func (x *Index) halt() error {
	x.mu.Lock()
	closed := x.closed
	x.mu.Unlock()
	if closed {
		return errClosed()
	}
	close(x.stop)
	x.work.Wait()
	return nil
}

// Close writes what is not written yet and gives the files up. Searches under way are
// finished first by those who asked. Closing twice is fine.
func (x *Index) Close() error {
	x.adding.Lock()
	defer x.adding.Unlock()
	if x.halt() != nil {
		return nil // it is closed
	}
	err := x.flush(nil)
	x.mu.Lock()
	x.closed = true
	old := x.segments
	x.segments = nil
	x.ringLocked()
	x.mu.Unlock()
	return errors.Join(err, x.release(old))
}

// pin returns the segments of now, and the sequence they cover. The caller releases them.
func (x *Index) pin() ([]*segment, uint64, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.damage != nil {
		return nil, 0, x.damage
	}
	if x.closed {
		return nil, 0, errClosed()
	}
	for _, s := range x.segments {
		s.pins++
	}
	return x.segments, x.covered, nil
}

// release gives segments back. What nobody holds any more is closed.
func (x *Index) release(segments []*segment) error {
	var free []*segment
	x.mu.Lock()
	for _, s := range segments {
		if s.pins--; s.pins == 0 {
			free = append(free, s)
		}
	}
	x.mu.Unlock()
	var err error
	for _, s := range free {
		err = errors.Join(err, s.Close())
		if s.obsolete && s.file != "" {
			err = errors.Join(err, x.dir.RemoveAll(s.file))
		}
	}
	return err
}
