package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/ncruces/go-sqlite3"

	"nearside/fault"
)

// explain turns what SQLite says into a fault that names the file. Faults pass unchanged.
func (db *DB) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case fault.As(err) != nil:
		return err
	case errors.Is(err, sqlite3.IOERR_DATA), errors.Is(err, sqlite3.IOERR_CORRUPTFS),
		errors.Is(err, sqlite3.CORRUPT), errors.Is(err, sqlite3.NOTADB):
		return fault.New(fault.Corrupt, "%s is damaged; restore it from a snapshot", db.path).Because(err)
	case errors.Is(err, sqlite3.INTERRUPT):
		return canceled(context.Canceled)
	case errors.Is(err, sqlite3.CONSTRAINT):
		return fault.New(fault.Conflict, "%s: a rule of the table forbids this", db.path).Because(err)
	case db.system.failedSync() != nil: // before the question of room: a sync may fail for want of it
		return unsyncedError(db.path, db.system.failedSync())
	case errors.Is(err, sqlite3.FULL) || isFull(err):
		return db.fullError(err)
	case errors.Is(err, sqlite3.IOERR), errors.Is(err, sqlite3.CANTOPEN):
		return fault.New(fault.Unavailable, "%s cannot be read or written; nothing was changed", db.path).Because(err)
	}
	return explainFile(db.path, err)
}

func canceled(err error) error {
	return fault.New(fault.Canceled, "the caller has gone").Because(err)
}

// unsyncedError says why nothing can be written any more.
func unsyncedError(path string, err error) error {
	return fault.New(fault.Unavailable, "%s is read-only since a write to the device failed; check the disk, then restart nearside, which verifies what is there", path).Because(err)
}

// fullError says how much room was wanted and how much there is.
func (db *DB) fullError(err error) error {
	if s := db.system.full.Load(); s != nil {
		return noRoom(s.path, s.bytes, err)
	}
	return noRoom(db.path, pageSize, err)
}

func noRoom(path string, needed int64, err error) error {
	available := "too few"
	if free, statErr := freeBytes(path); statErr == nil {
		available = fmt.Sprint(free)
	}
	return fault.New(fault.Unavailable, "the disk is full: %s needs at least %d more bytes and %s are free; nothing was changed, reading goes on, and so will writing when there is room",
		path, needed, available).Because(err)
}

// explainFile turns what the operating system says about a file into a fault that
// names it. Faults pass unchanged, and so do errors that are not the system's.
func explainFile(path string, err error) error {
	var system *fs.PathError
	switch {
	case err == nil:
		return nil
	case fault.As(err) != nil:
		return err
	case isFull(err):
		return noRoom(path, 1, err)
	case errors.As(err, &system):
		return fault.New(fault.Unavailable, "%s cannot be read or written", path).Because(err)
	}
	return fmt.Errorf("%s: %w", path, err)
}
