package disk

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"

	"github.com/ncruces/go-sqlite3"

	"nearside/fault"
)

// settle brings the files of a database into the state in which they can be
// opened: it makes a new database, or finishes what a crash interrupted.
//
// A database is made under the name .new, then its witness is written, then it
// is renamed: the witness is the moment at which it exists.
func (d *Dir) settle(path string, s Schema) error {
	hook := d.house.hook
	found, err1 := exists(hook, path)
	witnessed, err2 := exists(hook, path+witnessSuffix)
	ready, err3 := exists(hook, path+newSuffix)
	journal, err4 := exists(hook, path+journalSuffix)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	switch {
	case journal:
		return fault.New(fault.Corrupt, "%s exists, which nearside never makes: another program has changed %s; restore it from a snapshot",
			path+journalSuffix, path)
	case found && ready:
		return d.removeDB(path + newSuffix)
	case found:
		return nil
	case witnessed && ready:
		return rename(hook, path+newSuffix, path)
	case witnessed:
		return fault.New(fault.Corrupt, "%s is missing, but its witness %s is there; restore it from a snapshot", path, path+witnessSuffix)
	}
	return d.create(path, s)
}

// create makes a new database with nothing in it.
func (d *Dir) create(path string, s Schema) error {
	fresh := path + newSuffix
	if err := d.removeDB(fresh); err != nil {
		return err
	}
	var id identity
	rand.Read(id[:]) // never fails
	if err := d.build(fresh, s, id); err != nil {
		return err
	}
	return d.appear(path, id, 0)
}

// appear makes the database at path.new, which is whole, the one at path.
func (d *Dir) appear(path string, id identity, head uint64) error {
	if err := syncFile(d.house.hook, path+newSuffix); err != nil {
		return err
	}
	if err := createWitness(d.house.hook, path+witnessSuffix, id, head); err != nil {
		return err
	}
	return rename(d.house.hook, path+newSuffix, path)
}

// syncFile makes a file and its name durable.
func syncFile(hook Hook, path string) error {
	f, err := openFile(hook, path, os.O_RDWR)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncDir(hook, filepath.Dir(path))
}

// removeDB removes what is left of an unfinished database.
func (d *Dir) removeDB(path string) error {
	var errs []error
	for _, suffix := range []string{"", walSuffix, shmSuffix, journalSuffix} {
		errs = append(errs, remove(d.house.hook, path+suffix))
	}
	return errors.Join(errs...)
}

// build makes a database file with the schema in it. It is not durable.
func (d *Dir) build(path string, s Schema, id identity) error {
	if s.Version < 1 || s.Application == "" {
		return fault.New(fault.Internal, "the schema of %s has no application, or a version below 1", path)
	}
	db := d.newDB(path, s)
	defer db.system.close()
	c, err := openSQLite(db.system, path)
	if err != nil {
		return db.explain(err)
	}
	w := db.newConn(c)
	return db.explain(errors.Join(w.prepare(s, id), w.close()))
}

// prepare turns an empty file into a database of ours. The page size and the
// room for checksums must be set before anything else.
func (c *conn) prepare(s Schema, id identity) error {
	if err := c.Conn.Exec(`PRAGMA page_size = 16384`); err != nil {
		return err
	}
	if _, err := c.FileControl("main", sqlite3.FCNTL_RESERVE_BYTES, reservedBytes); err != nil {
		return err
	}
	if err := c.Conn.Exec(`PRAGMA journal_mode = WAL;` + pragmas); err != nil {
		return err
	}
	tx := Tx{ctx: context.Background(), c: c}
	for _, sql := range append([]string{`BEGIN IMMEDIATE`, selfTable}, s.Statements...) {
		if err := tx.Exec(sql); err != nil {
			return err
		}
	}
	if err := tx.Exec(selfInsert, s.Application, s.Version, id[:]); err != nil {
		return err
	}
	if err := tx.Exec(`COMMIT`); err != nil {
		return err
	}
	return c.settle()
}

// settle copies the log into the database and empties it. Closing would do so
// too, but without saying when it fails.
func (c *conn) settle() error {
	_, _, err := c.WALCheckpoint("main", sqlite3.CHECKPOINT_TRUNCATE)
	return err
}
