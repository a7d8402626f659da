package catalog

import (
	"context"

	"nearside/disk"
	"nearside/fault"
)

// BindModel records which embedding model and which weights make the vectors of
// an index, unless that is recorded already, and returns the definition that
// holds now. It binds the index with the number n: if the name stands for
// another one by now, nothing is recorded.
func (c *Catalog) BindModel(ctx context.Context, account, name string, n Number, model, fingerprint string) (Index, error) {
	var x Index
	err := c.db.Update(ctx, func(tx *disk.Tx) error {
		var err error
		if x, err = indexIn(tx, account, name); err != nil {
			return err
		}
		if x.Number != n {
			return fault.New(fault.Conflict, "index %q was replaced while it was being given to the model %s; send the call again if that is still wanted", name, model)
		}
		if x.Fingerprint != "" {
			return nil
		}
		x.Model, x.Fingerprint, x.Modified = model, fingerprint, c.now()
		return tx.Exec(`UPDATE indexes SET model = ?, fingerprint = ?, modified = ? WHERE account = ? AND name = ?`,
			x.Model, x.Fingerprint, stamp(x.Modified), account, name)
	}, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.putIndexLocked(x)
	})
	if err != nil {
		return Index{}, err
	}
	return x, nil
}
