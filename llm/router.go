package llm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"nearside/embed"
	"nearside/fault"
	"nearside/llm/backend"
	"nearside/llm/neuron"
)

// Route says how a backend came to answer.
type Route string

// The routes.
const (
	First      Route = "first"      // the catalogue's first choice of those that are set up here
	Failover   Route = "failover"   // one before it could not answer
	Substitute Route = "substitute" // other weights than the id promises, which the catalogue allows
)

// By says who answered a call, and why nobody before it did.
type By struct {
	Model   string // the model asked for, aliases resolved
	Served  string // what answered: the id of built-in weights, or the model's name in its backend
	Backend Kind   // the backend's name
	Route   Route
	Skipped []Skipped
}

// Skipped is a backend that stands before the one that answered, and could not.
type Skipped struct {
	Backend Backend
	Why     error
}

// String names the backend and what it lacked.
func (s Skipped) String() string {
	var e *backend.Error
	if errors.As(s.Why, &e) {
		return fmt.Sprintf("%s: %s: %s", s.Backend, e.Kind, e.Message)
	}
	return fmt.Sprintf("%s: %s", s.Backend, s.Why)
}

// Options are what a Router routes between.
type Options struct {
	Catalogue *Catalogue
	Embedders []embed.Embedder  // the built-in ones whose weights are here
	Backends  []backend.Backend // model servers, by Name
	Pins      Pins
	Ledger    *neuron.Ledger
	Finetunes Finetunes // nil: none are stored
}

// Router has models answered. It may be used from any goroutine.
type Router struct {
	fleet     atomic.Pointer[fleet]
	embedders []embed.Embedder
	pins      Pins
	ledger    *neuron.Ledger
	finetunes Finetunes
}

// NewRouter returns a router. An embedder that contradicts the catalogue is refused.
func NewRouter(o Options) (*Router, error) {
	r := &Router{embedders: o.Embedders, pins: o.Pins, ledger: o.Ledger, finetunes: o.Finetunes}
	return r, r.Swap(o.Catalogue, o.Backends)
}

// Swap puts another catalogue and other backends in place of those there are.
// Calls that have begun end with what they began with; nothing changes when an
// error is returned.
func (r *Router) Swap(c *Catalogue, backends []backend.Backend) error {
	f := &fleet{catalogue: c, builtin: map[string]embed.Embedder{}, servers: map[Kind]backend.Backend{}}
	for _, e := range r.embedders {
		m, err := c.Model(e.Model())
		if err != nil {
			return err
		}
		if e.Dimensions() != m.Dimensions {
			return fault.New(fault.Invalid, "%s makes vectors of %d dimensions; models.yaml says %d", m.ID, e.Dimensions(), m.Dimensions)
		}
		f.builtin[m.ID] = e
	}
	for _, b := range backends {
		f.servers[Kind(b.Name())] = b
	}
	r.fleet.Store(f)
	return nil
}

// Catalogue returns the models the router knows.
func (r *Router) Catalogue() *Catalogue { return r.fleet.Load().catalogue }

// fleet is a catalogue with what can answer for its models. It does not change.
type fleet struct {
	catalogue *Catalogue
	builtin   map[string]embed.Embedder // by model
	servers   map[Kind]backend.Backend  // by name
}

// model returns a model that has one of the tasks.
func (f *fleet) model(id string, tasks ...Task) (*Model, error) {
	m, err := f.catalogue.Model(id)
	if err != nil {
		return nil, err
	}
	for _, t := range tasks {
		if m.Task == t {
			return m, nil
		}
	}
	return nil, fault.For(ReasonTask, "%s is a model for %s and cannot be asked for %s", m.ID, m.Task, tasks[0])
}

// has reports whether a backend is set up here at all. One that is not is no
// failure, and nothing to report.
func (f *fleet) has(b Backend) bool { return b.Kind == Builtin || f.servers[b.Kind] != nil }

// answered is by, completed with the backend that answers after the others were skipped.
func (by By) answered(b Backend) By {
	by.Served, by.Backend = b.Model, b.Kind
	by.Skipped = slices.DeleteFunc(slices.Clone(by.Skipped), func(s Skipped) bool { return s.lacksOnly(b.Kind) })
	switch {
	case b.Substitute:
		by.Route = Substitute
	case len(by.Skipped) > 0:
		by.Route = Failover
	default:
		by.Route = First
	}
	return by
}

// lacksOnly reports whether the backend is well and just has no such model: that
// it has one of another name is no failover.
func (s Skipped) lacksOnly(kind Kind) bool {
	var e *backend.Error
	return s.Backend.Kind == kind && errors.As(s.Why, &e) && e.Kind == backend.Missing
}

// ask has the first backend of m that can answer do so. It goes on to the next
// as long as nothing was given out and the error says that another may do better.
// A backend that lacks one model may have the next one; else it is asked once.
func ask[C any](ctx context.Context, f *fleet, m *Model, do func(can C, by By) error) (By, error) {
	by := By{Model: m.ID}
	given := map[Kind]bool{} // up
	for _, b := range m.Backends {
		if b.Kind == Builtin || !f.has(b) || given[b.Kind] {
			continue
		}
		can, ok := backend.As[C](f.servers[b.Kind])
		if !ok {
			given[b.Kind] = true
			by.Skipped = append(by.Skipped, Skipped{b, unable(b, m)})
			continue
		}
		now := by.answered(b)
		err := do(can, now)
		if err == nil {
			return now, nil
		}
		if ctx.Err() != nil {
			return now, fmt.Errorf("%s by %s: %w", m.ID, b, ctx.Err())
		}
		var e *backend.Error
		if !errors.As(err, &e) {
			return now, err
		}
		if !e.Elsewhere() {
			return now, failed(m, e)
		}
		given[b.Kind] = e.Kind != backend.Missing
		by.Skipped = append(by.Skipped, Skipped{b, e})
	}
	return by, nobody(m, by.Skipped)
}

// unable is what a backend lacks that has no such task at all.
func unable(b Backend, m *Model) error {
	return &backend.Error{Backend: string(b.Kind), Model: b.Model, Kind: backend.Unable, Message: fmt.Sprintf("it does not do %s", m.Task)}
}
