package local

import (
	"context"

	"nearside/disk"
	"nearside/index"
)

// Walking returns options with which queries walk wherever a walk is possible.
func Walking(o GraphOptions) GraphOptions {
	o.walk = true
	return o
}

// Purge does at once what the background does every half minute.
func Purge(ctx context.Context, x index.Index) error {
	_, err := call(ctx, x.(*handle), func(s *store) (struct{}, error) { return struct{}{}, s.purge(ctx) })
	return err
}

// Stored returns how many versions of records the index has on disk.
func Stored(ctx context.Context, x index.Index) (versions int, err error) {
	return call(ctx, x.(*handle), func(s *store) (n int, err error) {
		err = s.db.View(ctx, func(tx *disk.Tx) error {
			return tx.Each(`SELECT count(*) FROM records JOIN vectors USING (slot)`, func(r *disk.Row) error {
				n = int(r.Int(0))
				return nil
			})
		})
		return n, err
	})
}
