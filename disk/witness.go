package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"

	"nearside/fault"
)

// castagnoli is the polynomial of every checksum that this package computes itself.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// identity is drawn at random when a database is made. It ties a witness to its database.
type identity [16]byte

const (
	witnessMagic    = "nearside head 1\n" // 16 bytes; the digit is the version
	witnessSlotSize = 4096                // no device writes two slots with one sector
	witnessDataSize = 16 + 16 + 8 + 8 + 4 // magic, identity, turn, head, checksum
)

// witness is the last acknowledged sequence of a database, kept beside it.
type witness struct {
	f        *File
	database identity
	turn     uint64 // writes so far; the slot of a write is turn % 2
	head     uint64
}

// slot returns the bytes of one slot.
func (w *witness) slot() []byte {
	b := make([]byte, 0, witnessDataSize)
	b = append(b, witnessMagic...)
	b = append(b, w.database[:]...)
	b = binary.LittleEndian.AppendUint64(b, w.turn)
	b = binary.LittleEndian.AppendUint64(b, w.head)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// parseSlot is the inverse of slot; ok is false for bytes that slot never returns.
func parseSlot(b []byte) (w witness, ok bool) {
	if len(b) < witnessDataSize || !bytes.HasPrefix(b, []byte(witnessMagic)) {
		return witness{}, false
	}
	body := b[:witnessDataSize-4]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[len(body):]) {
		return witness{}, false
	}
	w.turn = binary.LittleEndian.Uint64(b[32:])
	w.head = binary.LittleEndian.Uint64(b[40:])
	copy(w.database[:], b[16:32])
	return w, true
}

// parseWitness returns the newer of the two slots. One unreadable slot is what a
// write cut short leaves, and its sequence was not acknowledged.
func parseWitness(b []byte) (w witness, ok bool) {
	if len(b) != 2*witnessSlotSize {
		return witness{}, false
	}
	first, ok1 := parseSlot(b)
	second, ok2 := parseSlot(b[witnessSlotSize:])
	if ok2 && (!ok1 || second.turn > first.turn) {
		return second, true
	}
	return first, ok1
}

// createWitness makes or replaces a witness file, durably.
func createWitness(hook Hook, path string, id identity, head uint64) error {
	w := witness{database: id, head: head}
	file := make([]byte, 2*witnessSlotSize)
	copy(file, w.slot())
	w.turn = 1
	copy(file[witnessSlotSize:], w.slot())
	return writeAtomic(hook, path, func(out io.Writer) error {
		_, err := out.Write(file)
		return err
	})
}

// openWitness reads a witness file. errors.Is(err, fs.ErrNotExist) if there is none,
// fault.Corrupt if neither slot can be read.
func openWitness(hook Hook, path string) (*witness, error) {
	f, err := openFile(hook, path, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 2*witnessSlotSize+1)
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return nil, errors.Join(err, f.Close())
	}
	w, ok := parseWitness(b[:n])
	if !ok {
		return nil, errors.Join(fault.New(fault.Corrupt, "%s is damaged: neither of its two slots can be read", path), f.Close())
	}
	w.f = f
	return &w, nil
}

// advance records head durably, in the slot that does not hold the last one.
func (w *witness) advance(head uint64) error {
	w.turn++
	w.head = head
	if _, err := w.f.WriteAt(w.slot(), int64(w.turn%2)*witnessSlotSize); err != nil {
		return err
	}
	return w.f.Sync()
}

// close closes the file; nothing is pending. A nil witness is closed already.
func (w *witness) close() error {
	if w == nil {
		return nil
	}
	return w.f.Close()
}
