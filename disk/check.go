package disk

import (
	"context"
	"errors"

	"nearside/fault"
)

// Check verifies an open database whole: the checksum of every page, SQLite's
// integrity check, and the witness. Writers go on meanwhile.
func (db *DB) Check(ctx context.Context) error {
	err := db.freeze(ctx, func(im *image) error {
		bad, err := im.verify(ctx)
		if err == nil && len(bad) > 0 {
			err = pageError(db.path, bad[0])
		}
		return err
	})
	if err != nil {
		return err
	}
	err = db.View(ctx, func(tx *Tx) error { return db.integrity(ctx, tx.c) })
	if err != nil {
		return err
	}
	return db.checkWitness(ctx)
}

// checkWitness compares the witness as it is on disk with the head.
func (db *DB) checkWitness(ctx context.Context) error {
	if err := db.alone(ctx); err != nil {
		return err
	}
	defer db.turn.drop()
	if db.witness != nil {
		if err := db.witness.settle(); err != nil {
			return err
		}
	}
	w, err := openWitness(db.system.hook, db.path+witnessSuffix)
	if err != nil {
		return err
	}
	head := db.head.Load()
	err = w.agrees(db, head)
	if err == nil && w.head != head {
		err = fault.New(fault.Corrupt, "%s says sequence %d where %s ends at %d: a write to it was lost; check the disk", db.path+witnessSuffix, w.head, db.path, head)
	}
	return errors.Join(err, w.close())
}

// verify returns the pages that are not whole.
func (im *image) verify(ctx context.Context) (bad []uint32, err error) {
	page := make([]byte, pageSize)
	for n := uint32(1); n <= im.pages; n++ {
		if err := ctx.Err(); err != nil {
			return nil, canceled(err)
		}
		whole, err := im.read(n, page)
		if err != nil {
			return nil, err
		}
		if !whole {
			bad = append(bad, n)
		}
	}
	return bad, nil
}
