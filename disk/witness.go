package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"sync"

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
	last     *syncing // nil before it is opened
}

// syncing is the sync of the last write, which goes on while others do.
type syncing struct {
	running sync.WaitGroup
	err     error // once it is over
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
	w.f, w.last = f, &syncing{}
	return &w, nil
}

// advance records head, in the slot that does not hold the last one, which is durable
// by then. What is recorded outlives the process from here on, and a power cut once
// settle returns: nobody waits for that who waits for a change, which is durable
// itself. Two syncs in a row would double what a change takes: one of 0.66 ms took
// 0.49 ms without the second, and in a process that is seldom at work 1.04 and 0.81.
func (w *witness) advance(head uint64) error {
	if err := w.settle(); err != nil {
		return err
	}
	w.turn++
	w.head = head
	if _, err := w.f.WriteAt(w.slot(), int64(w.turn%2)*witnessSlotSize); err != nil {
		return err
	}
	w.last.running.Go(func() { w.last.err = w.f.Sync() })
	return nil
}

// settle waits until what was recorded is durable.
func (w *witness) settle() error {
	w.last.running.Wait()
	return w.last.err
}

// close waits for the last sync and closes the file. A nil witness is closed already.
func (w *witness) close() error {
	if w == nil {
		return nil
	}
	return errors.Join(w.settle(), w.f.Close())
}
