package ingest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"nearside/doc"
	"nearside/doc/chunk"
)

// work is an item on its way: read by one goroutine, and stored by others.
type work struct {
	load  *load
	item  *Item
	known *Known // what was known of it before; nil = nothing
	now   Known  // what will be: all but its state and its records
	to    chan<- *segment

	// Of the one that reads.
	members int // files seen in it
	failed  int // of these, those that could not be read, or not to their end
	reason  string
	doubted string // why what was read may not be what it is
	entries []entry
	ids     map[string]bool // of entries
	bytes   int
	next    int    // part
	parts   *pages // that are known; nil = none

	// Of those that store.
	mu      sync.Mutex
	open    int            // segments that are not complete, and one while the item is read
	counts  []int          // by part, how many of its remembered records belong to it
	first   []string       // records of part 0
	left    []string       // records that part 0 had before, and has no more
	stale   map[idKey]bool // records that any part had before, and has no more
	chunks  int
	refused int
	refusal string
}

// entry is a record on its way.
type entry struct {
	Record
	tokens int
}

// size is what an entry counts for in memory.
func (e *entry) size() int { return len(e.Text) + len(e.Metadata) + 128 }

// idKey is the beginning of a record's id: 80 bits of a hash.
type idKey [16]byte

func keyOf(id string) (key idKey) {
	copy(key[:], id)
	return key
}

func newWork(l *load, c candidate, now Known, to chan<- *segment) *work {
	w := &work{load: l, item: c.item, known: c.known, now: now, to: to, open: 1, ids: map[string]bool{}}
	if c.parts {
		w.parts = l.pages(c.item.Path)
		w.parts.limit = leastPage
	}
	return w
}

// add turns the passages of a document into records.
func (w *work) add(ctx context.Context, describe describer, d *doc.Document, chunks []chunk.Chunk) error {
	own, said := describe.of(d)
	for _, c := range chunks {
		if w.ids[c.ID] {
			continue // of two members with one name
		}
		e := entry{Record{ID: c.ID, Text: c.Text, Namespace: w.load.Namespace, Metadata: describe.passage(own, said, c)}, c.Tokens}
		if len(w.entries) > 0 && (len(w.entries) >= w.load.PartRecords || w.bytes+e.size() > partBytes) {
			if err := w.cut(ctx, false); err != nil {
				return fatal{err}
			}
		}
		w.entries, w.bytes = append(w.entries, e), w.bytes+e.size()
		w.ids[c.ID] = true
	}
	return nil
}

// fail notes that a file could not be read. Its name is said by the path.
func (w *work) fail(f File, err error) {
	w.failed++
	reason := strings.TrimPrefix(err.Error(), f.Name+": ")
	if w.reason == "" {
		w.reason = reason
	}
	w.load.tell(Event{Kind: ItemFailed, Path: pathOf(w.item.Path, f.Member), Reason: reason}, nil)
}

// doubt notes that what was read may not be what the item is.
func (w *work) doubt(err error) {
	w.doubted = err.Error()
	w.load.tell(Event{Kind: ItemFailed, Path: w.item.Path, Reason: w.doubted}, nil)
}

// close hands on the last part.
func (w *work) close(ctx context.Context) error { return w.cut(ctx, true) }

// cut hands on the passages so far as a part.
func (w *work) cut(ctx context.Context, last bool) error {
	s := &segment{work: w, part: w.next, entries: w.entries, weight: int64(min(w.bytes, inFlightBytes)), last: last}
	w.next++
	w.entries, w.bytes, w.ids = nil, 0, map[string]bool{}
	if w.load.DryRun {
		return w.foresee(ctx, s)
	}
	old, err := w.before(ctx, s.part)
	if err != nil {
		return err
	}
	s.compare(old)
	w.mu.Lock()
	w.open++
	if last {
		w.open-- // the one while the item is read
	}
	w.counts = append(w.counts, 0)
	w.mu.Unlock()
	if err := w.load.room.Acquire(ctx, s.weight); err != nil {
		return err
	}
	return send(ctx, w.to, s)
}

// before returns what is known of a part; nil = nothing.
func (w *work) before(ctx context.Context, part int) (*Known, error) {
	if part == 0 {
		return w.known, nil
	}
	if w.parts == nil {
		return nil, nil
	}
	known, err := w.parts.peek(ctx)
	if err != nil || known == nil || known.Path != partPath(w.item.Path, part) {
		return nil, err
	}
	w.parts.skip()
	return known, nil
}

// outcome returns what is to be remembered of the item as a whole.
func (w *work) outcome() Known {
	k := w.now
	switch {
	case w.doubted != "":
		k.State, k.Reason = Failed, w.doubted
		k.Recipe, k.Digest = "", "" // the next run tries again
	case w.failed > 0 && w.members > 1:
		k.State, k.Reason = Failed, fmt.Sprintf("%d of %d members: %s", w.failed, w.members, w.reason)
	case w.failed > 0:
		k.State, k.Reason = Failed, w.reason
	case w.refused > 0:
		k.State, k.Reason = Failed, fmt.Sprintf("%d of %d passages were refused: %s", w.refused, w.chunks+w.refused, w.refusal)
	default:
		k.State = Loaded
	}
	return k
}

// tellOutcome tells of an item that is dealt with.
func (w *work) tellOutcome(k Known) {
	bytes := max(0, w.item.Size)
	if k.State == Loaded {
		w.load.tell(Event{Kind: ItemLoaded, Path: w.item.Path, Chunks: w.chunks}, func(t *Totals) { t.Loaded++; t.Bytes += bytes })
		return
	}
	if w.refused > 0 {
		w.load.tell(Event{Kind: ItemFailed, Path: w.item.Path, Reason: k.Reason}, nil)
	}
	w.load.count(func(t *Totals) { t.Failed++; t.Bytes += bytes })
}

// segment is a part of an item on its way, most often all of it.
type segment struct {
	work    *work
	part    int
	last    bool
	entries []entry
	ids     []string // of the entries
	left    []string // ids that were known of the part, and are not among them
	there   bool     // its records are in the index
	weight  int64    // bytes

	mu      sync.Mutex
	waiting int             // batches that hold some of it
	refused map[string]bool // ids
}

// compare sets what of the part was known before.
func (s *segment) compare(old *Known) {
	s.ids = make([]string, len(s.entries))
	now := make(map[string]bool, len(s.entries))
	for i, e := range s.entries {
		s.ids[i] = e.ID
		now[e.ID] = true
	}
	if old == nil {
		return
	}
	for _, id := range old.Records {
		if !now[id] {
			s.left = append(s.left, id)
		}
	}
	n := len(s.ids)
	s.there = s.part > 0 && old.State == Loaded && old.Digest == s.work.now.Digest && old.Recipe == s.work.now.Recipe &&
		len(old.Records) >= n && slices.Equal(old.Records[:n], s.ids)
}

// loading returns what is remembered of a part whose records are on their way.
func (s *segment) loading() Known {
	k := s.work.now
	k.Path, k.State, k.Records = partPath(k.Path, s.part), Loading, slices.Concat(s.ids, s.left)
	return k
}

// hold notes that one more batch has some of the segment.
func (s *segment) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting++
}

// release notes that a batch is done, and reports whether it was the last one.
func (s *segment) release() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
	return s.waiting == 0
}

// refuse notes a record that the index does not take.
func (s *segment) refuse(id string, err error) {
	s.mu.Lock()
	if s.refused == nil {
		s.refused = map[string]bool{}
	}
	s.refused[id] = true
	s.mu.Unlock()
	w := s.work
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refused++
	if w.refusal == "" {
		w.refusal = err.Error()
	}
}

// stored returns the ids of the records that are in the index now.
func (s *segment) stored() []string {
	if len(s.refused) == 0 {
		return s.ids
	}
	return slices.DeleteFunc(slices.Clone(s.ids), func(id string) bool { return s.refused[id] })
}
