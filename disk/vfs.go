package disk

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// system is how one database reaches its files: SQLite's ordinary way, with the
// hook consulted before every step, and with what SQLite does not report kept.
type system struct {
	vfs.VFSFilename
	name string // under which it is registered
	dir  string
	hook Hook

	unsynced atomic.Pointer[error]   // the first sync that failed; never reset
	full     atomic.Pointer[noSpace] // the last write that found no room
}

// noSpace describes a write that found no room.
type noSpace struct {
	path  string
	bytes int64 // that it wanted to write
}

var systems atomic.Uint64 // numbers the registered names

func newSystem(hook Hook, dir string) *system {
	s := &system{
		VFSFilename: vfs.Find("").(vfs.VFSFilename),
		name:        fmt.Sprintf("nearside-%d", systems.Add(1)),
		dir:         dir,
		hook:        hook,
	}
	vfs.Register(s.name, s)
	return s
}

func (s *system) close() { vfs.Unregister(s.name) }

// OpenFilename implements vfs.VFSFilename.
func (s *system) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	if name.String() == "" {
		f, err := openScratch(s)
		return f, flags, err
	}
	path := name.String()
	if err := s.hook.ask(OpOpen, path); err != nil {
		return nil, flags, vfs.SystemError(err, sqlite3.CANTOPEN)
	}
	f, flags, err := s.VFSFilename.OpenFilename(name, flags)
	if err != nil {
		return nil, flags, err
	}
	h := &hookFile{standardFile: f.(standardFile), system: s, path: path}
	h.newName = flags&(vfs.OPEN_WAL|vfs.OPEN_MAIN_JOURNAL) != 0 && flags&vfs.OPEN_CREATE != 0
	h.log = flags&vfs.OPEN_WAL != 0
	return h, flags, nil
}

// Delete implements vfs.VFS.
func (s *system) Delete(path string, dirSync bool) error {
	if err := s.hook.ask(OpRemove, path); err != nil {
		return vfs.SystemError(err, sqlite3.IOERR_DELETE)
	}
	if err := s.VFSFilename.Delete(path, false); err != nil || !dirSync {
		return err
	}
	return s.syncDir()
}

// Access implements vfs.VFS.
func (s *system) Access(path string, flags vfs.AccessFlag) (bool, error) {
	if err := s.hook.ask(OpList, path); err != nil {
		return false, vfs.SystemError(err, sqlite3.IOERR_ACCESS)
	}
	return s.VFSFilename.Access(path, flags)
}

// syncDir makes the names beside the database durable, and remembers a failure.
func (s *system) syncDir() error {
	err := syncDir(s.hook, s.dir)
	if err != nil {
		s.unsynced.CompareAndSwap(nil, &err)
		return vfs.SystemError(err, sqlite3.IOERR_DIR_FSYNC)
	}
	return nil
}

// failedSync returns the sync that failed, if one ever did.
func (s *system) failedSync() error {
	if p := s.unsynced.Load(); p != nil {
		return *p
	}
	return nil
}

// standardFile is what SQLite's ordinary files can do beyond reading and writing.
type standardFile interface {
	vfs.FileLockState
	vfs.FileHasMoved
	vfs.FileSizeHint
	vfs.FilePersistWAL
	vfs.FilePowersafeOverwrite
	vfs.FileSharedMemory
}

// hookFile is a file of SQLite.
type hookFile struct {
	standardFile
	system  *system
	path    string
	newName bool  // the name may be new and is not durable before the next Sync
	log     bool  // it is a write-ahead log, which has room behind its end
	synced  int64 // of a log: its length at the last Sync
}

// ReadAt implements vfs.File.
func (f *hookFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.system.hook.ask(OpRead, f.path); err != nil {
		return 0, vfs.SystemError(err, sqlite3.IOERR_READ)
	}
	return f.standardFile.ReadAt(p, off)
}

// WriteAt implements vfs.File.
func (f *hookFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.system.hook.write(f.standardFile, f.path, p, off)
	return n, f.system.writeError(err, f.path, int64(len(p)), sqlite3.IOERR_WRITE)
}

// SizeHint implements vfs.FileSizeHint.
func (f *hookFile) SizeHint(size int64) error {
	err := f.system.hook.ask(OpTruncate, f.path)
	if err == nil {
		err = f.standardFile.SizeHint(size)
	}
	return f.system.writeError(err, f.path, size, sqlite3.IOERR_TRUNCATE)
}

// writeError gives err SQLite's code, and remembers that there was no room.
func (s *system) writeError(err error, path string, bytes int64, code sqlite3.ExtendedErrorCode) error {
	switch {
	case err == nil:
		return nil
	case isFull(err) || errors.Is(err, sqlite3.FULL):
		s.full.Store(&noSpace{path: path, bytes: bytes})
		return vfs.SystemError(err, sqlite3.FULL)
	default:
		return vfs.SystemError(err, code)
	}
}

// Truncate implements vfs.File.
func (f *hookFile) Truncate(size int64) error {
	if err := f.system.hook.ask(OpTruncate, f.path); err != nil {
		return vfs.SystemError(err, sqlite3.IOERR_TRUNCATE)
	}
	return f.standardFile.Truncate(size)
}

// Sync implements vfs.File. NOTE: the driver's own Sync of a new file does not
// sync the directory (it syncs the file twice); hence newName.
func (f *hookFile) Sync(flags vfs.SyncFlag) error {
	if f.log {
		f.makeRoom()
	}
	err := f.system.hook.ask(OpSync, f.path)
	if err == nil {
		err = f.standardFile.Sync(flags)
	}
	if err != nil {
		f.system.unsynced.CompareAndSwap(nil, &err)
		return vfs.SystemError(err, sqlite3.IOERR_FSYNC)
	}
	if !f.newName {
		return nil
	}
	f.newName = false
	return f.system.syncDir()
}

// Lock implements vfs.File.
func (f *hookFile) Lock(lock vfs.LockLevel) error {
	if err := f.system.hook.ask(OpLock, f.path); err != nil {
		return vfs.SystemError(err, sqlite3.IOERR_LOCK)
	}
	return f.standardFile.Lock(lock)
}

// DeviceCharacteristics implements vfs.File. Without IOCAP_SUBPAGE_READ SQLite
// reads whole pages only, which alone have checksums.
func (f *hookFile) DeviceCharacteristics() vfs.DeviceCharacteristic {
	return f.standardFile.DeviceCharacteristics() &^ vfs.IOCAP_SUBPAGE_READ
}

// Unwrap implements vfs.FileUnwrap.
func (f *hookFile) Unwrap() vfs.File { return f.standardFile }

// scratch is a file that SQLite spills to and never reads again after a crash.
type scratch struct{ *File }

func openScratch(s *system) (vfs.File, error) {
	if err := s.hook.ask(OpOpen, s.dir); err != nil {
		return nil, vfs.SystemError(err, sqlite3.CANTOPEN)
	}
	f, err := os.CreateTemp(s.dir, "spill-*"+tempSuffix)
	if err != nil {
		return nil, vfs.SystemError(err, sqlite3.CANTOPEN)
	}
	return scratch{&File{hook: s.hook, path: f.Name(), f: f}}, nil
}

func (s scratch) Close() error {
	return errors.Join(s.File.Close(), remove(s.hook, s.path))
}

func (s scratch) WriteAt(p []byte, off int64) (int, error) {
	n, err := s.File.WriteAt(p, off)
	if isFull(err) {
		err = vfs.SystemError(err, sqlite3.FULL)
	}
	return n, err
}

func (scratch) Sync(vfs.SyncFlag) error                         { return nil }
func (scratch) Lock(vfs.LockLevel) error                        { return nil }
func (scratch) Unlock(vfs.LockLevel) error                      { return nil }
func (scratch) CheckReservedLock() (bool, error)                { return false, nil }
func (scratch) SectorSize() int                                 { return 4096 }
func (scratch) DeviceCharacteristics() vfs.DeviceCharacteristic { return 0 }
