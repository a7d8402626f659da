package catalog

import (
	"context"

	"nearside/fault"
)

// BindModel records which embedding model and which weights make the vectors of
// an index, unless that is recorded already, and returns the definition that
// holds now. It binds the index with the number n: if the name stands for
// another one by now, nothing is recorded.
func (c *Catalog) BindModel(ctx context.Context, account, name string, n Number, model, fingerprint string) (Index, error) {
	return c.change(ctx, account, name, func(x *Index) error {
		if x.Number != n {
			return fault.New(fault.Conflict, "index %q was replaced while it was being given to the model %s; send the call again if that is still wanted", name, model)
		}
		if x.Fingerprint == "" {
			x.Model, x.Fingerprint = model, fingerprint
		}
		return nil
	})
}
