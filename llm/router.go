package llm

import (
	"context"
	"fmt"
	"strings"

	"nearside/embed"
	"nearside/fault"
	"nearside/llm/neuron"
)

// Pins remembers, durably, which weights serve a model in an account.
type Pins interface {
	// Pinned returns the fingerprint that serves the model, if one is recorded.
	Pinned(account, model string) (embed.Fingerprint, bool)
	// Pin records the fingerprint unless there is one, and returns the one that holds now.
	Pin(ctx context.Context, account, model string, f embed.Fingerprint) (embed.Fingerprint, error)
	// Switch records the fingerprint in place of whatever was there.
	Switch(ctx context.Context, account, model string, f embed.Fingerprint) error
}

// Route says how a backend came to answer.
type Route string

// The routes.
const (
	First      Route = "first"      // the weights that the model's id promises
	Substitute Route = "substitute" // other weights, which the catalogue allows
)

// Request asks for vectors of texts.
type Request struct {
	Account string // whose bill it is, and whose pin decides who answers
	Model   string // an id of the catalogue, or an alias
	Texts   []string
	// Holder and Fingerprint name something that has vectors of its own, such as
	// `index "notes"`, and the weights that made them. Those weights answer, or nobody.
	Holder      string
	Fingerprint embed.Fingerprint
}

// Embedded is the answer to a call for vectors, and how it was made.
type Embedded struct {
	Vectors     [][]float32 // one a text, in order, of the model's dimensions
	Tokens      int         // tokens read, of all texts
	Dropped     []int       // for each text, the tokens beyond the window, which were not read
	Model       string      // the model asked for, aliases resolved
	Served      string      // the id of the weights that answered; Model unless Route is Substitute
	Backend     Kind
	Route       Route
	Fingerprint embed.Fingerprint
	Neurons     neuron.Micro
	Warning     string // what the caller should know about the weights, or ""
}

// Router has models answered. It may be used from any goroutine.
type Router struct {
	catalogue *Catalogue
	builtin   map[string]embed.Embedder
	pins      Pins
	meter     *neuron.Meter
}

// NewRouter returns a router over the catalogue. Embedders are the built-in
// ones that are here, by Model(); those whose weights are absent are left out.
func NewRouter(c *Catalogue, embedders []embed.Embedder, pins Pins, meter *neuron.Meter) (*Router, error) {
	builtin := map[string]embed.Embedder{}
	for _, e := range embedders {
		m, err := c.Model(e.Model())
		if err != nil {
			return nil, err
		}
		if e.Dimensions() != m.Dimensions {
			return nil, fault.New(fault.Invalid, "%s makes vectors of %d dimensions; models.yaml says %d", m.ID, e.Dimensions(), m.Dimensions)
		}
		builtin[m.ID] = e
	}
	return &Router{catalogue: c, builtin: builtin, pins: pins, meter: meter}, nil
}

// Catalogue returns the models the router knows.
func (r *Router) Catalogue() *Catalogue { return r.catalogue }

// Meter returns what was used so far.
func (r *Router) Meter() *neuron.Meter { return r.meter }

// source is a backend that is here, made ready for one model.
type source struct {
	Backend
	embedder    embed.Embedder
	fingerprint embed.Fingerprint
}

func (s source) route() Route {
	if s.Substitute {
		return Substitute
	}
	return First
}

// name is how people know the weights.
func (s source) name() string {
	return fmt.Sprintf("%s (fingerprint %s)", s.embedder.Model(), s.fingerprint)
}

// sources lists the backends of m that are here, best first.
func (r *Router) sources(m *Model) []source {
	var here []source
	for _, b := range m.Backends {
		e := r.builtin[b.Model]
		if b.Kind != Builtin || e == nil {
			continue
		}
		here = append(here, source{Backend: b, embedder: e, fingerprint: widened(e.Fingerprint(), e.Dimensions(), m.Dimensions)})
	}
	return here
}

// widened is the fingerprint of vectors filled up with zeros. It differs from
// that of the vectors themselves, because the two do not compare.
func widened(f embed.Fingerprint, from, to int) embed.Fingerprint {
	if from == to {
		return f
	}
	return embed.Fingerprint(fmt.Sprintf("%s+%dzeros", f, to-from))
}

// Serves reports what would answer for a model in an account that has not used
// it yet: the id of the weights and the route; or what is missing.
func (r *Router) Serves(m *Model) (served string, route Route, missing error) {
	here := r.sources(m)
	if len(here) == 0 {
		return "", "", nothingHere(m)
	}
	return here[0].embedder.Model(), here[0].route(), nil
}

// Embed turns texts into vectors.
func (r *Router) Embed(ctx context.Context, q Request) (Embedded, error) {
	m, err := r.embeddingModel(q.Model)
	if err != nil {
		return Embedded{}, err
	}
	from, warning, err := r.choose(m, q)
	if err != nil {
		return Embedded{}, err
	}
	embeddings, err := from.embedder.Embed(ctx, q.Texts)
	if err != nil {
		return Embedded{}, fmt.Errorf("embed %d texts by %s: %w", len(q.Texts), m.ID, err)
	}
	if len(embeddings) != len(q.Texts) {
		return Embedded{}, fault.New(fault.Internal, "%s returned %d vectors for %d texts", from.name(), len(embeddings), len(q.Texts))
	}
	if q.Fingerprint == "" {
		if err := r.pin(ctx, q.Account, m, from); err != nil {
			return Embedded{}, err
		}
	}
	out := Embedded{
		Model: m.ID, Served: from.embedder.Model(), Backend: from.Kind, Route: from.route(),
		Fingerprint: from.fingerprint, Warning: warning,
	}
	out.add(embeddings, m.Dimensions)
	out.Neurons = m.Tariff.Charge(neuron.Usage{neuron.InputTokens: int64(out.Tokens)})
	r.meter.Add(q.Account, m.ID, int64(out.Tokens), out.Neurons)
	return out, nil
}

// pin makes sure that the weights are the account's from now on.
func (r *Router) pin(ctx context.Context, account string, m *Model, from source) error {
	holds, err := r.pins.Pin(ctx, account, m.ID, from.fingerprint)
	if err != nil {
		return fmt.Errorf("pin %s to its weights: %w", m.ID, err)
	}
	if holds != from.fingerprint {
		return otherWeights(accountOf(account), m, holds, from)
	}
	return nil
}

// Weights says which weights serve a model.
type Weights struct {
	Model       string // the model asked for, aliases resolved
	Served      string // the id of the weights
	Fingerprint embed.Fingerprint
	Dimensions  int
	Warning     string
}

// Weights pins the model in the account, as a call to Embed would, and says to what.
func (r *Router) Weights(ctx context.Context, account, model string) (Weights, error) {
	m, err := r.embeddingModel(model)
	if err != nil {
		return Weights{}, err
	}
	from, warning, err := r.choose(m, Request{Account: account})
	if err != nil {
		return Weights{}, err
	}
	return Weights{m.ID, from.embedder.Model(), from.fingerprint, m.Dimensions, warning}, r.pin(ctx, account, m, from)
}

// add takes over the embeddings, filled up to the model's dimensions.
func (e *Embedded) add(embeddings []embed.Embedding, dimensions int) {
	e.Vectors = make([][]float32, len(embeddings))
	e.Dropped = make([]int, len(embeddings))
	for i, one := range embeddings {
		e.Vectors[i] = one.Values
		if len(one.Values) < dimensions {
			e.Vectors[i] = make([]float32, dimensions)
			copy(e.Vectors[i], one.Values)
		}
		e.Dropped[i] = one.Dropped
		e.Tokens += one.Tokens
	}
}

// Switch makes the best weights that are here serve the model in the account
// from now on. Vectors made before do not compare with those made after.
func (r *Router) Switch(ctx context.Context, account, model string) (was, now embed.Fingerprint, err error) {
	m, err := r.embeddingModel(model)
	if err != nil {
		return "", "", err
	}
	here := r.sources(m)
	if len(here) == 0 {
		return "", "", nothingHere(m)
	}
	was, _ = r.pins.Pinned(account, m.ID)
	return was, here[0].fingerprint, r.pins.Switch(ctx, account, m.ID, here[0].fingerprint)
}

// embeddingModel returns the embedding model with the id.
func (r *Router) embeddingModel(id string) (*Model, error) {
	m, err := r.catalogue.Model(id)
	if err != nil {
		return nil, err
	}
	if m.Task != Embeddings {
		return nil, fault.For(ReasonTask, "%s is a model for %s and makes no embeddings", m.ID, m.Task)
	}
	return m, nil
}

// choose picks who answers: the weights that are asked for or pinned, where
// there are any, else the best that are here.
func (r *Router) choose(m *Model, q Request) (from source, warning string, err error) {
	here := r.sources(m)
	if len(here) == 0 {
		return source{}, "", nothingHere(m)
	}
	owner, fingerprint := holder{q.Holder, "make a new index and load the texts into it"}, q.Fingerprint
	if fingerprint == "" {
		pinned, ok := r.pins.Pinned(q.Account, m.ID)
		if !ok {
			return here[0], weak(here[0]), nil
		}
		owner, fingerprint = accountOf(q.Account), pinned
	}
	for _, s := range here {
		if s.fingerprint == fingerprint {
			return s, s.warning(owner, m, here[0]), nil
		}
	}
	return source{}, "", otherWeights(owner, m, fingerprint, here[0])
}

// holder is what has vectors that new ones must compare with.
type holder struct {
	name   string // such as `index "notes"`
	wayOut string // how to come to other weights
}

func accountOf(account string) holder {
	return holder{fmt.Sprintf("account %q", account), "POST nearside/models/switch gives the model to it; then embed everything again"}
}

// warning is what callers should know when s answers, though best is here.
func (s source) warning(h holder, m *Model, best source) string {
	if s.fingerprint == best.fingerprint {
		return weak(s)
	}
	return fmt.Sprintf("%s made the first vectors of %s for %s and goes on doing so, because vectors of different weights do not compare; %s is here now: %s",
		s.embedder.Model(), m.ID, h.name, best.embedder.Model(), h.wayOut)
}

// weak warns where the answer is not what the word embedding promises.
func weak(s source) string {
	if s.embedder.Model() != embed.LexicalModel {
		return ""
	}
	return embed.LexicalModel + " answered: it finds shared words, not meaning"
}

// nothingHere is the fault of a model that no backend here can answer for.
func nothingHere(m *Model) error {
	var needed []string
	for _, b := range m.Backends {
		needed = append(needed, b.String())
	}
	return &fault.Error{Kind: fault.Unavailable, Reason: ReasonNoBackend, Message: fmt.Sprintf(
		"%s is in the catalogue, but nothing here can answer for it: it needs %s. Of these, nearside has the builtin ones, once `nearside models pull` has fetched their weights; `nearside models list` shows which models answer",
		m.ID, strings.Join(needed, " or "))}
}

// otherWeights is the fault of weights that are not the ones that made the holder's vectors.
func otherWeights(h holder, m *Model, made embed.Fingerprint, here source) error {
	return &fault.Error{Kind: fault.Conflict, Reason: ReasonPinned, Message: fmt.Sprintf(
		"%s has vectors of %s made by the weights %s; here now is %s, and vectors of the two do not compare. Bring the first back, or: %s",
		h.name, m.ID, made, here.name(), h.wayOut)}
}
