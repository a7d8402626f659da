package hnsw

import (
	"sync"
	"sync/atomic"
)

// places knows the node of each slot. Reading takes no lock.
type places struct {
	mu     sync.Mutex // guards the growth of chunks
	chunks atomic.Pointer[[]*placeChunk]
}

const placeBits = 14 // 16,384 slots are 64 KiB

type placeChunk [1 << placeBits]uint32 // node + 1; 0 = the slot is not in the graph

func (p *places) get(slot uint32) (node uint32, ok bool) {
	chunks := p.chunks.Load()
	i := int(slot >> placeBits)
	if chunks == nil || i >= len(*chunks) || (*chunks)[i] == nil {
		return 0, false
	}
	at := atomic.LoadUint32(&(*chunks)[i][slot&(1<<placeBits-1)])
	return at - 1, at != 0
}

// set enters the node of a slot; none takes the slot out.
func (p *places) set(slot, node uint32) {
	atomic.StoreUint32(&p.own(int(slot >> placeBits))[slot&(1<<placeBits-1)], node+1)
}

// own returns a chunk, made if it is new.
func (p *places) own(i int) *placeChunk {
	if chunks := p.chunks.Load(); chunks != nil && i < len(*chunks) && (*chunks)[i] != nil {
		return (*chunks)[i]
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var chunks []*placeChunk
	if old := p.chunks.Load(); old != nil {
		chunks = append(chunks, *old...)
	}
	for len(chunks) <= i {
		chunks = append(chunks, nil)
	}
	if chunks[i] == nil {
		chunks[i] = new(placeChunk)
	}
	p.chunks.Store(&chunks)
	return chunks[i]
}

// each calls f with every slot that has a node.
func (p *places) each(f func(slot, node uint32)) {
	chunks := p.chunks.Load()
	if chunks == nil {
		return
	}
	for i, chunk := range *chunks {
		if chunk == nil {
			continue
		}
		for j := range chunk {
			if at := atomic.LoadUint32(&chunk[j]); at != 0 {
				f(uint32(i<<placeBits+j), at-1)
			}
		}
	}
}
