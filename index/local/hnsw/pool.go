package hnsw

// An entry is a node with its key, packed so that entries sort as numbers do:
//
//	32 bits  the key, with its sign bit flipped: the nearest sorts first
//	30 bits  the node
//	 1 bit   it is only passed through: it may not be in the answer
//	 1 bit   its links were followed
type entry uint64

const (
	expanded    entry = 1
	passThrough entry = 2
	farthest    entry = 1<<64 - 1
	nodeBits          = 30
)

func newEntry(key int32, node uint32) entry {
	return entry(uint32(key)^1<<31)<<32 | entry(node)<<2
}

func (e entry) key() int32   { return int32(uint32(e>>32) ^ 1<<31) }
func (e entry) node() uint32 { return uint32(e) >> 2 }

// A pool is the best entries that a walk has seen, the nearest first. It keeps
// at most ef entries that may be in the answer, and those to pass through that
// are nearer than the last of them.
type pool struct {
	entries []entry
	answers int // entries that may be in the answer
	ef      int
	ties    int // entries of equal keys that it takes; anyTies: all
}

const (
	anyTies = 0
	// mostTies is for inserts. Of many copies of one vector they would find nothing
	// else, and all links would lead from copy to copy.
	mostTies = 8
)

func (p *pool) reset(ef, ties int) {
	p.entries, p.answers, p.ef, p.ties = p.entries[:0], 0, ef, ties
	if cap(p.entries) < ef+1 {
		p.entries = make([]entry, 0, ef+ef/2+64)
	}
}

// limit is what an entry must be below to be worth an insertion.
func (p *pool) limit() entry {
	if p.answers < p.ef {
		return farthest
	}
	return p.entries[len(p.entries)-1]
}

// crowded reports whether the pool takes no more entries with the key of e.
func (p *pool) crowded(e entry) bool {
	if p.ties == anyTies {
		return false
	}
	last := p.place(e&^(1<<32-1)) + p.ties - 1
	return last < len(p.entries) && p.entries[last].key() == e.key()
}

// place returns where e stands or would stand.
func (p *pool) place(e entry) int {
	lo, hi := 0, len(p.entries)
	for lo < hi {
		middle := int(uint(lo+hi) >> 1)
		if p.entries[middle] < e {
			lo = middle + 1
		} else {
			hi = middle
		}
	}
	return lo
}

// insert enters e and returns where it stands now.
func (p *pool) insert(e entry) int {
	lo := p.place(e)
	p.entries = append(p.entries, 0)
	copy(p.entries[lo+1:], p.entries[lo:])
	p.entries[lo] = e
	if e&passThrough == 0 {
		p.answers++
		p.trim()
	}
	return lo
}

// trim drops the farthest answer if there are too many, and what lies behind the farthest that is left.
func (p *pool) trim() {
	if p.answers <= p.ef {
		return
	}
	n := len(p.entries)
	for {
		n--
		if p.entries[n]&passThrough == 0 {
			p.answers--
			break
		}
	}
	for n > 0 && p.entries[n-1]&passThrough != 0 {
		n--
	}
	p.entries = p.entries[:n]
}
