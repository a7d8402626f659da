package vek

import "golang.org/x/sys/cpu"

func nativeKernels() []Kernel {
	var can []Kernel
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL {
		can = append(can, AVX512)
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		can = append(can, AVX2)
	}
	return can
}

// dotRows sets the count numbers at out to the dot products of the n numbers at
// q with rows: those whose numbers stand at at, or 0 to count-1 if at is nil. A
// row begins stride numbers after the one before it.
func dotRows(q *float32, n int, rows *float32, stride int, at *uint32, count int, out *float32) {
	switch active.Load() {
	case useAVX512:
		dotRowsAVX512(q, n, rows, stride, at, count, out)
	case useAVX2:
		dotRowsAVX2(q, n, rows, stride, at, count, out)
	default:
		dotRowsGeneric(q, n, rows, stride, at, count, out)
	}
}

// squaredL2Rows is dotRows for squared distances.
func squaredL2Rows(q *float32, n int, rows *float32, stride int, at *uint32, count int, out *float32) {
	switch active.Load() {
	case useAVX512:
		squaredL2RowsAVX512(q, n, rows, stride, at, count, out)
	case useAVX2:
		squaredL2RowsAVX2(q, n, rows, stride, at, count, out)
	default:
		squaredL2RowsGeneric(q, n, rows, stride, at, count, out)
	}
}

//go:noescape
func dotRowsAVX2(q *float32, n int, rows *float32, stride int, at *uint32, count int, out *float32)

//go:noescape
func squaredL2RowsAVX2(q *float32, n int, rows *float32, stride int, at *uint32, count int, out *float32)

//go:noescape
func dotRowsAVX512(q *float32, n int, rows *float32, stride int, at *uint32, count int, out *float32)

//go:noescape
func squaredL2RowsAVX512(q *float32, n int, rows *float32, stride int, at *uint32, count int, out *float32)
