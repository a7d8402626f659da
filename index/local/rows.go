package local

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/disk"
	"nearside/fault"
	"nearside/index"
)

// rows is the file vectors.rows of an index, mapped read-only into memory: one
// row of numbers for each slot, in the order of the slots. It is derived from
// records.db and never synced: whatever a crash leaves of it, openRows finds the
// rows that are not what records.db says, and the caller puts them again.
//
//	header   4,096 bytes: see rows_header.go
//	row 0    stride bytes
//	row 1    …
//
// and a row, whose stride is the next multiple of 32 bytes:
//
//	dimensions × float32    the vector, little-endian
//	zeros
//	float32                 its Euclidean norm, or NaN: see rowNorm
//	uint32                  CRC-32C of all before it, mixed with the slot and the number of the index
//
// There is one writer at a time: put and close. Readers need no lock: they read
// slots that were put before they heard of them, and mappings never move. The
// file is open only during a call of openRows or put; a mapping outlives its
// descriptor.
type rows struct {
	dir    *disk.Dir
	path   string
	header rowsHeader
	stride int    // bytes of a row
	mix    uint32 // what the number of the index adds to every checksum
	fresh  bool   // there is no usable file: the next put makes one

	extents [extentCount]atomic.Pointer[extent]
}

// rowTail is the length of norm and checksum.
const rowTail = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// rowSum is the checksum of a vector alone. records.db keeps it beside each
// record, so that a row left by an older use of the same slot, sound in itself,
// is told from the right one without reading the vectors of records.db.
func rowSum(vector []float32) uint32 { return crc32.Checksum(bytesOf(vector), castagnoli) }

// rowNorm is the Euclidean norm of a vector, as it stands in its row. It is NaN
// where float32 arithmetic on the vector may overflow, or lose everything: a scan
// then compares the row in float64.
func rowNorm(vector []float32) float32 {
	var sum float64
	for _, v := range vector {
		sum += float64(v) * float64(v)
	}
	norm := math.Sqrt(sum)
	if norm != 0 && (norm < 0x1p-60 || norm > 0x1p60) {
		return float32(math.NaN())
	}
	return float32(norm)
}

// wantRow says what records.db holds for a slot: the rowSum of its vector, or
// not ok if there is none. It is called from several goroutines at once.
type wantRow func(s slot) (sum uint32, ok bool)

// openRows opens the rows of an index, or prepares for there being none, and
// verifies every wanted row below slots. The rows it returns are missing or
// damaged; the caller puts them before it lets anybody read.
func openRows(dir *disk.Dir, number index.Number, dimensions int, slots slot, want wantRow) (*rows, *roaring.Bitmap, error) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return nil, nil, fault.New(fault.Unsupported, "nearside runs on little-endian machines only")
	}
	r := newRows(dir, number, dimensions)
	kept, err := r.adopt(slots)
	if err != nil {
		return nil, nil, err
	}
	missing := r.verify(min(slots, kept), want)
	for s := kept; s < slots; s++ {
		if _, ok := want(s); ok {
			missing.Add(s)
		}
	}
	return r, missing, nil
}

func newRows(dir *disk.Dir, number index.Number, dimensions int) *rows {
	h := rowsHeader{dimensions: dimensions, number: number}
	return &rows{
		dir:    dir,
		path:   dir.Path(rowsFile),
		header: h,
		stride: h.stride(),
		mix:    crc32.Checksum(binary.LittleEndian.AppendUint64(nil, uint64(number)), castagnoli),
	}
}

// adopt maps what the file holds of the rows below slots, and returns how many
// that may be: 0 if the file is absent, or not the file of this index.
func (r *rows) adopt(slots slot) (kept slot, err error) {
	r.fresh = true
	f, err := r.dir.OpenFile(rowsFile, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	var page [rowsHeaderSize]byte
	if _, err := f.ReadAt(page[:], 0); err != nil || r.header.check(page[:]) != nil {
		// Why does not matter, not even that the device cannot read it: the file is made anew.
		return 0, nil
	}
	r.fresh = false
	kept = slot(min(int64(slots), (size-rowsHeaderSize)/int64(r.stride)))
	return kept, r.mapUpTo(f, kept)
}

// put writes the vectors of slots that follow each other, and makes them
// readable. A row that nobody has heard of may be put again, with another vector.
// It costs an open and a close of the file: put a batch at once.
func (r *rows) put(first slot, vectors ...[]float32) error {
	flag := os.O_RDWR
	if r.fresh {
		flag |= os.O_CREATE
	}
	f, err := r.dir.OpenFile(rowsFile, flag)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Unavailable, "%s is gone; what is in use of it can be read on; restart nearside and it is made anew from %s", r.path, recordsFile)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if r.fresh {
		if _, err := f.WriteAt(r.header.encode(), 0); err != nil {
			return err
		}
		if err := f.Truncate(rowsHeaderSize); err != nil {
			return err
		}
		r.fresh = false
	}
	if err := r.mapUpTo(f, first+slot(len(vectors))); err != nil {
		return err
	}
	for batch := range slices.Chunk(vectors, max(1, putBytes/r.stride)) {
		if err := r.write(f, first, batch); err != nil {
			return err
		}
		first += slot(len(batch))
	}
	return nil
}

// putBytes is about how much put writes at a time.
const putBytes = 1 << 20

func (r *rows) write(f *disk.File, first slot, vectors [][]float32) error {
	b := make([]byte, 0, len(vectors)*r.stride)
	for i, v := range vectors {
		b = r.appendRow(b, first+slot(i), v)
	}
	if _, err := f.WriteAt(b, r.offset(first)); err != nil {
		return err
	}
	r.mirror(first, b)
	return nil
}

func (r *rows) appendRow(b []byte, s slot, vector []float32) []byte {
	start := len(b)
	b = append(b, bytesOf(vector)...)
	b = append(b, make([]byte, r.stride-rowTail-4*len(vector))...)
	b = binary.LittleEndian.AppendUint32(b, math.Float32bits(rowNorm(vector)))
	return binary.LittleEndian.AppendUint32(b, r.seal(s, crc32.Checksum(b[start:], castagnoli)))
}

// seal turns the CRC of a row's bytes into the checksum that stands in the row:
// one that the same bytes do not have in another slot or another index.
func (r *rows) seal(s slot, crc uint32) uint32 { return crc ^ r.mix ^ s }

func (r *rows) offset(s slot) int64 { return rowsHeaderSize + int64(s)*int64(r.stride) }

// vector returns the vector of a slot, verified, in dst or, if that is too short, in new memory.
func (r *rows) vector(s slot, dst []float32) (vector []float32, err error) {
	if r.extents[extentOf(s)].Load() == nil {
		return nil, r.damaged(s) // the file is absent, or ends far before the slot
	}
	defer r.catch(&err, setPanicOnFault())
	row := r.row(s)
	if !r.sound(s, row, nil) {
		return nil, r.damaged(s)
	}
	return append(dst[:0], row[:r.header.dimensions]...), nil
}

// row returns the numbers of a slot where they are mapped, norm and checksum
// included. Reading them may fault: see catch.
func (r *rows) row(s slot) []float32 {
	numbers, first, _ := r.extent(s)
	stride := r.stride / 4
	at := int(uint64(s)-first) * stride
	return numbers[at : at+stride]
}

// extent returns the numbers of the rows that are mapped together with that of a
// slot: the rows from first to end-1.
func (r *rows) extent(s slot) (numbers []float32, first, end uint64) {
	i := extentOf(s)
	first, end = extentBounds(i)
	return r.extents[i].Load().numbers, first, end
}

// sound reports whether the bytes of a row are what was put for the slot, and
// its vector has the wanted sum, if that is given.
func (r *rows) sound(s slot, row []float32, sum *uint32) bool {
	b := bytesOf(row)
	crc := crc32.Checksum(b[:4*r.header.dimensions], castagnoli)
	if sum != nil && crc != *sum {
		return false
	}
	crc = crc32.Update(crc, castagnoli, b[4*r.header.dimensions:r.stride-4])
	return r.seal(s, crc) == binary.LittleEndian.Uint32(b[r.stride-4:])
}

// verifyAtOnce is how many rows one goroutine verifies before it takes more.
const verifyAtOnce = 1024

// verify returns the wanted slots below n whose rows are not sound.
func (r *rows) verify(n slot, want wantRow) *roaring.Bitmap {
	missing := roaring.New()
	var mu sync.Mutex // guards missing
	var next atomic.Int64
	work := func() {
		for {
			from := next.Add(verifyAtOnce) - verifyAtOnce
			if from >= int64(n) {
				return
			}
			bad := r.unsound(nil, slot(from), slot(min(from+verifyAtOnce, int64(n))), want)
			if len(bad) > 0 {
				mu.Lock()
				missing.AddMany(bad)
				mu.Unlock()
			}
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), int(n)/verifyAtOnce) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
	return missing
}

// unsound appends the wanted slots from lo to hi-1 whose rows are not sound. What
// the device cannot read is not sound, and is narrowed down by halves.
func (r *rows) unsound(bad []uint32, lo, hi slot, want wantRow) []uint32 {
	if more, err := r.tryUnsound(bad, lo, hi, want); err == nil {
		return more
	}
	if hi-lo == 1 {
		return append(bad, lo)
	}
	middle := lo + (hi-lo)/2
	return r.unsound(r.unsound(bad, lo, middle, want), middle, hi, want)
}

func (r *rows) tryUnsound(bad []uint32, lo, hi slot, want wantRow) (_ []uint32, err error) {
	defer r.catch(&err, setPanicOnFault())
	for s := lo; s < hi; s++ {
		sum, ok := want(s)
		if ok && !r.sound(s, r.row(s), &sum) {
			bad = append(bad, s)
		}
	}
	return bad, nil
}

// bytesOf returns the memory of numbers as bytes.
func bytesOf(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}
