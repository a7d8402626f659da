package disk

import (
	"context"
	"crypto/rand"
	"errors"
	"os"

	"github.com/ncruces/go-sqlite3"

	"nearside/fault"
)

// create builds a database under its .new name, writes its witness, and only
// then gives it its own name. A crash at any moment leaves nothing, leftovers
// that the next create removes, or a pair that settle finishes.
func (d *Dir) create(path string, s Schema) error {
	hook := d.house.hook
	fresh := path + newSuffix
	err := errors.Join(remove(hook, fresh), remove(hook, fresh+walSuffix), remove(hook, fresh+"-shm"), remove(hook, fresh+"-journal"))
	if err != nil {
		return err
	}
	var id identity
	rand.Read(id[:]) // never fails
	if err := d.build(fresh, s, id); err != nil {
		return err
	}
	if err := createWitness(hook, path+witnessSuffix, id, 0); err != nil {
		return err
	}
	return rename(hook, fresh, path)
}

// build makes a database file with the schema in it, durably.
func (d *Dir) build(path string, s Schema, id identity) error {
	if s.Version < 1 || s.Application == "" {
		return fault.New(fault.Internal, "the schema of %s has no application or a version below 1", path)
	}
	system := newSystem(d.house.hook, d.path)
	defer system.close()
	db := &DB{dir: d, path: path, schema: s, system: system} // for its error messages
	c, err := open(system, path)
	if err != nil {
		return db.explain(err)
	}
	w := &conn{Conn: c, db: db, statements: map[string]*sqlite3.Stmt{}}
	err = w.prepare(s, id)
	if err = errors.Join(db.explain(err), db.explain(w.close())); err != nil {
		return err
	}
	f, err := openFile(d.house.hook, path, os.O_RDWR)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), syncDir(d.house.hook, d.path))
}

// prepare turns an empty file into a database of ours. The page size and the
// room for checksums must be set before anything else.
func (c *conn) prepare(s Schema, id identity) error {
	if err := c.Exec(`PRAGMA page_size = 16384`); err != nil {
		return err
	}
	if _, err := c.FileControl("main", sqlite3.FCNTL_RESERVE_BYTES, reservedBytes); err != nil {
		return err
	}
	if err := c.Exec(`PRAGMA journal_mode = WAL`); err != nil {
		return err
	}
	if err := c.Exec(pragmas); err != nil {
		return err
	}
	tx := Tx{ctx: context.Background(), c: c}
	for _, sql := range append([]string{`BEGIN IMMEDIATE`, selfTable}, s.Statements...) {
		if err := tx.Exec(sql); err != nil {
			return err
		}
	}
	err := tx.Exec(`INSERT INTO nearside (self, application, version, head, identity) VALUES (1, ?, ?, 0, ?)`, s.Application, s.Version, id[:])
	if err != nil {
		return err
	}
	return tx.Exec(`COMMIT`)
}
