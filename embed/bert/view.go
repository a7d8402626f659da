package bert

import "unsafe"

// Kernels take pointers, as assembly does. These two give plain Go the same
// view of them; the callers in kernels.go index the slices, which checks bounds.

// view returns the n numbers at p.
func view(p *float32, n int) []float32 { return unsafe.Slice(p, n) }

// offset returns the address n numbers after p.
func offset(p *float32, n int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(p), n*4))
}
