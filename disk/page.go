package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"nearside/fault"
)

const headerMagic = "SQLite format 3\x00"

// pageSum computes the checksum of SQLite's checksum VFS over a page without its last 8 bytes.
func pageSum(page []byte) (sum [8]byte) {
	var s1, s2 uint32
	for a := page[:len(page)-reservedBytes]; len(a) >= 8; a = a[8:] {
		s1 += binary.LittleEndian.Uint32(a) + s2
		s2 += binary.LittleEndian.Uint32(a[4:]) + s1
	}
	binary.LittleEndian.PutUint32(sum[:], s1)
	binary.LittleEndian.PutUint32(sum[4:], s2)
	return sum
}

// pageIsWhole reports whether the page carries its own checksum.
func pageIsWhole(page []byte) bool {
	sum := pageSum(page)
	return bytes.Equal(sum[:], page[len(page)-reservedBytes:])
}

// checkHeader looks at the beginning of a database before SQLite does: a flipped
// byte there can switch the page checksums off.
func checkHeader(hook Hook, path string) error {
	f, err := openFile(hook, path, os.O_RDONLY)
	if err != nil {
		return err
	}
	page := make([]byte, pageSize)
	_, err = f.ReadAt(page, 0)
	if err = errors.Join(err, f.Close()); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !bytes.HasPrefix(page, []byte(headerMagic)) ||
		binary.BigEndian.Uint16(page[16:]) != pageSize ||
		page[18] != 2 || page[19] != 2 || page[20] != reservedBytes {
		return fault.New(fault.Corrupt, "%s is damaged: its header is not that of a database of nearside; restore it from a snapshot", path)
	}
	return nil
}
