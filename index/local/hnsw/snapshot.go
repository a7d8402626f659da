package hnsw

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"sync/atomic"
	"unsafe"

	"nearside/index/local/quant"
)

// A snapshot of a graph is a file:
//
//	16 bytes   magic
//	uint32     version of the format
//	uint32     1 as the machine that wrote it has it: the arrays are as they are in memory
//	72 bytes   header, see there
//	uint32     CRC-32C of all before it
//	sections   slots, sums, terms, losses, killed bits, codes, links of the ground, upper links:
//	           each of the length that follows from the header, in blocks of 1 MiB, the last shorter;
//	           behind each block the CRC-32C of: uint32 section, uint32 block, the block
//
// Numbers are little-endian, but for the second one and the arrays. What follows
// from the rest is not stored: the levels and the rooms of upper links from the
// nodes' numbers, the free nodes, the places of slots.
const (
	snapshotMagic   = "nearside graph\n\x00"
	snapshotVersion = 1
	blockBytes      = 1 << 20
)

// castagnoli is the polynomial for which CPUs have an instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Cover says what a snapshot covers. The package keeps it and does not look at it, but for UpTo.
type Cover struct {
	Index    uint64 // which index
	Sequence uint64 // its last mutation that the graph knows of
	UpTo     uint32 // every slot below is in the graph or was deleted; none from here on is in it
}

// header is what a snapshot says before its arrays, in this order.
type header struct {
	Cover
	M, EFConstruction uint32
	Nodes             uint32
	Blocks            uint32 // of upper links
	Entry             uint64
	Codec             [quant.StoredBytes]byte
	_                 [4]byte
}

// prefixBytes is the length of all before the sections.
var prefixBytes = len(snapshotMagic) + 8 + binary.Size(header{}) + 4

// appendPrefix appends all before the sections.
func (h *header) appendPrefix(b []byte) ([]byte, error) {
	b = append(b, snapshotMagic...)
	b = binary.LittleEndian.AppendUint32(b, snapshotVersion)
	b = binary.NativeEndian.AppendUint32(b, 1)
	b, err := binary.Append(b, binary.LittleEndian, h)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), err
}

// Save writes a snapshot. sum returns the checksum of the vector of a slot, by which Load
// can tell that a code is of the vector that the slot has then. Searches and kills may
// go on, a kill may be in the snapshot or not; inserts and repairs must not.
func (g *Graph) Save(w io.Writer, covers Cover, sum func(slot uint32) uint32) error {
	nodes := int(g.next.Load())
	h := header{
		Cover: covers, Entry: g.entry.Load(), Nodes: uint32(nodes), Blocks: uint32(g.blocks),
		M: uint32(g.m), EFConstruction: uint32(g.options.EFConstruction),
	}
	copy(h.Codec[:], g.codec.AppendTo(nil))
	prefix, err := h.appendPrefix(nil)
	if err != nil {
		return err
	}
	if _, err := w.Write(prefix); err != nil {
		return err
	}
	sums := make([]uint32, nodes)
	for node := range sums {
		if slot, used := g.Slot(uint32(node)); used {
			sums[node] = sum(slot)
		}
	}
	killed := make([]uint32, (nodes+31)/32)
	for i := range killed {
		killed[i] = atomic.LoadUint32(&g.nodes.dead[i])
	}
	for i, section := range g.sections(nodes, sums, killed) {
		if err := writeSection(w, i, section); err != nil {
			return err
		}
	}
	return nil
}

var sectionNames = [...]string{"slots", "sums", "terms", "losses", "killed bits", "codes", "ground links", "upper links"}

// sections returns the memory of the sections of a snapshot.
func (g *Graph) sections(nodes int, sums, killed []uint32) [][]byte {
	return [][]byte{
		bytesOf(g.nodes.slots[:nodes]), bytesOf(sums), bytesOf(g.nodes.terms[:nodes]), bytesOf(g.nodes.losses[:nodes]),
		bytesOf(killed), g.codes[:nodes*g.stride], bytesOf(g.ground[:nodes*g.m0]), bytesOf(g.upper[:g.blocks*g.m]),
	}
}

// bytesOf returns the memory of numbers.
func bytesOf[T int32 | uint32 | float32](numbers []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(numbers))), 4*len(numbers))
}

// blockSum returns the checksum of a block. It has the block's place in it, so that blocks cannot be exchanged.
func blockSum(section, number int, block []byte) uint32 {
	var place [8]byte
	binary.LittleEndian.PutUint32(place[:], uint32(section))
	binary.LittleEndian.PutUint32(place[4:], uint32(number))
	return crc32.Update(crc32.Checksum(place[:], castagnoli), castagnoli, block)
}

func writeSection(w io.Writer, section int, memory []byte) error {
	for number := 0; len(memory) > 0; number++ {
		block := memory[:min(len(memory), blockBytes)]
		memory = memory[len(block):]
		if _, err := w.Write(block); err != nil {
			return err
		}
		if _, err := w.Write(binary.LittleEndian.AppendUint32(nil, blockSum(section, number, block))); err != nil {
			return err
		}
	}
	return nil
}
