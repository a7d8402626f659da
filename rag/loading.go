package rag

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"nearside/catalog"
	"nearside/catalog/manifest"
	"nearside/doc/chunk"
	"nearside/fault"
	"nearside/index"
	"nearside/ingest"
	"nearside/ingest/source"
	"nearside/jobs"
	"nearside/llm/neuron"
	"nearside/vectorize"
)

// FilesKind is the kind of the jobs that load uploaded files.
const FilesKind = "files"

// How long a job waits before it is tried again.
const (
	claimedFor = 5 * time.Second // another loader is at work, or one that was killed seems to be
	awayFor    = time.Minute     // a model server is away, or the disk is full
)

// Loading loads files into indexes that people uploaded: each upload is a job, and goes through package
// ingest. A file is known by its path, within its index and namespace: one of the same path takes its place.
type Loading struct {
	texts   *Service
	jobs    *jobs.Store
	spool   *jobs.Spool
	sources *manifest.Store
	ledger  *neuron.Ledger
	log     *slog.Logger
}

// LoadingParts are what a Loading joins.
type LoadingParts struct {
	Texts   *Service
	Jobs    *jobs.Store
	Spool   *jobs.Spool
	Sources *manifest.Store
	Ledger  *neuron.Ledger
	Log     *slog.Logger // nil: nothing is logged
}

// NewLoading makes uploads the jobs' business, and removes what a crash left of them. It is called before the jobs run.
func NewLoading(p LoadingParts) (*Loading, error) {
	l := &Loading{p.Texts, p.Jobs, p.Spool, p.Sources, p.Ledger, p.Log}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	needed := map[string]bool{}
	err := l.jobs.Unfinished(context.Background(), FilesKind, func(j jobs.Job) error {
		var u uploaded
		err := json.Unmarshal(j.Spec, &u)
		needed[u.Parcel] = true
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := l.spool.Keep(needed); err != nil {
		return nil, err
	}
	l.jobs.Handle(FilesKind, jobs.Handler{Run: l.run, Ended: l.ended})
	return l, nil
}

// Waiting is how many bytes of uploaded files wait to be loaded.
func (l *Loading) Waiting() int64 { return l.spool.Bytes() }

// uploaded is what a job is to load: its spec.
type uploaded struct {
	Parcel    string          `json:"parcel"`
	Files     []uploadedFile  `json:"files"`
	Namespace string          `json:"namespace,omitempty"`
	Metadata  json.RawMessage `json:"metadata,omitempty"`
	Size      int             `json:"size,omitempty"`
	Overlap   int             `json:"overlap,omitempty"`

	// The limits of the key: it has no others where its records are concerned.
	Opens  []string        `json:"opens"` // namespaces; null = all
	Filter json.RawMessage `json:"filter,omitempty"`
}

// within is the scope of the key.
func (u uploaded) within() (index.Scope, error) {
	return vectorize.Within(catalog.Limits{Namespaces: u.Opens, Filter: u.Filter})
}

type uploadedFile struct {
	Path      string `json:"path"`
	MediaType string `json:"type,omitempty"`
	jobs.Spooled
}

// filesSource is what the uploads of a namespace are called among the sources of an index.
func filesSource(namespace string) string {
	if namespace == "" {
		return "files"
	}
	return "files:" + namespace
}

// ended clears away what a job no longer needs.
func (l *Loading) ended(j jobs.Job) {
	var u uploaded
	err := json.Unmarshal(j.Spec, &u)
	if err == nil {
		err = l.spool.Remove(u.Parcel)
	}
	if err != nil {
		l.log.Error("the files of a job that has ended are left; the next start removes them", "job", j.Number, "error", err)
	}
}

// run does a job.
func (l *Loading) run(ctx context.Context, r *jobs.Run) error {
	var u uploaded
	if err := json.Unmarshal(r.Spec, &u); err != nil {
		return err
	}
	options, err := l.options(ctx, r, u)
	if err != nil {
		return l.passing(ctx, err)
	}
	before, err := l.ledger.Spent(ctx, r.Group())
	if err != nil {
		return err
	}
	p := &progress{run: r, before: r.Job.Progress, spent: before}
	options.Event = p.event
	_, err = ingest.Load(ChargedOnce(ctx, r.Group()), options)
	spent, failure := l.ledger.Spent(context.WithoutCancel(ctx), r.Group())
	if failure == nil {
		p.finally(spent)
	}
	return l.passing(ctx, errors.Join(err, failure))
}

// options are those of the load that a job asks for. Its source is claimed.
func (l *Loading) options(ctx context.Context, r *jobs.Run, u uploaded) (o ingest.Options, err error) {
	within, err := u.within()
	if err != nil {
		return o, err
	}
	x, err := l.texts.open(ctx, r.Account, r.Index)
	if err != nil {
		return o, err
	}
	if u.Metadata != nil {
		if err := json.Unmarshal(u.Metadata, &o.Metadata); err != nil {
			return o, err
		}
	}
	files, paths := make([]source.GivenFile, len(u.Files)), make([]string, len(u.Files))
	for i, f := range u.Files {
		paths[i] = f.Path
		files[i] = source.GivenFile{Path: f.Path, MediaType: f.MediaType, Version: "sha256 " + f.Digest, At: l.spool.Path(u.Parcel, f.Name)}
	}
	claim, err := l.claim(ctx, r, manifest.Index{Account: r.Account, Number: uint64(x.Definition.Origin)}, filesSource(u.Namespace))
	if err != nil {
		return o, err
	}
	o.Source = source.Given(filesSource(u.Namespace), files, MaxFile)
	o.Target = &target{l.texts, r.Payer, r.Index, within}
	o.Manifest = holding(l.sources, claim, paths)
	o.Chunk = chunk.Options{Size: u.Size, Overlap: u.Overlap}
	o.Namespace, o.RetryFailed = u.Namespace, true
	return o, nil
}

// passing makes a job wait for what passes by itself.
func (l *Loading) passing(ctx context.Context, err error) error {
	f := fault.As(err)
	switch {
	case err == nil || ctx.Err() != nil || f == nil:
		return err
	case f.Reason == neuron.ReasonExhausted:
		return jobs.Wait(err, untilTomorrow(time.Now()))
	case f.Reason == manifest.ReasonClaimed:
		return jobs.Wait(err, claimedFor)
	case f.Kind == fault.Busy || f.Kind == fault.Unavailable:
		return jobs.Wait(err, cmp.Or(f.RetryAfter, awayFor))
	}
	return err
}

// untilTomorrow is how long it is until allowances begin anew: at midnight, UTC.
func untilTomorrow(now time.Time) time.Duration {
	return now.UTC().Truncate(24 * time.Hour).Add(24*time.Hour + time.Second).Sub(now)
}

// progress tells a job how far a load is. Events come one after the other.
type progress struct {
	run    *jobs.Run
	before jobs.Progress // of earlier runs of the job
	spent  neuron.Micro  // by them
	now    jobs.Progress
}

func (p *progress) event(e ingest.Event) {
	switch {
	case e.Kind == ingest.ItemFailed:
		p.run.Failure(e.Path, e.Reason)
	case e.Kind == ingest.Progress:
		p.totals(*e.Totals)
	case e.Kind == ingest.Done:
		p.totals(e.Report.Totals)
	}
}

// totals adds what earlier runs did. What they loaded comes by as unchanged.
func (p *progress) totals(t ingest.Totals) {
	b := p.before
	p.now = jobs.Progress{
		Documents: b.Documents + t.Loaded, Unchanged: max(0, t.Unchanged-b.Documents), Failed: t.Failed, Total: b.Total,
		Chunks: b.Chunks + t.Stored, Tokens: b.Tokens + t.Tokens, Neurons: p.spent + neuron.Micro(t.Neurons*1e6+.5),
	}
	p.run.Progress(p.now)
}

// finally puts in what the ledger has charged for all runs of the job.
func (p *progress) finally(spent neuron.Micro) {
	p.now.Neurons = spent
	p.run.Progress(p.now)
}
