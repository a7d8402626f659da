package ann

import (
	"cmp"
	"context"
	"math"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"nearside/index"
	"nearside/index/local/vek"
)

// Truth is the exact answer to each query of a set: the K nearest rows, nearest
// first, equal ones by row. A distance is the squared one under euclidean, 1 - cosine
// under cosine, and the negated dot product; computed in float64 as scores are.
type Truth struct {
	Queries, K int
	Rows       []uint32  // Queries * K
	Distances  []float32 // Queries * K
}

// Row returns the answer to query q.
func (t *Truth) Row(q int) []uint32 { return t.Rows[q*t.K : (q+1)*t.K] }

// Limit is the distance up to which an answer to query q is one of the k nearest:
// that of the k-th, and what float32 may make of it.
func (t *Truth) Limit(q, k int) float64 {
	if k = min(k, t.K); k == 0 {
		return math.Inf(-1)
	}
	d := float64(t.Distances[q*t.K+k-1])
	return d + max(1e-6, math.Abs(d)*1e-5)
}

// distance is that of Truth.
func distance(m index.Metric, a, b []float32) float64 {
	switch score := index.Score(m, a, b); m {
	case index.Cosine:
		return 1 - score
	case index.Euclidean:
		return score * score
	default:
		return score
	}
}

// Recall is the share of the k nearest among what was found for query q, counting
// what is as near as the k-th. Rows found twice count once.
func (s *Set) Recall(t *Truth, q, k int, found []uint32) float64 {
	k = min(k, t.K)
	if k == 0 {
		return 1
	}
	right, limit := 0, t.Limit(q, k)
	for i, row := range found[:min(len(found), k)] {
		if !slices.Contains(found[:i], row) && distance(s.Metric, s.Queries.Row(q), s.Base.Row(int(row))) <= limit {
			right++
		}
	}
	return float64(right) / float64(k)
}

// Exact computes the k nearest rows of each query, on all cores; among, if not nil,
// says which rows may be in the answer to a query. Tell, if not nil, hears how many
// queries are done.
func Exact(ctx context.Context, s *Set, k int, among func(q int) []uint32, tell func(done, total int)) (*Truth, error) {
	k = min(k, s.Base.Rows)
	t := &Truth{Queries: s.Queries.Rows, K: k, Rows: make([]uint32, s.Queries.Rows*k), Distances: make([]float32, s.Queries.Rows*k)}
	everything := make([]uint32, s.Base.Rows)
	for i := range everything {
		everything[i] = uint32(i)
	}
	if among == nil {
		among = func(int) []uint32 { return everything }
	}
	var next, done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error {
			var scan scanner
			for q := int(next.Add(1) - 1); q < t.Queries; q = int(next.Add(1) - 1) {
				if err := ctx.Err(); err != nil {
					return err
				}
				scan.nearest(s, s.Queries.Row(q), among(q), k, t.Rows[q*k:(q+1)*k], t.Distances[q*k:(q+1)*k])
				if n := done.Add(1); tell != nil && n%64 == 0 {
					tell(int(n), t.Queries)
				}
			}
			return nil
		})
	}
	return t, group.Wait()
}

// scanner compares a query with rows, by the kernels first.
type scanner struct {
	keys []float32
	best []ranked
}

type ranked struct {
	row      uint32
	distance float64
}

// slack is how many more rows than asked for are compared in float64: those that
// float32 may have put a little too far back.
const slack = 32

// nearest writes the k nearest of the rows, with their distances.
func (c *scanner) nearest(s *Set, query []float32, among []uint32, k int, rows []uint32, distances []float32) int {
	c.shortlist(s, query, among, k+slack)
	for i := range c.best {
		c.best[i].distance = distance(s.Metric, query, s.Base.Row(int(c.best[i].row)))
	}
	slices.SortFunc(c.best, compareRanked)
	n := min(k, len(c.best))
	for i, b := range c.best[:n] {
		rows[i], distances[i] = b.row, float32(b.distance)
	}
	return n
}

func compareRanked(a, b ranked) int {
	return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.row, b.row))
}

// shortlist leaves the n nearest of the rows in best, by float32, in no order.
func (c *scanner) shortlist(s *Set, query []float32, among []uint32, n int) {
	if len(c.keys) < len(among) {
		c.keys = make([]float32, len(among))
	}
	keys := c.keys[:len(among)]
	if s.Metric == index.Euclidean {
		vek.SquaredL2At(query, s.Base.Values, s.Base.Dimensions, among, keys)
	} else {
		vek.DotAt(query, s.Base.Values, s.Base.Dimensions, among, keys)
	}
	c.best = c.best[:0]
	for i, key := range keys {
		d := float64(key)
		if s.Metric != index.Euclidean {
			d = -d
		}
		c.keep(ranked{among[i], d}, n)
	}
}

// keep enters r into best, a heap with the farthest of n on top.
func (c *scanner) keep(r ranked, n int) {
	if len(c.best) < n {
		c.best = append(c.best, r)
		for i := len(c.best) - 1; i > 0 && compareRanked(c.best[(i-1)/2], c.best[i]) < 0; i = (i - 1) / 2 {
			c.best[i], c.best[(i-1)/2] = c.best[(i-1)/2], c.best[i]
		}
		return
	}
	if n == 0 || compareRanked(r, c.best[0]) >= 0 {
		return
	}
	c.best[0] = r
	for i := 0; ; {
		child := 2*i + 1
		if child+1 < n && compareRanked(c.best[child+1], c.best[child]) > 0 {
			child++
		}
		if child >= n || compareRanked(c.best[child], c.best[i]) <= 0 {
			return
		}
		c.best[i], c.best[child] = c.best[child], c.best[i]
		i = child
	}
}

// sorted returns the k nearest of a few rows, nearest first, by the kernels alone.
func (c *scanner) sorted(s *Set, query []float32, among []uint32, k int) []ranked {
	c.shortlist(s, query, among, k)
	slices.SortFunc(c.best, compareRanked)
	return c.best
}
