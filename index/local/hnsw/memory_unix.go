//go:build unix

package hnsw

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is the size of a huge page on the CPUs that we run on.
const hugePage = 2 << 20

// A region is memory off the Go heap that never moves: address space for the
// most it may hold, memory for what was asked for with grow. It begins at a huge
// page, and is on huge pages where the system has them: a walk reads rows from
// all over it.
type region struct {
	mapping []byte
	whole   []byte // aligned; what may be used of it: the first ready bytes
	ready   int
}

// reserve takes address space, and no memory.
func reserve(bytes int) (region, error) {
	mapping, err := unix.Mmap(-1, 0, bytes+hugePage, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE|mapNoReserve)
	if err != nil {
		return region{}, os.NewSyscallError("mmap", err)
	}
	lead := int(-uintptr(unsafe.Pointer(unsafe.SliceData(mapping))) % hugePage)
	whole := mapping[lead : lead+bytes]
	adviseHuge(whole)
	return region{mapping: mapping, whole: whole}, nil
}

// grow makes the first bytes of the region usable; they are zero at first.
func (r *region) grow(bytes int) error {
	if bytes <= r.ready {
		return nil
	}
	upTo := min((bytes+hugePage-1)/hugePage*hugePage, len(r.whole))
	if err := unix.Mprotect(r.whole[r.ready:upTo], unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return os.NewSyscallError("mprotect", err)
	}
	r.ready = upTo
	return nil
}

// free gives everything back. Nobody may use the region any more.
func (r *region) free() error {
	if r.mapping == nil {
		return nil
	}
	mapping := r.mapping
	*r = region{}
	return os.NewSyscallError("munmap", unix.Munmap(mapping))
}
