package catalog

import (
	"io"
	"os"

	"nearside/disk"
)

// Files is a directory for those who keep whole files in it and need to know no
// more of package disk than that: WriteAtomic, Names and RemoveAll are disk's.
type Files struct{ *disk.Dir }

// Open opens a file for reading.
func (f Files) Open(name string) (io.ReadCloser, error) { return f.OpenFile(name, os.O_RDONLY) }

// Size returns the length of a file in bytes.
func (f Files) Size(name string) (int64, error) {
	file, err := f.OpenFile(name, os.O_RDONLY)
	if err != nil {
		return 0, err
	}
	size, err := file.Size()
	if closing := file.Close(); err == nil {
		err = closing
	}
	return size, err
}
