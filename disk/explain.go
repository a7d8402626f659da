package disk

import (
	"context"
	"errors"
	"fmt"

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
	case db.system.failedSync() != nil:
		return unsyncedError(db.path, db.system.failedSync())
	case errors.Is(err, sqlite3.FULL) || isFull(err):
		return db.fullError(err)
	case errors.Is(err, sqlite3.IOERR_DATA), errors.Is(err, sqlite3.IOERR_CORRUPTFS),
		errors.Is(err, sqlite3.CORRUPT), errors.Is(err, sqlite3.NOTADB):
		return fault.New(fault.Corrupt, "%s is damaged; restore it from a snapshot", db.path).Because(err)
	case errors.Is(err, sqlite3.INTERRUPT):
		return canceled(context.Canceled)
	case errors.Is(err, sqlite3.CONSTRAINT):
		return fault.New(fault.Conflict, "%s: a rule of the table forbids this", db.path).Because(err)
	case errors.Is(err, sqlite3.IOERR), errors.Is(err, sqlite3.CANTOPEN):
		return fault.New(fault.Unavailable, "%s cannot be read or written", db.path).Because(err)
	}
	return fmt.Errorf("%s: %w", db.path, err)
}

// fullError says how much room was wanted and how much there is.
func (db *DB) fullError(err error) error {
	path, needed := db.path, int64(pageSize)
	if s := db.system.full.Load(); s != nil {
		path, needed = s.path, s.bytes
	}
	free, statErr := freeBytes(path)
	if statErr != nil {
		return fault.New(fault.Unavailable, "the disk is full: %s needs at least %d more bytes; nothing was changed, reading goes on, writing will when there is room", path, needed).Because(err)
	}
	return fault.New(fault.Unavailable, "the disk is full: %s needs at least %d more bytes and %d are free; nothing was changed, reading goes on, writing will when there is room",
		path, needed, free).Because(err)
}
