package rag_test

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"nearside/catalog"
	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/embed"
	"nearside/index"
	"nearside/index/filter"
	"nearside/index/local"
	"nearside/llm"
	"nearside/llm/neuron"
	"nearside/rag"
	"nearside/vectorize"
)

var (
	long  = flag.Bool("long", false, "crash at many more file operations")
	every = flag.Bool("all", false, "crash at every file operation, for a quarter of an hour")
)

// domain is a data directory with what rag needs of it.
type domain struct {
	dir     *disk.Dir
	catalog *catalog.Catalog
	engine  *local.Engine
	indexes *vectorize.Service
	texts   *rag.Service
	old     *words
	weights *words
}

// openDomain opens a data directory. The ledger is elsewhere: what it does at a crash is tested there.
func openDomain(path string, hook disk.Hook, models *llm.Catalogue, ledger *neuron.Ledger) (d *domain, err error) {
	d = &domain{old: hashed(newWords(minilm, "minilm-1")), weights: hashed(other())}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.dir, err = disk.OpenDir(path, disk.Options{Hook: hook}); err != nil {
		return d, err
	}
	if d.catalog, err = catalog.Open(d.dir, nil); err != nil {
		return d, err
	}
	d.engine = local.Open(d.dir.Sub("indexes"), local.Options{Workers: 1})
	if d.indexes, err = vectorize.Open(context.Background(), d.catalog, d.engine, vectorize.Options{Limits: vectorize.Cloudflare(), Log: slog.New(slog.DiscardHandler)}); err != nil {
		return d, err
	}
	router, err := llm.NewRouter(llm.Options{Catalogue: models, Embedders: []embed.Embedder{d.old, d.weights}, Pins: rag.Pins{Catalog: d.catalog}, Ledger: ledger})
	d.texts = rag.New(d.indexes, router, d.catalog)
	return d, err
}

func (d *domain) close() error {
	var errs []error
	if d.engine != nil {
		errs = append(errs, d.engine.Close())
	}
	if d.catalog != nil {
		errs = append(errs, d.catalog.Close())
	}
	if d.dir != nil {
		errs = append(errs, d.dir.Close())
	}
	return errors.Join(errs...)
}

// history is what happens to an index in a life in which it is re-embedded, brought back and freed of
// what was kept. A step that changes records says what they are afterwards.
type history struct {
	now  map[index.VectorID]index.Record // after the changes that returned without error
	next map[index.VectorID]index.Record // after the one that did not; nil = none was under way
	made bool
}

// change does a mutation, and notes what was acknowledged.
func (h *history) change(edit func(records map[index.VectorID]index.Record), mutate func() error) error {
	h.next = maps.Clone(h.now)
	edit(h.next)
	if err := mutate(); err != nil {
		return err
	}
	h.now, h.next = h.next, nil
	return nil
}

func (h *history) put(ctx context.Context, d *domain, texts ...rag.Text) error {
	return h.change(func(records map[index.VectorID]index.Record) {
		for _, t := range texts {
			records[t.ID] = index.Record{ID: t.ID, Namespace: t.Namespace, Title: t.Title, Text: t.Text, Metadata: t.Metadata}
		}
	}, func() error {
		_, err := d.texts.Upsert(ctx, payer, "shop", texts, index.Scope{})
		return err
	})
}

func (h *history) remove(ctx context.Context, d *domain, id index.VectorID) error {
	return h.change(func(records map[index.VectorID]index.Record) { delete(records, id) }, func() error {
		x, err := d.indexes.Open(ctx, account, "shop")
		if err == nil {
			_, err = x.Delete(ctx, []index.VectorID{id}, index.Scope{})
		}
		return err
	})
}

// live lives the life until the first error.
func (h *history) live(ctx context.Context, d *domain) error {
	h.now = map[index.VectorID]index.Record{}
	if _, _, err := d.texts.Create(ctx, account, rag.Definition{Name: "shop", Model: minilm}); err != nil {
		return err
	}
	h.made = true
	x, err := d.indexes.Open(ctx, account, "shop")
	if err != nil {
		return err
	}
	if _, err := x.CreateMetadataIndex(ctx, index.MetadataIndex{Property: "kind", Type: filter.String}, false); err != nil {
		return err
	}
	var during error
	d.weights.during = func() { // writes that the twin must catch up with
		d.weights.during = nil
		if during = h.put(ctx, d, rag.Text{ID: "late", Text: "bicycles are repaired"}); during == nil {
			during = h.remove(ctx, d, "post")
		}
	}
	for _, step := range []func() error{
		func() error { return h.put(ctx, d, shop...) },
		func() error { _, err := d.texts.Reembed(ctx, toOther, work(1)); return errors.Join(during, err) },
		func() error { return h.put(ctx, d, rag.Text{ID: "new", Text: "umbrellas are sold"}) },
		func() error {
			_, err := d.texts.Reembed(ctx, rag.Reembedding{Index: "shop", Undo: true}, work(2))
			return err
		},
		func() error { return h.remove(ctx, d, "new") },
		func() error { _, err := d.texts.DropKept(ctx, account, "shop"); return err },
		func() error { return h.put(ctx, d, rag.Text{ID: "end", Text: "the shop closes"}) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func TestACrashAtAnyFileOperationOfAReembeddingLosesNothing(t *testing.T) {
	w := newWorld(t)
	count := disktest.Count()
	if err := w.crashed(t.TempDir(), count.Hook, new(history)); err != nil {
		t.Fatal(err)
	}
	total := count.Operations()
	points := rand.New(rand.NewPCG(*seed, 7)).Perm(total)
	switch {
	case *every:
	case *long:
		points = points[:min(total, 150)]
	default:
		points = points[:min(total, 10)]
	}
	t.Logf("%d of %d file operations; repeat with -seed=%d", len(points), total, *seed)
	for _, k := range points {
		path, h := t.TempDir(), new(history)
		if err := w.crashed(path, disktest.CrashAt(k+1).Hook, h); err == nil {
			continue // nothing depended on what failed
		}
		w.survived(k+1, path, h)
	}
}

// crashed lives a life until the hook ends it.
func (w *world) crashed(path string, hook disk.Hook, h *history) error {
	d, err := openDomain(path, hook, w.models, w.ledger)
	if err != nil {
		return err
	}
	return errors.Join(h.live(context.Background(), d), d.close())
}

// survived opens what a crash left, compares it with what was acknowledged, and has the work brought to its end.
func (w *world) survived(k int, path string, h *history) {
	w.t.Helper()
	d, err := openDomain(path, nil, w.models, w.ledger)
	if err != nil {
		w.t.Fatalf("crash at %d: %v", k, err)
	}
	defer func() {
		if err := d.close(); err != nil {
			w.t.Error(err)
		}
		if err := os.RemoveAll(path); err != nil { // there may be hundreds
			w.t.Error(err)
		}
	}()
	if !h.made {
		return
	}
	d.whole(w.t, k, h)
	twin, has := d.indexes.Twin(account, "shop")
	if has && twin.State != catalog.Kept {
		r := toOther
		r.Undo = twin.State == catalog.Returning
		done, err := d.texts.Reembed(w.t.Context(), r, work(3))
		if err != nil {
			w.t.Fatalf("crash at %d: go on: %v", k, err)
		}
		if done.Held > time.Minute {
			w.t.Errorf("crash at %d: writers waited %s", k, done.Held)
		}
		d.whole(w.t, k, h)
	}
}

// whole compares an index with what was acknowledged: all of it is there, made by one kind of weights, and there
// is no storage that nobody knows.
func (d *domain) whole(t *testing.T, k int, h *history) {
	t.Helper()
	x, err := d.indexes.Open(t.Context(), account, "shop")
	if err != nil {
		t.Fatalf("crash at %d: %v", k, err)
	}
	got := all(t, x.Index)
	if lost := sameBut(got, h.now); lost != "" {
		if h.next == nil || sameBut(got, h.next) != "" {
			t.Fatalf("crash at %d: %s", k, lost)
		}
	}
	weights := hashed(newWords(minilm, "minilm-1"))
	if x.Definition.Fingerprint == "lexical-1" {
		weights = hashed(other())
	}
	madeBy(t, weights, got)
	numbers, err := d.engine.Numbers(t.Context())
	if want := 1 + len(d.catalog.Twins()); err != nil || len(numbers) != want {
		t.Fatalf("crash at %d: storages %v, want %d, %v", k, numbers, want, err)
	}
}
