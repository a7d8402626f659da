//go:build !amd64 && !arm64

package bert

// detected returns the sets of assembly kernels: there are none for this processor.
func detected() []*kernels { return nil }
