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

const (
	// together is how many queries are compared with a piece of the rows before the next
	// piece is read from memory.
	together = 16
	// tileBytes is how large a piece is: it stays in the cache of a core.
	tileBytes = 256 << 10
	// slack is how many more rows than asked for are compared in float64: those that
	// float32 may have put a little too far back.
	slack = 32
)

// Exact computes the k nearest of some rows, or of all if among is nil, for each query,
// on all cores. Tell, if not nil, hears how many queries are done, from any goroutine.
func Exact(ctx context.Context, s *Set, k int, among []uint32, tell func(done, total int)) (*Truth, error) {
	if among == nil {
		_, among = s.everyRow()
	}
	k = min(k, len(among))
	t := &Truth{Queries: s.Queries.Rows, K: k, Rows: make([]uint32, s.Queries.Rows*k), Distances: make([]float32, s.Queries.Rows*k)}
	var next, done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error {
			var scans [together]scanner
			for from := int(next.Add(together)) - together; from < t.Queries; from = int(next.Add(together)) - together {
				if err := ctx.Err(); err != nil {
					return err
				}
				to := min(from+together, t.Queries)
				t.answer(s, scans[:to-from], from, among)
				if n := int(done.Add(int64(to - from))); tell != nil {
					tell(n, t.Queries)
				}
			}
			return nil
		})
	}
	return t, group.Wait()
}

// answer fills in the answers to the queries from the given one on, one for each scan.
func (t *Truth) answer(s *Set, scans []scanner, from int, among []uint32) {
	for i := range scans {
		scans[i].best = scans[i].best[:0]
	}
	tile := max(1, tileBytes/(4*s.Base.Dimensions))
	for at := 0; at < len(among); at += tile {
		rows := among[at:min(at+tile, len(among))]
		for i := range scans {
			scans[i].compare(s, s.Queries.Row(from+i), rows, t.K+slack)
		}
	}
	for i := range scans {
		q := from + i
		scans[i].finish(s, s.Queries.Row(q), t.Rows[q*t.K:(q+1)*t.K], t.Distances[q*t.K:(q+1)*t.K])
	}
}

// scanner compares a query with rows, by the kernels first.
type scanner struct {
	keys []float32
	best []ranked // a heap with the farthest on top
}

type ranked struct {
	row      uint32
	distance float64
}

// nearest writes the nearest of the rows, with their distances: as many as there is room for.
func (c *scanner) nearest(s *Set, query []float32, among []uint32, rows []uint32, distances []float32) {
	c.best = c.best[:0]
	c.compare(s, query, among, len(rows)+slack)
	c.finish(s, query, rows, distances)
}

// finish compares the best in float64, and writes the nearest of them.
func (c *scanner) finish(s *Set, query []float32, rows []uint32, distances []float32) {
	for i := range c.best {
		c.best[i].distance = distance(s.Metric, query, s.Base.Row(int(c.best[i].row)))
	}
	slices.SortFunc(c.best, compareRanked)
	for i, b := range c.best[:min(len(rows), len(c.best))] {
		rows[i], distances[i] = b.row, float32(b.distance)
	}
}

// sorted returns the k nearest of the rows, nearest first, by the kernels alone.
func (c *scanner) sorted(s *Set, query []float32, among []uint32, k int) []ranked {
	c.best = c.best[:0]
	c.compare(s, query, among, k)
	slices.SortFunc(c.best, compareRanked)
	return c.best
}

// compare keeps the n nearest of the rows and of those before in best, by float32.
func (c *scanner) compare(s *Set, query []float32, among []uint32, n int) {
	if len(c.keys) < len(among) {
		c.keys = make([]float32, len(among))
	}
	keys := c.keys[:len(among)]
	sign := -1.0
	if s.Metric == index.Euclidean {
		sign = 1
		vek.SquaredL2At(query, s.Base.Values, s.Base.Dimensions, among, keys)
	} else {
		vek.DotAt(query, s.Base.Values, s.Base.Dimensions, among, keys)
	}
	for i, key := range keys {
		if d := sign * float64(key); len(c.best) < n || d <= c.best[0].distance {
			c.keep(ranked{among[i], d}, n)
		}
	}
}

func compareRanked(a, b ranked) int {
	return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.row, b.row))
}

// keep enters r into best if it is one of the n nearest.
func (c *scanner) keep(r ranked, n int) {
	if len(c.best) < n {
		c.best = append(c.best, r)
		for i := len(c.best) - 1; i > 0 && compareRanked(c.best[(i-1)/2], c.best[i]) < 0; i = (i - 1) / 2 {
			c.best[i], c.best[(i-1)/2] = c.best[(i-1)/2], c.best[i]
		}
		return
	}
	if compareRanked(r, c.best[0]) >= 0 {
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
