package local_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"testing"
	"time"

	"nearside/disk"
	"nearside/index"
	"nearside/index/indextest"
	"nearside/index/local"
)

var long = flag.Bool("long", false, "run the slow sweeps")

// home is a data directory with an engine in it, closed and checked when the test ends.
type home struct {
	path    string
	options local.Options
	hook    disk.Hook
	clock   *indextest.Clock
	broken  bool // the test damages files: they are not checked when it ends
	dir     *disk.Dir
	*local.Engine
}

// openHome opens an engine in a new directory. change may alter its options.
func openHome(t testing.TB, change func(*home)) *home {
	t.Helper()
	clock := indextest.NewClock()
	h := &home{path: t.TempDir(), clock: clock, options: local.Options{Clock: clock.Now, Workers: 2}}
	if change != nil {
		change(h)
	}
	h.open(t)
	t.Cleanup(func() {
		h.close(t)
		h.check(t)
	})
	return h
}

func (h *home) open(t testing.TB) {
	t.Helper()
	h.openDir(t)
	h.Engine = local.Open(h.dir.Sub("indexes"), h.options)
}

// openDir opens the directory without an engine.
func (h *home) openDir(t testing.TB) {
	t.Helper()
	dir, err := disk.OpenDir(h.path, disk.Options{Hook: h.hook, Clock: h.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	h.dir = dir
}

func (h *home) close(t testing.TB) {
	t.Helper()
	if h.Engine != nil {
		if err := h.Engine.Close(); err != nil {
			t.Errorf("close the engine: %v", err)
		}
	}
	if h.dir != nil {
		if err := h.dir.Close(); err != nil {
			t.Errorf("close the directory: %v", err)
		}
	}
	h.Engine, h.dir = nil, nil
}

// check verifies everything that the engine stored.
func (h *home) check(t testing.TB) {
	if h.broken || t.Failed() {
		return
	}
	h.openDir(t)
	defer h.close(t)
	findings, err := local.Check(context.Background(), h.dir.Sub("indexes"))
	if err != nil || len(findings) > 0 {
		t.Errorf("the check finds %v, %v", findings, err)
	}
}

// restart closes everything and opens it again.
func (h *home) restart(t testing.TB) {
	t.Helper()
	h.close(t)
	h.open(t)
}

func harness(t *testing.T) indextest.Harness {
	const remembers = time.Minute
	h := openHome(t, func(h *home) { h.options.MaxAge = remembers })
	return indextest.Harness{Engine: h.Engine, Clock: h.clock, Remembers: remembers, Restart: func(t *testing.T) index.Engine {
		h.restart(t)
		return h.Engine
	}}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	indextest.Run(t, harness)
}

func TestRandomOperations(t *testing.T) {
	t.Parallel()
	indextest.Random(t, harness)
}

// withGraph is a harness whose indexes get a graph from the first records on.
func withGraph(o local.GraphOptions, floor float64) func(t *testing.T) indextest.Harness {
	return func(t *testing.T) indextest.Harness {
		const remembers = time.Minute
		h := openHome(t, func(h *home) { h.options.MaxAge, h.options.Graph = remembers, o })
		return indextest.Harness{
			Engine: h.Engine, Clock: h.clock, Remembers: remembers, Recall: floor,
			Settle: func(n index.Number) {
				if err := h.Settle(context.Background(), n); err != nil {
					t.Error(err)
				}
			},
			Restart: func(t *testing.T) index.Engine {
				h.restart(t)
				return h.Engine
			},
		}
	}
}

func TestConformanceByCodes(t *testing.T) {
	t.Parallel()
	indextest.Run(t, withGraph(local.Coding(local.GraphOptions{From: 1}), 0))
}

func TestRandomOperationsByEveryPlan(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options local.GraphOptions
		recall  float64
	}{
		"codes":                      {local.Coding(local.GraphOptions{From: 1}), 0},
		"codes, long tail":           {local.Coding(local.GraphOptions{From: 5, Tail: 30}), 0},
		"walk":                       {local.Walking(local.GraphOptions{From: 1}), .8},
		"walk, few links, long tail": {local.Walking(local.GraphOptions{From: 5, M: 4, EFConstruction: 8, EF: 1, Tail: 20}), .5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			indextest.Random(t, withGraph(c.options, c.recall))
		})
	}
}

// create makes an index of four dimensions.
func (h *home) create(t testing.TB, n index.Number) index.Index {
	t.Helper()
	x, err := h.Create(t.Context(), n, index.Config{Dimensions: 4, Metric: index.Cosine})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func (h *home) openIndex(t testing.TB, n index.Number) index.Index {
	t.Helper()
	x, err := h.Open(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// record makes a record of four dimensions whose content follows from id and version.
func record(id, version int) index.Record {
	return index.Record{
		ID:        index.VectorID(fmt.Sprintf("r%05d", id)),
		Namespace: []string{"", "a", "b"}[id%3],
		Values:    []float32{float32(id + 1), float32(version), 1, float32(id%7) - 3},
		Metadata:  json.RawMessage(fmt.Sprintf(`{"version":%d,"even":%v,"name":"n%d"}`, version, id%2 == 0, id%5)),
		Title:     fmt.Sprintf("title %d.%d", id, version),
		Text:      fmt.Sprintf("text %d.%d", id, version),
	}
}

func records(from, to, version int) []index.Record {
	var list []index.Record
	for id := from; id < to; id++ {
		list = append(list, record(id, version))
	}
	return list
}

func upsert(t testing.TB, x index.Index, list ...index.Record) index.Mutation {
	t.Helper()
	m, err := x.Upsert(context.Background(), list, index.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func count(t testing.TB, x index.Index) int {
	t.Helper()
	info, err := x.Info(context.Background(), index.Read{})
	if err != nil {
		t.Fatal(err)
	}
	return info.Count
}
