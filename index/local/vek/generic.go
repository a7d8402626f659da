package vek

import "unsafe"

// The plain Go kernels. They keep eight partial sums, as Error promises, which
// is also what lets the CPU overlap the additions.

func pairGeneric(k kind, a, b *float32, n int) float32 {
	if k == dot {
		return dotGeneric(unsafe.Slice(a, n), unsafe.Slice(b, n))
	}
	return squaredL2Generic(unsafe.Slice(a, n), unsafe.Slice(b, n))
}

func foursGeneric(k kind, q *float32, n int, rows *float32, stride int, at *uint32, groups int, out *float32) {
	count := groups * together
	sums := unsafe.Slice(out, count)
	for i, number := range unsafe.Slice(at, count) {
		row := (*float32)(unsafe.Add(unsafe.Pointer(rows), int(number)*stride*4))
		sums[i] = pairGeneric(k, q, row, n)
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
