package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncData makes the bytes of f durable, and its length, but not its times.
func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return &os.PathError{Op: "sync", Path: f.Name(), Err: err}
		}
	}
}
