package local

import (
	"encoding/binary"
	"hash/maphash"
	"sync/atomic"
	"unsafe"
)

// A slot is one version of one record, numbered in the order of the commits. It
// never changes; it dies once. Only compact gives a number away again.
type slot = uint32

// maxSlots is how many versions an index can number before its gaps must be closed.
const maxSlots = 1<<32 - 2

const (
	chunkBits = 10 // 1,024 slots are 12 KiB: little for a small index, few pointers for a large one
	chunkSize = 1 << chunkBits
)

// slotChunk is what is kept in memory for chunkSize neighbouring slots, beside their ids.
type slotChunk struct {
	namespace [chunkSize]uint32 // code of the namespace
	older     [chunkSize]uint32 // 1 + the slot of the version before this one; 0 = none known
	id        [chunkSize]uint32 // where the id stands in the arena
}

// slotTable knows every slot of an open index, and every id.
//
// There is one writer at a time. Readers need no lock: they hold a view, and
// all that a view can reach was written before the view was published, never
// changes and stays where it is.
type slotTable struct {
	chunks atomic.Pointer[[]*slotChunk]
	names  arena
	seed   maphash.Seed
	ids    atomic.Pointer[idIndex]
	slots  int // slots added; the writer's
}

func newSlotTable() *slotTable {
	t := &slotTable{seed: maphash.MakeSeed()}
	t.chunks.Store(&[]*slotChunk{})
	t.names.blocks.Store(&[][]byte{})
	t.ids.Store(newIDIndex(64))
	return t
}

func (t *slotTable) at(s slot) (*slotChunk, int) {
	return (*t.chunks.Load())[s>>chunkBits], int(s & (chunkSize - 1))
}

// id returns the id of a slot. The string shares the table's memory: clone it
// before it leaves the package.
func (t *slotTable) id(s slot) string {
	c, i := t.at(s)
	return t.names.get(c.id[i])
}

func (t *slotTable) namespace(s slot) uint32 {
	c, i := t.at(s)
	return c.namespace[i]
}

// find returns the version of a record that a view shows.
func (t *slotTable) find(id string, v *view) (slot, bool) {
	ids := t.ids.Load()
	s, ok := ids.get(t, id)
	for ok && s >= v.slots {
		c, i := t.at(s)
		s, ok = c.older[i]-1, c.older[i] != 0
	}
	return s, ok && v.alive.Contains(s)
}

// add enters a new slot, higher than all before it.
func (t *slotTable) add(s slot, id string, namespace uint32) {
	c, i := t.own(s), s&(chunkSize-1)
	t.slots++
	ids := t.ids.Load()
	if previous, ok := ids.get(t, id); ok {
		pc, pi := t.at(previous)
		c.older[i] = previous + 1
		c.id[i] = pc.id[pi]
	} else {
		c.id[i] = t.names.put(id)
	}
	c.namespace[i] = namespace
	if !ids.full() {
		ids.set(t, id, s)
		return
	}
	ids = ids.grown(t)
	ids.set(t, id, s)
	t.ids.Store(ids)
}

// own returns the chunk of a slot, made if it is new. Chunks passed over stay
// nil: all of their slots were purged.
func (t *slotTable) own(s slot) *slotChunk {
	chunks := *t.chunks.Load()
	k := int(s >> chunkBits)
	if k < len(chunks) {
		return chunks[k] // chunks are made in order, so this is the last one
	}
	// Readers hold shorter slices of the same array and never look past their length.
	for len(chunks) < k {
		chunks = append(chunks, nil)
	}
	c := new(slotChunk)
	chunks = append(chunks, c)
	t.chunks.Store(&chunks)
	return c
}

// idIndex finds the newest slot of an id: open addressing, at most three
// quarters full, four bytes a cell. A full one is replaced by a larger copy.
type idIndex struct {
	cells []atomic.Uint32 // 1 + slot; 0 = free
	used  int             // the writer's count
}

func newIDIndex(cells int) *idIndex { return &idIndex{cells: make([]atomic.Uint32, cells)} }

func (x *idIndex) full() bool { return (x.used+1)*4 > len(x.cells)*3 }

// cell returns the cell that holds id, or the free one where it belongs.
func (x *idIndex) cell(t *slotTable, id string) *atomic.Uint32 {
	mask := uint64(len(x.cells) - 1)
	for h := maphash.String(t.seed, id) & mask; ; h = (h + 1) & mask {
		c := &x.cells[h]
		if v := c.Load(); v == 0 || t.id(v-1) == id {
			return c
		}
	}
}

func (x *idIndex) get(t *slotTable, id string) (slot, bool) {
	v := x.cell(t, id).Load()
	return v - 1, v != 0
}

func (x *idIndex) set(t *slotTable, id string, s slot) {
	c := x.cell(t, id)
	if c.Load() == 0 {
		x.used++
	}
	c.Store(s + 1)
}

func (x *idIndex) grown(t *slotTable) *idIndex {
	larger := newIDIndex(2 * len(x.cells))
	for i := range x.cells {
		if v := x.cells[i].Load(); v != 0 {
			larger.set(t, t.id(v-1), v-1)
		}
	}
	return larger
}

// maxArena is how many bytes of ids a slot table takes: what a reference can reach, less a batch.
const maxArena = 1<<32 - 1<<28

// full reports whether no more ids should be added.
func (t *slotTable) full() bool { return len(*t.names.blocks.Load())*arenaBlock > maxArena }

// arenaBlock is the unit in which memory for ids is taken.
const arenaBlock = 16 << 10

// arena keeps the bytes of ids, each behind its length. Blocks never move.
type arena struct {
	blocks atomic.Pointer[[][]byte]
	free   int // first free byte of the newest block; the writer's
}

// put stores an id and returns its reference: block number times arenaBlock plus offset.
func (a *arena) put(id string) uint32 {
	blocks := *a.blocks.Load()
	var length [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(len(id)))
	if len(blocks) == 0 || a.free+n+len(id) > arenaBlock {
		whole := make([]byte, max(arenaBlock, (n+len(id)+arenaBlock-1)/arenaBlock*arenaBlock))
		a.free = 0
		// An id longer than a block gets several blocks in a row; the first sees to the end of the last.
		for at := 0; at < len(whole); at += arenaBlock {
			blocks = append(blocks, whole[at:])
		}
		a.blocks.Store(&blocks)
		k := len(blocks) - len(whole)/arenaBlock
		return a.write(blocks, k, length[:n], id)
	}
	return a.write(blocks, len(blocks)-1, length[:n], id)
}

func (a *arena) write(blocks [][]byte, k int, length []byte, id string) uint32 {
	at := a.free
	copy(blocks[k][at:], length)
	copy(blocks[k][at+len(length):], id)
	a.free = at + len(length) + len(id)
	return uint32(k*arenaBlock + at)
}

func (a *arena) get(ref uint32) string {
	b := (*a.blocks.Load())[ref/arenaBlock][ref%arenaBlock:]
	length, n := binary.Uvarint(b)
	if length == 0 {
		return ""
	}
	return unsafe.String(&b[n], int(length))
}
