package rag

import (
	"context"
	"time"

	"nearside/catalog"
	"nearside/embed"
	"nearside/fault"
	"nearside/index"
	"nearside/llm"
	"nearside/llm/neuron"
	"nearside/vectorize"
)

// Re-embedding gives an index other weights. A second storage, its twin, is built
// from the texts that are stored, while the index goes on answering and taking writes;
// then the twin takes its place in one step, and the old storage is kept as the twin
// until it is dropped, or brought back by the same work in the other direction.
//
// All of it comes down to one comparison: for some ids, what the index has and
// what the twin has of them. What is missing is embedded, what has the same text keeps its
// vector, what is gone is deleted. So it does not matter how often, or in which order, ids are
// looked at, and a process that was killed loses the batch in its hands and nothing else.

// Reembedding says what is to become of an index.
type Reembedding struct {
	Index           string
	Model           string       // whose weights are to make the vectors
	Metric          index.Metric // "" = as it is
	DropVectorsOnly bool         // leave records out that have no text
	Undo            bool         // bring the storage back that is kept, and what was written since into it
}

// Reasons of the faults about re-embedding.
const (
	ReasonSameWeights fault.Reason = "reembed_same"    // the index has the weights already
	ReasonVectorsOnly fault.Reason = "reembed_vectors" // records without text
	ReasonKept        fault.Reason = "reembed_kept"    // what was before is still kept
	ReasonUnderWay    fault.Reason = "reembed_busy"    // the index is being re-embedded
)

// Work is one run of the job that re-embeds.
type Work struct {
	Job   int64
	Payer neuron.Payer
	Once  func(name string) string // makes names under which calls are charged once; nil = each is charged
	Tell  func(Rebuilt)            // is told how far it is; nil = nobody is
}

// Rebuilt is how far a re-embedding is, or how far it came.
type Rebuilt struct {
	Total     int           // records of the index
	Done      int           // records of the twin
	Stored    int           // written into the twin by it
	Embedded  int           // of these, by a model
	LeftOut   int           // without text, and not wanted
	Truncated int           // of which the model read only the beginning
	Tokens    int           // that it read
	Neurons   neuron.Micro  // that they cost
	Held      time.Duration // the longest that writers waited for the swap; 0 until then
}

// Reembed builds the twin of an index, or goes on with it, and swaps the two. It may be called again
// after any error, and after a crash.
func (s *Service) Reembed(ctx context.Context, r Reembedding, w Work) (Rebuilt, error) {
	x, err := s.indexes.Open(ctx, w.Payer.Account, r.Index) // one that has no model, but texts with vectors of their own, may get one
	if err != nil {
		return Rebuilt{}, err
	}
	if t, ok := s.indexes.Twin(x.Definition.Account, r.Index); ok && t.State == catalog.Kept && t.Job == w.Job {
		return Rebuilt{}, nil // the swap was the last that an earlier run did
	}
	b, err := s.builder(ctx, x, r, w)
	if err != nil {
		return Rebuilt{}, err
	}
	err = b.run(ctx)
	return b.done, err
}

// builder opens what is to be built, or begins it.
func (s *Service) builder(ctx context.Context, x *vectorize.Index, r Reembedding, w Work) (*builder, error) {
	t, err := s.twin(ctx, x, r, w)
	if err != nil {
		return nil, err
	}
	b := &builder{service: s, x: x, twin: t, work: w, leaveOut: r.DropVectorsOnly}
	if b.into, err = s.indexes.OpenTwin(ctx, t); err != nil {
		return nil, err
	}
	if t.Source != x.Definition.Number {
		return b, b.again(ctx) // the index was restored since
	}
	return b, nil
}

// twin returns the twin to go on with, or a new one.
func (s *Service) twin(ctx context.Context, x *vectorize.Index, r Reembedding, w Work) (catalog.Twin, error) {
	t, ok := s.indexes.Twin(x.Definition.Account, r.Index)
	if r.Undo {
		if !ok || t.State == catalog.Building {
			return t, nothingKept(r.Index)
		}
		t.State, t.Job = catalog.Returning, w.Job
		return t, s.indexes.SaveTwin(ctx, t)
	}
	d, err := s.wanted(ctx, x, r)
	if err != nil {
		return t, err
	}
	if ok && t.State == catalog.Building && t.Fingerprint == d.Fingerprint && t.Model == d.Model && t.Metric == string(d.Metric) {
		t.Job = w.Job
		return t, s.indexes.SaveTwin(ctx, t)
	}
	if ok && t.State == catalog.Building {
		if err := s.indexes.DropTwin(ctx, t); err != nil { // by weights that are not wanted any more
			return t, err
		}
	} else if ok {
		return t, stillKept(t)
	}
	info, err := x.Info(ctx, index.Read{})
	if err != nil {
		return t, err
	}
	if t, err = s.indexes.MakeTwin(ctx, x.Definition, d, w.Job); err != nil {
		return t, err
	}
	t.Seen = uint64(info.Mutation.Sequence) // records are walked after this
	return t, s.indexes.SaveTwin(ctx, t)
}

// wanted is the definition that an index is to get.
func (s *Service) wanted(ctx context.Context, x *vectorize.Index, r Reembedding) (vectorize.Definition, error) {
	now := x.Definition
	weights, err := s.models.Weights(ctx, now.Account, r.Model)
	if err != nil {
		return vectorize.Definition{}, err
	}
	d := vectorize.Definition{
		Name: now.Name, Dimensions: weights.Dimensions, Metric: r.Metric, Model: weights.Model, Fingerprint: string(weights.Fingerprint),
	}
	if d.Metric == "" {
		d.Metric = index.Metric(now.Metric)
	}
	if err := index.ValidateConfig(index.Config{Dimensions: d.Dimensions, Metric: d.Metric}); err != nil {
		return d, err
	}
	if d.Fingerprint == now.Fingerprint && d.Model == now.Model && string(d.Metric) == now.Metric {
		return d, &fault.Error{Kind: fault.Conflict, Reason: ReasonSameWeights, Message: "index \"" + now.Name + "\" has vectors of " + now.Model +
			" already, by the weights " + now.Fingerprint + " that serve it in this account; there is nothing to re-embed. Should better ones be here, nearside models switch " + now.Model + " gives the model to them first"}
	}
	return d, nil
}

// EndReembedding tidies up after a job that ended, and not by a swap. A twin that was to serve again stays
// kept. One that never served is deleted if the job was cancelled; if it failed, the next one goes on with it.
func (s *Service) EndReembedding(ctx context.Context, account, name string, job int64, cancelled bool) error {
	t, ok := s.indexes.Twin(account, name)
	switch {
	case !ok || t.Job != job || t.State == catalog.Kept:
		return nil
	case t.State == catalog.Returning:
		t.State = catalog.Kept
		return s.indexes.SaveTwin(ctx, t)
	case cancelled:
		return s.indexes.DropTwin(ctx, t)
	}
	return nil
}

// DropKept deletes what is kept of an index from before its last re-embedding.
func (s *Service) DropKept(ctx context.Context, account, name string) (catalog.Twin, error) {
	if _, err := s.indexes.Describe(account, name); err != nil {
		return catalog.Twin{}, err
	}
	t, ok := s.indexes.Twin(account, name)
	switch {
	case !ok || t.State == catalog.Building:
		return t, nothingKept(name)
	case t.State == catalog.Returning:
		return t, underWay(name, t.Job)
	}
	return t, s.indexes.DropTwin(ctx, t)
}

func nothingKept(name string) error {
	return &fault.Error{Kind: fault.NotFound, Reason: ReasonKept, Message: "nothing is kept of index \"" + name + "\" from before a re-embedding"}
}

func stillKept(t catalog.Twin) error {
	return &fault.Error{Kind: fault.Conflict, Reason: ReasonKept, Message: "index \"" + t.Name + "\" is still kept as it was before its last re-embedding, by " +
		t.Model + "; drop that with: nearside reembed " + t.Name + " --drop-old, or go back to it with --undo"}
}

func underWay(name string, job int64) error {
	return fault.For(ReasonUnderWay, "index %q is being re-embedded by job %d; wait until it is done, or cancel it with: nearside reembed %s --cancel", name, job, name)
}

// reembeds reports whether a fault says that an index got other weights during a call.
func reembeds(err error) bool {
	f := fault.As(err)
	return f != nil && f.Reason == vectorize.ReasonReembedded
}

// holderOf is the twin as what new vectors must compare with.
func holderOf(t catalog.Twin) llm.Holder {
	return llm.Holder{Name: "the re-embedding of index \"" + t.Name + "\"", Fingerprint: embed.Fingerprint(t.Fingerprint)}
}
