package local

import (
	"context"
	"errors"
	"fmt"

	"nearside/disk"
	"nearside/fault"
	"nearside/index"
)

// Check verifies an engine's directory while no engine has it open, and lists all
// that is wrong: each database as disk.Dir.CheckDB does, that records, vectors
// and counts agree, and that the rows are what the database says. Nothing is
// mended. The error is about the examination, not about what it found.
func Check(ctx context.Context, dir *disk.Dir) ([]disk.Finding, error) {
	e := Open(dir, Options{})
	numbers, err := e.Numbers(ctx)
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	var findings []disk.Finding
	for _, n := range numbers {
		found, err := e.checkOne(ctx, n)
		findings = append(findings, found...)
		if err != nil {
			return findings, errors.Join(err, e.Close())
		}
	}
	return findings, e.Close()
}

func (e *Engine) checkOne(ctx context.Context, n index.Number) ([]disk.Finding, error) {
	dir := e.dir.Sub(folder(n))
	found, err := e.exists(n)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, nil // the folder of an index that was never completed; it is swept
	}
	findings, err := dir.CheckDB(ctx, recordsFile, schema)
	if err != nil || len(findings) > 0 {
		return findings, err
	}
	db, err := dir.OpenDB(recordsFile, schema)
	if err != nil {
		return nil, err
	}
	c := checking{store: &store{options: &e.options, number: n, dir: dir, db: db, engine: e}}
	err = db.View(ctx, func(tx *disk.Tx) error { return c.run(tx) })
	return c.findings, errors.Join(err, db.Close())
}

// checking is the examination of one sound database.
type checking struct {
	*store
	findings []disk.Finding
	sums     sumTable
	state    state
}

func (c *checking) find(path, rescue, format string, args ...any) {
	c.findings = append(c.findings, disk.Finding{Path: path, Problem: fmt.Sprintf(format, args...), Rescue: rescue})
}

const (
	fromSnapshot = "restore it from a snapshot"
	byItself     = "nothing is lost: it is put right from records.db when the index is next opened"
)

func (c *checking) run(tx *disk.Tx) error {
	l := loading{store: c.store}
	if err := l.readConfig(tx); fault.Is(err, fault.NotFound) {
		return nil // never completed
	} else if err != nil {
		c.find(c.db.Path(), fromSnapshot, "%s", err)
		return nil
	}
	c.state = l.state
	if err := errors.Join(c.records(tx), c.vectors(tx)); err != nil {
		return err
	}
	return errors.Join(c.checkRows(), c.checkGraph())
}

// records checks that the versions are those that the newest state counts.
func (c *checking) records(tx *disk.Tx) error {
	alive := 0
	err := tx.Each(`SELECT slot, born, died, sum, id FROM records ORDER BY slot`, func(r *disk.Row) error {
		born, died := index.Sequence(r.Int(1)), index.Sequence(r.Int(2))
		switch {
		case r.Int(0) < 0 || r.Int(0) >= int64(c.state.slots) || born > c.state.mutation.Sequence:
			c.find(c.db.Path(), fromSnapshot, "record %q, slot %d, is from after the last mutation", r.Text(4), r.Int(0))
			return nil
		case !r.Null(2) && (died <= born || died > c.state.mutation.Sequence):
			c.find(c.db.Path(), fromSnapshot, "record %q, slot %d, was born by mutation %d and died by %d", r.Text(4), r.Int(0), born, died)
		}
		if r.Null(2) {
			alive++
		}
		c.sums.set(slot(r.Int(0)), uint32(r.Int(3)))
		return nil
	})
	if err == nil && alive != c.state.count {
		c.find(c.db.Path(), fromSnapshot, "there are %d records where the last mutation left %d", alive, c.state.count)
	}
	return err
}

// vectors checks that there is the right vector for each version, and none beside.
func (c *checking) vectors(tx *disk.Tx) error {
	err := tx.Each(`SELECT vectors.slot, data, records.slot IS NULL FROM vectors LEFT JOIN records USING (slot)`, func(r *disk.Row) error {
		sum, _ := c.sums.get(slot(r.Int(0)))
		if r.Int(2) != 0 {
			c.find(c.db.Path(), fromSnapshot, "there is a vector without a record, slot %d", r.Int(0))
		} else if c.decode(r.Blob(1), sum) == nil {
			c.find(c.db.Path(), fromSnapshot, "the vector in slot %d is not the one that was stored", r.Int(0))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return tx.Each(`SELECT id, slot FROM records WHERE slot NOT IN (SELECT slot FROM vectors)`, func(r *disk.Row) error {
		c.find(c.db.Path(), "its metadata and text can be read with any SQLite program; "+fromSnapshot, "record %q, slot %d, has no vector", r.Text(0), r.Int(1))
		return nil
	})
}

// checkRows compares the rows with the records.
func (c *checking) checkRows() error {
	path := c.dir.Path(rowsFile)
	rows, missing, err := openRows(c.dir, c.number, c.config.Dimensions, c.state.slots, c.sums.get)
	if err != nil {
		return err
	}
	if n := missing.GetCardinality(); n > 0 {
		c.find(path, byItself, "%d of %d rows are missing or damaged, the first of them is row %d", n, c.state.slots, missing.Minimum())
	}
	return rows.close()
}
