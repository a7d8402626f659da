package local

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"nearside/index"
)

// rowsHeader says whose rows a file has. It fills the first page of the file:
//
//	16 bytes  magic
//	uint32    version of the format
//	uint32    dimensions
//	uint64    number of the index
//	uint32    CRC-32C of the bytes before it
//	zeros
type rowsHeader struct {
	dimensions int
	number     index.Number
}

const (
	rowsMagic      = "nearside vectors"
	rowsVersion    = 1
	rowsHeaderSize = 4096
	rowsHeaderUsed = 16 + 4 + 4 + 8 + 4
)

func (h rowsHeader) encode() []byte {
	b := make([]byte, 0, rowsHeaderSize)
	b = append(b, rowsMagic...)
	b = binary.LittleEndian.AppendUint32(b, rowsVersion)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.dimensions))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.number))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return b[:rowsHeaderSize]
}

// stride is the length of a row in bytes. Rows begin at multiples of 32 bytes,
// so that no load of the AVX2 kernels spans two cache lines.
func (h rowsHeader) stride() int { return (4*h.dimensions + rowTail + 31) &^ 31 }

// check returns an error unless page is the header h. Nothing in it is used
// but for the comparison, so that no size in a file is ever trusted.
func (h rowsHeader) check(page []byte) error {
	want := h.encode()
	if len(page) < len(want) {
		return fmt.Errorf("%d bytes are too few for a header", len(page))
	}
	if !bytes.Equal(page[:len(want)], want) {
		return fmt.Errorf("it is not the header of index %d with %d dimensions, format %d", h.number, h.dimensions, rowsVersion)
	}
	return nil
}
