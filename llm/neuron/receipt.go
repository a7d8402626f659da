package neuron

import (
	"context"

	"nearside/disk"
)

// A receipt is the name of a settled call with what it cost. It is written in the
// transaction of the charge, so that there is either both or neither: whoever
// does a call again because its answer was lost does not pay for it again.

// createReceipts makes the table of receipts, which came with version 2.
const createReceipts = `CREATE TABLE receipts (
			name    TEXT NOT NULL PRIMARY KEY,
			neurons INTEGER NOT NULL
		) STRICT, WITHOUT ROWID`

// Receipt returns what the call cost that was settled once under a name, if one was.
func (l *Ledger) Receipt(ctx context.Context, name string) (cost Micro, settled bool, err error) {
	err = l.db.View(ctx, func(tx *disk.Tx) (err error) {
		cost, settled, err = receipt(tx, name)
		return err
	})
	return cost, settled, err
}

// Forget deletes the receipts whose names begin with group and a slash. The
// charges stay. A call of such a name that is settled again is charged again.
func (l *Ledger) Forget(ctx context.Context, group string) error {
	return l.db.Update(ctx, func(tx *disk.Tx) error {
		return tx.Exec(`DELETE FROM receipts WHERE name > ? AND name < ?`, group+"/", group+afterSlash)
	}, nil)
}

// Spent returns what all calls cost together whose names begin with group and a slash, as far as they are remembered.
func (l *Ledger) Spent(ctx context.Context, group string) (cost Micro, err error) {
	err = l.db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(`SELECT coalesce(sum(neurons), 0) FROM receipts WHERE name > ? AND name < ?`, func(r *disk.Row) error {
			cost = Micro(r.Int(0))
			return nil
		}, group+"/", group+afterSlash)
	})
	return cost, err
}

// afterSlash ends a group: names compare byte by byte.
const afterSlash = string(rune('/' + 1))

// receipt reads the receipt of a name.
func receipt(tx *disk.Tx, name string) (cost Micro, settled bool, err error) {
	err = tx.Each(`SELECT neurons FROM receipts WHERE name = ?`, func(r *disk.Row) error {
		cost, settled = Micro(r.Int(0)), true
		return nil
	}, name)
	return cost, settled, err
}

// once returns what a call that may be settled once cost when it was, or else
// writes the receipt of what it costs now.
func (c Call) once(tx *disk.Tx, cost Micro) (_ Micro, before bool, err error) {
	if c.Once == "" {
		return cost, false, nil
	}
	if paid, settled, err := receipt(tx, c.Once); settled || err != nil {
		return paid, settled, err
	}
	return cost, false, tx.Exec(`INSERT INTO receipts (name, neurons) VALUES (?, ?)`, c.Once, int64(cost))
}
