package vek

// setRow makes q stand for the code of a row of len(q.values) bytes, at least one line.
func (q *Int8) setRow(row []byte) {
	if q.with == useGeneric {
		q.setRowGeneric(row)
		return
	}
	n := len(row)
	q.sum = int32(setRowAVX2(&row[0], n, &q.values[0]) - bias*n)
}

// plane does what planeGeneric does. There is at least one row.
func (q *Int8) plane(plane *byte, stride int, at []uint32, out []int32) {
	n, last := len(q.values), &at[len(at)-1]
	switch q.with {
	case useAVX2:
		planeAVX2(&q.values[0], n, plane, stride, &at[0], len(out), last, &out[0])
	case useAVX512:
		planeAVX512(&q.values[0], n, plane, stride, &at[0], len(out), last, &out[0])
	default:
		q.planeGeneric(plane, stride, at, out)
	}
}

// The kernels compare n numbers, whole lines, with a plane of count rows; that of the row with number i
// begins at plane[i*stride]. The numbers stand from at to last; what they number
// beyond count is prefetched. Each sum is added to 16 times what out has.

//go:noescape
func planeAVX2(q *int8, n int, plane *byte, stride int, at *uint32, count int, last *uint32, out *int32)

//go:noescape
func planeAVX512(q *int8, n int, plane *byte, stride int, at *uint32, count int, last *uint32, out *int32)

// setRowAVX2 unpacks a row of n bytes, whole lines, as numbers, and returns the sum of the bytes of its code.
//
//go:noescape
func setRowAVX2(row *byte, n int, values *int8) (sum int)
