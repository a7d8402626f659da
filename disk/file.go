package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// File is an open file of a Dir. Every operation on it consults the Dir's Hook.
// Reading and writing at offsets may be done from any goroutine; Read and Write
// move one common position and may not.
type File struct {
	hook Hook
	path string
	f    *os.File
	pos  int64
}

func openFile(hook Hook, path string, flag int) (*File, error) {
	if err := hook.ask(OpOpen, path); err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return &File{hook: hook, path: path, f: f}, nil
}

// Name returns the path of the file.
func (f *File) Name() string { return f.path }

// OS returns the file itself, for mapping it into memory.
func (f *File) OS() *os.File { return f.f }

// ReadAt reads len(p) bytes at off, like io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if err := f.hook.ask(OpRead, f.path); err != nil {
		return 0, &fs.PathError{Op: "read", Path: f.path, Err: err}
	}
	return f.f.ReadAt(p, off)
}

// Read reads from the current position, like io.Reader.
func (f *File) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.pos)
	f.pos += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// WriteAt writes p at off. When the disk is full the error says how much room is wanted.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.hook.write(f.f, f.path, p, off)
	switch {
	case err == nil:
		return n, nil
	case isFull(err):
		return n, noRoom(f.path, int64(len(p)-n), err)
	case !isPathError(err):
		err = &fs.PathError{Op: "write", Path: f.path, Err: err}
	}
	return n, err
}

// Write writes p at the current position.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.WriteAt(p, f.pos)
	f.pos += int64(n)
	return n, err
}

// Truncate changes the size of the file.
func (f *File) Truncate(size int64) error {
	if err := f.hook.ask(OpTruncate, f.path); err != nil {
		return &fs.PathError{Op: "truncate", Path: f.path, Err: err}
	}
	return f.f.Truncate(size)
}

// Size returns the length of the file in bytes.
func (f *File) Size() (int64, error) {
	info, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Sync returns once the bytes written are on the device. After an error nobody
// knows which are; the file must be written anew.
func (f *File) Sync() error {
	if err := f.hook.ask(OpSync, f.path); err != nil {
		return &fs.PathError{Op: "sync", Path: f.path, Err: err}
	}
	return syncData(f.f)
}

// Close closes the file. It does not sync.
func (f *File) Close() error { return f.f.Close() }

func isPathError(err error) bool {
	var p *fs.PathError
	return errors.As(err, &p)
}
