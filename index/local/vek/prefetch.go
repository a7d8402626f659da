//go:build amd64 || arm64

package vek

import "unsafe"

// Prefetch asks the CPU to fetch the lines of the cache that the given bytes lie
// in. It is a hint: memory that cannot be read does no harm.
func Prefetch(p unsafe.Pointer, bytes int) { prefetch(p, bytes) }

//go:noescape
func prefetch(p unsafe.Pointer, bytes int)
