package llm

import (
	"context"
	"errors"
	"fmt"

	"nearside/embed"
	"nearside/fault"
	"nearside/llm/backend"
)

// weights are what can make vectors for one model now.
type weights struct {
	by          By
	fingerprint embed.Fingerprint
	builtin     embed.Embedder   // or else
	server      backend.Embedder // which knows them as by.Served
}

// embedding returns an embedding model and the weights that are here for it, at
// least one, the best first.
func (r *Router) embedding(ctx context.Context, id string) (*Model, []weights, error) {
	f := r.fleet.Load()
	m, err := f.model(id, Embeddings)
	if err != nil {
		return nil, nil, err
	}
	here, skipped := f.weights(ctx, m)
	if len(here) == 0 {
		return nil, nil, nobody(m, skipped)
	}
	return m, here, nil
}

// weights lists what can make vectors for m now, best first, and what cannot.
func (f *fleet) weights(ctx context.Context, m *Model) (here []weights, skipped []Skipped) {
	for _, b := range m.Backends {
		if !f.has(b) {
			continue
		}
		w, err := f.weightsOf(ctx, m, b)
		if err != nil {
			skipped = append(skipped, Skipped{b, err})
			continue
		}
		w.by = By{Model: m.ID, Skipped: skipped}.answered(b)
		here = append(here, w)
	}
	return here, skipped
}

// errNoWeights is what the built-in encoder lacks.
var errNoWeights = errors.New("its weights are not here; `nearside models pull` fetches them")

// weightsOf returns the weights that a backend has for m.
func (f *fleet) weightsOf(ctx context.Context, m *Model, b Backend) (w weights, err error) {
	if b.Kind == Builtin {
		if w.builtin = f.builtin[b.Model]; w.builtin == nil {
			return w, errNoWeights
		}
		w.fingerprint = widened(w.builtin.Fingerprint(), w.builtin.Dimensions(), m.Dimensions)
		return w, nil
	}
	var ok bool
	if w.server, ok = backend.As[backend.Embedder](f.servers[b.Kind]); !ok {
		return w, unable(b, m)
	}
	fingerprint, err := w.server.Fingerprint(ctx, b.Model)
	w.fingerprint = embed.Fingerprint(fingerprint)
	return w, err
}

// widened is the fingerprint of vectors filled up with zeros. It differs from
// that of the vectors themselves, because the two do not compare.
func widened(f embed.Fingerprint, from, to int) embed.Fingerprint {
	if from == to {
		return f
	}
	return embed.Fingerprint(fmt.Sprintf("%s+%dzeros", f, to-from))
}

// vectors embeds texts, and makes sure that it was these weights that did, and
// that every text has a vector of m's length.
func (w weights) vectors(ctx context.Context, m *Model, texts []string) (backend.Vectors, error) {
	if w.builtin != nil {
		return w.builtinVectors(ctx, m, texts)
	}
	got, err := w.server.Embed(ctx, w.by.Served, texts)
	var e *backend.Error
	switch {
	case err != nil && ctx.Err() != nil:
		return got, fmt.Errorf("embed %d texts by %s: %w", len(texts), m.ID, ctx.Err())
	case errors.As(err, &e):
		return got, failed(m, e)
	case err != nil:
		return got, fmt.Errorf("embed %d texts by %s: %w", len(texts), m.ID, err)
	case embed.Fingerprint(got.Fingerprint) != w.fingerprint:
		return got, fault.New(fault.Unavailable, "%s changed its weights for %s while it embedded, from %s to %s; send the call again", w.by.Backend, m.ID, w.fingerprint, got.Fingerprint)
	case len(got.Values) != len(texts):
		return got, w.contradicts(m, "%d vectors for %d texts", len(got.Values), len(texts))
	}
	for _, v := range got.Values {
		if len(v) != m.Dimensions {
			return got, w.contradicts(m, "vectors of %d dimensions; models.yaml says %d", len(v), m.Dimensions)
		}
	}
	if got.Dropped == nil {
		got.Dropped = make([]int, len(texts))
	}
	return got, nil
}

// contradicts is the fault of a backend whose vectors are not what the catalogue says.
func (w weights) contradicts(m *Model, format string, args ...any) error {
	return &fault.Error{Kind: fault.Unavailable, Reason: ReasonBroken, Message: fmt.Sprintf("%s (%s) returned %s for %s; none was given out",
		w.by.Backend, w.by.Served, fmt.Sprintf(format, args...), m.ID)}
}

// builtinVectors embeds texts here, and fills the vectors up to m's dimensions.
func (w weights) builtinVectors(ctx context.Context, m *Model, texts []string) (backend.Vectors, error) {
	embeddings, err := w.builtin.Embed(ctx, texts)
	if err != nil {
		return backend.Vectors{}, fmt.Errorf("embed %d texts by %s: %w", len(texts), m.ID, err)
	}
	if len(embeddings) != len(texts) {
		return backend.Vectors{}, fault.New(fault.Internal, "%s returned %d vectors for %d texts", w.name(), len(embeddings), len(texts))
	}
	out := backend.Vectors{Values: make([][]float32, len(texts)), Dropped: make([]int, len(texts)), Counted: true, Fingerprint: string(w.fingerprint)}
	for i, one := range embeddings {
		out.Values[i] = one.Values
		if len(one.Values) < m.Dimensions {
			out.Values[i] = make([]float32, m.Dimensions)
			copy(out.Values[i], one.Values)
		}
		out.Dropped[i] = one.Dropped
		out.Tokens += one.Tokens
	}
	return out, nil
}

// name is how people know the weights.
func (w weights) name() string {
	return fmt.Sprintf("%s (fingerprint %s)", w.by.Served, w.fingerprint)
}

// warning is what callers should know when w answers, though best is here.
func (w weights) warning(h holder, m *Model, best weights) string {
	if w.fingerprint == best.fingerprint {
		return weak(w)
	}
	return fmt.Sprintf("%s made the first vectors of %s for %s and goes on doing so, because vectors of different weights do not compare; %s is here now: %s",
		w.by.Served, m.ID, h.name, best.by.Served, h.wayOut)
}

// weak warns where the answer is not what the word embedding promises.
func weak(w weights) string {
	if w.by.Served != embed.LexicalModel {
		return ""
	}
	return embed.LexicalModel + " answered: it finds shared words, not meaning"
}
