package vek

import "golang.org/x/sys/cpu"

// hasSDOT says whether the CPU has instructions for dot products of bytes.
var hasSDOT = cpu.ARM64.HasASIMDDP

// setCode makes q stand for a code of len(q.values) bytes, at least one line.
func (q *Int8) setCode(code []byte) {
	if q.with != useNEON {
		q.setCodeGeneric(code)
		return
	}
	flipSigns(bytesOf(q.values), code)
	q.biased = 0
}

// compare sets out to the results of the first rows that at numbers. There is at least one.
func (q *Int8) compare(codes *byte, stride int, at []uint32, out []int32) {
	n, last := len(q.values), &at[len(at)-1]
	switch {
	case q.with != useNEON:
		q.compareGeneric(codes, stride, at, out)
	case hasSDOT:
		dotCodesSDOT(&q.values[0], n, codes, stride, &at[0], len(out), last, &out[0])
	default:
		dotCodesNEON(&q.values[0], n, codes, stride, &at[0], len(out), last, &out[0])
	}
}

// The kernels compare n bytes, whole lines, of count rows; the row with number i
// begins at codes[i*stride]. The numbers stand from at to last; what they number
// beyond count is prefetched.

//go:noescape
func dotCodesNEON(q *int8, n int, codes *byte, stride int, at *uint32, count int, last *uint32, out *int32)

//go:noescape
func dotCodesSDOT(q *int8, n int, codes *byte, stride int, at *uint32, count int, last *uint32, out *int32)
