package disk

import (
	"context"
	"errors"
)

// UpdateAlone is Update in a transaction that nobody shares, for changes to many
// pages. Update must be able to undo one caller's changes and keep the others',
// and for that has a copy of every page in memory that its function changes;
// here the whole transaction is undone, and its pages go to the log as they come.
// Callers of Update wait meanwhile.
func (db *DB) UpdateAlone(ctx context.Context, fn func(tx *Tx) error, committed func()) error {
	if err := db.alone(ctx); err != nil {
		return err
	}
	defer db.turn.drop()
	g, err := db.beginGroup()
	if err != nil {
		return err
	}
	if err := db.inTransaction(ctx, g.head+1, fn); err != nil {
		db.group = nil
		return err
	}
	g.head++
	m := &member{committed: committed}
	g.members = append(g.members, m)
	db.endGroup()
	if m.panicked != nil {
		panic(m.panicked)
	}
	return g.err
}

// inTransaction runs fn, and undoes the transaction if it fails or panics.
func (db *DB) inTransaction(ctx context.Context, sequence uint64, fn func(tx *Tx) error) (err error) {
	kept := false
	defer func() {
		if kept || db.writer.GetAutocommit() {
			return
		}
		db.group = nil
		if failed := db.run(`ROLLBACK`); failed != nil {
			err = errors.Join(err, failed)
		}
	}()
	if err := fn(&Tx{ctx: ctx, c: db.writer, sequence: sequence}); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return canceled(err)
	}
	if db.writer.GetAutocommit() {
		return db.explain(errors.New("SQLite has undone the transaction"))
	}
	kept = true
	return nil
}
