package local

import (
	"math/bits"
	"runtime/debug"
	"unsafe"

	"nearside/disk"
	"nearside/fault"
)

// An extent is a part of the file that is mapped as one: the first rowsInExtent0
// rows, and then each time as many as there are before it. Address space is
// taken for the whole extent, memory only for what the file holds of it.
type extent struct {
	numbers []float32 // all the extent's rows, stride/4 numbers each
	memory  []byte    // what is mapped: numbers, and what precedes them in their first page
}

const (
	rowsInExtent0 = 256
	extentCount   = 1 + 32 - 8 // for slots below 2^32
)

// extentOf returns the number of the extent that holds a slot.
func extentOf(s slot) int { return bits.Len32(s / rowsInExtent0) }

// extentBounds returns the first slot of an extent, and the first behind it.
func extentBounds(x int) (from, to uint64) {
	if x == 0 {
		return 0, rowsInExtent0
	}
	return rowsInExtent0 << (x - 1), rowsInExtent0 << x
}

// mapUpTo maps the extents that hold the slots below n, those that are not yet.
func (r *rows) mapUpTo(f *disk.File, n slot) error {
	if n == 0 {
		return nil
	}
	for i := range extentOf(n-1) + 1 {
		if r.extents[i].Load() != nil {
			continue
		}
		from, to := extentBounds(i)
		memory, numbers, err := mapFile(f, r.offset(slot(from)), int(to-from)*r.stride)
		if err != nil {
			return fault.New(fault.Unavailable, "%s: %d rows of %d bytes cannot be mapped into memory", r.path, to-from, r.stride).Because(err)
		}
		r.extents[i].Store(&extent{
			numbers: unsafe.Slice((*float32)(unsafe.Pointer(&numbers[0])), len(numbers)/4),
			memory:  memory,
		})
	}
	return nil
}

// close unmaps the rows. Nobody may read any more.
func (r *rows) close() error {
	var err error
	for i := range r.extents {
		if x := r.extents[i].Swap(nil); x != nil {
			if e := unmapFile(x.memory); e != nil {
				err = fault.New(fault.Internal, "%s: unmapping failed", r.path).Because(e)
			}
		}
	}
	return err
}

func setPanicOnFault() (before bool) { return debug.SetPanicOnFault(true) }

// catch is to be deferred by whoever reads rows, as
//
//	defer r.catch(&err, setPanicOnFault())
//
// It turns a fault in the mapping, such as a sector that the device cannot read
// or a file that somebody has cut, into an error. All other panics go on.
func (r *rows) catch(err *error, before bool) {
	debug.SetPanicOnFault(before)
	p := recover()
	if p == nil {
		return
	}
	if at, ok := p.(interface{ Addr() uintptr }); !ok || !r.holds(at.Addr()) {
		panic(p)
	}
	*err = fault.New(fault.Corrupt, "%s cannot be read; restart nearside and it is made anew from %s", r.path, recordsFile).Because(p.(error))
}

// holds reports whether an address lies in the mapping.
func (r *rows) holds(at uintptr) bool {
	for i := range r.extents {
		x := r.extents[i].Load()
		if x == nil {
			continue
		}
		if start := uintptr(unsafe.Pointer(unsafe.SliceData(x.memory))); at >= start && at < start+uintptr(len(x.memory)) {
			return true
		}
	}
	return false
}

// damaged is the error for a row whose bytes are not what was put.
func (r *rows) damaged(s slot) error {
	return fault.New(fault.Corrupt, "%s: the row of slot %d is damaged; restart nearside and it is made anew from %s", r.path, s, recordsFile)
}
