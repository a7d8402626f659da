package move

import (
	"context"
	"fmt"
	"time"

	"nearside/fault"
	"nearside/ingest/bookmark"
	"nearside/ingest/rows"
)

// Options are the choices of Copy.
type Options struct {
	Batch, Concurrency int                // as of rows.Options
	Keep               *bookmark.Bookmark // where the mark of the copy is kept; nil = nowhere
	Note               func(note string)  // called with what a person should know; may be nil
	Progress           func(done, total int64)
	Refused            func(where rows.Position, err error) // called for each record that cannot go; may be nil
	Patience           time.Duration                        // how long the last records may take to be counted; 0 = five minutes
}

func (o Options) note(format string, args ...any) {
	if o.Note != nil {
		o.Note(fmt.Sprintf(format, args...))
	}
}

// Report says what became of a copy.
type Report struct {
	rows.Report
	Source   int64 `json:"source"`             // records of the source, as it began
	Vanished int64 `json:"vanished,omitempty"` // of them, deleted before their turn came
	Target   int   `json:"target"`             // records of the target, as it ended
}

// Stored returns how many records the target must have of this copy.
func (r Report) Stored() int64 { return r.Loaded + r.Before }

// Copy copies an index: it makes the target if it is missing, sends the records, and compares the counts.
func Copy(ctx context.Context, from, to Place, o Options) (Report, error) {
	like, err := from.Shape(ctx)
	if err != nil {
		return Report{}, err
	}
	target, err := to.ensure(ctx, like, o)
	if err != nil {
		return Report{}, err
	}
	listing, err := List(ctx, from)
	if err != nil {
		return Report{}, err
	}
	if to.Cloudflare != nil {
		to.Cloudflare.Dimensions = target.Dimensions
	}
	send := rows.Options{
		Client: to.Client, Index: to.Index, Cloudflare: to.Cloudflare, BatchLines: o.Batch, Concurrency: o.Concurrency,
		Version: like.Created + " " + target.Created, Progress: o.Progress, Refused: o.Refused,
		Waiting: func(why error) { o.note("waiting: %v", why) },
		Resumed: func(_ string, n int64) { o.note("%d records were copied before; going on behind them", n) },
	}
	copied, err := rows.Copy(ctx, send, listing, o.Keep)
	report := Report{Report: copied, Source: listing.Size(), Vanished: listing.Vanished()}
	if err != nil {
		return report, err
	}
	report.Target, err = to.verify(ctx, report.Stored(), o)
	return report, err
}

// verify waits until the index has as many records as were stored, and returns how many it has.
func (p Place) verify(ctx context.Context, stored int64, o Options) (count int, err error) {
	err = p.await(ctx, o, "the last records to be counted", func() (bool, error) {
		info, err := p.info(ctx)
		count = info.Count
		return int64(count) >= stored, err
	})
	if err == errLate {
		err = fault.New(fault.Internal, "%s has %d records, and %d were stored there; some were deleted meanwhile, or it is not finished. Run the command again to see", p, count, stored)
	}
	return count, err
}

// pollEvery is how often await asks.
const pollEvery = 2 * time.Second

// await asks until the answer is yes. A nearside server answers at once: it is asked once.
func (p Place) await(ctx context.Context, o Options, what string, yes func() (bool, error)) error {
	patience := o.Patience
	if patience == 0 {
		patience = 5 * time.Minute
	}
	deadline := time.Now().Add(patience)
	for waited := false; ; waited = true {
		ok, err := yes()
		if ok || err != nil {
			return err
		}
		if p.Cloudflare == nil || time.Now().After(deadline) {
			return errLate
		}
		if !waited {
			o.note("waiting for %s", what)
		}
		timer := time.NewTimer(pollEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
