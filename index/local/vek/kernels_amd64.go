package vek

import "golang.org/x/sys/cpu"

func nativeKernels() []Kernel {
	x := &cpu.X86
	switch {
	case !x.HasAVX2 || !x.HasFMA:
		return nil
	case !x.HasAVX512F || !x.HasAVX512BW || !x.HasAVX512VL || !x.HasAVX512VNNI:
		return []Kernel{AVX2}
	}
	return []Kernel{AVX512, AVX2}
}

// pair compares the n numbers at a with those at b.
func pair(k kind, a, b *float32, n int) float32 {
	switch k + kind(active.Load()) {
	case dot + useAVX2, dot + useAVX512:
		return dotAVX2(a, b, n)
	case squaredL2 + useAVX2, squaredL2 + useAVX512:
		return squaredL2AVX2(a, b, n)
	}
	return pairGeneric(k, a, b, n)
}

// fours compares the n numbers at q with groups of four rows, whose numbers stand
// at at; the row with number i begins at rows[i*stride]. If more is 1 rather than
// 0, at numbers four rows beyond the last group, to be prefetched.
func fours(k kind, q *float32, n int, rows *float32, stride int, at *uint32, groups, more int, out *float32) {
	switch k + kind(active.Load()) {
	case dot + useAVX2, dot + useAVX512:
		dotFoursAVX2(q, n, rows, stride, at, groups, more, out)
	case squaredL2 + useAVX2, squaredL2 + useAVX512:
		squaredL2FoursAVX2(q, n, rows, stride, at, groups, more, out)
	default:
		foursGeneric(k, q, n, rows, stride, at, groups, out)
	}
}

//go:noescape
func dotAVX2(a, b *float32, n int) float32

//go:noescape
func squaredL2AVX2(a, b *float32, n int) float32

//go:noescape
func dotFoursAVX2(q *float32, n int, rows *float32, stride int, at *uint32, groups, more int, out *float32)

//go:noescape
func squaredL2FoursAVX2(q *float32, n int, rows *float32, stride int, at *uint32, groups, more int, out *float32)
