package ann

import (
	"context"
	"math"
	"math/rand/v2"
	"path/filepath"

	"nearside/fault"
	"nearside/index"
)

// The made sets: 1,000 Gaussian clusters each, and queries from the same clusters.
//
//	gmm128   200,000 x 128, cosine; 10,000 queries
//	lid768   100,000 x 768, cosine; 5,000 queries; 32 dimensions turned into 768, with
//	         noise, since embeddings of texts too have far fewer directions than numbers
//
// and one of pictures, from the four files of MNIST:
//
//	mnist784  60,000 x 784, euclidean; 10,000 queries
//
// The seeds are fixed. A set of fewer vectors is another set, with other queries, not
// the beginning of the larger one.
const (
	madeSeed = 20240101
	clusters = 1000
)

// Sets names the sets that Make knows.
func Sets() []string { return []string{"mnist784", "lid768", "gmm128"} }

// Make makes a set by name, of so many vectors and queries; 0 = as many as the set
// has. Pictures are read from the folder of MNIST's files.
func Make(ctx context.Context, name, mnist string, vectors, queries int) (s *Set, err error) {
	switch name {
	case "mnist784":
		return pictures(mnist, vectors, queries)
	case "gmm128":
		s, err = made(ctx, &mixtureMaker{dimensions: 128, sigma: 1.2}, or(vectors, 200_000), or(queries, 10_000))
	case "lid768":
		s, err = made(ctx, &lowMaker{}, or(vectors, 100_000), or(queries, 5_000))
	default:
		return nil, fault.New(fault.Invalid, "there is no set %q; name mnist784, lid768, gmm128 or a file that ends in .fbin or .fvecs", name)
	}
	if err != nil {
		return nil, err
	}
	s.Name = name
	return s, nil
}

func or(n, standard int) int {
	if n > 0 {
		return n
	}
	return standard
}

// A maker draws vectors with their clusters.
type maker interface {
	begin() (dimensions int)
	draw() (values []float64, cluster uint32)
}

func made(ctx context.Context, m maker, vectors, queries int) (s *Set, err error) {
	dimensions := m.begin()
	s = &Set{Metric: index.Cosine}
	if s.Base, s.Labels, err = draw(ctx, m, vectors, dimensions); err == nil {
		s.Queries, s.QueryLabels, err = draw(ctx, m, queries, dimensions)
	}
	return s, err
}

// draw draws vectors and scales them to length 1.
func draw(ctx context.Context, m maker, n, dimensions int) (Matrix, []uint32, error) {
	rows, labels := NewMatrix(n, dimensions), make([]uint32, n)
	for i := range n {
		if i%1024 == 0 && ctx.Err() != nil {
			return Matrix{}, nil, ctx.Err()
		}
		values, label := m.draw()
		labels[i] = label
		unit(values, rows.Row(i))
	}
	return rows, labels, nil
}

// In sums of products the conversion float64(x*y) forbids the compiler to fuse the
// product with the sum, as it otherwise would on some CPUs: the bytes must be the same.

func unit(values []float64, into []float32) {
	sum := 0.0
	for _, x := range values {
		sum += float64(x * x)
	}
	scale := 1 / math.Sqrt(sum)
	for i, x := range values {
		into[i] = float32(x * scale)
	}
}

// mixtureMaker draws from equally likely Gaussian clusters.
type mixtureMaker struct {
	dimensions int
	sigma      float64 // of each dimension within a cluster; centers have 1
	random     *rand.Rand
	centers    [][]float64
}

func (m *mixtureMaker) begin() int {
	m.start(rand.New(rand.NewPCG(madeSeed, uint64(m.dimensions))))
	return m.dimensions
}

func (m *mixtureMaker) start(random *rand.Rand) {
	m.random = random
	m.centers = make([][]float64, clusters)
	for c := range m.centers {
		m.centers[c] = make([]float64, m.dimensions)
		for j := range m.centers[c] {
			m.centers[c][j] = random.NormFloat64()
		}
	}
}

func (m *mixtureMaker) draw() ([]float64, uint32) {
	c := m.random.IntN(len(m.centers))
	values := make([]float64, m.dimensions)
	for j, center := range m.centers[c] {
		values[j] = center + float64(m.sigma*m.random.NormFloat64())
	}
	return values, uint32(c)
}

// lowMaker draws from a mixture in few dimensions, and turns that into many by a
// random matrix, with noise.
type lowMaker struct {
	inner mixtureMaker
	turn  [][]float64
}

const (
	lowDimensions  = 32
	highDimensions = 768
	lowNoise       = 0.3
)

func (m *lowMaker) begin() int {
	random := rand.New(rand.NewPCG(madeSeed, highDimensions))
	m.inner = mixtureMaker{dimensions: lowDimensions, sigma: 1}
	m.inner.start(random)
	m.turn = make([][]float64, highDimensions)
	for i := range m.turn {
		m.turn[i] = make([]float64, lowDimensions)
		for j := range m.turn[i] {
			m.turn[i][j] = random.NormFloat64() / math.Sqrt(lowDimensions)
		}
	}
	return highDimensions
}

func (m *lowMaker) draw() ([]float64, uint32) {
	low, c := m.inner.draw()
	values := make([]float64, highDimensions)
	for i, row := range m.turn {
		sum := float64(lowNoise * m.inner.random.NormFloat64())
		for j, y := range row {
			sum += float64(y * low[j])
		}
		values[i] = sum
	}
	return values, c
}

// pictures reads MNIST: a picture is 28 x 28 bytes, and its label a digit.
func pictures(dir string, vectors, queries int) (*Set, error) {
	if dir == "" {
		return nil, fault.New(fault.Invalid, "mnist784 is made from MNIST's files; name the directory that holds mnist/train-images-idx3-ubyte.gz with --collections or NEARSIDE_COLLECTIONS")
	}
	s := &Set{Name: "mnist784", Metric: index.Euclidean}
	var err error
	if s.Base, s.Labels, err = digits(dir, "train"); err != nil {
		return nil, err
	}
	if s.Queries, s.QueryLabels, err = digits(dir, "t10k"); err != nil {
		return nil, err
	}
	s.Cut(vectors, queries)
	return s, nil
}

func digits(dir, part string) (Matrix, []uint32, error) {
	images, err := readIdx(filepath.Join(dir, "mnist", part+"-images-idx3-ubyte.gz"), 3)
	if err != nil {
		return Matrix{}, nil, err
	}
	classes, err := readIdx(filepath.Join(dir, "mnist", part+"-labels-idx1-ubyte.gz"), 1)
	if err != nil {
		return Matrix{}, nil, err
	}
	if images.count != classes.count {
		return Matrix{}, nil, fault.New(fault.Corrupt, "%s/mnist: %d pictures of %s have %d labels", dir, images.count, part, classes.count)
	}
	rows, labels := NewMatrix(images.count, images.size), make([]uint32, images.count)
	for i, pixel := range images.bytes {
		rows.Values[i] = float32(pixel)
	}
	for i, class := range classes.bytes {
		labels[i] = uint32(class)
	}
	return rows, labels, nil
}
