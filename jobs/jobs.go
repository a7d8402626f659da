// Package jobs does what takes longer than a call: it keeps jobs, has them run, and tells how far they are.
//
// A Store takes an Order and makes a Job of it. Run has jobs run by the Handler of
// their kind, a few at once and one of an index at a time, the oldest first, accounts
// in turn. Its truth is jobs.db, kept by package disk:
//
//	jobs      number → account, kind, index, what is to be done, state, times, how far it is
//	failures  (job, place) → what could not be done, and why
//
// Times are milliseconds since 1970, 0 for never. Promises:
//
//   - A job that Add has returned is on disk, and so are the answers of Cancel and Remember.
//   - A job ends once: done, failed or cancelled. One that was running when the process ended, in
//     whatever way, is queued again when the store is next opened; its handler goes on from
//     what it finds done.
//   - When Cancel returns the job will not run again, also after a crash; one that runs is told at once.
//   - A handler that panics fails its job and nothing else.
//   - How far a job is, is written once in a while: after a crash it is a moment old.
//   - Jobs that have ended are kept for Keep, and at most MaxKept of an account.
//
// What is not promised: that a handler is run once, or that what it does happens once. A handler
// must be able to find out what an earlier run has done.
//
// Spool keeps the files that jobs need until they end.
package jobs

import (
	"context"
	"fmt"
	"time"

	"nearside/fault"
	"nearside/llm/neuron"
)

// Limits of our own.
const (
	MaxOpen     = 1000    // jobs of an account that have not ended
	MaxKept     = 1000    // jobs of an account that have ended
	MaxSpec     = 8 << 20 // bytes of what a job is to do
	MaxMemory   = 1 << 20 // bytes of what a handler remembers
	MaxFailures = 100     // that are kept of a job; all are counted
	MaxReason   = 1024    // bytes of a reason; longer ones are cut
	MaxPage     = 1000    // jobs of one page
)

// How long things take, unless Options say otherwise.
const (
	AtOnce     = 2                   // jobs that run: people who wait need the processor too
	Keep       = 30 * 24 * time.Hour // that a job which has ended can be looked at
	GiveUp     = 7 * 24 * time.Hour  // that a job waits without getting on
	WriteEvery = time.Second         // that the progress of a running job is written
	purgeEvery = time.Hour
)

// Reasons of the faults of this package.
const (
	ReasonUnknown fault.Reason = "job_unknown" // there is no such job, or no longer, or it is another account's
	ReasonEnded   fault.Reason = "job_ended"   // what has ended cannot be cancelled
	ReasonOrder   fault.Reason = "job_order"   // a job that cannot be kept
)

// Why the context of a run ends.
var (
	ErrCancelled = fault.New(fault.Canceled, "the job was cancelled")
	ErrDrained   = fault.New(fault.Unavailable, "the server is shutting down; the job goes on when it is there again")
)

// State is how far a job is.
type State string

// The states.
const (
	Queued    State = "queued"
	Running   State = "running"
	Done      State = "done" // to its end, though some parts may have failed: see Failures
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Ended reports whether nothing more will happen.
func (s State) Ended() bool { return s == Done || s == Failed || s == Cancelled }

// known reports whether there is such a state.
func (s State) known() bool { return s == Queued || s == Running || s.Ended() }

// Order asks for a job.
type Order struct {
	neuron.Payer // whose job it is, and who pays for it
	Kind         string
	Index        string // that it works on
	Spec         []byte // what is to be done, in JSON of its kind
	Total        int64  // of documents, as far as it is known
}

// check refuses what cannot be kept.
func (o Order) check() error {
	switch {
	case o.Kind == "" || o.Index == "" || o.Account == "":
		return fault.For(ReasonOrder, "a job needs an account, a kind and an index")
	case len(o.Spec) > MaxSpec:
		return fault.For(ReasonOrder, "the job's description has %d bytes; one can have %d: make several jobs", len(o.Spec), MaxSpec)
	}
	return nil
}

// Job is something that takes a while.
type Job struct {
	Number int64 // its id, not used twice
	neuron.Payer
	Kind                    string
	Index                   string
	Spec                    []byte // JSON
	Memory                  []byte // what earlier runs of it remember
	State                   State
	Created, Started, Ended time.Time // zero = not yet
	Progress                Progress
	Reason                  string    // why it failed, or waits
	Due                     time.Time // when a job that waits is tried again
	Failures                []Failure // the first of them
}

// Group is the group of the names under which a job's calls to models are charged once.
func (j Job) Group() string { return fmt.Sprint("job:", j.Number) }

// Once is such a name: calls of a job that have the same one are charged once, however often it is run.
func (j Job) Once(name string) string { return j.Group() + "/" + name }

// Progress is how far a job is.
type Progress struct {
	Documents int64        `json:"documents"` // that are in the index now
	Unchanged int64        `json:"unchanged"` // that were there before
	Failed    int64        `json:"failed"`
	Total     int64        `json:"total"`  // documents there are, as far as it is known
	Chunks    int64        `json:"chunks"` // that were stored
	Tokens    int64        `json:"tokens"` // that models read
	Neurons   neuron.Micro `json:"neurons"`
	Note      string       `json:"note,omitempty"` // what it is doing, for people
}

// beyond reports whether a job has got on since it was as far as before.
func (p Progress) beyond(before Progress) bool {
	return p.Documents > before.Documents || p.Chunks > before.Chunks || p.Tokens > before.Tokens
}

// Failure is a part of a job that could not be done.
type Failure struct {
	Path   string
	Reason string
}

// Handler does the jobs of a kind.
type Handler struct {
	// Run does a job, or what is left of it. The job is done when it returns nil. When ctx ends the job was
	// cancelled, or the process is about to end, which context.Cause tells: Run is then to leave
	// things so that another run can go on, and to return soon.
	Run func(ctx context.Context, r *Run) error
	// Ended is told of every job of the kind that has ended, those that never ran too, when that is
	// durable. After a crash it may be told never. nil = nobody wants to know.
	Ended func(j Job)
}

// Wait is the error of a run that can go on later: for what may pass by itself, such as
// an allowance that is used up. Until then the job is queued, and err its reason.
func Wait(err error, after time.Duration) error { return &waiting{err, after} }

// waiting is an error that passes.
type waiting struct {
	error
	after time.Duration
}

// Unwrap returns what is waited for.
func (w *waiting) Unwrap() error { return w.error }

// words are what people are told of an error.
func words(err error) string {
	if f := fault.As(err); f != nil && f.Kind != fault.Internal {
		return shortened(f.Error(), MaxReason)
	}
	return "internal error; the server's log says more"
}

// Unknown is the fault of a number that no job has, or none that the caller may see.
func Unknown(number int64) error {
	return &fault.Error{Kind: fault.NotFound, Reason: ReasonUnknown, Message: fmt.Sprintf(
		"there is no job %d; those that have ended are kept %d days, and %d of an account", number, Keep/(24*time.Hour), MaxKept)}
}
