//go:build !unix

package local

import (
	"io"

	"nearside/disk"
)

// Where files cannot be mapped the same way, extents are plain memory that is
// read from the file once and written along with it.

// mapFile reads length bytes of a file from offset on, as far as it has them.
func mapFile(f *disk.File, offset int64, length int) (memory, part []byte, err error) {
	memory = make([]byte, length)
	if _, err := f.ReadAt(memory, offset); err != nil && err != io.EOF {
		return nil, nil, err
	}
	return memory, memory, nil
}

func unmapFile([]byte) error { return nil }

// mirror copies rows that were written to the file, beginning with that of slot s.
func (r *rows) mirror(s slot, b []byte) {
	for ; len(b) > 0; b = b[r.stride:] {
		copy(bytesOf(r.row(s)), b[:r.stride])
		s++
	}
}
