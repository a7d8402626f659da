package source

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"strings"

	"github.com/klauspost/compress/zstd"

	"nearside/fault"
)

// Zip is read here and not by archive/zip because that holds what it knows of all members at once, of which an
// archive of 1 GB may have ten million. What is read is APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3.

// The signatures of zip's parts, and the sizes of their fixed beginnings in bytes.
const (
	zipLocal = "PK\x03\x04"
	zipEntry = "PK\x01\x02"
	zipEnd   = "PK\x05\x06"
	zipEnd64 = "PK\x06\x06"
	zipFind  = "PK\x06\x07" // where zipEnd64 is

	zipLocalSize = 30
	zipEntrySize = 46
	zipEndSize   = 22
	zipEnd64Size = 56
	zipFindSize  = 20
)

// zipMember is what a zip archive says of a member.
type zipMember struct {
	name   string
	flags  uint16
	method uint16
	crc    uint32
	packed int64 // bytes in the archive; -1 = not known
	size   int64 // bytes unpacked; -1 = not known
	offset int64 // of its local header
	mode   fs.FileMode
}

// zipDirectory reads the list of members at the end of an archive, one after the other.
type zipDirectory struct {
	at    io.ReaderAt
	r     *bufio.Reader
	base  int64 // where the archive begins in the file: there may be a program before it
	left  int64 // bytes of the list
	count int
}

// zip hands out the members of a zip archive.
func (u *unpacker) zip(p packed) error {
	p, err := hold(p)
	if err != nil {
		return u.failure(p.member, err)
	}
	dir, err := openZip(p.at, p.size)
	if err != nil {
		return u.zipFront(p) // the end is cut off, and the list with it
	}
	for n := 0; ; n++ {
		m, err := dir.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return u.rest(p, n, damaged(p.name, err))
		}
		stop, err := u.zipMember(m, func() (io.Reader, error) { return dir.data(m, p.size) })
		switch {
		case err != nil:
			return err
		case stop != nil:
			return u.rest(p, n, stop)
		}
	}
}

// zipMember hands out a member if it is a file.
func (u *unpacker) zipMember(m zipMember, open func() (io.Reader, error)) (stop, err error) {
	if strings.HasSuffix(m.name, "/") || !m.mode.IsRegular() {
		return nil, nil
	}
	return u.member(candidate{name: m.name, size: m.size, count: true, open: func() (io.Reader, error) {
		if m.flags&1 != 0 {
			return nil, fault.New(fault.Invalid, "%s is encrypted; unpack it with its password", Escape(m.name))
		}
		return open()
	}})
}

// openZip finds the list of members.
func openZip(at io.ReaderAt, size int64) (*zipDirectory, error) {
	tail := make([]byte, min(size, 1<<16+zipEndSize))
	if _, err := at.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
		return nil, err
	}
	i := findEnd(tail)
	if i < 0 {
		return nil, io.ErrUnexpectedEOF
	}
	end := size - int64(len(tail)) + int64(i) // of the list
	bytes, offset := int64(le32(tail[i+12:])), int64(le32(tail[i+16:]))
	if bytes == 0xffffffff || offset == 0xffffffff || le16(tail[i+10:]) == 0xffff {
		if b, o, e, ok := openZip64(at, end); ok {
			bytes, offset, end = b, o, e
		}
	}
	start := end - bytes
	if start < 0 || offset < 0 || offset > start {
		return nil, io.ErrUnexpectedEOF
	}
	return &zipDirectory{at: at, r: bufio.NewReader(io.NewSectionReader(at, start, bytes)), base: start - offset, left: bytes}, nil
}

// findEnd returns where the last record that ends an archive is, -1 if there is none. After it is a comment.
func findEnd(tail []byte) int {
	for i := len(tail) - zipEndSize; i >= 0; i-- {
		if bytes.HasPrefix(tail[i:], []byte(zipEnd)) && i+zipEndSize+int(le16(tail[i+20:])) <= len(tail) {
			return i
		}
	}
	return -1
}

// openZip64 reads what stands before the last record if the archive is large.
func openZip64(at io.ReaderAt, end int64) (bytes, offset, before int64, ok bool) {
	find := make([]byte, zipFindSize)
	if end < zipFindSize+zipEnd64Size {
		return 0, 0, 0, false
	}
	if _, err := at.ReadAt(find, end-zipFindSize); err != nil || string(find[:4]) != zipFind {
		return 0, 0, 0, false
	}
	record := make([]byte, zipEnd64Size)
	for _, where := range []int64{int64(le64(find[8:])), end - zipFindSize - zipEnd64Size} { // the second if something stands before the archive
		if where < 0 || where > end-zipFindSize-zipEnd64Size {
			continue
		}
		if _, err := at.ReadAt(record, where); err == nil && string(record[:4]) == zipEnd64 {
			return int64(le64(record[40:])), int64(le64(record[48:])), where, true
		}
	}
	return 0, 0, 0, false
}

// next returns the next member, or io.EOF after the last.
func (d *zipDirectory) next() (m zipMember, err error) {
	if d.left == 0 {
		return m, io.EOF
	}
	var b [zipEntrySize]byte
	if _, err := io.ReadFull(d.r, b[:]); err != nil || string(b[:4]) != zipEntry {
		return m, fault.New(fault.Invalid, "its list of members is damaged")
	}
	m = zipMember{flags: le16(b[8:]), method: le16(b[10:]), crc: le32(b[16:]), packed: int64(le32(b[20:])), size: int64(le32(b[24:])), offset: int64(le32(b[42:]))}
	name, extra, comment := int(le16(b[28:])), int(le16(b[30:])), int(le16(b[32:]))
	rest := make([]byte, name+extra+comment)
	if _, err := io.ReadFull(d.r, rest); err != nil {
		return m, fault.New(fault.Invalid, "its list of members is damaged")
	}
	d.left -= int64(zipEntrySize + len(rest))
	m.name = string(rest[:name])
	m.wide(rest[name : name+extra])
	if b[5] == 3 || b[5] == 19 { // made on Unix or macOS: the high half has the mode
		m.mode = unixType(le32(b[38:]) >> 16)
	}
	d.count++
	return m, nil
}

// unixType returns the kind of file that a Unix mode says; what says none is a regular one.
func unixType(mode uint32) fs.FileMode {
	switch mode & 0o170000 {
	case 0, 0o100000:
		return 0
	case 0o040000:
		return fs.ModeDir
	case 0o120000:
		return fs.ModeSymlink
	}
	return fs.ModeIrregular
}

// wide takes what does not fit into 32 bits from the extra fields: field 1 has those of size, packed size and offset that are all ones.
func (m *zipMember) wide(extra []byte) {
	for len(extra) >= 4 {
		tag, n := le16(extra), int(le16(extra[2:]))
		if extra = extra[4:]; n > len(extra) {
			return
		}
		field := extra[:n]
		extra = extra[n:]
		if tag != 1 {
			continue
		}
		for _, v := range []*int64{&m.size, &m.packed, &m.offset} {
			if *v == 0xffffffff && len(field) >= 8 {
				*v = int64(le64(field))
				field = field[8:]
			}
		}
	}
}

// data returns what reads a member's bytes, unpacked and checked.
func (d *zipDirectory) data(m zipMember, size int64) (io.Reader, error) {
	var b [zipLocalSize]byte
	start := d.base + m.offset
	if start < 0 || start > size {
		return nil, damaged(Escape(m.name), io.ErrUnexpectedEOF)
	}
	if _, err := d.at.ReadAt(b[:], start); err != nil || string(b[:4]) != zipLocal {
		return nil, fault.New(fault.Invalid, "%s is damaged: it is not where the list of members says", Escape(m.name))
	}
	start += zipLocalSize + int64(le16(b[26:])) + int64(le16(b[28:]))
	if m.packed < 0 || m.size < 0 || start > size || m.packed > size-start {
		return nil, damaged(Escape(m.name), io.ErrUnexpectedEOF)
	}
	return m.unpack(io.NewSectionReader(d.at, start, m.packed))
}

// unpack returns what reads a member, given what reads it as it is packed.
func (m zipMember) unpack(r io.Reader) (io.Reader, error) {
	switch m.method {
	case 0:
	case 8:
		r = flate.NewReader(r)
	case 93:
		r = &zstdFrame{r: r}
	default:
		return nil, fault.New(fault.Unsupported, "%s was compressed by method %d of zip, which is not read; deflate (8) and zstd (93) are", Escape(m.name), m.method)
	}
	return &checked{r: r, m: m, sum: crc32.NewIEEE()}, nil
}

// checked reads a member and fails where it is not what the archive says of it.
type checked struct {
	r    io.Reader
	m    zipMember
	sum  hash.Hash32
	read int64
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.sum.Write(p[:n]) // never fails
	c.read += int64(n)
	switch {
	case c.read > c.m.size:
		return 0, fault.New(fault.Invalid, "%s has more than the %d bytes that the archive says", Escape(c.m.name), c.m.size)
	case err == io.EOF && c.read < c.m.size:
		return n, io.ErrUnexpectedEOF
	case err == io.EOF && c.sum.Sum32() != c.m.crc:
		return n, fault.New(fault.Invalid, "%s is damaged: its checksum is not what the archive says", Escape(c.m.name))
	}
	return n, err
}

// zstdFrame reads what zstd packed, and gives the memory back at its end.
type zstdFrame struct {
	r    io.Reader
	d    *zstd.Decoder
	done error
}

func (z *zstdFrame) Read(p []byte) (int, error) {
	if z.done != nil {
		return 0, z.done
	}
	if z.d == nil {
		d, err := zstd.NewReader(z.r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(windowOfZstd))
		if err != nil {
			return 0, err
		}
		z.d = d
	}
	n, err := z.d.Read(p)
	if err != nil {
		z.d.Close()
		z.done = err
	}
	return n, err
}

func le16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
