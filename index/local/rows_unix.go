//go:build unix

package local

import (
	"os"

	"golang.org/x/sys/unix"

	"nearside/disk"
)

// mapFile maps length bytes of a file from offset on, whether the file has them
// already or will later. What it has not must not be read.
func mapFile(f *disk.File, offset int64, length int) (memory, part []byte, err error) {
	lead := int(offset % int64(os.Getpagesize()))
	memory, err = unix.Mmap(int(f.OS().Fd()), offset-int64(lead), lead+length, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, os.NewSyscallError("mmap", err)
	}
	return memory, memory[lead:], nil
}

func unmapFile(memory []byte) error { return os.NewSyscallError("munmap", unix.Munmap(memory)) }

// mirror has nothing to do: what is written to the file shows in the mapping.
func (r *rows) mirror(slot, []byte) {}
