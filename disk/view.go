package disk

import (
	"context"
	"errors"
)

// View runs fn in a read transaction: everything it reads is of one state. It
// never waits for a writer, but for one of four read connections: a View within a
// View may wait for ever. It sees every Update that returned before it began. What
// it sees stays in the log until it ends, so that it should not take minutes.
func (db *DB) View(ctx context.Context, fn func(tx *Tx) error) error {
	var c *conn
	var open bool
	select {
	case c, open = <-db.pool:
	case <-ctx.Done():
		return canceled(ctx.Err())
	}
	if !open {
		return db.closedError()
	}
	defer func() { db.pool <- c }()
	db.dir.house.fleet.used(db)
	if c == nil {
		opened, err := db.connectReader()
		if err != nil {
			return err
		}
		c = opened
	}
	return db.inView(ctx, c, fn)
}

func (db *DB) connectReader() (*conn, error) {
	c, err := db.connect()
	if err != nil {
		return nil, err
	}
	if err := c.Exec(`PRAGMA query_only = ON`); err != nil {
		return nil, errors.Join(db.explain(err), c.close())
	}
	return c, nil
}

func (db *DB) inView(ctx context.Context, c *conn, fn func(tx *Tx) error) error {
	if err := ctx.Err(); err != nil {
		return canceled(err)
	}
	tx := &Tx{ctx: ctx, c: c}
	if err := tx.Exec(`BEGIN`); err != nil {
		return err
	}
	c.SetInterrupt(ctx)
	defer func() {
		c.SetInterrupt(context.Background())
		end := Tx{ctx: context.Background(), c: c}
		_ = end.Exec(`ROLLBACK`) // nothing was changed
	}()
	err := tx.Each(`SELECT head FROM nearside`, func(r *Row) error {
		tx.sequence = uint64(r.Int(0))
		return nil
	})
	if err != nil {
		return err
	}
	return fn(tx)
}
