package local

import (
	"context"
	"time"

	"nearside/fault"
)

// A writer that finds the tail longer than GraphOptions.TailBytes waits this long
// for the builder, and is then told when to come again: a loader goes on at the
// builder's speed, and no query reads a tail without end.
const (
	tailPatience = time.Second
	tailAgain    = time.Second
)

// makeWay waits until the tail is short enough for more records.
func (s *store) makeWay(ctx context.Context) error {
	if s.builder == nil || !s.tailTooLong() {
		return nil
	}
	patience := time.NewTimer(tailPatience)
	defer patience.Stop()
	for {
		rung := s.builder.progress.next()
		if !s.tailTooLong() {
			return nil
		}
		select {
		case <-rung:
		case <-ctx.Done():
			return canceled(ctx.Err())
		case <-patience.C:
			busy := fault.New(fault.Busy, "%d MB of vectors wait to be put into the graph of index number %d, which is the most; try again in a second, or write fewer at a time",
				megabytes(s.options.Graph.TailBytes), s.number)
			busy.RetryAfter = tailAgain
			return busy
		}
	}
}

// tailTooLong reports whether the tail is beyond what queries should read. While the
// builder is in trouble nobody would shorten it: then writers go on.
func (s *store) tailTooLong() bool {
	v, c := s.views.newest.Load(), s.builder.current.Load()
	if v.count < s.options.Graph.From || s.builder.trouble.Load() != nil {
		return false
	}
	tail := int(v.slots)
	if c != nil {
		tail = c.tail(v)
	}
	return int64(tail)*int64(s.rows.stride) > s.options.Graph.TailBytes
}
