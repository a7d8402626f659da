package ingest

import (
	"sync"
	"time"
)

// Report says what a load did.
type Report struct {
	Source string `json:"source"`
	Totals
	Complete     bool          `json:"complete"`                // everything was seen
	PruneRefused bool          `json:"prune_refused,omitempty"` // so much is gone that it was asked, and the answer was no
	Error        string        `json:"error,omitempty"`         // why it ended early
	Took         time.Duration `json:"-"`
	Seconds      float64       `json:"seconds"`
	Failures     []Failure     `json:"failures,omitempty"` // the first MaxFailures
	DryRun       *Estimate     `json:"dry_run,omitempty"`
}

// MaxFailures is how many failures a report names. Each was an event too.
const MaxFailures = 1000

// Failure is an item that could not be loaded, or not all of it.
type Failure struct {
	Path   string `json:"path"` // with !member, of an archive's member
	Reason string `json:"reason"`
}

// Totals count what a load has done so far.
type Totals struct {
	Items     int64   `json:"items"`     // seen
	Loaded    int64   `json:"loaded"`    // items whose passages are all in
	Unchanged int64   `json:"unchanged"` // items that were as they had been
	Failed    int64   `json:"failed"`    // items that could not be loaded, or not all of them, now or before
	Gone      int64   `json:"gone"`      // known items that the source no longer has
	Pruned    int64   `json:"pruned"`    // of these, those that were removed
	Documents int64   `json:"documents"` // read
	Chunks    int64   `json:"chunks"`    // passages cut
	Stored    int64   `json:"stored"`    // records written
	Deleted   int64   `json:"deleted"`   // records removed
	Tokens    int64   `json:"tokens"`    // that the model read
	Neurons   float64 `json:"neurons"`   // charged
	Shortened int64   `json:"shortened"` // passages of which the model read only the beginning
	Bytes     int64   `json:"bytes"`     // of the items that were dealt with
}

// Add adds the totals of another load.
func (t *Totals) Add(o Totals) {
	t.Items += o.Items
	t.Loaded += o.Loaded
	t.Unchanged += o.Unchanged
	t.Failed += o.Failed
	t.Gone += o.Gone
	t.Pruned += o.Pruned
	t.Documents += o.Documents
	t.Chunks += o.Chunks
	t.Stored += o.Stored
	t.Deleted += o.Deleted
	t.Tokens += o.Tokens
	t.Neurons += o.Neurons
	t.Shortened += o.Shortened
	t.Bytes += o.Bytes
}

// Add adds the estimate of another load.
func (e *Estimate) Add(o Estimate) {
	e.Documents += o.Documents
	e.Chunks += o.Chunks
	e.New += o.New
	e.Tokens += o.Tokens
	e.Neurons += o.Neurons
	e.Disk += o.Disk
	e.Seconds += o.Seconds
}

// Estimate is what a load would do, of a dry run.
type Estimate struct {
	Documents int64   `json:"documents"`
	Chunks    int64   `json:"chunks"`
	New       int64   `json:"new_chunks"` // that would be embedded
	Tokens    int64   `json:"tokens"`     // of these
	Neurons   float64 `json:"neurons"`
	Disk      int64   `json:"disk_bytes"`        // that the index would grow by, about
	Seconds   float64 `json:"seconds,omitempty"` // that embedding would take, about; 0 = not known
}

// Event is something that happened. Event.Kind says which of the other fields are set.
type Event struct {
	Kind   EventKind `json:"event"`
	Path   string    `json:"path,omitempty"`
	Reason string    `json:"reason,omitempty"` // of Failed and Warning
	Chunks int       `json:"chunks,omitempty"` // of Loaded: passages of the item
	Totals *Totals   `json:"totals,omitempty"` // of Progress
	Report *Report   `json:"report,omitempty"` // of Done
}

// EventKind is what an Event tells.
type EventKind string

// The kinds of events.
const (
	ItemLoaded    EventKind = "loaded"
	ItemUnchanged EventKind = "unchanged"
	ItemFailed    EventKind = "failed"
	ItemPruned    EventKind = "pruned"
	Progress      EventKind = "progress" // after each batch, and now and then
	Warning       EventKind = "warning"
	Done          EventKind = "done" // the last
)

// tally counts, and tells of it.
type tally struct {
	event func(Event)
	began time.Time

	mu       sync.Mutex // guards what follows, and lets one event out at a time
	totals   Totals
	estimate Estimate
	report   Report
	told     time.Time // when the last Progress was
}

// progressEvery is how often progress is told of where nothing but unchanged items come by.
const progressEvery = 200 * time.Millisecond

// count changes the totals.
func (t *tally) count(change func(*Totals)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.totals)
}

// tell counts, and lets out an event and perhaps progress.
func (t *tally) tell(e Event, change func(*Totals)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if change != nil {
		change(&t.totals)
	}
	if e.Kind == ItemFailed && len(t.report.Failures) < MaxFailures {
		t.report.Failures = append(t.report.Failures, Failure{e.Path, e.Reason})
	}
	if t.event == nil {
		return
	}
	if e.Kind != Progress {
		t.event(e)
		if time.Since(t.told) < progressEvery {
			return
		}
	}
	t.told = time.Now()
	totals := t.totals
	t.event(Event{Kind: Progress, Totals: &totals})
}

// finish returns the report, and tells of it.
func (l *load) finish(source string, err error) Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.report
	r.Source, r.Totals, r.Complete, r.Took = source, l.totals, l.complete, time.Since(l.began)
	r.Seconds = r.Took.Seconds()
	if err != nil {
		r.Error = err.Error()
	}
	if l.DryRun {
		estimate := l.estimate
		r.DryRun = &estimate
	}
	if l.event != nil {
		l.event(Event{Kind: Done, Report: &r})
	}
	return r
}
