package vek

import "golang.org/x/sys/cpu"

// hasSDOT says whether the CPU has instructions for dot products of bytes.
var hasSDOT = cpu.ARM64.HasASIMDDP

// setRow makes q stand for the code of a row of len(q.values) bytes, at least one line.
func (q *Int8) setRow(row []byte) { q.setRowGeneric(row) }

// plane does what planeGeneric does. There is at least one row.
func (q *Int8) plane(plane *byte, stride int, at []uint32, out []int32) {
	n, last := len(q.values), &at[len(at)-1]
	switch {
	case q.with != useNEON:
		q.planeGeneric(plane, stride, at, out)
	case hasSDOT:
		planeSDOT(&q.values[0], n, plane, stride, &at[0], len(out), last, &out[0])
	default:
		planeNEON(&q.values[0], n, plane, stride, &at[0], len(out), last, &out[0])
	}
}

// The kernels compare n numbers, whole lines, with a plane of count rows; that of the row with number i
// begins at plane[i*stride]. The numbers stand from at to last; what they number
// beyond count is prefetched. Each sum is added to 16 times what out has.

//go:noescape
func planeNEON(q *int8, n int, plane *byte, stride int, at *uint32, count int, last *uint32, out *int32)

//go:noescape
func planeSDOT(q *int8, n int, plane *byte, stride int, at *uint32, count int, last *uint32, out *int32)
