// Package vek compares vectors as fast as the CPU allows, in three ways:
//
//   - float32: dot products and squared Euclidean distances of one query and many
//     rows of a matrix, for exact search (Dot, DotRows, DotAt and SquaredL2…)
//   - codes: dot products of a query of int8 numbers and rows of one byte a
//     number, for walks through a graph (Int8, DotCodesRows, DotCodesAt)
//   - wide: sums in float64 with defined bits, for scores (WideDot, WideDots, WideSquaredL2)
//
// Rows are neighbours in memory (…Rows) or any, by number (…At). While some are
// compared the next are prefetched; Prefetch does it for other memory.
//
// The work is done by one of the Kernels: hand-written assembly for AVX2 with FMA
// and for AVX-512 with VNNI on amd64 and for NEON on arm64, or plain Go, which is
// also the oracle of the tests. The best that the CPU has are chosen when the
// program starts; Use chooses others. (AVX-512 is used for codes only. For float32
// it was tried and is no faster: rows from memory are bound by memory, and of rows
// from the cache the loads. Wide sums are bound by the conversion to float64.)
//
// What the package promises: sums of codes are exact, and wide sums have the same
// bits, whatever the kernel. Of float32, a result is what some order of additions
// gives, with a rounding error that Error bounds; in the last digits it differs
// from one kernel to another, and for a row alone from the same row among others.
// Values that are not finite and sums that overflow give infinities or NaN as
// IEEE 754 says; nothing panics but slices that are too short.
//
// Functions may be called from any goroutine, and on memory that is mapped from
// a file. Rows of float32 need no alignment beyond that of float32, and codes
// none; those that begin on a line of the cache are the fastest.
package vek

import (
	"fmt"
	"slices"
)

// Dot returns the dot product of two vectors of the same length.
func Dot(a, b []float32) float32 { return one(dot, a, b) }

// SquaredL2 returns the squared Euclidean distance of two vectors of the same length.
func SquaredL2(a, b []float32) float32 { return one(squaredL2, a, b) }

// DotRows sets out[i] to the dot product of q and rows[i*stride:][:len(q)], for every i.
func DotRows(q, rows []float32, stride int, out []float32) { neighbours(dot, q, rows, stride, out) }

// SquaredL2Rows sets out[i] to the squared distance of q and rows[i*stride:][:len(q)], for every i.
func SquaredL2Rows(q, rows []float32, stride int, out []float32) {
	neighbours(squaredL2, q, rows, stride, out)
}

// DotAt sets out[i] to the dot product of q and rows[at[i]*stride:][:len(q)], for every i.
// If at is longer than out, some of the rows that it numbers beyond are prefetched.
func DotAt(q, rows []float32, stride int, at []uint32, out []float32) {
	numbered(dot, q, rows, stride, at, out)
}

// SquaredL2At sets out[i] to the squared distance of q and rows[at[i]*stride:][:len(q)], for every i.
// If at is longer than out, some of the rows that it numbers beyond are prefetched.
func SquaredL2At(q, rows []float32, stride int, at []uint32, out []float32) {
	numbered(squaredL2, q, rows, stride, at, out)
}

// A kind says what to compute. It is added to the kernels in use, to pick a function.
type kind uint32

const (
	dot       kind = 0
	squaredL2 kind = 1 << 8
)

func one(k kind, a, b []float32) float32 {
	if len(a) != len(b) {
		panic(fmt.Sprintf("vek: vectors of %d and %d numbers", len(a), len(b)))
	}
	if len(a) == 0 {
		return 0
	}
	return pair(k, &a[0], &b[0], len(a))
}

// The kernels take four rows at a time: the query is loaded once for all, and
// memory is read in four streams. Three rows at most are left to be done alone.
const together = 4

// order is 0, 1, 2, …: the numbers of neighbours, with those that come behind them.
var order = func() (o [256 + together]uint32) {
	for i := range o {
		o[i] = uint32(i)
	}
	return o
}()

func neighbours(k kind, q, rows []float32, stride int, out []float32) {
	if len(q) == 0 || len(out) == 0 {
		clear(out)
		return
	}
	_ = rows[(len(out)-1)*stride+len(q)-1]
	for {
		n := min(len(out), len(order)-together)
		// What lies behind the last row is prefetched: who reads rows in order will want it next.
		compare(k, q, rows, stride, order[:n+together], out[:n])
		if out = out[n:]; len(out) == 0 {
			return
		}
		rows = rows[n*stride:]
	}
}

func numbered(k kind, q, rows []float32, stride int, at []uint32, out []float32) {
	if len(q) == 0 || len(out) == 0 {
		clear(out)
		return
	}
	// The kernels do not look whether a row lies within rows.
	_ = rows[int(slices.Max(at[:len(out)]))*stride+len(q)-1]
	compare(k, q, rows, stride, at, out)
}

// compare sets out to the results of the first rows that at numbers.
func compare(k kind, q, rows []float32, stride int, at []uint32, out []float32) {
	whole := len(out) / together * together
	if whole > 0 {
		more := min(1, (len(at)-whole)/together)
		fours(k, &q[0], len(q), &rows[0], stride, &at[0], whole/together, more, &out[0])
	}
	for i := whole; i < len(out); i++ {
		out[i] = pair(k, &q[0], &rows[int(at[i])*stride], len(q))
	}
}

// Error bounds the relative rounding error of sums over n numbers, whichever
// the kernel. The dot product of q and x differs from the true one by at most
// Error(n) times the sum of |q[i]*x[i]|, which is at most Error(n)*|q|*|x|; the
// squared distance by at most Error(n) times itself. Where products fall below
// the smallest normal float32, n*Tiny comes on top.
//
// No term passes through more than n/8 + 16 additions: every kernel has at least
// eight partial sums, to which it adds n/8 terms each and then the up to seven
// that are left, and adds the partial sums up. Three roundings more stand for the
// difference and its square. A rounding changes a number by at most 2^-24 of it.
func Error(n int) float64 {
	e := (float64(n/8) + 19) / (1 << 24)
	return e / (1 - e)
}

// Tiny bounds what is lost of one product that is too small for a normal float32.
const Tiny = 0x1p-149
