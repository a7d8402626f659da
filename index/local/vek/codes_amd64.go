package vek

// setCode makes q stand for a code of len(q.values) bytes, at least one line.
func (q *Int8) setCode(code []byte) {
	n := len(code)
	var sum int // of the bytes
	switch q.with {
	case useAVX2:
		sum = setCodeAVX2(&code[0], n, &q.wide[0])
	case useAVX512:
		sum = setCodeAVX512(&code[0], n, &q.values[0])
	default:
		q.setCodeGeneric(code)
		return
	}
	q.biased = int32(bias * (sum - bias*n))
}

// compare sets out to the results of the first rows that at numbers. There is at least one.
func (q *Int8) compare(codes *byte, stride int, at []uint32, out []int32) {
	n, last := len(q.values), &at[len(at)-1]
	switch q.with {
	case useAVX2:
		dotCodesAVX2(&q.wide[0], n, codes, stride, &at[0], len(out), last, &out[0], q.biased)
	case useAVX512:
		dotCodesAVX512(&q.values[0], n, codes, stride, &at[0], len(out), last, &out[0], q.biased)
	default:
		q.compareGeneric(codes, stride, at, out)
	}
}

// The kernels compare n bytes, whole lines, of count rows; the row with number i
// begins at codes[i*stride]. The numbers stand from at to last; what they number
// beyond count is prefetched. From each sum biased is taken off.

//go:noescape
func dotCodesAVX2(q *int16, n int, codes *byte, stride int, at *uint32, count int, last *uint32, out *int32, biased int32)

//go:noescape
func dotCodesAVX512(q *int8, n int, codes *byte, stride int, at *uint32, count int, last *uint32, out *int32, biased int32)

// These make a query of a code of n bytes, whole lines, and return the sum of its bytes.

//go:noescape
func setCodeAVX2(code *byte, n int, values *int16) (sum int)

//go:noescape
func setCodeAVX512(code *byte, n int, values *int8) (sum int)
