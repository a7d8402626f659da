package quant_test

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"nearside/index"
	"nearside/index/local/quant"
	"nearside/index/local/vek"
)

// stored is a few vectors as an index keeps them.
type stored struct {
	c       quant.Codec
	vectors [][]float32
	codes   []byte
	terms   []int32
	losses  []float32
	at      []uint32
}

func store(c quant.Codec, vectors [][]float32) *stored {
	s := &stored{c: c, vectors: vectors, codes: make([]byte, len(vectors)*c.Stride())}
	for i, v := range vectors {
		term, loss := c.Encode(v, s.code(i))
		s.terms, s.losses, s.at = append(s.terms, term), append(s.losses, loss), append(s.at, uint32(i))
	}
	return s
}

func (s *stored) code(i int) []byte { return s.codes[i*s.c.Stride():][:s.c.Stride()] }

func (s *stored) keys(q *quant.Query) []int32 {
	out := make([]int32, len(s.at))
	q.Keys(s.codes, s.c.Stride(), s.terms, s.at, out)
	return out
}

// dot is the dot product of two codes.
func (s *stored) dot(a, b []byte) (sum int) {
	x, y := make([]byte, len(a)), make([]byte, len(b))
	vek.Unpack(x, a)
	vek.Unpack(y, b)
	for i := range s.c.Dimensions {
		sum += (int(x[i]) - 128) * (int(y[i]) - 128)
	}
	return sum
}

func TestStrideIsWholeLines(t *testing.T) {
	for dimensions, want := range map[int]int{1: 64, 64: 64, 65: 128, 128: 128, 768: 768, 784: 832, 1536: 1536} {
		c := quant.Codec{Dimensions: dimensions}
		if got := c.Stride(); got != want {
			t.Errorf("%d dimensions: stride %d, want %d", dimensions, got, want)
		}
	}
}

func TestTermsAreWhatTheyAreDefinedAs(t *testing.T) {
	r := random()
	for _, metric := range metrics {
		vectors := normal(r, 50, 100, .5, 2)
		s := store(quant.Train(metric, 100, vectors[:40]), vectors)
		for i, term := range s.terms {
			squares := float64(s.dot(s.code(i), s.code(i)))
			want := squares
			if metric == index.DotProduct {
				radius := float64(s.c.Radius)
				want = math.Round(256 * math.Sqrt(max(0, radius*radius-squares)))
			}
			if float64(term) != want {
				t.Errorf("%s: term %d, want %v", metric, term, want)
			}
		}
	}
}

func TestKeysAreWhatTheyAreDefinedAs(t *testing.T) {
	r := random()
	for _, metric := range metrics {
		for _, dimensions := range []int{1, 3, 64, 100, 784, 1536} {
			vectors := normal(r, 30, dimensions, 0, 1)
			s := store(quant.Train(metric, dimensions, vectors), vectors)
			var q quant.Query
			for i := range vectors {
				q.SetCode(&s.c, s.code(i), s.terms[i])
				for j, got := range s.keys(&q) {
					if want := s.pairKey(i, j); got != want {
						t.Fatalf("%s, %d dimensions, %d and %d: key %d, want %d", metric, dimensions, i, j, got, want)
					}
				}
			}
		}
	}
}

// pairKey is the key of two stored vectors, by the definition.
func (s *stored) pairKey(i, j int) int32 {
	d := s.dot(s.code(i), s.code(j))
	switch s.c.Metric {
	case index.Euclidean:
		return s.terms[j] - int32(2*d)
	case index.DotProduct:
		return int32(-d - int(s.terms[i])*int(s.terms[j])/65536)
	}
	return int32(-d)
}

// A Euclidean query that is a stored vector has its keys, unless it lies far outside.
func TestKeysOfAQueryOrderAsThoseOfItsCode(t *testing.T) {
	vectors := normal(random(), 200, 64, 0, 1)
	s := store(quant.Codec{Metric: index.Euclidean, Dimensions: 64, Offset: .5, Scale: 15}, vectors) // clips none
	var a, b quant.Query
	for i, v := range vectors {
		a.Set(&s.c, v)
		b.SetCode(&s.c, s.code(i), s.terms[i])
		if a.Self() != b.Self() {
			t.Fatalf("self %d by vector, %d by code", a.Self(), b.Self())
		}
		theirs := s.keys(&b)
		for j, key := range s.keys(&a) {
			if key != theirs[j] {
				t.Fatalf("key %d by vector, %d by code", key, theirs[j])
			}
		}
	}
}

// The pairs of stored vectors are ordered by their distance, whichever is the query.
func TestSelfMakesKeysDistances(t *testing.T) {
	vectors := normal(random(), 50, 96, 3, 1)
	s := store(quant.Train(index.Euclidean, 96, vectors), vectors)
	var q quant.Query
	for i := range vectors {
		q.SetCode(&s.c, s.code(i), s.terms[i])
		for j, key := range s.keys(&q) {
			want := s.dot(s.code(i), s.code(i)) + s.dot(s.code(j), s.code(j)) - 2*s.dot(s.code(i), s.code(j))
			if int(key)+int(q.Self()) != want {
				t.Fatalf("key %d and self %d, want the squared distance %d", key, q.Self(), want)
			}
		}
	}
}

// Lifted vectors are equally long: the pair with the greatest product is the nearest pair.
func TestLiftedKeysOrderByDistanceOfLiftedVectors(t *testing.T) {
	r := random()
	vectors := normal(r, 60, 80, 0, 1)
	for _, v := range vectors { // lengths differ
		f := float32(.2 + r.Float64())
		for j := range v {
			v[j] *= f
		}
	}
	s := store(quant.Train(index.DotProduct, 80, vectors), vectors)
	radius := float64(s.c.Radius)
	var q quant.Query
	for i := range vectors {
		q.SetCode(&s.c, s.code(i), s.terms[i])
		for j, key := range s.keys(&q) {
			lift := (float64(s.terms[i]) - float64(s.terms[j])) / 256
			squared := lift*lift + float64(s.dot(s.code(i), s.code(i))+s.dot(s.code(j), s.code(j))-2*s.dot(s.code(i), s.code(j)))
			if want := squared/2 - radius*radius; math.Abs(float64(key)-want) > 2+radius/128 {
				t.Fatalf("key %d, want %v from the lifted distance", key, want)
			}
		}
	}
}

// Only the direction of a query counts where lengths do not: the largest and the smallest
// that float32 has give the keys of the usual ones.
func TestKeysDoNotDependOnTheLengthOfAQuery(t *testing.T) {
	vectors := normal(random(), 40, 70, 0, 1)
	for _, metric := range []index.Metric{index.Cosine, index.DotProduct} {
		s := store(quant.Train(metric, 70, vectors), vectors)
		var q quant.Query
		q.Set(&s.c, vectors[7])
		want := s.keys(&q)
		for _, power := range []int{-120, -100, -30, 30, 100, 125} {
			longer := make([]float32, 70)
			for j, v := range vectors[7] {
				longer[j] = float32(math.Ldexp(float64(v), power))
			}
			q.Set(&s.c, longer)
			for i, key := range s.keys(&q) {
				if key != want[i] {
					t.Errorf("%s, query times 2^%d: key %d, want %d", metric, power, key, want[i])
				}
			}
		}
	}
}

// A Euclidean query far outside of what the codec holds still finds what is nearest.
func TestFarQueriesOrderByTheTrueDistance(t *testing.T) {
	r := random()
	vectors := normal(r, 300, 64, 0, 1)
	s := store(quant.Train(index.Euclidean, 64, vectors), vectors)
	var q quant.Query
	for _, distance := range []float64{3, 10, 100, 1e4, 1e6} {
		query := normal(r, 1, 64, 0, distance)[0]
		q.Set(&s.c, query)
		keys := s.keys(&q)
		right, all := 0, 0
		for i := range vectors {
			for j := range i {
				a, b := index.Score(index.Euclidean, query, vectors[i]), index.Score(index.Euclidean, query, vectors[j])
				all++
				if (a < b) == (keys[i] < keys[j]) {
					right++
				}
			}
		}
		if share := float64(right) / float64(all); share < .97 {
			t.Errorf("queries of %v: %.3f of the pairs are in the right order", distance, share)
		}
	}
}

func TestNothingAllocates(t *testing.T) {
	for _, metric := range metrics {
		vectors := normal(seeded(1), 64, 200, 0, 1)
		s := store(quant.Train(metric, 200, vectors), vectors)
		var q quant.Query
		var g quant.Gauge
		keys := make([]int32, len(s.at))
		work := func() {
			term, loss := s.c.Encode(vectors[0], s.code(0))
			g.Add(&s.c, s.code(0), loss)
			q.SetCode(&s.c, s.code(0), term)
			q.Keys(s.codes, s.c.Stride(), s.terms, s.at, keys)
			q.Set(&s.c, vectors[1])
			q.Keys(s.codes, s.c.Stride(), s.terms, s.at, keys)
			q.Bounds(keys[0], s.terms[0], s.losses[0])
		}
		if n := testing.AllocsPerRun(10, work); n != 0 {
			t.Errorf("%s: %v allocations", metric, n)
		}
	}
}

// No key overflows with the largest codes there can be.
func TestLargestKeysDoNotOverflow(t *testing.T) {
	for _, metric := range metrics {
		up, down := make([]float32, index.MaxDimensions), make([]float32, index.MaxDimensions)
		for i := range up {
			up[i], down[i] = 1, -1
		}
		c := quant.Codec{Metric: metric, Dimensions: index.MaxDimensions, Scale: 1e6}
		if metric == index.DotProduct {
			c.Radius = float32(127 * math.Sqrt(index.MaxDimensions))
		}
		zero := make([]float32, index.MaxDimensions)
		s := store(c, [][]float32{up, down, zero})
		var q quant.Query
		for i := range 2 {
			q.SetCode(&c, s.code(i), s.terms[i])
			keys := s.keys(&q)
			if !(keys[i] < keys[2] && keys[2] < keys[1-i]) && metric != index.Euclidean {
				t.Errorf("%s: keys %v", metric, keys)
			}
			if metric == index.Euclidean && keys[1-i] != 3*127*127*index.MaxDimensions {
				t.Errorf("%s: keys %v", metric, keys)
			}
		}
	}
}

// One vector gives the same code, term, loss and keys on every CPU: these sums are what
// amd64 and arm64, assembly and plain Go, all gave. They change only with the
// form of the codes, and then no snapshot of older codes may be read.
func TestCodesAndKeysAreTheSameOnEveryCPU(t *testing.T) {
	want := map[index.Metric]uint32{index.Cosine: 0xa7be9c38, index.Euclidean: 0xb6c6b260, index.DotProduct: 0x9d4b40b9}
	for _, kernel := range vek.Kernels() {
		back := use(t, kernel)
		for _, metric := range metrics {
			if got := sumOfEverything(metric); got != want[metric] {
				t.Errorf("%s, %s: %#08x, want %#08x", kernel, metric, got, want[metric])
			}
		}
		back()
	}
}

// sumOfEverything is a checksum of what a few codecs make of vectors of many shapes.
func sumOfEverything(metric index.Metric) uint32 {
	sum := crc32.NewIEEE()
	for _, dimensions := range []int{1, 31, 64, 100, 768} {
		r := seeded(uint64(dimensions))
		vectors := whole(r, 40, dimensions)
		s := store(quant.Codec{Metric: metric, Dimensions: dimensions, Scale: .7, Radius: 50}, vectors)
		sum.Write(s.codes)
		writeNumbers(sum, s.terms)
		writeNumbers(sum, s.losses)
		var q quant.Query
		for i, v := range vectors {
			q.Set(&s.c, v)
			writeNumbers(sum, s.keys(&q))
			q.SetCode(&s.c, s.code(i), s.terms[i])
			writeNumbers(sum, s.keys(&q))
		}
	}
	return sum.Sum32()
}

func writeNumbers(w io.Writer, numbers any) {
	if err := binary.Write(w, binary.LittleEndian, numbers); err != nil {
		panic(err)
	}
}

// whole returns vectors of float32 that no CPU computes in another way: fractions of
// 64, of all sizes up to far beyond the range of the codec.
func whole(r *rand.Rand, n, dimensions int) [][]float32 {
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = make([]float32, dimensions)
		size := 1 << (2 + i%16)
		each(vectors[i], func() float64 { return float64(r.IntN(2*size+1)-size) / 64 })
		vectors[i][0] += 1. / 64 / 64 // is not zero
	}
	return vectors
}
