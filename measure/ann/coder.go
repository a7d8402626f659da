//go:build !windows

package ann

import (
	"context"

	"github.com/coder/hnsw"

	"nearside/index"
	"nearside/index/local/vek"
)

// coderGraph is github.com/coder/hnsw, the Go library that a search for one finds
// first: a baseline. It takes one effort for building and for searching.
type coderGraph struct{ graph *hnsw.Graph[uint32] }

func buildCoder(ctx context.Context, s *Set, o Options) (Engine, error) {
	g := hnsw.NewGraph[uint32]()
	g.M, g.EfSearch = o.M, o.EFConstruction
	switch s.Metric {
	case index.Cosine:
		g.Distance = hnsw.CosineDistance
	case index.Euclidean:
		g.Distance = hnsw.EuclideanDistance
	default:
		g.Distance = func(a, b []float32) float32 { return -vek.Dot(a, b) }
	}
	for i := range s.Base.Rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		g.Add(hnsw.MakeNode(uint32(i), s.Base.Row(i)))
	}
	return coderGraph{g}, nil
}

// Search implements Engine.
func (c coderGraph) Search(_ context.Context, query []float32, k, ef int, rows []uint32) ([]uint32, Cost, error) {
	c.graph.EfSearch = max(ef, k)
	for _, n := range c.graph.Search(query, k) {
		rows = append(rows, n.Key)
	}
	return rows, Cost{}, nil
}

// Effort implements Engine.
func (c coderGraph) Effort() bool { return true }

// Close implements Engine.
func (c coderGraph) Close() error { return nil }
