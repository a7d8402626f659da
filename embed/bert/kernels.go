package bert

import (
	"slices"
	"strings"
	"sync/atomic"

	"nearside/fault"
)

// kernels is one set of the hot loops. All sets read the same packed weights,
// and in all of them a row of a product depends on no other row, bit for bit.
type kernels struct {
	name  string
	width int // outputs that a tile covers: panelWidth or pairWidth
	// tiles, highest first; the last has rowStep rows or divides it.
	tiles []tile
	// gelu replaces each x by x·Φ(x). Lengths are multiples of panelWidth.
	gelu func(x []float32)
	// softmax replaces each x by exp(scale·x) over the sum of all of them. The length is a multiple of panelWidth.
	softmax func(x []float32, scale float32)
	// normalize adds bias to x, shifts and scales that to mean 0 and variance 1, multiplies by gain and adds shift.
	normalize func(x, bias []float32, s scaling, epsilon float32)
	codes     *codeKernels // the loops of int8 weights
}

// tile computes a block of a product with a fixed number of rows:
//
//	c[r] = from[r] + a[r]·b    for width outputs
//
// a, from and c are row-major with lda, ldf and ldc numbers from row to row (ldf
// may be 0: the same for all); b is one panel, or a pair of them ldb numbers
// apart. depth is a multiple of 4. Sums run over the inputs in order.
type tile struct {
	rows    int
	compute func(depth int, a *float32, lda int, b *float32, ldb int, from *float32, ldf int, c *float32, ldc int)
}

// sets holds what this processor can run, best first; "generic" is always last.
var sets = append(detected(), &generic)

// chosen is the set that Use named, or the best.
var chosen atomic.Pointer[kernels]

// Kernels lists the sets of kernels that this processor can run, fastest first.
func Kernels() []string {
	names := make([]string, len(sets))
	for i, k := range sets {
		names[i] = k.name
	}
	return names
}

// Use makes the named set of kernels ("avx512", "avx2", "neon", "generic") the
// one that encoders opened from now on run; "" is the fastest. It is meant for
// tests and for ruling out a kernel when a machine misbehaves.
func Use(name string) error {
	k, err := kernelsNamed(name)
	if err == nil {
		chosen.Store(k)
	}
	return err
}

func kernelsNamed(name string) (*kernels, error) {
	if name == "" {
		return sets[0], nil
	}
	i := slices.IndexFunc(sets, func(k *kernels) bool { return k.name == name })
	if i < 0 {
		return nil, fault.New(fault.Invalid, "this processor has no %q kernels; it has %s", name, strings.Join(Kernels(), ", "))
	}
	return sets[i], nil
}

// current returns the set for a new encoder.
func current() *kernels {
	if k := chosen.Load(); k != nil {
		return k
	}
	return sets[0]
}

// Blocking, by measurement (BenchmarkMultiply): a block of rows and a stretch of
// inputs stay in the second-level cache while every panel passes by.
const (
	rowBlock   = 96
	depthBlock = 384
)

// matrix is a row-major matrix whose rows are stride numbers apart. There is
// room for a multiple of rowStep rows.
type matrix struct {
	values []float32
	stride int
}

// from returns the matrix that begins at a row and column of m.
func (m matrix) from(row, column int) matrix {
	return matrix{m.values[row*m.stride+column:], m.stride}
}

// row returns the first n numbers of a row.
func (m matrix) row(r, n int) []float32 { return m.values[r*m.stride:][:n] }

// multiply sets c to base + a·w for a number of rows, rounded up to rowStep.
// A base of stride 0 is one row that is added to all.
func (k *kernels) multiply(rows int, a matrix, w panels, base, c matrix) {
	rows = roundUp(rows, rowStep)
	for input := 0; input < w.depth; input += depthBlock {
		depth := min(depthBlock, w.depth-input)
		if input > 0 {
			base = c
		}
		for first := 0; first < rows; first += rowBlock {
			last := min(rows, first+rowBlock)
			for output := 0; output < w.width; output += k.width {
				b := &w.values[w.at(output, input)]
				for r := first; r < last; {
					t := highest(k.tiles, last-r)
					t.compute(depth, &a.values[r*a.stride+input], a.stride, b, w.depth*panelWidth,
						&base.values[r*base.stride+output], base.stride, &c.values[r*c.stride+output], c.stride)
					r += t.rows
				}
			}
		}
	}
}

func (t tile) height() int { return t.rows }

// highest returns the tile to compute next when rows remain: the highest that
// leaves none or enough for another of at least rowStep.
func highest[T interface{ height() int }](tiles []T, rows int) T {
	for _, t := range tiles {
		if rest := rows - t.height(); rest == 0 || rest >= rowStep {
			return t
		}
	}
	return tiles[len(tiles)-1]
}
