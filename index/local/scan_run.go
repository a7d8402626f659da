package local

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
)

const (
	// scanBatch is how many rows are handed to a kernel at once.
	scanBatch = 128
	// scanBytes is about how much of the rows one piece of work covers: long
	// enough to hide what a piece costs besides, short enough for all cores to
	// end together.
	scanBytes = 512 << 10
)

// A candidate is a row that may be among the nearest: its key is at least lower.
type candidate struct {
	slot  slot
	lower float64
}

// scanRun is the first step of one scan: comparing.
type scanRun struct {
	*scan
	ranking
	count  int           // rows to compare:
	listed []slot        // these, ascending; nil: all slots below count
	lent   *[]uint32     // the memory of listed, if it is of lists
	piece  int           // how many of them a piece of work covers
	limit  atomic.Uint64 // bits of the lowest limit any worker has
	parts  []*part       // by worker; nil: it has done nothing

	// What candidates collects:
	upper []float64
	all   []candidate
}

// runs are kept for the scans to come: that of a few rows, which ends a walk through a
// graph, then allocates nothing.
var runs = sync.Pool{New: func() any { return new(scanRun) }}

func newScanRun(s *scan, workers int) *scanRun {
	r := runs.Get().(*scanRun)
	r.scan = s
	if s.codes == nil { // codes have a ranking of their own
		r.ranking.set(s.metric, s.query)
	}
	r.count, r.listed = int(s.slots), nil
	r.piece = max(scanBatch, scanBytes/s.rowBytes())
	r.parts = slices.Grow(r.parts[:0], workers)[:workers]
	switch {
	case s.list != nil:
		r.listed, r.count = s.list, len(s.list)
	case s.within != nil:
		r.lent = listOf(s.within)
		r.count, _ = slices.BinarySearch(*r.lent, s.slots)
		r.listed = (*r.lent)[:r.count]
	}
	r.limit.Store(math.Float64bits(math.Inf(1)))
	return r
}

// compareAll compares all the rows: on the caller's goroutine if they are one piece.
func (r *scanRun) compareAll(ctx context.Context, p *pool) error {
	if pieces := (r.count + r.piece - 1) / r.piece; pieces != 1 {
		return p.do(ctx, pieces, r.comparePiece)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.comparePiece(0, 0)
}

// comparePiece compares one piece of the rows.
func (r *scanRun) comparePiece(worker, piece int) (err error) {
	if r.parts[worker] == nil {
		r.parts[worker] = newPart()
	}
	defer r.rows.catch(&err, setPanicOnFault())
	from, to := piece*r.piece, min((piece+1)*r.piece, r.count)
	switch {
	case r.codes != nil:
		r.compareCodes(r.parts[worker], r.listed[from:to])
	case r.listed == nil:
		r.compareRange(r.parts[worker], slot(from), slot(to))
	default:
		r.compareList(r.parts[worker], r.listed[from:to])
	}
	return nil
}

// compareRange compares neighbouring slots.
func (r *scanRun) compareRange(p *part, from, to slot) {
	stride := r.rows.stride / 4
	p.list = nil
	for from < to {
		numbers, first, end := r.rows.extent(from)
		n := int(min(uint64(to), uint64(from)+scanBatch, end) - uint64(from))
		numbers = numbers[int(uint64(from)-first)*stride:]
		p.first = from
		r.ranking.compare(numbers, stride, nil, p.x[:n])
		for i := range n {
			p.norm[i] = numbers[(i+1)*stride-rowTail/4]
		}
		r.sift(p, n)
		from += slot(n)
	}
}

// compareList compares slots that are listed, ascending.
func (r *scanRun) compareList(p *part, list []uint32) {
	stride := r.rows.stride / 4
	for len(list) > 0 {
		numbers, first, end := r.rows.extent(list[0])
		known := 0 // those that are mapped with the first: to be compared now, or soon
		for ; known < min(len(list), len(p.at)) && uint64(list[known]) < end; known++ {
			p.at[known] = list[known] - slot(first)
		}
		n := min(known, scanBatch)
		p.list = list[:n]
		r.ranking.compare(numbers, stride, p.at[:known], p.x[:n])
		for i, at := range p.at[:n] {
			p.norm[i] = numbers[(int(at)+1)*stride-rowTail/4]
		}
		r.sift(p, n)
		list = list[n:]
	}
}

// sift keeps the candidates among the n rows that were compared last.
func (r *scanRun) sift(p *part, n int) {
	limit := r.sharedLimit()
	sv := r.sieve(limit)
	for i, x := range p.x[:n] {
		if sv.sign*float64(x) > sv.base+sv.slope*float64(p.norm[i]) {
			continue
		}
		lower, upper := r.bounds(x, p.norm[i])
		if r.consider(p, p.slot(i), lower, upper, limit) {
			limit = r.lowerLimit(p.upper[0])
			sv = r.sieve(limit)
		}
	}
}

// consider makes a row whose key lies between two bounds a candidate, unless it is not
// visible or above the limit, and reports whether that lowered the worker's own limit.
func (r *scanRun) consider(p *part, s slot, lower, upper, limit float64) (lowered bool) {
	if lower > limit || !r.visible(s) {
		return false
	}
	if len(p.found) == cap(p.found) {
		p.found = makeRoom(p.found, limit)
	}
	p.found = append(p.found, candidate{slot: s, lower: lower})
	return p.upper.keep(upper, r.k)
}

// sharedLimit returns the lowest limit that any worker has.
func (r *scanRun) sharedLimit() float64 { return math.Float64frombits(r.limit.Load()) }

// lowerLimit makes a worker's limit that of all, if it is lower, and returns the lowest.
func (r *scanRun) lowerLimit(own float64) float64 {
	for {
		bits := r.limit.Load()
		limit := math.Float64frombits(bits)
		if limit <= own || r.limit.CompareAndSwap(bits, math.Float64bits(own)) {
			return min(limit, own)
		}
	}
}

// candidates returns those of all workers that the limit of all leaves. They are the run's.
func (r *scanRun) candidates() []candidate {
	for _, p := range r.parts {
		if p != nil {
			r.upper = append(r.upper, p.upper...)
		}
	}
	limit := math.Inf(1)
	if len(r.upper) >= r.k {
		slices.Sort(r.upper)
		limit = r.upper[r.k-1]
	}
	for _, p := range r.parts {
		if p != nil {
			r.all = append(r.all, below(p.found, limit)...)
		}
	}
	return r.all
}

// release gives back the memory of the run and its workers.
func (r *scanRun) release() {
	for i, p := range r.parts {
		if p != nil {
			p.release()
		}
		r.parts[i] = nil
	}
	if r.lent != nil && cap(*r.lent) <= keptList {
		lists.Put(r.lent)
	}
	if cap(r.all) > keptCandidates {
		return // from an unusual scan: let the memory go
	}
	r.scan, r.listed, r.lent = nil, nil, nil
	r.upper, r.all = r.upper[:0], r.all[:0]
	runs.Put(r)
}

const keptCandidates = 1 << 16

// lists are kept for the scans to come, up to 4 MiB each.
var lists = sync.Pool{New: func() any { return new([]uint32) }}

const keptList = 1 << 20

// listOf returns the slots of a bitmap, to be given back to lists.
func listOf(b *roaring.Bitmap) *[]uint32 {
	list := lists.Get().(*[]uint32)
	n := int(b.GetCardinality())
	*list = slices.Grow((*list)[:0], n)[:n]
	return b.ToExistingArray(list)
}

// A part is what one worker found in one scan, and its buffers.
type part struct {
	upper highest     // the k lowest upper bounds
	found []candidate // every row that was not above the limit then

	// The rows compared last:
	list  []uint32 // their slots; nil: neighbours from first on
	first slot
	at    [scanBatch + 8]uint32 // if they are listed: their numbers in their extent, and of some to come
	x     [scanBatch]float32    // what the kernel says of them
	norm  [scanBatch]float32
}

// parts are kept for the scans to come, so that a scan allocates next to nothing.
var parts = sync.Pool{New: func() any { return &part{found: make([]candidate, 0, 1024)} }}

func newPart() *part { return parts.Get().(*part) }

func (p *part) release() {
	if cap(p.found) > keptCandidates {
		return // from an unusual scan: let the memory go
	}
	p.upper, p.found, p.list = p.upper[:0], p.found[:0], nil
	parts.Put(p)
}

// slot returns the slot of the i-th row compared last.
func (p *part) slot(i int) slot {
	if p.list != nil {
		return p.list[i]
	}
	return p.first + slot(i)
}

// makeRoom drops the candidates above the limit. If most remain it takes more memory,
// so that the cost of a candidate stays constant.
func makeRoom(found []candidate, limit float64) []candidate {
	found = below(found, limit)
	if len(found) > cap(found)/2 {
		found = slices.Grow(found, cap(found))
	}
	return found
}

// below returns the candidates that are not above the limit, in the same memory.
func below(found []candidate, limit float64) []candidate {
	return slices.DeleteFunc(found, func(c candidate) bool { return c.lower > limit })
}

// highest is a heap of the lowest numbers it was given, the highest of them first.
type highest []float64

// keep adds x if it is among the k lowest, and reports whether the k-th lowest
// is known and was lowered.
func (h *highest) keep(x float64, k int) bool {
	if len(*h) < k {
		*h = append(*h, x)
		h.up(len(*h) - 1)
		return len(*h) == k
	}
	if x >= (*h)[0] {
		return false
	}
	(*h)[0] = x
	h.down()
	return true
}

func (h highest) up(i int) {
	for i > 0 && h[(i-1)/2] < h[i] {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
		i = (i - 1) / 2
	}
}

func (h highest) down() {
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h[child+1] > h[child] {
			child++
		}
		if h[i] >= h[child] {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
