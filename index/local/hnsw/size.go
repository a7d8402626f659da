package hnsw

import "nearside/index/local/quant"

// NodeBytes is the memory that a graph takes for a node, of vectors of so many
// dimensions and with M links (0 = as many as New takes then): the code, the links at all
// levels, and what stands beside them. Address space is not counted.
func NodeBytes(dimensions, m int) int64 {
	if m == 0 {
		m = defaultM
	}
	m = min(max(m, MinM), MaxM)
	codec := quant.Codec{Dimensions: dimensions}
	const beside = 4*4 + 4 + 1 // slot, term, loss, place of the upper links; the slot's node; the dead bit
	upper := 4 * m / (m - 1)   // one node in m has a list of m links above the ground, of those one in m another
	return int64(codec.Stride() + 2*m*4 + upper + beside)
}
