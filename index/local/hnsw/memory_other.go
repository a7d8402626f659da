//go:build !unix

package hnsw

import "unsafe"

const hugePage = 64 // nothing is known of huge pages here: the line of a cache

// A region is memory that never moves.
type region struct {
	whole []byte
}

// reserve takes the memory at once.
func reserve(bytes int) (region, error) {
	b := make([]byte, bytes+hugePage)
	lead := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) % hugePage)
	return region{whole: b[lead : lead+bytes]}, nil
}

func (r *region) grow(int) error { return nil }

func (r *region) free() error {
	*r = region{}
	return nil
}
