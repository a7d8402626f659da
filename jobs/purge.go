package jobs

import (
	"context"
	"time"

	"nearside/disk"
)

// purge deletes jobs whose time is over, until ctx ends.
func (s *Store) purge(ctx context.Context) {
	every := time.NewTicker(purgeEvery)
	defer every.Stop()
	for {
		if err := s.Purge(ctx); err != nil && ctx.Err() == nil {
			s.options.Log.Error("jobs whose time is over cannot be deleted", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

// Purge deletes the jobs that have ended and are too old, or too many of an account. Run does so every hour.
func (s *Store) Purge(ctx context.Context) error {
	var old []Job
	before := millis(s.options.Clock().Add(-s.options.Keep))
	err := s.db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(`SELECT number FROM (
				SELECT number, ended, row_number() OVER (PARTITION BY account ORDER BY ended DESC, number DESC) AS place
				FROM jobs WHERE state NOT IN ('queued', 'running'))
			WHERE ended <= ? OR place > ?`, func(r *disk.Row) error {
			old = append(old, Job{Number: r.Int(0)})
			return nil
		}, before, s.options.MaxKept)
	})
	for _, j := range old {
		if err == nil && s.options.Ledger != nil {
			err = s.options.Ledger.Forget(ctx, j.Group()) // first: a job that is still there brings them to mind again
		}
		if err == nil {
			err = s.db.Update(ctx, func(tx *disk.Tx) error {
				if err := tx.Exec(`DELETE FROM failures WHERE job = ?`, j.Number); err != nil {
					return err
				}
				return tx.Exec(`DELETE FROM jobs WHERE number = ?`, j.Number)
			}, nil)
		}
	}
	return err
}
