package quant_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"nearside/index"
	"nearside/index/local/quant"
)

// lostOf is the root mean square of what vectors lose.
func lostOf(c *quant.Codec, vectors [][]float32) float64 {
	code := make([]byte, c.Stride())
	sum := 0.0
	for _, v := range vectors {
		_, loss := c.Encode(v, code)
		sum += float64(loss) * float64(loss)
	}
	return math.Sqrt(sum / float64(len(vectors)))
}

func TestTrainingLosesLittle(t *testing.T) {
	r := random()
	for _, c := range []struct {
		shape  string
		metric index.Metric
		most   float64 // of the length of a vector from the middle
	}{
		{"normal", index.Cosine, .012}, {"normal", index.Euclidean, .012}, {"normal", index.DotProduct, .015},
		{"uniform", index.Euclidean, .008},
		{"bytes", index.Euclidean, .008},
		{"far from zero", index.Euclidean, .013},
		{"heavy tails", index.Euclidean, .5},
		{"one large", index.Cosine, .1}, {"one large", index.Euclidean, .1},
		{"halves", index.Euclidean, .008},
	} {
		shape := shapes[slices.IndexFunc(shapes, func(s shape) bool { return s.name == c.shape })]
		vectors := draw(r, shape, 1000, 100)
		codec := quant.Train(c.metric, 100, vectors)
		if share := lostOf(&codec, vectors) / spread(c.metric, vectors); share > c.most {
			t.Errorf("%s, %s: %.4f of a vector is lost, want at most %v; %+v", c.shape, c.metric, share, c.most, codec)
		}
	}
}

// spread is the root mean square distance of vectors from the vector whose values are all the mean.
func spread(metric index.Metric, vectors [][]float32) float64 {
	if metric == index.Cosine {
		return 1
	}
	var sum, squares, n float64
	for _, v := range vectors {
		for _, x := range v {
			sum, squares, n = sum+float64(x), squares+float64(x)*float64(x), n+1
		}
	}
	if metric == index.DotProduct {
		sum = 0
	}
	return math.Sqrt((squares - sum*sum/n) / float64(len(vectors)))
}

// The full range of values that end at walls is kept: clipping pictures would lose whites.
func TestBytesKeepTheirFullRange(t *testing.T) {
	r := random()
	vectors := drawFrom(r, 500, 300, rarely(.1, 255, func(r *rand.Rand, _ int) float64 { return max(0, float64(r.IntN(512)-256)) }))
	c := quant.Train(index.Euclidean, 300, vectors)
	if c.Offset != 127.5 || c.Scale != float32(254./255) {
		t.Errorf("offset %v and scale %v, want 127.5 and %v", c.Offset, c.Scale, float32(254./255))
	}
}

func TestTrainingIsDeterministic(t *testing.T) {
	vectors := normal(random(), 3000, 700, 0, 1)
	for _, metric := range metrics {
		a, b := quant.Train(metric, 700, vectors), quant.Train(metric, 700, slices.Clone(vectors))
		if a != b {
			t.Errorf("%s: %+v and %+v", metric, a, b)
		}
	}
}

func TestTrainingLeavesTheSampleAsItIs(t *testing.T) {
	vectors := normal(random(), 50, 20, 0, 1)
	for _, metric := range metrics {
		before := slices.Concat(vectors...)
		quant.Train(metric, 20, vectors)
		if !slices.Equal(before, slices.Concat(vectors...)) {
			t.Errorf("%s: the sample changed", metric)
		}
	}
}

// Garbage among the sample must not make the codes of all others useless.
func TestTrainingSurvivesGarbage(t *testing.T) {
	r := random()
	for _, metric := range []index.Metric{index.Euclidean, index.DotProduct} {
		for _, size := range []float64{1e3, 1e10, 1e37} {
			vectors := normal(r, 1000, 64, 0, 1)
			clean := quant.Train(metric, 64, vectors)
			garbage := append(normal(r, 3, 64, 0, size), vectors...)
			c := quant.Train(metric, 64, garbage)
			if with, without := lostOf(&c, vectors), lostOf(&clean, vectors); with > 3*without {
				t.Errorf("%s: 3 of 1003 vectors of %g make all lose %v rather than %v", metric, size, with, without)
			}
		}
	}
}

// Whatever the sample, the codec is one that Parse accepts, and that tells the
// vectors of the sample apart if they have directions or places of their own.
func TestDegenerateSamplesGiveCodecsThatWork(t *testing.T) {
	r := random()
	zeros := [][]float32{make([]float32, 8), make([]float32, 8)}
	samples := map[string][][]float32{
		"none":          nil,
		"zeros":         zeros,
		"one":           normal(r, 1, 8, 0, 1),
		"the same":      {{5, 5, 5, 5, 5, 5, 5, 5}, {5, 5, 5, 5, 5, 5, 5, 5}},
		"one value":     {{0, 0, 0, 0, 0, 0, 0, 1e-9}, zeros[0]},
		"tiny":          normal(r, 20, 8, 0, 1e-40),
		"smallest":      {{math.SmallestNonzeroFloat32, 0, 0, 0, 0, 0, 0, 0}},
		"huge":          normal(r, 20, 8, 0, 1e37),
		"largest":       {{math.MaxFloat32, -math.MaxFloat32, 0, 0, 0, 0, 0, 0}, {-math.MaxFloat32, math.MaxFloat32, 1, 1, 1, 1, 1, 1}},
		"all largest":   {{math.MaxFloat32, math.MaxFloat32, math.MaxFloat32, math.MaxFloat32, math.MaxFloat32, math.MaxFloat32, math.MaxFloat32, math.MaxFloat32}},
		"far and close": {{1e30, 1e30, 1e30, 1e30, 1e30, 1e30, 1e30, 1e30}, {-1e-30, 0, 0, 0, 0, 0, 0, 1e-30}},
	}
	for name, sample := range samples {
		for _, metric := range metrics {
			c := quant.Train(metric, 8, sample)
			if parsed, err := quant.Parse(c.AppendTo(nil)); err != nil || parsed != c {
				t.Errorf("%s, %s: %+v is refused: %v", name, metric, c, err)
			}
			vectors := append(normal(r, 20, 8, 0, 1), sample...)
			if metric == index.Cosine {
				vectors = slices.DeleteFunc(vectors, func(v []float32) bool { return lengthOf(v) == 0 })
			}
			s := store(c, vectors)
			for _, query := range vectors {
				checkBounds(t, s, query)
			}
		}
	}
}

func TestHugeAndTinySamplesAreToldApart(t *testing.T) {
	r := random()
	for _, metric := range metrics {
		for _, size := range []float64{1e-33, 1e-30, 1, 1e30, 1e37} {
			vectors := normal(r, 200, 32, 0, size)
			c := quant.Train(metric, 32, vectors)
			length := lengthOf(vectors[0])
			if metric == index.Cosine {
				length = 1
			}
			if lost := lostOf(&c, vectors); !(lost < .03*length) {
				t.Errorf("%s, values of %g: %v is lost of a vector of %v", metric, size, lost, length)
			}
		}
	}
}

func TestRadiusIsTheLongestCode(t *testing.T) {
	vectors := normal(random(), 100, 40, 0, 1)
	s := store(quant.Train(index.DotProduct, 40, vectors), vectors)
	longest := 0
	for i := range vectors {
		longest = max(longest, s.dot(s.code(i), s.code(i)))
	}
	if want := float32(math.Sqrt(float64(longest))); s.c.Radius != want {
		t.Errorf("radius %v, want %v", s.c.Radius, want)
	}
	if lift := slices.Min(s.terms); lift > 128 { // half a unit of a code: Radius is rounded
		t.Errorf("the longest has a lift of %d parts of 1/256", lift)
	}
}
