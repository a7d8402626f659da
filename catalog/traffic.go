package catalog

import (
	"context"

	"nearside/disk"
)

// trafficTable came later than most others: see later.
const trafficTable = `CREATE TABLE traffic (
			project TEXT NOT NULL,
			day     TEXT NOT NULL,
			record  TEXT NOT NULL,
			PRIMARY KEY (project, day)
		) STRICT, WITHOUT ROWID`

// KeepTraffic replaces what is kept of a project for a day by what change makes of it,
// which is given nil if nothing is. Days of any project before the oldest one are
// forgotten; days are UTC, as 2006-01-02. Of a project that does not exist nothing is kept.
// The catalogue does not look into the text (package workers/traffic does).
func (c *Catalog) KeepTraffic(ctx context.Context, project, day, oldest string, change func(kept []byte) ([]byte, error)) error {
	return c.db.Update(ctx, func(tx *disk.Tx) error {
		known, err := count(tx, `SELECT count(*) FROM projects WHERE id = ?`, project)
		if err != nil || known == 0 {
			return err
		}
		var kept []byte
		err = tx.Each(`SELECT record FROM traffic WHERE project = ? AND day = ?`, func(r *disk.Row) error {
			kept = []byte(r.Text(0))
			return nil
		}, project, day)
		if err != nil {
			return err
		}
		record, err := change(kept)
		if err != nil {
			return err
		}
		if err := tx.Exec(`DELETE FROM traffic WHERE day < ?`, oldest); err != nil {
			return err
		}
		return tx.Exec(`INSERT INTO traffic (project, day, record) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET record = excluded.record`, project, day, string(record))
	}, nil)
}

// Traffic returns what is kept of a project, by day.
func (c *Catalog) Traffic(ctx context.Context, project string) (map[string][]byte, error) {
	days := map[string][]byte{}
	err := c.db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(`SELECT day, record FROM traffic WHERE project = ?`, func(r *disk.Row) error {
			days[r.Text(0)] = []byte(r.Text(1))
			return nil
		}, project)
	})
	return days, err
}

// ForgetTraffic forgets what is kept of a project.
func (c *Catalog) ForgetTraffic(ctx context.Context, project string) error {
	return c.db.Update(ctx, func(tx *disk.Tx) error { return forgetTraffic(tx, project) }, nil)
}

func forgetTraffic(tx *disk.Tx, project string) error {
	return tx.Exec(`DELETE FROM traffic WHERE project = ?`, project)
}
