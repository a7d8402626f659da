//go:build !amd64 && !arm64

package vek

import "unsafe"

// Prefetch asks the CPU to fetch the lines of the cache that the given bytes lie
// in. It is a hint, and here it does nothing.
func Prefetch(p unsafe.Pointer, bytes int) {}
