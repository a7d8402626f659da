package ingest

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"nearside/doc"
	"nearside/doc/chunk"
	"nearside/doc/parse"
)

// Options say what is loaded into what, and how. Source and Target are needed; zero values of
// the others stand for the defaults.
type Options struct {
	Source   Source
	Target   Target
	Manifest Manifest // nil = nothing is remembered: everything is loaded, and nothing pruned. Load releases it

	Parse     parse.Options
	Chunk     chunk.Options  // Source, and Window and Tokenizer where they are zero, are the load's own: by file, and by Target.Describe
	Estimate  bool           // tokens are estimated, though the model's tokenizer may be here
	Namespace string         // of all records
	Metadata  map[string]any // of all records, beside what is known of each

	RetryFailed bool // items that failed are tried again, though they are what they were
	Prune       bool // items that are gone lose their records, after a walk that saw everything
	// ConfirmPrune is asked when more than PruneShare of the known items are gone; nil = no.
	ConfirmPrune func(gone, known int) bool

	DryRun bool                                                           // nothing is written: what would be done is counted
	Show   func(path string, d *doc.Document, chunks []chunk.Chunk) error // sees every document that is cut, one after the other; an error ends the load
	Event  func(Event)                                                    // is told what happens, one after the other

	Readers      int           // files read and cut at once; 2
	Concurrency  int           // batches under way at once; 2
	BatchTokens  int           // tokens of a batch, about; DefaultBatchTokens
	BatchRecords int           // records of a batch at most; DefaultBatchRecords
	PartRecords  int           // passages of a part of a large file; DefaultPartRecords
	FileTime     time.Duration // that parsing may take from one document of a file to the next; DefaultFileTime
}

// Defaults of the options, and limits.
//
// A batch takes the built-in encoder two seconds on two cores, which is long for what a call costs beside (milliseconds), and short
// for a call. What a load takes beside embedding: TestShareOfTheCeiling of package command.
const (
	DefaultBatchTokens  = 8192
	DefaultBatchRecords = 500
	DefaultPartRecords  = 10_000
	DefaultFileTime     = 2 * time.Minute
	PruneShare          = 0.2 // of the known items may be gone without a question

	partBytes     = 8 << 20  // text and metadata of a part at most
	inFlightBytes = 32 << 20 // text and metadata of what was read and is not stored
	batchBytes    = 4 << 20  // text and metadata of a batch
	queue         = 64       // items that wait between two steps
)

func (o Options) withDefaults() Options {
	o.Readers = cmp.Or(o.Readers, 2)
	if o.Show != nil {
		o.Readers = 1 // in order
	}
	o.Concurrency = cmp.Or(o.Concurrency, 2)
	o.BatchTokens = cmp.Or(o.BatchTokens, DefaultBatchTokens)
	o.BatchRecords = cmp.Or(o.BatchRecords, DefaultBatchRecords)
	o.PartRecords = cmp.Or(o.PartRecords, DefaultPartRecords)
	o.FileTime = cmp.Or(o.FileTime, DefaultFileTime)
	if o.Manifest == nil {
		o.Manifest = forgetful{}
	}
	return o
}

// Load loads a source into an index. It returns what it did, also if it ended early.
// That some items failed is in the report, and no error.
func Load(ctx context.Context, o Options) (Report, error) {
	l := &load{Options: o.withDefaults(), room: semaphore.NewWeighted(inFlightBytes)}
	l.tally = tally{event: o.Event, began: time.Now()}
	err := l.prepare(ctx)
	if err == nil {
		err = l.run(ctx)
	}
	if err == nil {
		err = l.prune(ctx)
	}
	if err == nil {
		err = l.time(ctx)
	}
	return l.end(ctx, err)
}

// load is one call of Load.
type load struct {
	Options
	tally
	index  Description
	recipe string
	flags  metadata // of Options.Metadata
	room   *semaphore.Weighted

	showing sync.Mutex // one Show at a time
	pending settled    // changes of the manifest that wait for company

	complete bool     // the walk came to its end
	gone     []string // known items that it did not hand out
	known    int      // items that were known

	sample       []string // of a dry run: passages that would be embedded; guarded by tally.mu
	sampleTokens int      // of these

	late   sync.Mutex
	closed []string // known items that were gone when they were opened; guarded by late
}

// prepare asks what the index is, and checks the options against it.
func (l *load) prepare(ctx context.Context) (err error) {
	if err := parse.CheckFormat(l.Parse.Format); err != nil {
		return err
	}
	if l.index, err = l.Target.Describe(ctx); err != nil {
		return err
	}
	asked := l.Chunk
	l.Chunk.Window = cmp.Or(l.Chunk.Window, l.index.Window)
	if l.Chunk.Tokenizer == nil && !l.Estimate {
		l.Chunk.Tokenizer = l.index.Tokenizer
	}
	if _, err := chunk.New(l.Chunk); err != nil { // do they fit each other?
		return err
	}
	if l.recipe, err = l.newRecipe(asked); err != nil {
		return err
	}
	l.flags, err = newFlags(l.Metadata)
	return err
}

// run walks the source and loads what changed. Steps work side by side, with bounded queues
// between them: walk and compare → read, parse and cut → batches → embed and store.
func (l *load) run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-l.Manifest.Lost():
			stop(errLost)
		case <-done:
		}
	})
	err := l.steps(ctx)
	close(done)
	watch.Wait()
	if cause := context.Cause(ctx); errors.Is(cause, errLost) {
		return errLost
	}
	return err
}

func (l *load) steps(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	candidates := make(chan candidate, queue)
	segments := make(chan *segment, queue)
	batches := make(chan *batch)
	group.Go(func() error {
		defer close(candidates)
		return l.walk(ctx, candidates)
	})
	group.Go(func() error {
		defer close(segments)
		return l.read(ctx, candidates, segments)
	})
	group.Go(func() error {
		defer close(batches)
		return l.fill(ctx, segments, batches)
	})
	for range l.Concurrency {
		group.Go(func() error { return l.write(ctx, batches) })
	}
	return group.Wait()
}

// send hands a value to the next step.
func send[T any](ctx context.Context, to chan<- T, value T) error {
	select {
	case to <- value:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// endTime is how long the end of a load may take that was told to stop.
const endTime = 5 * time.Second

// end writes down what is done and gives the source back, also when the load was told to stop.
func (l *load) end(ctx context.Context, err error) (Report, error) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer stop()
	if !l.DryRun && !errors.Is(err, errLost) {
		flushed := l.flush(ctx)
		released := l.Manifest.Release(ctx, l.complete && err == nil)
		if err == nil { // else the end failed for the reason that the load did
			err = errors.Join(flushed, released)
		}
	}
	return l.finish(l.Source.Name(), err), err
}
