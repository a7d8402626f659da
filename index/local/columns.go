package local

import (
	"context"
	"slices"

	"nearside/disk"
	"nearside/index"
	"nearside/index/filter"
)

// createMetadataIndex makes a property filterable.
func (s *store) createMetadataIndex(ctx context.Context, m index.MetadataIndex, backfill bool) (index.Mutation, error) {
	return s.mutate(ctx, func(tx *disk.Tx, c *change) error {
		existing, err := readColumns(tx)
		if err != nil {
			return err
		}
		if err := index.CheckMetadataIndex(indexesOf(existing), m); err != nil {
			return err
		}
		c.created = &column{MetadataIndex: m, created: c.mutation.Sequence, backfilled: backfill, values: filter.NewColumn(m.Type)}
		if backfill {
			if c.mutation.Changed, err = fill(tx, c.created); err != nil {
				return err
			}
		}
		return tx.Exec(`INSERT INTO metadata_indexes (property, type, created, backfilled, dropped) VALUES (?, ?, ?, ?, NULL)`,
			m.Property, string(m.Type), uint64(c.mutation.Sequence), backfill)
	})
}

// fill enters all stored versions into a new column, and returns how many are alive.
func fill(tx *disk.Tx, c *column) (alive int, err error) {
	err = tx.Each(`SELECT slot, died IS NULL, metadata FROM records ORDER BY slot`, func(r *disk.Row) error {
		c.add(slot(r.Int(0)), rawJSON(r, 2))
		alive += int(r.Int(1))
		return nil
	})
	return alive, err
}

// deleteMetadataIndex undoes createMetadataIndex.
func (s *store) deleteMetadataIndex(ctx context.Context, property string) (index.Mutation, error) {
	return s.mutate(ctx, func(tx *disk.Tx, c *change) error {
		existing, err := readColumns(tx)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(existing, func(e *column) bool { return e.Property == property })
		if at < 0 {
			return index.NoMetadataIndex(property)
		}
		c.dropped = property
		return tx.Exec(`UPDATE metadata_indexes SET dropped = ? WHERE number = ?`, uint64(c.mutation.Sequence), existing[at].number)
	})
}
