package disk

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"nearside/fault"
)

// InstallDB makes a database from what Backup wrote, and returns its head. One of
// an older version is upgraded. All of it is verified (every page's checksum,
// SQLite's integrity check, application, version and tables) before the database
// exists; after an error or a crash there is none. A database called name must not
// exist yet.
//
// The new database has an identity of its own: its witness is not the original's.
func (d *Dir) InstallDB(ctx context.Context, name string, src io.Reader, s Schema) (head uint64, err error) {
	path := d.Path(name)
	if err := d.house.claim(path); err != nil {
		return 0, err
	}
	defer d.house.release(path)
	if err := d.vacant(path); err != nil {
		return 0, err
	}
	fresh := path + newSuffix
	err = writeSynced(d.house.hook, fresh, func(w io.Writer) error { return copyPages(w, src, "the snapshot") })
	var id identity
	rand.Read(id[:]) // never fails
	if err == nil {
		head, err = d.adoptDB(ctx, fresh, s, id)
	}
	if err == nil {
		err = d.appear(path, id, head)
	}
	if err != nil {
		return 0, errors.Join(explainFile(path, err), d.removeUnwitnessed(path))
	}
	return head, nil
}

// vacant refuses a path where a database is, and clears what a crash left there.
func (d *Dir) vacant(path string) error {
	if err := d.Make(); err != nil {
		return err
	}
	for _, suffix := range []string{"", witnessSuffix} {
		found, err := exists(d.house.hook, path+suffix)
		if err != nil {
			return err
		}
		if found {
			return fault.New(fault.Conflict, "%s exists already; nothing is replaced", path+suffix)
		}
	}
	return d.removeDB(path + newSuffix)
}

// removeUnwitnessed removes a database that failed to appear. If its witness is
// there it may yet appear, and stays.
func (d *Dir) removeUnwitnessed(path string) error {
	witnessed, err := exists(d.house.hook, path+witnessSuffix)
	if err != nil || witnessed {
		return err
	}
	return d.removeDB(path + newSuffix)
}

// adoptDB verifies a database file through SQLite and gives it a new identity.
func (d *Dir) adoptDB(ctx context.Context, path string, s Schema, id identity) (head uint64, err error) {
	db := d.newDB(path, s)
	defer db.system.close()
	c, err := db.connect()
	if err != nil {
		return 0, err
	}
	head, err = db.adopt(ctx, c, id)
	return head, db.explain(errors.Join(err, c.close()))
}

func (db *DB) adopt(ctx context.Context, c *conn, id identity) (head uint64, err error) {
	found, err := db.identify(c)
	if err != nil {
		return 0, err
	}
	if err := db.integrity(ctx, c); err != nil {
		return 0, err
	}
	if err := db.upgrade(c, found.version); err != nil {
		return 0, err
	}
	if err := db.sameTables(c); err != nil {
		return 0, err
	}
	tx := Tx{ctx: context.Background(), c: c}
	if err := tx.Exec(`UPDATE nearside SET identity = ?`, id[:]); err != nil {
		return 0, err
	}
	return found.head, c.settle()
}

// integrity runs SQLite's own check of the whole database.
func (db *DB) integrity(ctx context.Context, c *conn) error {
	c.SetInterrupt(ctx)
	defer c.SetInterrupt(context.Background())
	var problems []string
	tx := Tx{ctx: ctx, c: c}
	err := tx.Each(`PRAGMA integrity_check(10)`, func(r *Row) error {
		problems = append(problems, strings.TrimSpace(r.Text(0)))
		return nil
	})
	if err != nil {
		return err
	}
	if !slices.Equal(problems, []string{"ok"}) {
		return fault.New(fault.Corrupt, "%s is damaged: %s; restore it from a snapshot", db.path, strings.Join(problems, "; "))
	}
	return nil
}

// sameTables refuses a database whose tables are not those of its schema: a file
// from elsewhere may come with triggers.
func (db *DB) sameTables(c *conn) error {
	has, err := c.tables()
	if err != nil {
		return err
	}
	memory, err := sqlite3.Open(":memory:")
	if err != nil {
		return err
	}
	model := db.newConn(memory)
	var wants []string
	for _, sql := range append([]string{selfTable}, db.schema.Statements...) {
		if err == nil {
			err = model.Conn.Exec(sql)
		}
	}
	if err == nil {
		wants, err = model.tables()
	}
	if err = errors.Join(err, model.close()); err != nil {
		return err
	}
	if !slices.Equal(has, wants) {
		return fault.New(fault.Corrupt, "the tables of %s are not those of %q version %d", db.path, db.schema.Application, db.schema.Version)
	}
	return nil
}

// tables lists the statements that made the tables, indexes, views and triggers.
func (c *conn) tables() (statements []string, err error) {
	tx := Tx{ctx: context.Background(), c: c}
	err = tx.Each(`SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema
		WHERE name NOT LIKE 'sqlite\_stat%' ESCAPE '\' ORDER BY 1`, func(r *Row) error {
		statements = append(statements, r.Text(0))
		return nil
	})
	return statements, err
}
