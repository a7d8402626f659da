package ingest

import (
	"context"

	"nearside/fault"
)

// batch is records that are sent together, of one item or many.
type batch struct {
	entries  []sent
	segments []*segment
	tokens   int
	bytes    int
}

// sent is an entry with what it belongs to.
type sent struct {
	*entry
	segment *segment
}

// batchSegments bounds the parts of a batch: they are remembered in one change.
const batchSegments = 500

// full reports whether a batch has no room for an entry. An entry alone always has.
func (b *batch) full(l *load, e *entry) bool {
	return len(b.entries) > 0 && (b.tokens+e.tokens > l.BatchTokens || len(b.entries) >= l.BatchRecords || b.bytes+e.size() > batchBytes)
}

// filler makes batches of segments.
type filler struct {
	*load
	batch *batch
	begun []*segment // whose first records are in the batch
	to    chan<- *batch
}

// fill makes batches of segments. Before a batch is handed on, the manifest knows the ids in it.
func (l *load) fill(ctx context.Context, from <-chan *segment, to chan<- *batch) error {
	f := &filler{load: l, batch: &batch{}, to: to}
	for s := range from {
		if err := f.segment(ctx, s); err != nil {
			return err
		}
	}
	return f.flush(ctx)
}

// segment distributes the records of a segment over batches.
func (f *filler) segment(ctx context.Context, s *segment) error {
	s.hold() // until all of it is in batches; the last of them is still here then
	defer s.release()
	if len(f.batch.segments) >= batchSegments {
		if err := f.flush(ctx); err != nil {
			return err
		}
	}
	if !s.there && len(s.ids)+len(s.left) > 0 {
		f.begun = append(f.begun, s)
	}
	f.batch.hold(s)
	if s.there {
		return nil
	}
	for i := range s.entries {
		e := &s.entries[i]
		if f.batch.full(f.load, e) {
			if err := f.flush(ctx); err != nil {
				return err
			}
			f.batch.hold(s)
		}
		f.batch.add(e, s)
	}
	return nil
}

// flush hands the batch on.
func (f *filler) flush(ctx context.Context) error {
	if len(f.batch.segments) == 0 {
		return nil
	}
	if err := f.begin(ctx, f.begun); err != nil {
		return err
	}
	full := f.batch
	f.batch, f.begun = &batch{}, nil
	return send(ctx, f.to, full)
}

func (b *batch) add(e *entry, s *segment) {
	b.entries = append(b.entries, sent{e, s})
	b.tokens, b.bytes = b.tokens+e.tokens, b.bytes+e.size()
}

func (b *batch) hold(s *segment) {
	s.hold()
	b.segments = append(b.segments, s)
}

// begin remembers that records of parts are on their way, and what else is to be remembered.
func (l *load) begin(ctx context.Context, begun []*segment) error {
	for _, s := range begun {
		if err := l.settle(ctx, s.loading()); err != nil {
			return err
		}
	}
	return l.flush(ctx)
}

// write stores batches, and completes the segments that are all in.
func (l *load) write(ctx context.Context, from <-chan *batch) error {
	for b := range from {
		if err := l.upsert(ctx, b.entries); err != nil {
			return err
		}
		for _, s := range b.segments {
			if !s.release() {
				continue
			}
			if err := s.complete(ctx); err != nil {
				return err
			}
		}
		l.tell(Event{Kind: Progress}, nil)
	}
	return nil
}

// upsert stores entries. If the index refuses what is in them it halves them until the guilty ones stand alone.
func (l *load) upsert(ctx context.Context, entries []sent) error {
	if len(entries) == 0 {
		return nil
	}
	records := make([]Record, len(entries))
	for i, e := range entries {
		records[i] = e.Record
	}
	stored, err := l.Target.Upsert(ctx, records)
	switch {
	case err == nil:
		l.count(func(t *Totals) {
			t.Stored += int64(len(records))
			t.Tokens += int64(stored.Tokens)
			t.Neurons += stored.Neurons
			t.Shortened += int64(len(stored.Truncated))
		})
		return nil
	case !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.TooLarge):
		return err
	case len(entries) == 1:
		entries[0].segment.refuse(entries[0].ID, err)
		return nil
	}
	half := len(entries) / 2
	if err := l.upsert(ctx, entries[:half]); err != nil {
		return err
	}
	return l.upsert(ctx, entries[half:])
}
