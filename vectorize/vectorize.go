// Package vectorize is Cloudflare's Vectorize without HTTP: the indexes of an
// account, by name, with Cloudflare's rules for what may be asked of them.
//
// Service makes, lists, describes, deletes, opens, snapshots and restores
// indexes. It joins package catalog, which knows names and definitions, to an
// index.Engine, which keeps the records. Index is one opened index: it is an
// index.Index that checks Cloudflare's limits (limits.go) before it passes a
// call on, so that every way in, the API, its v1 paths and the programs within,
// obeys the same rules and words its refusals alike.
//
// What it promises:
//
//   - The catalogue's row is the truth about which indexes exist. An index is
//     complete before its row is written, and its row is gone before its storage
//     is. Storage without a row is left over from a crash and swept by Open.
//   - A batch that breaks a rule anywhere leaves nothing behind.
//   - A restored index takes the place of the old one in one step, after every
//     byte was verified. So does the twin of an index (twin.go), which other weights
//     made: a write that had begun is in it, or is told.
//
// What it does not do: HTTP, codes, authentication (a caller passes the
// index.Scope of its key), and turning text into vectors.
package vectorize

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"sync"

	"nearside/catalog"
	"nearside/fault"
	"nearside/index"
)

// Reasons of the faults that this package reports, beside those of catalog and index.
const (
	ReasonName        fault.Reason = "index_name"          // an index name against the rules
	ReasonID          fault.Reason = "id"                  // a record id that is empty or too long
	ReasonNamespace   fault.Reason = "namespace"           // a namespace that is too long
	ReasonNamespaces  fault.Reason = "namespaces_too_many" // an index would get more namespaces than it may have
	ReasonVectors     fault.Reason = "vectors_too_many"    // an index would get more records than it may have
	ReasonMetadata    fault.Reason = "metadata_size"       // metadata too large
	ReasonMetadataKey fault.Reason = "metadata_key"        // a metadata key against the rules
	ReasonBatch       fault.Reason = "batch_size"          // an empty batch, or too many records in it
	ReasonIDs         fault.Reason = "ids_too_many"        // too many ids in one call
	ReasonTopK        fault.Reason = "top_k"               // topK out of range
	ReasonTopKFull    fault.Reason = "top_k_full"          // topK too large for what is returned
	ReasonQuery       fault.Reason = "query"               // both or neither of vector and vectorId
	ReasonPage        fault.Reason = "list_count"          // a page size out of range
	ReasonSnapshot    fault.Reason = "snapshot"            // bytes that are no snapshot, or one that does not fit
	ReasonReembedded  fault.Reason = "index_reembedded"    // vectors of weights that are not the index's any more
)

// Options say how a Service behaves.
type Options struct {
	Limits Limits       // Cloudflare() or Relaxed()
	Files  Files        // where snapshots are kept; nil: only streamed
	Log    *slog.Logger // for what a caller cannot be told; nil: slog.Default()
}

// Service is the Vectorize of all accounts. It may be used from any goroutine.
type Service struct {
	catalog *catalog.Catalog
	engine  index.Engine
	limits  Limits
	files   Files
	log     *slog.Logger

	rooms sync.Map // index.Number → *room
}

// Open joins a catalogue to the engine that keeps its indexes, and sweeps what a
// crash left behind.
func Open(ctx context.Context, c *catalog.Catalog, e index.Engine, o Options) (*Service, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	s := &Service{catalog: c, engine: e, limits: o.Limits, files: o.Files, log: o.Log}
	return s, s.sweep(ctx)
}

// Limits returns the limits in force.
func (s *Service) Limits() Limits { return s.limits }

// sweep drops storage that no row of the catalogue names. Storage whose number
// the catalogue never gave out is not debris but a sign that nearside.db is not
// the one that belongs to these indexes; deleting it would lose acknowledged data.
func (s *Service) sweep(ctx context.Context) error {
	stored, err := s.engine.Numbers(ctx)
	if err != nil {
		return err
	}
	last, err := s.catalog.LastNumber(ctx)
	if err != nil {
		return err
	}
	named := map[index.Number]bool{}
	for _, x := range s.catalog.All() {
		named[index.Number(x.Number)] = true
	}
	for _, t := range s.catalog.Twins() {
		named[index.Number(t.Number)] = true
	}
	for _, n := range stored {
		if named[n] {
			continue
		}
		if n > index.Number(last) {
			return fault.New(fault.Corrupt, "index %d is on the disk, but nearside.db has given out no number beyond %d: it is not the catalogue of these indexes; put the right nearside.db back, or move the index away", n, last)
		}
		s.log.Info("swept an index that was half made or half deleted when the server stopped", "number", n)
		if err := s.engine.Drop(ctx, n); err != nil {
			return fmt.Errorf("sweep index %d: %w", n, err)
		}
	}
	return nil
}

// Definition describes an index to be made. Either Dimensions and Metric are
// given, or Preset, or, by callers that know the model, Model with all that follows from it.
type Definition struct {
	Name        string
	Description string
	Dimensions  int
	Metric      index.Metric
	Preset      string
	Model       string // the embedding model whose texts the index takes, or ""
	Fingerprint string // its weights
}

// namePattern is Cloudflare's rule for index names.
var namePattern = regexp.MustCompile(`^([a-z]+[a-z0-9_-]*[a-z0-9]+)$`)

// CheckName reports what is wrong with an index name.
func CheckName(name string) error {
	if len(name) > MaxName {
		return fault.For(ReasonName, "the index name has %d bytes; at most %d are allowed: %q…", len(name), MaxName, name[:16])
	}
	if !namePattern.MatchString(name) {
		return fault.For(ReasonName, "the index name %q is not allowed; it must match %s: lower-case letters, digits, _ and -, at least two characters, a letter first, no _ or - last", name, namePattern)
	}
	return nil
}

// Create makes an empty index.
func (s *Service) Create(ctx context.Context, account string, d Definition) (catalog.Index, error) {
	d, err := d.resolve()
	if err != nil {
		return catalog.Index{}, err
	}
	if _, err := s.catalog.Index(account, d.Name); err == nil {
		return catalog.Index{}, catalog.Duplicate(d.Name)
	}
	return s.file(ctx, account, d, func(n index.Number) error {
		_, err := s.engine.Create(ctx, n, index.Config{Dimensions: d.Dimensions, Metric: d.Metric})
		return err
	})
}

// file makes the storage of an index under a new number and then writes its row.
func (s *Service) file(ctx context.Context, account string, d Definition, create func(index.Number) error) (catalog.Index, error) {
	n, err := s.catalog.AllocateNumber(ctx)
	if err != nil {
		return catalog.Index{}, err
	}
	if err := create(index.Number(n)); err != nil {
		return catalog.Index{}, fmt.Errorf("create index %q: %w", d.Name, err)
	}
	x, err := s.catalog.AddIndex(ctx, catalog.Index{
		Account: account, Name: d.Name, Number: n, Description: d.Description, Dimensions: d.Dimensions, Metric: string(d.Metric),
		Preset: d.Preset, Model: d.Model, Fingerprint: d.Fingerprint,
	}, s.limits.Indexes)
	if err != nil {
		s.discard(ctx, index.Number(n), err)
	}
	return x, err
}

// resolve checks a definition and fills in what follows from a preset.
func (d Definition) resolve() (Definition, error) {
	if err := CheckName(d.Name); err != nil {
		return d, err
	}
	if err := checkDescription(d.Description); err != nil {
		return d, err
	}
	if d.Preset != "" {
		p, ok := presets[d.Preset]
		if !ok {
			return d, fault.For(index.ReasonConfig, "the preset %q does not exist; use one of %s, or give dimensions and metric", d.Preset, presetNames())
		}
		if d.Model == "" && (d.Dimensions != 0 || d.Metric != "") {
			return d, fault.For(index.ReasonConfig, "config has both a preset and dimensions or metric; the preset %q stands for %d dimensions and %s", d.Preset, p.dimensions, p.metric)
		}
		d.Dimensions, d.Metric = p.dimensions, p.metric
	}
	if d.Dimensions < 1 || d.Dimensions > MaxDimensions {
		return d, fault.For(index.ReasonConfig, "config.dimensions is %d; it must be between 1 and %d", d.Dimensions, MaxDimensions)
	}
	if !d.Metric.Valid() {
		return d, fault.For(index.ReasonConfig, "config.metric is %q; it must be cosine, euclidean or dot-product", d.Metric)
	}
	return d, nil
}

// List returns the indexes of an account, by name.
func (s *Service) List(account string) []catalog.Index { return s.catalog.Indexes(account) }

// Describe returns the definition of an index.
func (s *Service) Describe(account, name string) (catalog.Index, error) {
	return s.catalog.Index(account, name)
}

// SetDescription replaces the description of an index.
func (s *Service) SetDescription(ctx context.Context, account, name, description string) (catalog.Index, error) {
	if err := checkDescription(description); err != nil {
		return catalog.Index{}, err
	}
	return s.catalog.SetDescription(ctx, account, name, description)
}

func checkDescription(description string) error {
	if len(description) > MaxDescription {
		return fault.For(index.ReasonConfig, "the description has %d bytes; at most %d are allowed", len(description), MaxDescription)
	}
	return nil
}

// Delete deletes an index and everything in it. The name is free at once.
func (s *Service) Delete(ctx context.Context, account, name string) error {
	twin, has := s.catalog.Twin(account, name)
	x, err := s.catalog.RemoveIndex(ctx, account, name)
	if err != nil {
		return err
	}
	s.drop(ctx, index.Number(x.Number))
	if has {
		s.drop(ctx, index.Number(twin.Number)) // one made this very moment is swept at the next start
	}
	return nil
}

// Open returns an index. It holds nothing that must be released: the engine
// keeps open what is used.
func (s *Service) Open(ctx context.Context, account, name string) (*Index, error) {
	for {
		x, err := s.catalog.Index(account, name)
		if err != nil {
			return nil, err
		}
		inner, err := s.engine.Open(ctx, index.Number(x.Number))
		if err == nil {
			return &Index{Definition: x, Index: inner, limits: s.limits, room: s.room(index.Number(x.Number)), service: s}, nil
		}
		now, gone := s.catalog.Index(account, name)
		switch {
		case gone != nil:
			return nil, gone // it was deleted in between
		case now.Number == x.Number:
			return nil, fmt.Errorf("open index %q: %w", name, err)
		} // else another storage took its place in between
	}
}

// discard drops storage whose row could not be written. If it is not certain
// that the row was not written, the storage stays for the sweep at the next start.
func (s *Service) discard(ctx context.Context, n index.Number, why error) {
	if f := fault.As(why); f != nil && (f.Kind == fault.Invalid || f.Kind == fault.Conflict || f.Kind == fault.NotFound || f.Kind == fault.Gone) {
		s.drop(ctx, n)
	}
}

// drop deletes storage that no row names any more. A failure is nothing the
// caller could mend: what remains is swept at the next start.
func (s *Service) drop(ctx context.Context, n index.Number) {
	s.rooms.Delete(n)
	if err := s.engine.Drop(context.WithoutCancel(ctx), n); err != nil {
		s.log.Warn("the storage of a deleted index remains until the next start", "number", n, "error", err)
	}
}
