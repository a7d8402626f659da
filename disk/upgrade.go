package disk

import (
	"context"
	"errors"

	"nearside/fault"
)

// self is what a database says about itself.
type self struct {
	version int    // of its schema
	head    uint64 // the sequence of its last change
}

// refuses returns why a database of a version cannot be opened; nil: it can, after an upgrade perhaps.
func (s Schema) refuses(path string, version int) error {
	if version > s.Version {
		return fault.New(fault.Unsupported, "%s has schema version %d of %q, and this program reads version %d: a newer nearside wrote it, and there is no way back; use that one",
			path, version, s.Application, s.Version)
	}
	for v := version; v < s.Version; v++ {
		if len(s.Upgrades[v]) == 0 {
			return fault.New(fault.Unsupported, "%s has schema version %d of %q, and this program reads version %d and knows no way from version %d; use the nearside that wrote it",
				path, version, s.Application, s.Version, v)
		}
	}
	return nil
}

// upgrade brings a database of an older version to that of its schema, in one
// transaction. After a crash it is of the one or of the other; if of the older,
// it is upgraded when it is next opened. The head stays as it is, because nothing
// was acknowledged.
func (db *DB) upgrade(c *conn, from int) error {
	if from == db.schema.Version {
		return nil
	}
	tx := Tx{ctx: context.Background(), c: c}
	err := tx.Exec(`BEGIN IMMEDIATE`)
	for v := from; err == nil && v < db.schema.Version; v++ {
		for _, sql := range db.schema.Upgrades[v] {
			if err = tx.Exec(sql); err != nil {
				break
			}
		}
	}
	if err == nil {
		err = tx.Exec(`UPDATE nearside SET version = ?`, db.schema.Version)
	}
	if err == nil {
		err = db.sameTables(c)
	}
	if err == nil {
		err = tx.Exec(`COMMIT`)
	}
	if err != nil && !c.GetAutocommit() {
		err = errors.Join(err, tx.Exec(`ROLLBACK`))
	}
	return err
}
