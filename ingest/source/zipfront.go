package source

import (
	"bufio"
	"compress/flate"
	"errors"
	"hash/crc32"
	"io"

	"nearside/fault"
)

// zipFront hands out the members of a zip archive whose end, where its list of members was, is cut off: what stands
// before each member says enough.
func (u *unpacker) zipFront(p packed) error {
	dir := &zipDirectory{at: p.at}
	at := int64(0)
	for n := 0; ; n++ {
		m, next, err := u.header(p, at)
		if err != nil {
			return u.rest(p, n, err)
		}
		stop, err := u.zipMember(m, func() (io.Reader, error) { return dir.data(m, p.size) })
		switch {
		case err != nil:
			return err
		case stop != nil:
			return u.rest(p, n, stop)
		}
		at = next
	}
}

// header reads what stands before the member at a place, and finds where the next one is.
func (u *unpacker) header(p packed, at int64) (m zipMember, next int64, err error) {
	cut := fault.New(fault.Invalid, "the archive is cut off: its end, with the list of its members, is not there")
	var b [zipLocalSize]byte
	if _, err := p.at.ReadAt(b[:], at); err != nil || string(b[:4]) != zipLocal {
		return m, 0, cut
	}
	rest := make([]byte, int(le16(b[26:]))+int(le16(b[28:])))
	if _, err := p.at.ReadAt(rest, at+zipLocalSize); err != nil {
		return m, 0, cut
	}
	name := int(le16(b[26:]))
	m = zipMember{name: string(rest[:name]), flags: le16(b[6:]), method: le16(b[8:]), crc: le32(b[14:]), packed: int64(le32(b[18:])), size: int64(le32(b[22:])), offset: at}
	m.wide(rest[name:])
	data := at + zipLocalSize + int64(len(rest))
	if m.flags&8 != 0 { // its sizes stand after it
		return u.measure(p, m, data, cut)
	}
	if m.packed < 0 || m.packed > p.size-data {
		m.packed = p.size // so that it is found to be cut off when it is opened
	}
	return m, data + m.packed, nil
}

// measure finds the end of a member by unpacking it. That counts as unpacked.
func (u *unpacker) measure(p packed, m zipMember, data int64, cut error) (zipMember, int64, error) {
	if m.method != 8 || m.flags&1 != 0 {
		return m, 0, cut
	}
	bytes := &byteCount{r: bufio.NewReaderSize(io.NewSectionReader(p.at, data, p.size-data), 64<<10)}
	sum := crc32.NewIEEE()
	size, err := io.Copy(sum, &unpacked{r: whileReader{u.ctx, flate.NewReader(bytes)}, name: m.name, budget: u.budget, count: true})
	if err != nil && u.budget.over == nil && !errors.Is(err, u.ctx.Err()) {
		err = cut
	}
	m.packed, m.size, m.crc = bytes.n, size, sum.Sum32()
	return m, p.afterSizes(data + bytes.n), err
}

// afterSizes returns where the next member begins after one that ends at a place: its sizes stand between, with a signature or
// without, of 4 bytes or of 8.
func (p packed) afterSizes(end int64) int64 {
	for _, n := range []int64{16, 12, 24, 20} {
		var next [4]byte
		if _, err := p.at.ReadAt(next[:], end+n); err == nil && string(next[:2]) == "PK" {
			return end + n
		}
	}
	return p.size
}

// byteCount counts what flate takes; it takes no byte more than it needs, because it can have single ones.
type byteCount struct {
	r *bufio.Reader
	n int64
}

func (b *byteCount) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	return n, err
}

func (b *byteCount) ReadByte() (byte, error) {
	c, err := b.r.ReadByte()
	if err == nil {
		b.n++
	}
	return c, err
}
