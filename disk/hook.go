package disk

import "io"

// Op names one kind of file operation, as a Hook sees it.
type Op string

// The operations. SQLite's own are among them, except those on its shared
// memory (-shm), which is a cache that holds nothing.
const (
	OpOpen     Op = "open" // also creates
	OpRead     Op = "read"
	OpWrite    Op = "write"
	OpTruncate Op = "truncate"
	OpSync     Op = "sync"
	OpRename   Op = "rename" // the path is the old name
	OpRemove   Op = "remove"
	OpMkdir    Op = "mkdir"
	OpList     Op = "list" // names of a directory, or whether a file exists
	OpLock     Op = "lock"
	OpSyncDir  Op = "syncdir" // makes created, renamed and removed names durable
)

// Hook is consulted before every file operation, with the path of the file; if
// it returns an error the operation is not done and fails with that error.
// io.ErrShortWrite before an OpWrite writes the first half of the bytes, then
// fails. It is called from many goroutines at once.
//
// Tests inject faults with it; package disk/disktest has ready-made ones.
type Hook func(op Op, path string) error

// ask consults the hook, if there is one.
func (h Hook) ask(op Op, path string) error {
	if h == nil {
		return nil
	}
	return h(op, path)
}

// write consults the hook and then writes p at off, or half of it where the hook says so.
func (h Hook) write(f io.WriterAt, path string, p []byte, off int64) (int, error) {
	err := h.ask(OpWrite, path)
	if err == io.ErrShortWrite {
		n, _ := f.WriteAt(p[:len(p)/2], off) // the write fails either way
		return n, io.ErrShortWrite
	}
	if err != nil {
		return 0, err
	}
	return f.WriteAt(p, off)
}
