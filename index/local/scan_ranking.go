package local

import (
	"math"
	"slices"

	"nearside/index"
	"nearside/index/local/vek"
)

// A ranking turns what a kernel says of a row into bounds of the row's key. The
// key is a number that orders rows as their scores do, the nearest lowest: the
// squared distance under the Euclidean metric, else the negated cosine or dot
// product with the query scaled to length 1.
//
// With x what the kernel says and n the norm of the row, the key lies
//
//	Euclidean    between x*(1-e) - t and x*(1+e) + t, as every term is positive
//	dot product  within e*n of -x, by Cauchy and Schwarz
//	cosine       within e of -x/n
//
// where e is vek's error bound with room for the roundings of the query, of the
// norm, and of index.Score, and t is what is lost to terms too small for
// float32. The two products lose nothing that counts beside e*n, as n is at
// least 2^-60 or 0, and cannot overflow, as it is at most 2^60. Rows of other
// norms have NaN in its place, and bounds that say nothing.
type ranking struct {
	metric index.Metric
	query  []float32 // for the kernels
	scaled []float32 // the memory of query, where it is not the caller's
	e, t   float64
}

// set makes r the ranking of a query. The memory that r has is used again.
func (r *ranking) set(metric index.Metric, query []float32) {
	r.metric, r.query = metric, query
	r.e = vek.Error(len(query)) + 8.0/(1<<24)
	r.t = 2 * vek.Tiny * float64(len(query))
	norm := math.Sqrt(vek.WideDot(query, query))
	switch {
	case metric == index.Euclidean && norm > 0x1p60:
		r.t = math.NaN() // squares may overflow: no bound can be given
	case metric != index.Euclidean && norm > 0:
		r.scaled = slices.Grow(r.scaled[:0], len(query))[:len(query)]
		for i, v := range query {
			r.scaled[i] = float32(float64(v) / norm)
		}
		r.query = r.scaled
	}
}

// compare sets out to what the kernel of the metric says of the rows that begin
// every stride numbers: those numbered by at, or len(out) neighbours if at is nil.
func (r *ranking) compare(rows []float32, stride int, at []uint32, out []float32) {
	switch {
	case r.metric == index.Euclidean && at == nil:
		vek.SquaredL2Rows(r.query, rows, stride, out)
	case r.metric == index.Euclidean:
		vek.SquaredL2At(r.query, rows, stride, at, out)
	case at == nil:
		vek.DotRows(r.query, rows, stride, out)
	default:
		vek.DotAt(r.query, rows, stride, at, out)
	}
}

// bounds returns the bounds of a key: infinite where nothing can be said.
func (r *ranking) bounds(x, norm float32) (lower, upper float64) {
	key, e := -float64(x), r.e
	switch r.metric {
	case index.Euclidean:
		key = float64(x)
		e = r.e*key + r.t
		if norm != norm {
			e = math.NaN()
		}
	case index.Cosine:
		key /= float64(norm)
	default:
		e *= float64(norm)
	}
	if math.IsNaN(key) || math.IsNaN(e) {
		return math.Inf(-1), math.Inf(1)
	}
	return key - e, key + e
}

// A sieve is a limit made ready for one comparison a row: a row is passed over
// if x*sign > base + slope*norm. A comparison with NaN passes nothing over.
type sieve struct{ sign, base, slope float64 }

// sieve passes over the rows whose lower bound is above the limit.
func (r *ranking) sieve(limit float64) sieve {
	switch r.metric {
	case index.Euclidean:
		return sieve{sign: 1, base: (limit + r.t) / (1 - r.e)}
	case index.Cosine:
		return sieve{sign: -1, slope: limit + r.e}
	default:
		return sieve{sign: -1, base: limit, slope: r.e}
	}
}
