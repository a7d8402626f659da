// Package vek computes dot products and squared Euclidean distances of float32
// vectors as fast as the CPU allows.
//
// One query is compared with many rows of a matrix at once: neighbours in
// memory (DotRows, SquaredL2Rows) or any rows by number (DotAt, SquaredL2At).
// The work is done by one of the Kernels: hand-written assembly for AVX2 with
// FMA and for AVX-512 on amd64, for NEON on arm64, and plain Go everywhere. The
// plain Go version is the oracle of the tests. The best kernels that the CPU
// has are chosen when the program starts; Use chooses others.
//
// What the package promises: a result is what some order of additions gives,
// whose rounding error is bounded by Error. So results differ in the last
// digits from one kernel to another, but for one kernel they depend on nothing
// but the two vectors. Values that are not finite and sums that overflow give
// infinities or NaN as IEEE 754 says; nothing panics but slices that are too short.
//
// Functions may be called from any goroutine, and on memory that is mapped from
// a file. The rows need no alignment beyond that of float32.
package vek

import "fmt"

// Dot returns the dot product of two vectors of the same length.
func Dot(a, b []float32) float32 {
	if len(a) != len(b) {
		panic(fmt.Sprintf("vek.Dot: %d and %d numbers", len(a), len(b)))
	}
	if len(a) == 0 {
		return 0
	}
	var out float32
	dotRows(&a[0], len(a), &b[0], 0, nil, 1, &out)
	return out
}

// SquaredL2 returns the squared Euclidean distance of two vectors of the same length.
func SquaredL2(a, b []float32) float32 {
	if len(a) != len(b) {
		panic(fmt.Sprintf("vek.SquaredL2: %d and %d numbers", len(a), len(b)))
	}
	if len(a) == 0 {
		return 0
	}
	var out float32
	squaredL2Rows(&a[0], len(a), &b[0], 0, nil, 1, &out)
	return out
}

// DotRows sets out[i] to the dot product of q and rows[i*stride:][:len(q)], for every i.
func DotRows(q, rows []float32, stride int, out []float32) {
	if len(q) == 0 || len(out) == 0 {
		clear(out)
		return
	}
	_ = rows[(len(out)-1)*stride+len(q)-1]
	dotRows(&q[0], len(q), &rows[0], stride, nil, len(out), &out[0])
}

// SquaredL2Rows sets out[i] to the squared distance of q and rows[i*stride:][:len(q)], for every i.
func SquaredL2Rows(q, rows []float32, stride int, out []float32) {
	if len(q) == 0 || len(out) == 0 {
		clear(out)
		return
	}
	_ = rows[(len(out)-1)*stride+len(q)-1]
	squaredL2Rows(&q[0], len(q), &rows[0], stride, nil, len(out), &out[0])
}

// DotAt sets out[i] to the dot product of q and rows[at[i]*stride:][:len(q)], for every i in at.
func DotAt(q, rows []float32, stride int, at []uint32, out []float32) {
	if len(q) == 0 || len(at) == 0 {
		clear(out[:len(at)])
		return
	}
	checkAt(q, rows, stride, at, out)
	dotRows(&q[0], len(q), &rows[0], stride, &at[0], len(at), &out[0])
}

// SquaredL2At sets out[i] to the squared distance of q and rows[at[i]*stride:][:len(q)], for every i in at.
func SquaredL2At(q, rows []float32, stride int, at []uint32, out []float32) {
	if len(q) == 0 || len(at) == 0 {
		clear(out[:len(at)])
		return
	}
	checkAt(q, rows, stride, at, out)
	squaredL2Rows(&q[0], len(q), &rows[0], stride, &at[0], len(at), &out[0])
}

// checkAt panics unless every row asked for lies within rows: the kernels do not look.
func checkAt(q, rows []float32, stride int, at []uint32, out []float32) {
	_ = out[len(at)-1]
	last := uint32(0)
	for _, i := range at {
		last = max(last, i)
	}
	_ = rows[int(last)*stride+len(q)-1]
}

// Error bounds the relative rounding error of sums over n numbers, whichever
// the kernel. The dot product of q and x differs from the true one by at most
// Error(n) times the sum of |q[i]*x[i]|, which is at most Error(n)*|q|*|x|; the
// squared distance by at most Error(n) times itself. Where products fall below
// the smallest normal float32, n*Tiny comes on top.
//
// No number passes through more than n/8 + 16 roundings of a sum: every kernel
// has at least eight partial sums, adds the rest of n one by one, and then adds
// up the partial sums; two roundings more stand for the difference and the
// product. A rounding changes a number by at most 2^-24 of it.
func Error(n int) float64 {
	e := (float64(n/8) + 18) / (1 << 24)
	return e / (1 - e)
}

// Tiny bounds what is lost of one product that is too small for a normal float32.
const Tiny = 0x1p-149
