package keyword

// Stats is the state of an index.
type Stats struct {
	Documents   int    // slots that are indexed, dead ones included
	Segments    int    // of which the index is made
	InMemory    int    // of these segments
	Bytes       int64  // on the disk
	MemoryBytes int64  // on the heap
	Covered     uint64 // the sequence up to which it is whole
	Written     uint64 // the sequence up to which it is whole on the disk
}

// Stats returns the state of the index.
func (x *Index) Stats() Stats {
	x.mu.Lock()
	defer x.mu.Unlock()
	st := Stats{Segments: len(x.segments), Covered: x.covered, Written: x.written.Covered}
	for _, s := range x.segments {
		st.Documents += len(s.slots)
		st.MemoryBytes += s.memoryBytes()
		if s.file == "" {
			st.InMemory++
		} else {
			st.Bytes += s.size
		}
	}
	return st
}
