package hnsw

// A bitset is a set of nodes below a number, for one goroutine.
type bitset struct {
	words []uint64
	below uint32
}

func newBitset(below uint32) bitset {
	return bitset{make([]uint64, (int(below)+63)/64), below}
}

// end is the first number that cannot be in the set.
func (b *bitset) end() uint32 { return b.below }

func (b *bitset) has(node uint32) bool {
	return node < b.below && b.words[node>>6]&(1<<(node&63)) != 0
}

func (b *bitset) add(node uint32) { b.words[node>>6] |= 1 << (node & 63) }

// hasLink reports whether a list links to a node of the set.
func (b *bitset) hasLink(list []uint32) bool {
	for node := range nodesOf(list) {
		if b.has(node) {
			return true
		}
	}
	return false
}
