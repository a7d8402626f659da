package vek

import "unsafe"

// The plain Go kernels. They keep eight partial sums, as Error promises, which
// is also what lets the CPU overlap the additions.

// rowOf returns the i-th row asked for: number at[i], or number i if at is nil.
func rowOf(n int, rows *float32, stride int, at *uint32, i int) []float32 {
	number := i
	if at != nil {
		number = int(*(*uint32)(unsafe.Add(unsafe.Pointer(at), i*4)))
	}
	return unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(rows), number*stride*4)), n)
}

func dotRowsGeneric(q *float32, n int, rows *float32, stride int, at *uint32, count int, out *float32) {
	query, sums := unsafe.Slice(q, n), unsafe.Slice(out, count)
	for i := range sums {
		sums[i] = dotGeneric(query, rowOf(n, rows, stride, at, i))
	}
}

func squaredL2RowsGeneric(q *float32, n int, rows *float32, stride int, at *uint32, count int, out *float32) {
	query, sums := unsafe.Slice(q, n), unsafe.Slice(out, count)
	for i := range sums {
		sums[i] = squaredL2Generic(query, rowOf(n, rows, stride, at, i))
	}
}

func dotGeneric(a, b []float32) float32 {
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	for len(a) >= 8 && len(b) >= 8 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		s4 += a[4] * b[4]
		s5 += a[5] * b[5]
		s6 += a[6] * b[6]
		s7 += a[7] * b[7]
		a, b = a[8:], b[8:]
	}
	for i := range a {
		s0 += a[i] * b[i]
	}
	return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
}

func squaredL2Generic(a, b []float32) float32 {
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	for len(a) >= 8 && len(b) >= 8 {
		d0, d1, d2, d3 := a[0]-b[0], a[1]-b[1], a[2]-b[2], a[3]-b[3]
		d4, d5, d6, d7 := a[4]-b[4], a[5]-b[5], a[6]-b[6], a[7]-b[7]
		s0 += d0 * d0
		s1 += d1 * d1
		s2 += d2 * d2
		s3 += d3 * d3
		s4 += d4 * d4
		s5 += d5 * d5
		s6 += d6 * d6
		s7 += d7 * d7
		a, b = a[8:], b[8:]
	}
	for i := range a {
		d := a[i] - b[i]
		s0 += d * d
	}
	return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
}
