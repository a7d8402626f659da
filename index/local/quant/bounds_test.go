package quant_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"nearside/index"
	"nearside/index/local/quant"
)

// ranked is the number by which vectors are ranked, from what index.Score computes.
func ranked(metric index.Metric, query, vector []float32) float64 {
	score := index.Score(metric, query, vector)
	switch metric {
	case index.Euclidean:
		return score * score
	case index.Cosine:
		return -score
	}
	if length := lengthOf(query); length > 0 {
		return score / length
	}
	return 0
}

// checkBounds compares the bounds of each vector with the truth, and returns how many say something.
func checkBounds(t *testing.T, s *stored, query []float32) (bounded int) {
	t.Helper()
	var q quant.Query
	q.Set(&s.c, query)
	for i, key := range s.keys(&q) {
		lower, upper := q.Bounds(key, s.terms[i], s.losses[i])
		truth := ranked(s.c.Metric, query, s.vectors[i])
		if !(lower <= truth && truth <= upper) {
			t.Fatalf("%+v, vector %d: query %.3v vector %.3v: bounds %v and %v do not hold %v (key %d, term %d, loss %v)",
				s.c, i, query[:min(3, len(query))], s.vectors[i][:min(3, len(query))], lower, upper, truth, key, s.terms[i], s.losses[i])
		}
		if !math.IsInf(lower, 0) && !math.IsInf(upper, 0) {
			bounded++
		}
	}
	checkKeyLimits(t, s, &q)
	return bounded
}

// checkKeyLimits compares what key limits promise with the bounds, for limits that are such
// bounds and next to them. It returns how many of the vectors beyond a limit are known by their keys.
func checkKeyLimits(t *testing.T, s *stored, q *quant.Query) (beyond, known int) {
	t.Helper()
	keys, worst := s.keys(q), slices.Max(s.losses)
	lowers := make([]float64, len(keys))
	for i, key := range keys {
		lowers[i], _ = q.Bounds(key, s.terms[i], s.losses[i])
	}
	for i := 0; i < len(keys); i += 1 + len(keys)/20 {
		for _, limit := range []float64{lowers[i], math.Nextafter(lowers[i], math.Inf(1)), math.Nextafter(lowers[i], math.Inf(-1))} {
			highest := q.KeyLimit(limit, worst)
			for j, key := range keys {
				if key > highest && !(lowers[j] > limit) {
					t.Fatalf("%+v: key %d is above %d, and its lower bound %v is not above %v", s.c, key, highest, lowers[j], limit)
				}
				if lowers[j] > limit {
					beyond++
					if key > highest {
						known++
					}
				}
			}
		}
	}
	return beyond, known
}

// A shape makes vectors that ask something of a codec.
type shape struct {
	name string
	make func(r *rand.Rand, v []float32)
}

var shapes = []shape{
	{"normal", func(r *rand.Rand, v []float32) { each(v, r.NormFloat64) }},
	{"uniform", func(r *rand.Rand, v []float32) { each(v, r.Float64) }},
	{"bytes", func(r *rand.Rand, v []float32) {
		each(v, func() float64 { return max(0, float64(r.IntN(512)-256)) })
	}},
	{"far from zero", func(r *rand.Rand, v []float32) { each(v, func() float64 { return 1e4 + r.NormFloat64() }) }},
	{"heavy tails", func(r *rand.Rand, v []float32) {
		each(v, func() float64 { return r.NormFloat64() / max(1e-3, math.Abs(r.NormFloat64())) })
	}},
	{"one of many", func(r *rand.Rand, v []float32) { clear(v); v[r.IntN(len(v))] = float32(r.NormFloat64() + .1) }},
	{"one large", func(r *rand.Rand, v []float32) { each(v, r.NormFloat64); v[len(v)/2] = 50 }},
	{"halves", func(r *rand.Rand, v []float32) { each(v, func() float64 { return float64(r.IntN(9)-4)/2 + .25 }) }},
	{"the same", func(_ *rand.Rand, v []float32) { each(v, func() float64 { return 7 }) }},
	{"tiny", func(r *rand.Rand, v []float32) { each(v, func() float64 { return math.Ldexp(r.NormFloat64(), -135) }) }},
	{"huge", func(r *rand.Rand, v []float32) { each(v, func() float64 { return math.Ldexp(r.Float64()-.5, 128) }) }},
	{"all magnitudes", func(r *rand.Rand, v []float32) {
		each(v, func() float64 { return math.Ldexp(r.Float64()-.5, r.IntN(250)-125) })
	}},
}

func each(v []float32, next func() float64) {
	for i := range v {
		v[i] = float32(next())
	}
}

func draw(r *rand.Rand, s shape, n, dimensions int) [][]float32 {
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = make([]float32, dimensions)
		s.make(r, vectors[i])
		if lengthOf(vectors[i]) == 0 { // has no cosine
			vectors[i][0] = 1
		}
	}
	return vectors
}

var boundDimensions = []int{1, 2, 3, 7, 16, 33, 64, 100, 384, 768, 1000, 1536}

func TestBoundsHoldForVectorsOfEveryShape(t *testing.T) {
	r := random()
	rounds := 1
	if *long {
		rounds = 20
	}
	for range rounds {
		for _, metric := range metrics {
			for _, dimensions := range boundDimensions {
				for _, trained := range shapes {
					c := quant.Train(metric, dimensions, draw(r, trained, 20, dimensions))
					other := shapes[r.IntN(len(shapes))]
					vectors := append(draw(r, trained, 10, dimensions), draw(r, other, 10, dimensions)...)
					s := store(c, vectors)
					for _, query := range slices.Concat(vectors[5:15], draw(r, trained, 3, dimensions)) {
						checkBounds(t, s, query)
					}
				}
			}
		}
	}
}

// A vector that the codec cannot hold loses so much that a key's unit is below what rounding takes.
func TestKeyLimitsHoldBesideEnormousLosses(t *testing.T) {
	r := seeded(1)
	for _, metric := range metrics {
		c := quant.Train(metric, 2, normal(r, 20, 2, 0, 1))
		for range 500 {
			vectors := append(normal(r, 10, 2, 0, 1), normal(r, 10, 2, 0, math.Pow(10, r.Float64()*18))...)
			s := store(c, vectors)
			checkBounds(t, s, vectors[r.IntN(len(vectors))])
		}
	}
}

// What the bounds say must be worth something, or they would be right for nothing.
func TestBoundsOfUsualVectorsAreNarrow(t *testing.T) {
	r := random()
	for _, metric := range metrics {
		vectors := normal(r, 200, 256, 0, 1)
		s := store(quant.Train(metric, 256, vectors), vectors)
		var q quant.Query
		widest, least, most := 0., math.Inf(1), math.Inf(-1)
		beyond, known := 0, 0
		for _, query := range normal(r, 20, 256, 0, 1) {
			if n := checkBounds(t, s, query); n != len(vectors) {
				t.Errorf("%s: %d of %d bounded", metric, n, len(vectors))
			}
			q.Set(&s.c, query)
			more, moreKnown := checkKeyLimits(t, s, &q)
			beyond, known = beyond+more, known+moreKnown
			for i, key := range s.keys(&q) {
				lower, upper := q.Bounds(key, s.terms[i], s.losses[i])
				truth := ranked(metric, query, vectors[i])
				widest, least, most = max(widest, upper-lower), min(least, truth), max(most, truth)
			}
		}
		if known < beyond*4/10 {
			t.Errorf("%s: of %d vectors beyond a limit %d are known by their keys", metric, beyond, known)
		}
		if widest > .6*(most-least) {
			t.Errorf("%s: bounds up to %v apart, where values span %v", metric, widest, most-least)
		}
	}
}

// The worst a vector can do: each of its values lies where rounding changes the most, in
// the direction of the query. The bounds are then nearly reached.
func TestBoundsHoldWhereRoundingConspires(t *testing.T) {
	r := random()
	for _, metric := range metrics {
		for _, dimensions := range boundDimensions {
			c := quant.Codec{Metric: metric, Dimensions: dimensions, Scale: 20}
			switch metric {
			case index.DotProduct:
				c.Radius = float32(60 * math.Sqrt(float64(dimensions)))
			case index.Cosine:
				c.Scale = float32(20 * math.Sqrt(float64(dimensions)))
			}
			query := normal(r, 1, dimensions, 0, 1)[0]
			var vectors [][]float32
			for _, part := range []float64{-.499, .499, .5, -.5, -.501, .501, 400} {
				vectors = append(vectors, conspire(r, &c, query, part))
			}
			vectors = append(vectors, query)
			checkBounds(t, store(c, vectors), query)
		}
	}
}

// conspire returns a vector whose values are a whole number of units and a part
// of one, whose sign is the query's.
func conspire(r *rand.Rand, c *quant.Codec, query []float32, part float64) []float32 {
	v := make([]float32, len(query))
	for i, x := range query {
		whole := math.Round(40 * r.NormFloat64())
		v[i] = float32((whole + part*math.Copysign(1, float64(x))) / 20)
	}
	if c.Metric == index.Cosine { // so that scaling to length 1 leaves the parts where they are
		length := lengthOf(v)
		c.Scale = float32(20 * length)
	}
	return v
}

func TestBoundsAfterSetCodeSayNothing(t *testing.T) {
	for _, metric := range metrics {
		vectors := normal(random(), 5, 32, 0, 1)
		s := store(quant.Train(metric, 32, vectors), vectors)
		var q quant.Query
		q.Set(&s.c, vectors[0])
		q.SetCode(&s.c, s.code(0), s.terms[0])
		if lower, upper := q.Bounds(s.keys(&q)[1], s.terms[1], s.losses[1]); !math.IsInf(lower, -1) || !math.IsInf(upper, 1) {
			t.Errorf("%s: %v and %v", metric, lower, upper)
		}
	}
}

// Losses that overflowed, vectors without a direction: nothing is said, nothing panics.
func TestBoundsOfWhatOverflowsSayNothing(t *testing.T) {
	for _, metric := range metrics {
		vectors := normal(random(), 5, 32, 0, 1)
		s := store(quant.Train(metric, 32, vectors), vectors)
		var q quant.Query
		q.Set(&s.c, vectors[0])
		for _, loss := range []float64{math.Inf(1), math.NaN()} {
			lower, upper := q.Bounds(100, 100, float32(loss))
			if lower > -1 && metric != index.Euclidean || lower > 0 || upper < 1 {
				t.Errorf("%s, loss %v: %v and %v", metric, loss, lower, upper)
			}
		}
	}
}

func TestQueryOfZerosRanksAllTheSame(t *testing.T) {
	vectors := normal(random(), 5, 32, 0, 1)
	s := store(quant.Train(index.DotProduct, 32, vectors), vectors)
	if n := checkBounds(t, s, make([]float32, 32)); n != len(vectors) {
		t.Errorf("%d of %d bounded", n, len(vectors))
	}
}

func FuzzBoundsHold(f *testing.F) {
	f.Add(uint64(1), uint16(3), byte(0), byte(0), byte(1))
	f.Add(uint64(2), uint16(768), byte(1), byte(4), byte(2))
	f.Add(uint64(3), uint16(64), byte(2), byte(9), byte(10))
	f.Fuzz(func(t *testing.T, seed uint64, dimensions uint16, metric, trained, other byte) {
		r := seeded(seed)
		n := int(dimensions)%index.MaxDimensions + 1
		a, b := shapes[int(trained)%len(shapes)], shapes[int(other)%len(shapes)]
		c := quant.Train(metrics[int(metric)%len(metrics)], n, draw(r, a, 1+r.IntN(8), n))
		s := store(c, append(draw(r, a, 4, n), draw(r, b, 4, n)...))
		for _, query := range append(draw(r, b, 2, n), s.vectors...) {
			checkBounds(t, s, query)
		}
	})
}
