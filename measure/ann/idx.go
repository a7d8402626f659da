package ann

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"nearside/fault"
)

// idx is a file of bytes in MNIST's format: the magic number 0x0800 + axes, then the
// length of each axis (big-endian uint32), then the bytes.
type idx struct {
	count, size int // items, and bytes of each
	bytes       []byte
}

// maxIdxBytes bounds what a file may unpack to: MNIST's largest has 47 MB.
const maxIdxBytes = 1 << 28

func readIdx(path string, axes int) (idx, error) {
	b, err := unpack(path)
	if err != nil {
		return idx{}, err
	}
	header := 4 + 4*axes
	if len(b) < header || binary.BigEndian.Uint32(b) != uint32(0x0800+axes) {
		return idx{}, fault.New(fault.Corrupt, "%s: %d bytes that do not begin as an idx file of bytes with %d axes does", path, len(b), axes)
	}
	count, size := uint64(binary.BigEndian.Uint32(b[4:])), uint64(1)
	for axis := 1; axis < axes; axis++ {
		size = min(size*uint64(binary.BigEndian.Uint32(b[4+4*axis:])), maxIdxBytes)
	}
	if count*size != uint64(len(b)-header) {
		return idx{}, fault.New(fault.Corrupt, "%s: %d items of %d bytes are announced, and %d bytes follow", path, count, size, len(b)-header)
	}
	return idx{int(count), int(size), b[header:]}, nil
}

func unpack(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, openError(path, err)
	}
	defer f.Close() // only read
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fault.New(fault.Corrupt, "%s is not gzip: %v", path, err)
	}
	b, err := io.ReadAll(io.LimitReader(z, maxIdxBytes+1))
	if err == nil && len(b) > maxIdxBytes {
		err = errors.New("it unpacks to more than 256 MiB")
	}
	if err != nil {
		return nil, fault.New(fault.Corrupt, "%s: %v", path, err)
	}
	return b, nil
}
