//go:build !amd64

package vek

func nativeKernels() []Kernel { return nil }

func dotRows(q *float32, n int, rows *float32, stride int, at *uint32, count int, out *float32) {
	dotRowsGeneric(q, n, rows, stride, at, count, out)
}

func squaredL2Rows(q *float32, n int, rows *float32, stride int, at *uint32, count int, out *float32) {
	squaredL2RowsGeneric(q, n, rows, stride, at, count, out)
}
