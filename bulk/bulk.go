// Package bulk is a binary form of vectors, for loading many of them: a third of
// the bytes that JSON takes, and nothing to parse.
//
// A batch is a header and its rows, all numbers little-endian:
//
//	header   8 bytes   "NSVECTOR"
//	         u32       version, 1
//	         u32       dimensions of every vector, 1 to 65,536
//	         u32       rows that follow
//	         u32       CRC-32C of the 20 bytes before
//
//	row      u16       bytes of the id, 1 to 65,535
//	         u16       bytes of the namespace, 0 = none
//	         u32       bytes of the metadata, 0 = none
//	         f32 × dimensions
//	         id, namespace     UTF-8
//	         metadata          a JSON object
//	         u32       CRC-32C of the row's bytes before
//
// Nothing follows the last row. Append writes a batch; a Reader reads one as a
// stream, row by row, and verifies every byte: what is damaged, cut off or not of
// this form is an error that names the row. Sizes read are never believed: no more
// memory is taken than bytes have arrived, but for one vector.
//
// What the package does not do: it does not look into ids, namespaces, metadata or
// values. What an index takes is for the index to say.
package bulk

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// ContentType is the media type of a batch.
const ContentType = "application/x-nearside-vectors"

const (
	magic   = "NSVECTOR"
	version = 1

	headerBytes = 24
	fixedBytes  = 8 // of a row, before its values
	sumBytes    = 4

	maxDimensions = 1 << 16
	maxMetadata   = 16 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Row is one vector with what is stored beside it.
type Row struct {
	ID        string
	Namespace string // "" = none
	Values    []float32
	Metadata  []byte // a JSON object; nil = none
}

// Append appends a batch of rows, whose vectors all have the given dimensions.
func Append(to []byte, dimensions int, rows []Row) ([]byte, error) {
	if dimensions < 1 || dimensions > maxDimensions || len(rows) > math.MaxUint32 {
		return to, fmt.Errorf("a batch of %d vectors with %d dimensions cannot be written; at most %d dimensions can", len(rows), dimensions, maxDimensions)
	}
	start := len(to)
	to = append(to, magic...)
	to = binary.LittleEndian.AppendUint32(to, version)
	to = binary.LittleEndian.AppendUint32(to, uint32(dimensions))
	to = binary.LittleEndian.AppendUint32(to, uint32(len(rows)))
	to = appendSum(to, start)
	for i := range rows {
		r := &rows[i]
		if err := r.check(dimensions); err != nil {
			return to[:start], fmt.Errorf("row %d: %w", i+1, err)
		}
		to = r.append(to)
	}
	return to, nil
}

// check refuses what a row cannot hold.
func (r *Row) check(dimensions int) error {
	switch {
	case len(r.Values) != dimensions:
		return fmt.Errorf("it has %d dimensions, and the batch %d", len(r.Values), dimensions)
	case r.ID == "" || len(r.ID) > math.MaxUint16:
		return fmt.Errorf("the id has %d bytes; it must have 1 to %d", len(r.ID), math.MaxUint16)
	case len(r.Namespace) > math.MaxUint16:
		return fmt.Errorf("the namespace has %d bytes; at most %d are possible", len(r.Namespace), math.MaxUint16)
	case len(r.Metadata) > maxMetadata:
		return fmt.Errorf("the metadata has %d bytes; at most %d are possible", len(r.Metadata), maxMetadata)
	}
	return nil
}

func (r *Row) append(to []byte) []byte {
	start := len(to)
	to = binary.LittleEndian.AppendUint16(to, uint16(len(r.ID)))
	to = binary.LittleEndian.AppendUint16(to, uint16(len(r.Namespace)))
	to = binary.LittleEndian.AppendUint32(to, uint32(len(r.Metadata)))
	for _, v := range r.Values {
		to = binary.LittleEndian.AppendUint32(to, math.Float32bits(v))
	}
	to = append(to, r.ID...)
	to = append(to, r.Namespace...)
	to = append(to, r.Metadata...)
	return appendSum(to, start)
}

// appendSum appends the checksum of what was appended since start.
func appendSum(to []byte, start int) []byte {
	return binary.LittleEndian.AppendUint32(to, crc32.Checksum(to[start:], castagnoli))
}
