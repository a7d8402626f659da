//go:build !amd64 && !arm64

package vek

func nativeKernels() []Kernel { return nil }

func pair(k kind, a, b *float32, n int) float32 { return pairGeneric(k, a, b, n) }

func fours(k kind, q *float32, n int, rows *float32, stride int, at *uint32, groups, more int, out *float32) {
	foursGeneric(k, q, n, rows, stride, at, groups, out)
}
