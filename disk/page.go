package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"nearside/fault"
)

const (
	headerMagic = "SQLite format 3\x00"

	// lockPage is the page over SQLite's lock bytes (at 1 GiB). It never holds anything.
	lockPage = 0x40000000/pageSize + 1
)

// pageSum computes the checksum of SQLite's checksum VFS over all of a page but its last 8 bytes.
func pageSum(page []byte) (sum [reservedBytes]byte) {
	var s1, s2 uint32
	for a := page[:len(page)-reservedBytes]; len(a) >= 8; a = a[8:] {
		s1 += binary.LittleEndian.Uint32(a) + s2
		s2 += binary.LittleEndian.Uint32(a[4:]) + s1
	}
	binary.LittleEndian.PutUint32(sum[:], s1)
	binary.LittleEndian.PutUint32(sum[4:], s2)
	return sum
}

// sealPage writes a page's checksum into it.
func sealPage(page []byte) {
	sum := pageSum(page)
	copy(page[len(page)-reservedBytes:], sum[:])
}

// pageIsWhole reports whether a page carries its own checksum.
func pageIsWhole(page []byte) bool {
	sum := pageSum(page)
	return bytes.Equal(sum[:], page[len(page)-reservedBytes:])
}

// headerIsOurs reports whether a database begins as all of ours do: page size, WAL
// mode, and the reserved bytes, without which SQLite would verify no checksum.
func headerIsOurs(page []byte) bool {
	return len(page) >= 100 && bytes.HasPrefix(page, []byte(headerMagic)) &&
		binary.BigEndian.Uint16(page[16:]) == pageSize &&
		page[18] == 2 && page[19] == 2 && page[20] == reservedBytes
}

// headerPages returns the size of the database in pages, from its first page.
func headerPages(page []byte) uint32 { return binary.BigEndian.Uint32(page[28:]) }

// checkHeader looks at the beginning of a database before SQLite does. Whoever has
// the database open may be writing the page, but never changes what is looked at here.
func checkHeader(hook Hook, path string) error {
	page, err := readFirstPage(hook, path)
	if err == nil && !headerIsOurs(page) {
		err = headerError(path)
	}
	return err
}

// checkFirstPage is checkHeader with the page's checksum, for a database that
// nobody has open. A write of the page that a crash cut short is not damage: the
// log still has the page.
func checkFirstPage(hook Hook, path string) error {
	page, err := readFirstPage(hook, path)
	if err != nil {
		return err
	}
	if !headerIsOurs(page) {
		return headerError(path)
	}
	if pageIsWhole(page) {
		return nil
	}
	log, err := readWAL(hook, path+walSuffix)
	if err != nil {
		return err
	}
	if _, ok := log.frames[1]; !ok {
		return headerError(path)
	}
	return nil
}

func headerError(path string) error {
	return fault.New(fault.Corrupt, "%s is damaged: its first page is not that of a database of nearside; restore it from a snapshot", path)
}

// readFirstPage returns the first page of a file, shorter if the file is.
func readFirstPage(hook Hook, path string) ([]byte, error) {
	f, err := openFile(hook, path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	page := make([]byte, pageSize)
	n, err := f.ReadAt(page, 0)
	if err == io.EOF {
		err = nil
	}
	if n < pageSize {
		page = page[:0]
	}
	return page, errors.Join(err, f.Close())
}
