package hnsw

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"nearside/fault"
	"nearside/index/local/quant"
)

// Expect says what Load may accept.
type Expect struct {
	Codec    func(quant.Codec) error // its error refuses the snapshot; nil: any codec
	Capacity int                     // of the graph; a snapshot with more nodes is refused
	Slots    uint32                  // that the index has had; a snapshot that covers more is refused
	Bytes    int64                   // the length of the file; 0: not known
}

// Load reads a snapshot. It refuses what is damaged (fault.Corrupt, and says where)
// or of another version or kind of machine (fault.Unsupported): then the graph must be made anew. What it returns
// has passed all of Check but for the reachable nodes. match says whether the vector
// of a slot has a checksum; a living node of which that is not so is killed. nil: all match.
func Load(r io.Reader, expect Expect, match func(slot, sum uint32) bool) (*Graph, Cover, error) {
	l := loader{r: bufio.NewReaderSize(r, 64<<10), expect: expect}
	if err := l.readHeader(); err != nil {
		return nil, Cover{}, err
	}
	g, err := New(Options{
		Codec: l.codec, M: int(l.header.M), EFConstruction: int(l.header.EFConstruction),
		Capacity: expect.Capacity,
	})
	if err != nil {
		return nil, Cover{}, err
	}
	l.g = g
	if err := l.load(match); err != nil {
		return nil, Cover{}, errors.Join(err, g.Close())
	}
	g.measureBlur(g.Nodes())
	return g, l.header.Cover, nil
}

// loader reads one snapshot.
type loader struct {
	r      *bufio.Reader
	expect Expect
	header header
	codec  quant.Codec
	g      *Graph
}

func damaged(format string, args ...any) error {
	return fault.New(fault.Corrupt, "the snapshot of a graph is damaged: "+format, args...)
}

// readHeader reads all before the sections and verifies that it makes sense.
func (l *loader) readHeader() error {
	prefix := make([]byte, prefixBytes)
	if err := l.full(prefix, "in its header"); err != nil {
		return err
	}
	if string(prefix[:len(snapshotMagic)]) != snapshotMagic {
		return damaged("it begins with %q, not with %q", prefix[:len(snapshotMagic)], snapshotMagic)
	}
	rest, crc := prefix[len(snapshotMagic):], prefix[prefixBytes-4:]
	if crc32.Checksum(prefix[:prefixBytes-4], castagnoli) != binary.LittleEndian.Uint32(crc) {
		if v := binary.LittleEndian.Uint32(rest); v != snapshotVersion { // whose checksum may be anywhere
			return fault.New(fault.Unsupported, "the snapshot of a graph has version %d, and this program reads version %d; the graph must be made anew", v, snapshotVersion)
		}
		return damaged("the checksum of its header is wrong")
	}
	if binary.NativeEndian.Uint32(rest[4:]) != 1 {
		return fault.New(fault.Unsupported, "the snapshot of a graph is from a machine with another order of bytes; the graph must be made anew")
	}
	if _, err := binary.Decode(rest[8:], binary.LittleEndian, &l.header); err != nil {
		return err
	}
	return l.checkHeader()
}

// checkHeader verifies every number before anything is made of that size.
func (l *loader) checkHeader() (err error) {
	h := &l.header
	if l.codec, err = quant.Parse(h.Codec[:]); err != nil {
		return err
	}
	if l.expect.Codec != nil {
		if err := l.expect.Codec(l.codec); err != nil {
			return err
		}
	}
	switch {
	case h.M < MinM || h.M > MaxM:
		return damaged("it has M = %d; %d to %d are possible", h.M, MinM, MaxM)
	case h.EFConstruction < h.M || h.EFConstruction > MaxEFConstruction:
		return damaged("it was made with %d candidates; %d to %d are possible", h.EFConstruction, h.M, MaxEFConstruction)
	case h.UpTo > l.expect.Slots:
		return damaged("it covers %d slots, and the index has had %d", h.UpTo, l.expect.Slots)
	case int64(h.Nodes) > min(int64(l.expect.Capacity), maxNodes):
		return damaged("it has %d nodes; %d are possible", h.Nodes, min(int64(l.expect.Capacity), maxNodes))
	case uint32(h.Entry) > h.Nodes || h.Entry>>32 > maxLevel:
		return damaged("walks begin at node %d of %d, on level %d", int64(uint32(h.Entry))-1, h.Nodes, h.Entry>>32)
	}
	if bytes := l.fileBytes(); l.expect.Bytes != 0 && l.expect.Bytes != bytes {
		return damaged("it has %d bytes, and %d nodes take %d", l.expect.Bytes, h.Nodes, bytes)
	}
	return nil
}

// fileBytes returns the length that a file with such a header has.
func (l *loader) fileBytes() int64 {
	sum := int64(prefixBytes)
	for _, bytes := range l.sectionBytes() {
		sum += bytes + (bytes+blockBytes-1)/blockBytes*4
	}
	return sum
}

// sectionBytes returns the lengths of the sections.
func (l *loader) sectionBytes() [len(sectionNames)]int64 {
	nodes, m := int64(l.header.Nodes), int64(l.header.M)
	return [...]int64{
		4 * nodes, 4 * nodes, 4 * nodes, 4 * nodes, (nodes + 31) / 32 * 4,
		nodes * int64(l.codec.Stride()), nodes * 2 * m * 4, int64(l.header.Blocks) * m * 4,
	}
}

// full reads all of b.
func (l *loader) full(b []byte, where string) error {
	_, err := io.ReadFull(l.r, b)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return damaged("it is cut short %s", where)
	}
	return err
}

// load fills the graph, which is empty.
func (l *loader) load(match func(slot, sum uint32) bool) error {
	g, nodes := l.g, int(l.header.Nodes)
	for range nodes {
		if _, err := g.newNode(); err != nil {
			return err
		}
	}
	if g.blocks != int(l.header.Blocks) {
		return damaged("it has %d blocks of upper links, and %d nodes have %d", l.header.Blocks, nodes, g.blocks)
	}
	sums, killed := make([]uint32, nodes), make([]uint32, (nodes+31)/32)
	for i, section := range g.sections(nodes, sums, killed) {
		if err := l.readSection(i, section); err != nil {
			return err
		}
	}
	if _, err := l.r.ReadByte(); err != io.EOF {
		return errors.Join(err, damaged("there is more behind its end"))
	}
	copy(g.nodes.dead, killed)
	g.entry.Store(l.header.Entry)
	if err := l.derive(); err != nil {
		return err
	}
	c := newChecker(g)
	c.checkAll()
	if err := c.result(); err != nil {
		return damaged("%s", err)
	}
	for node, sum := range sums {
		slot, used := g.Slot(uint32(node))
		if used && match != nil && !g.Killed(uint32(node)) && !match(slot, sum) {
			g.Kill(slot)
		}
	}
	return nil
}

// readSection reads the blocks of a section into its memory.
func (l *loader) readSection(section int, memory []byte) error {
	for number := 0; len(memory) > 0; number++ {
		block := memory[:min(len(memory), blockBytes)]
		memory = memory[len(block):]
		var crc [4]byte
		where := fmt.Sprintf("in block %d of its %s", number, sectionNames[section])
		if err := l.full(block, where); err != nil {
			return err
		}
		if err := l.full(crc[:], where); err != nil {
			return err
		}
		if blockSum(section, number, block) != binary.LittleEndian.Uint32(crc[:]) {
			return damaged("the checksum is wrong of block %d of its %s", number, sectionNames[section])
		}
	}
	return nil
}

// derive makes what a snapshot does not have: the places, the free nodes, the count of killed ones, and the largest loss.
func (l *loader) derive() error {
	g := l.g
	for node := range l.header.Nodes {
		slot, used := g.Slot(node)
		switch {
		case !used:
			g.free = append(g.free, node)
			continue
		case slot >= l.header.UpTo:
			return damaged("node %d has slot %d, and the slots below %d are covered", node, slot, l.header.UpTo)
		case g.Killed(node):
			g.dead.Add(1)
		}
		g.noteLoss(g.nodes.losses[node])
		other, placed := g.places.get(slot)
		switch {
		case placed && !g.Killed(node) && !g.Killed(other):
			return damaged("nodes %d and %d both have slot %d", other, node, slot)
		case !placed || !g.Killed(node):
			g.places.set(slot, node)
		}
	}
	slices.Reverse(g.free) // the lowest is used first
	return nil
}
