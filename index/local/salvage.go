package local

import (
	"context"
	"errors"

	"nearside/disk"
	"nearside/fault"
	"nearside/index"
)

// Salvaged says what Salvage found.
type Salvaged struct {
	Saved      int // records passed on
	Unreadable int // slots that may have held a record and could not be read
}

// Salvage reads what can be read of a damaged index, while no engine has it open,
// and passes each record that is whole to save: its row in records.db can be
// read, and its vector there or in vectors.rows has the right checksum. No record
// is changed or removed. An index whose database cannot be opened at all gives an
// error; only a snapshot helps then.
func Salvage(ctx context.Context, dir *disk.Dir, n index.Number, save func(index.Record) error) (Salvaged, error) {
	e := &Engine{dir: dir, options: Options{}.withDefaults()}
	sub := dir.Sub(folder(n))
	db, err := sub.OpenDB(recordsFile, schema)
	if err != nil {
		return Salvaged{}, err
	}
	g := salvage{store: &store{engine: e, options: &e.options, number: n, dir: sub, db: db}, save: save}
	err = g.run(ctx)
	if g.rows != nil {
		err = errors.Join(err, g.rows.close())
	}
	return g.result, errors.Join(err, db.Close())
}

// salvage is the rescue of one index.
type salvage struct {
	*store
	slots  slot
	save   func(index.Record) error
	result Salvaged
}

func (g *salvage) run(ctx context.Context) error {
	l := loading{store: g.store}
	if err := g.db.View(ctx, l.readConfig); err != nil {
		return err
	}
	g.slots = l.state.slots
	rows, _, err := openRows(g.dir, g.number, g.config.Dimensions, g.slots, l.sums.get)
	if err != nil {
		return err
	}
	g.rows = rows
	for next := slot(0); next < g.slots; {
		// A page that cannot be read ends the transaction, not the rescue.
		err := g.db.View(ctx, func(tx *disk.Tx) error {
			for ; next < g.slots; next++ {
				if err := g.one(tx, next); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil && !fault.Is(err, fault.Corrupt) {
			return err
		}
		if err != nil {
			g.result.Unreadable++
			next++
		}
	}
	return nil
}

// one saves the record in a slot, if there is one and it is alive.
func (g *salvage) one(tx *disk.Tx, at slot) error {
	var record index.Record
	var sum uint32
	alive := false
	err := tx.Each(`SELECT died IS NULL, sum, id, namespace, metadata, title, text FROM records WHERE slot = ?`, func(r *disk.Row) error {
		alive, sum = r.Int(0) != 0, uint32(r.Int(1))
		record = index.Record{ID: index.VectorID(r.Text(2)), Namespace: r.Text(3), Metadata: rawJSON(r, 4), Title: r.Text(5), Text: r.Text(6)}
		return nil
	}, int64(at))
	if err != nil || !alive {
		return err
	}
	err = tx.Each(`SELECT data FROM vectors WHERE slot = ?`, func(r *disk.Row) error {
		record.Values = g.decode(r.Blob(0), sum)
		return nil
	}, int64(at))
	if record.Values == nil {
		// The row is a copy with a checksum of its own.
		values, rowErr := g.rows.vector(at, nil)
		if rowErr != nil || rowSum(values) != sum {
			return errors.Join(err, g.lostVector(at))
		}
		record.Values = values
	}
	g.result.Saved++
	return g.save(record)
}
