package ann

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"nearside/disk"
	"nearside/index"
	"nearside/index/filter"
	"nearside/index/local"
)

// Home is an index of nearside's in a temporary data directory: the product's own
// path from records to answers. The id of a record is the number of its row.
type Home struct {
	set    *Set
	path   string
	dir    *disk.Dir
	engine *local.Engine
	ix     index.Index
	graph  local.GraphOptions
	memory codeMemory
}

// number is that of the one index of a Home.
const number index.Number = 1

// upsertBatch is how many records are stored at a time, the size that the bulk loader takes too.
const upsertBatch = 1000

// properties that records of a Home may have, for filters: the row, its label, and a
// number below tags drawn at random.
const (
	rowProperty   = "row"
	labelProperty = "label"
	tagProperty   = "tag"
	tags          = 10_000
)

// NewHome makes an empty index for a set.
func NewHome(ctx context.Context, s *Set, o Options, graph local.GraphOptions) (*Home, error) {
	path, err := os.MkdirTemp(o.Dir, "nearside-bench-")
	if err != nil {
		return nil, err
	}
	graph.M, graph.EFConstruction, graph.Workers = o.M, o.EFConstruction, o.Workers
	h := &Home{set: s, path: path, graph: graph, memory: memoryOfCodes(s.Base.Dimensions, o.M)}
	if err := h.open(); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	if h.ix, err = h.engine.Create(ctx, number, index.Config{Dimensions: s.Base.Dimensions, Metric: s.Metric}); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// open opens the data directory, with one goroutine for scans: rates are those of one core.
func (h *Home) open() (err error) {
	if h.dir, err = disk.OpenDir(filepath.Join(h.path, "data"), disk.Options{}); err != nil {
		return err
	}
	h.engine = local.Open(h.dir.Sub("indexes"), local.Options{Workers: 1, Graph: h.graph})
	return nil
}

// shut closes the data directory and leaves its files.
func (h *Home) shut() error {
	var errs []error
	if h.engine != nil {
		errs = append(errs, h.engine.Close())
	}
	if h.dir != nil {
		errs = append(errs, h.dir.Close())
	}
	h.engine, h.dir, h.ix = nil, nil, nil
	return errors.Join(errs...)
}

// Close closes the index and removes its directory.
func (h *Home) Close() error { return errors.Join(h.shut(), os.RemoveAll(h.path)) }

// Add stores rows of the set under ids, which may be in use; metadata may be nil.
func (h *Home) Add(ctx context.Context, ids []int, rows []uint32, metadata func(row uint32) json.RawMessage) error {
	for from := 0; from < len(ids); from += upsertBatch {
		records := make([]index.Record, 0, upsertBatch)
		for i := from; i < min(from+upsertBatch, len(ids)); i++ {
			r := index.Record{ID: index.VectorID(strconv.Itoa(ids[i])), Values: h.set.Base.Row(int(rows[i]))}
			if metadata != nil {
				r.Metadata = metadata(rows[i])
			}
			records = append(records, r)
		}
		if _, err := h.ix.Upsert(ctx, records, index.Scope{}); err != nil {
			return err
		}
	}
	return nil
}

// Remove deletes ids.
func (h *Home) Remove(ctx context.Context, ids []int) error {
	names := make([]index.VectorID, 0, upsertBatch)
	for i, id := range ids {
		if names = append(names, index.VectorID(strconv.Itoa(id))); len(names) < upsertBatch && i+1 < len(ids) {
			continue
		}
		if _, err := h.ix.Delete(ctx, names, index.Scope{}); err != nil {
			return err
		}
		names = names[:0]
	}
	return nil
}

// Settle waits until the graph covers what was stored.
func (h *Home) Settle(ctx context.Context) error { return h.engine.Settle(ctx, number) }

// Index makes the properties filterable.
func (h *Home) Index(ctx context.Context) error {
	for _, p := range []string{rowProperty, labelProperty, tagProperty} {
		if _, err := h.ix.CreateMetadataIndex(ctx, index.MetadataIndex{Property: p, Type: filter.Number}, false); err != nil {
			return err
		}
	}
	return nil
}

// Search implements Engine.
func (h *Home) Search(ctx context.Context, query []float32, k, ef int, rows []uint32) ([]uint32, Cost, error) {
	return h.Ask(ctx, index.Query{Vector: query, TopK: k, EF: ef}, rows)
}

// Ask is Search for any query.
func (h *Home) Ask(ctx context.Context, q index.Query, rows []uint32) ([]uint32, Cost, error) {
	result, err := h.ix.Query(ctx, q, index.Read{})
	if err != nil {
		return nil, Cost{}, err
	}
	for _, m := range result.Matches {
		id, err := strconv.ParseUint(string(m.ID), 10, 32)
		if err != nil {
			return nil, Cost{}, err
		}
		rows = append(rows, uint32(id))
	}
	return rows, h.cost(result.Explain), nil
}

// cost counts bytes by the plan: scans read vectors, the others codes and links.
func (h *Home) cost(e index.Explain) Cost {
	c := Cost{Distances: e.Candidates, Hops: e.Hops, Plan: e.Plan}
	switch e.Plan {
	case index.PlanScan:
		c.Bytes = 4 * h.set.Base.Dimensions * e.Candidates
	default:
		c.Bytes = h.memory.code*e.Candidates + h.memory.links*e.Hops
	}
	return c
}

// Effort implements Engine.
func (h *Home) Effort() bool { return !h.graph.Off }

// codeMemory is what a node of a graph takes, in bytes.
type codeMemory struct{ code, links int }

// memoryOfCodes is a byte a dimension, in whole lines of the cache, and twice M links.
func memoryOfCodes(dimensions, m int) codeMemory {
	return codeMemory{code: (dimensions + 63) / 64 * 64, links: 2 * m * 4}
}

// everyRow numbers the rows of a set, which are their ids too.
func (s *Set) everyRow() (ids []int, rows []uint32) {
	ids, rows = make([]int, s.Base.Rows), make([]uint32, s.Base.Rows)
	for i := range ids {
		ids[i], rows[i] = i, uint32(i)
	}
	return ids, rows
}

// fillHome makes a Home that holds the whole set, settled.
func fillHome(ctx context.Context, s *Set, o Options, graph local.GraphOptions, metadata func(row uint32) json.RawMessage) (*Home, error) {
	h, err := NewHome(ctx, s, o, graph)
	if err != nil {
		return nil, err
	}
	if metadata != nil {
		err = h.Index(ctx)
	}
	if err == nil {
		ids, rows := s.everyRow()
		err = h.Add(ctx, ids, rows, metadata)
	}
	if err == nil {
		err = h.Settle(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// alwaysGraph is for sets of any size: without it small ones would be scanned.
var alwaysGraph = local.GraphOptions{From: 1}

func buildIndex(ctx context.Context, s *Set, o Options) (Engine, error) {
	return fillHome(ctx, s, o, alwaysGraph, nil)
}

func buildExact(ctx context.Context, s *Set, o Options) (Engine, error) {
	return fillHome(ctx, s, o, local.GraphOptions{Off: true}, nil)
}
