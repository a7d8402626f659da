package ann

import (
	"context"
	"errors"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"nearside/index/local/hnsw"
	"nearside/index/local/quant"
)

// bareGraph is package hnsw with nothing around it: rows in, rows out.
type bareGraph struct {
	set      *Set
	graph    *hnsw.Graph
	searcher hnsw.Searcher
	scan     scanner
	list     []uint32
	memory   codeMemory
}

// trainRows is of how many vectors the codes are learnt.
const trainRows = 4096

func buildGraph(ctx context.Context, s *Set, o Options) (Engine, error) {
	sample := make([][]float32, 0, trainRows)
	for i := range min(trainRows, s.Base.Rows) {
		sample = append(sample, s.Base.Row(i*s.Base.Rows/min(trainRows, s.Base.Rows)))
	}
	graph, err := hnsw.New(hnsw.Options{
		Codec: quant.Train(s.Metric, s.Base.Dimensions, sample), M: o.M, EFConstruction: o.EFConstruction, Capacity: s.Base.Rows,
	})
	if err != nil {
		return nil, err
	}
	if err := insertAll(ctx, graph, s.Base, max(1, o.Workers)); err != nil {
		return nil, errors.Join(err, graph.Close())
	}
	return &bareGraph{set: s, graph: graph, memory: memoryOfCodes(s.Base.Dimensions, o.M)}, nil
}

// insertAll inserts the rows of a matrix, each under its number.
func insertAll(ctx context.Context, graph *hnsw.Graph, rows Matrix, workers int) error {
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range workers {
		group.Go(func() error {
			var in hnsw.Inserter
			for i := int(next.Add(1) - 1); i < rows.Rows; i = int(next.Add(1) - 1) {
				if err := ctx.Err(); err != nil {
					return err
				}
				if _, err := graph.Insert(&in, uint32(i), rows.Row(i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// Search implements Engine: a walk over codes, of which a few more than k are compared in float32.
func (g *bareGraph) Search(_ context.Context, query []float32, k, ef int, rows []uint32) ([]uint32, Cost, error) {
	more := k + max(2, k/5)
	g.searcher.Wanted = more
	found := g.graph.Search(&g.searcher, query, max(ef, more))
	g.list = g.list[:0]
	for _, c := range found[:min(more, len(found))] {
		g.list = append(g.list, c.Slot)
	}
	for _, r := range g.scan.sorted(g.set, query, g.list, k) {
		rows = append(rows, r.row)
	}
	counts := g.searcher.Counts()
	return rows, Cost{
		Distances: counts.Distances,
		Hops:      counts.Hops,
		Bytes:     g.memory.code*counts.Distances + g.memory.links*counts.Hops,
	}, nil
}

// Effort implements Engine.
func (g *bareGraph) Effort() bool { return true }

// Close implements Engine.
func (g *bareGraph) Close() error { return g.graph.Close() }
