package hnsw

// A visited set says which nodes a walk has come across. A word has 32 nodes in
// its low half and, in its high half, the epoch in which those bits count: a new
// epoch empties the set, and a set of 100,000 nodes is 25 KiB, which stays in the
// nearest caches.
type visited struct {
	words []uint64
	epoch uint32
}

// reset empties the set and makes room for n nodes.
func (v *visited) reset(n int) {
	if words := (n + 31) / 32; words > len(v.words) {
		v.words = make([]uint64, words+words/4)
		v.epoch = 0
	}
	v.epoch++
	if v.epoch == 0 {
		clear(v.words)
		v.epoch = 1
	}
}

// add enters a node and reports whether it was new. A node that is newer than the
// last reset, for which there is no room, is said not to be.
func (v *visited) add(node uint32) bool {
	if int(node>>5) >= len(v.words) {
		return false
	}
	word := &v.words[node>>5]
	w, bit := *word, uint64(1)<<(node&31)
	if uint32(w>>32) != v.epoch {
		*word = uint64(v.epoch)<<32 | bit
		return true
	}
	*word = w | bit
	return w&bit == 0
}
