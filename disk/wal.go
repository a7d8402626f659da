package disk

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
)

// SQLite's write-ahead log (sqlite.org/fileformat2.html#walformat): a header of 32
// bytes, then frames of 24 bytes and one page each. Checksums run through the whole
// file, so that the first bad frame ends what can be read; SQLite takes that for
// the end of the log without a word.
const (
	walHeaderSize   = 32
	frameHeaderSize = 24
	frameSize       = frameHeaderSize + pageSize
	walMagic        = 0x377f0682 // the lowest bit says that the checksums are big-endian
	walVersion      = 3007000
)

// wal is what a write-ahead log adds to its database.
type wal struct {
	frames map[uint32]int64 // page number → where its last committed image begins
	pages  uint32           // of the database after the last commit; 0 without a commit
	size   int64            // bytes from the beginning to the end of the last commit
	rest   int64            // bytes behind that: room, or a transaction that never committed, or damage
}

// readWAL reads a log up to its last commit, the way SQLite recovers it. A log
// that is absent or empty has no commits.
func readWAL(hook Hook, path string) (*wal, error) {
	w := &wal{frames: map[uint32]int64{}}
	f, err := openFile(hook, path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return w, nil
	}
	if err != nil {
		return nil, err
	}
	end, err := f.Size()
	if err == nil {
		err = w.read(f, end)
	}
	w.rest = end - w.size
	return w, errors.Join(err, f.Close())
}

func (w *wal) read(f io.ReaderAt, end int64) error {
	var header [walHeaderSize]byte
	if _, err := f.ReadAt(header[:], 0); err != nil {
		return ignoreEOF(err)
	}
	magic := binary.BigEndian.Uint32(header[:])
	sum := walSum{order: binary.LittleEndian}
	if magic&1 != 0 {
		sum.order = binary.BigEndian
	}
	sum.add(header[:24])
	if magic&^1 != walMagic || binary.BigEndian.Uint32(header[4:]) != walVersion ||
		binary.BigEndian.Uint32(header[8:]) != pageSize || !sum.is(header[24:]) {
		return nil
	}
	frame := make([]byte, frameSize)
	uncommitted := map[uint32]int64{}
	for at := int64(walHeaderSize); at+frameSize <= end; at += frameSize {
		if _, err := f.ReadAt(frame, at); err != nil {
			return ignoreEOF(err)
		}
		sum.add(frame[:8])
		sum.add(frame[frameHeaderSize:])
		page := binary.BigEndian.Uint32(frame)
		if page == 0 || string(frame[8:16]) != string(header[16:24]) || !sum.is(frame[16:24]) {
			return nil
		}
		uncommitted[page] = at + frameHeaderSize
		if pages := binary.BigEndian.Uint32(frame[4:]); pages != 0 {
			w.commit(uncommitted, pages, at+frameSize)
		}
	}
	return nil
}

// commit moves the pages of a transaction into the frames.
func (w *wal) commit(uncommitted map[uint32]int64, pages uint32, end int64) {
	for page, at := range uncommitted {
		w.frames[page] = at
	}
	clear(uncommitted)
	w.pages, w.size = pages, end
}

// walSum is the running checksum of a log.
type walSum struct {
	order  binary.ByteOrder
	s1, s2 uint32
}

func (s *walSum) add(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		s.s1 += s.order.Uint32(b) + s.s2
		s.s2 += s.order.Uint32(b[4:]) + s.s1
	}
}

// is reports whether b, always big-endian, is the checksum of what was added.
func (s *walSum) is(b []byte) bool {
	return binary.BigEndian.Uint32(b) == s.s1 && binary.BigEndian.Uint32(b[4:]) == s.s2
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
