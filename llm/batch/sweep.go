package batch

import (
	"context"
	"time"

	"nearside/disk"
)

// sweep deletes batches whose time is over, until ctx ends.
func (s *Store) sweep(ctx context.Context) {
	every := time.NewTicker(sweepEvery)
	defer every.Stop()
	for {
		if err := s.expire(ctx); err != nil && ctx.Err() == nil {
			s.options.Log.Error("batches whose time is over cannot be deleted", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

// expire deletes the batches that ended longer than Keep ago. The receipts go
// first: they are of no use to a batch that has ended, and a batch that is still
// there brings them to mind again after a crash.
func (s *Store) expire(ctx context.Context) error {
	type old struct {
		number, bytes int64
		id            string
	}
	var all []old
	before := millis(s.options.Clock().Add(-s.options.Keep))
	err := s.db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(`SELECT number, bytes, id FROM batches WHERE ended > 0 AND ended <= ?`, func(r *disk.Row) error {
			all = append(all, old{r.Int(0), r.Int(1), r.Text(2)})
			return nil
		}, before)
	})
	for _, b := range all {
		if err == nil {
			err = s.options.Ledger.Forget(ctx, group(b.id))
		}
		if err == nil {
			err = s.db.Update(ctx, func(tx *disk.Tx) error {
				if err := tx.Exec(`DELETE FROM items WHERE batch = ?`, b.number); err != nil {
					return err
				}
				return tx.Exec(`DELETE FROM batches WHERE number = ?`, b.number)
			}, func() { s.hold(-b.bytes) })
		}
	}
	return err
}
