package rag

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"nearside/catalog"
	"nearside/fault"
	"nearside/index"
	"nearside/jobs"
	"nearside/llm/neuron"
)

// ReembedKind is the kind of the jobs that re-embed.
const ReembedKind = "reembed"

// tryAgain is when a re-embedding goes on whose model is away, or that found no room.
const tryAgain = 5 * time.Second

// Reembeddings has jobs re-embed indexes.
type Reembeddings struct {
	texts *Service
	jobs  *jobs.Store
	log   *slog.Logger
}

// reembedSpec is a Reembedding in the job's own words.
type reembedSpec struct {
	Model           string       `json:"model,omitempty"`
	Metric          index.Metric `json:"metric,omitempty"`
	DropVectorsOnly bool         `json:"drop_vectors_only,omitempty"`
	Undo            bool         `json:"undo,omitempty"`
}

// NewReembeddings makes re-embedding the jobs' business, and tidies up after jobs whose end a crash
// kept from being told. It is called before the jobs run. A nil log is none.
func NewReembeddings(ctx context.Context, texts *Service, store *jobs.Store, log *slog.Logger) (*Reembeddings, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Reembeddings{texts, store, log}
	store.Handle(ReembedKind, jobs.Handler{Run: r.run, Ended: r.ended})
	for _, t := range texts.indexes.Twins() {
		j, err := store.Job(ctx, t.Account, t.Job)
		if fault.Is(err, fault.NotFound) {
			continue // it is long ago that it ended
		}
		if err != nil {
			return nil, err
		}
		if j.State.Ended() {
			r.ended(j)
		}
	}
	return r, nil
}

// Begin orders a re-embedding. It refuses at once what could not be done.
func (r *Reembeddings) Begin(ctx context.Context, payer neuron.Payer, wanted Reembedding) (jobs.Job, Estimate, error) {
	if err := r.idle(ctx, payer.Account, wanted.Index); err != nil {
		return jobs.Job{}, Estimate{}, err
	}
	e, err := r.texts.EstimateReembedding(ctx, payer, wanted)
	if err != nil {
		return jobs.Job{}, e, err
	}
	j, err := r.order(ctx, payer, wanted, e.Records)
	return j, e, err
}

// Undo orders that the storage comes back which an index had before its last re-embedding, with all that was written since.
func (r *Reembeddings) Undo(ctx context.Context, payer neuron.Payer, name string) (jobs.Job, error) {
	if err := r.idle(ctx, payer.Account, name); err != nil {
		return jobs.Job{}, err
	}
	x, err := r.texts.indexes.Open(ctx, payer.Account, name)
	if err != nil {
		return jobs.Job{}, err
	}
	if t, ok := r.texts.indexes.Twin(payer.Account, name); !ok || t.State == catalog.Building {
		return jobs.Job{}, nothingKept(name)
	}
	info, err := x.Info(ctx, index.Read{})
	if err != nil {
		return jobs.Job{}, err
	}
	return r.order(ctx, payer, Reembedding{Index: name, Undo: true}, info.Count)
}

func (r *Reembeddings) order(ctx context.Context, payer neuron.Payer, wanted Reembedding, total int) (jobs.Job, error) {
	spec, err := json.Marshal(reembedSpec{wanted.Model, wanted.Metric, wanted.DropVectorsOnly, wanted.Undo})
	if err != nil {
		return jobs.Job{}, err
	}
	return r.jobs.Add(ctx, jobs.Order{Payer: payer, Kind: ReembedKind, Index: wanted.Index, Spec: spec, Total: int64(total)})
}

// Last returns the newest re-embedding of an index that is not forgotten.
func (r *Reembeddings) Last(ctx context.Context, account, name string) (j jobs.Job, found bool, err error) {
	list, err := r.jobs.Jobs(ctx, account, jobs.Look{Index: name, Kind: ReembedKind, Limit: 1})
	if err != nil || len(list) == 0 {
		return j, false, err
	}
	return list[0], true, nil
}

// idle refuses if the index is being re-embedded.
func (r *Reembeddings) idle(ctx context.Context, account, name string) error {
	if _, err := r.texts.indexes.Describe(account, name); err != nil {
		return err
	}
	j, found, err := r.Last(ctx, account, name)
	if err == nil && found && !j.State.Ended() {
		err = underWay(name, j.Number)
	}
	return err
}

// Cancel ends the re-embedding of an index that is under way, or deletes what one left that failed.
func (r *Reembeddings) Cancel(ctx context.Context, account, name string) error {
	if _, err := r.texts.indexes.Describe(account, name); err != nil {
		return err
	}
	j, found, err := r.Last(ctx, account, name)
	if err != nil {
		return err
	}
	if found && !j.State.Ended() {
		_, err := r.jobs.Cancel(ctx, account, j.Number)
		return err
	}
	t, ok := r.texts.indexes.Twin(account, name)
	if !ok || t.State != catalog.Building {
		return &fault.Error{Kind: fault.NotFound, Reason: ReasonUnderWay, Message: fmt.Sprintf("index %q is not being re-embedded", name)}
	}
	return r.texts.EndReembedding(ctx, account, name, t.Job, true)
}

// DropKept deletes what is kept of an index from before its last re-embedding.
func (r *Reembeddings) DropKept(ctx context.Context, account, name string) error {
	if err := r.idle(ctx, account, name); err != nil {
		return err
	}
	_, err := r.texts.DropKept(ctx, account, name)
	return err
}

// Other is the second storage of an index.
type Other struct {
	catalog.Twin
	Records int
	Bytes   int64  // on the disk
	Damaged string // why it cannot be opened; "" = it can
}

// Other describes the second storage of an index, if it has one.
func (r *Reembeddings) Other(ctx context.Context, account, name string) (o Other, found bool, err error) {
	t, ok := r.texts.indexes.Twin(account, name)
	if !ok {
		return o, false, nil
	}
	o.Twin = t
	x, err := r.texts.indexes.OpenTwin(ctx, t)
	if f := fault.As(err); f != nil && (f.Kind == fault.Corrupt || f.Kind == fault.NotFound) {
		o.Damaged = f.Message // it can be deleted all the same
		return o, true, nil
	}
	if err != nil {
		return o, false, err
	}
	info, err := x.Info(ctx, index.Read{})
	o.Records, o.Bytes = info.Count, info.Bytes
	return o, err == nil, err
}

// run does a job, or what is left of it.
func (r *Reembeddings) run(ctx context.Context, run *jobs.Run) error {
	var spec reembedSpec
	if err := json.Unmarshal(run.Spec, &spec); err != nil {
		return err
	}
	before := run.Job.Progress
	done, err := r.texts.Reembed(ctx, Reembedding{run.Index, spec.Model, spec.Metric, spec.DropVectorsOnly, spec.Undo}, Work{
		Job: run.Number, Payer: run.Payer, Once: run.Once,
		Tell: func(d Rebuilt) { run.Progress(progressOf(before, d)) },
	})
	if err != nil {
		return r.later(err)
	}
	p := run.Job.Progress
	if done.Total > 0 || done.Held > 0 {
		p = progressOf(before, done)
		p.Note = fmt.Sprintf("swapped; writers waited %s at most", done.Held.Round(100*time.Microsecond))
		r.log.Info("an index was re-embedded and swapped", "account", run.Account, "index", run.Index, "job", run.Number,
			"records", done.Done, "embedded", done.Embedded, "truncated", done.Truncated, "held", done.Held)
	}
	if done.Truncated > 0 {
		p.Note += fmt.Sprintf("; %d texts are longer than the model reads", done.Truncated)
	}
	if done.LeftOut > 0 {
		p.Note += fmt.Sprintf("; %d records without text were left out", done.LeftOut)
	}
	run.Progress(p)
	return nil
}

// progressOf adds what a run has done to what those before it did.
func progressOf(before jobs.Progress, d Rebuilt) jobs.Progress {
	return jobs.Progress{
		Documents: int64(d.Done), Total: int64(d.Total), Chunks: before.Chunks + int64(d.Stored),
		Tokens: before.Tokens + int64(d.Tokens), Neurons: before.Neurons + d.Neurons,
	}
}

// later makes an error of what may pass by itself one that is waited for.
func (r *Reembeddings) later(err error) error {
	f := fault.As(err)
	if f == nil || errors.Is(err, context.Canceled) {
		return err
	}
	switch f.Kind {
	case fault.Quota, fault.Unavailable, fault.Busy:
		return jobs.Wait(err, max(f.RetryAfter, tryAgain))
	}
	return err
}

// ended tidies up after a job.
func (r *Reembeddings) ended(j jobs.Job) {
	err := r.texts.EndReembedding(context.Background(), j.Account, j.Index, j.Number, j.State == jobs.Cancelled)
	if err != nil {
		r.log.Warn("what a re-embedding left remains; cancel it once more, or start nearside again", "account", j.Account, "index", j.Index, "job", j.Number, "error", err)
	}
}
