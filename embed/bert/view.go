package bert

import "unsafe"

// Kernels take pointers, as assembly does. These two give plain Go the same
// view of them; the callers in kernels.go index the slices, which checks bounds.

// view returns the n numbers at p.
func view[T any](p *T, n int) []T { return unsafe.Slice(p, n) }

// offset returns the address n numbers after p.
func offset[T any](p *T, n int) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(p), uintptr(n)*unsafe.Sizeof(*p)))
}
