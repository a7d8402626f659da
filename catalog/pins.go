package catalog

import (
	"cmp"
	"context"
	"slices"
	"time"

	"nearside/disk"
)

// Pin is the promise that an embedding model of an account is always served by
// the same weights: vectors of different weights do not compare.
type Pin struct {
	Model       string
	Fingerprint string
	Pinned      time.Time
}

// PinModel records that the fingerprint serves the model, if nothing is recorded
// yet, and returns the pin that holds now. The caller compares fingerprints.
func (c *Catalog) PinModel(ctx context.Context, account, model, fingerprint string) (Pin, error) {
	if pin, ok := c.Pin(account, model); ok {
		return pin, nil
	}
	return c.pin(ctx, account, Pin{Model: model, Fingerprint: fingerprint},
		`INSERT INTO pins (account, model, fingerprint, pinned) VALUES (?, ?, ?, ?) ON CONFLICT (account, model) DO NOTHING`)
}

// SwitchModel records that another fingerprint serves the model from now on.
func (c *Catalog) SwitchModel(ctx context.Context, account, model, fingerprint string) (Pin, error) {
	return c.pin(ctx, account, Pin{Model: model, Fingerprint: fingerprint},
		`INSERT OR REPLACE INTO pins (account, model, fingerprint, pinned) VALUES (?, ?, ?, ?)`)
}

// Pin returns the pin of a model, if there is one, from memory.
func (c *Catalog) Pin(account, model string) (Pin, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	pin, ok := c.pins[account][model]
	return pin, ok
}

// Pins returns the pins of an account by model, from memory.
func (c *Catalog) Pins(account string) []Pin {
	c.mu.RLock()
	pins := make([]Pin, 0, len(c.pins[account]))
	for _, p := range c.pins[account] {
		pins = append(pins, p)
	}
	c.mu.RUnlock()
	slices.SortFunc(pins, func(a, b Pin) int { return cmp.Compare(a.Model, b.Model) })
	return pins
}

// pin runs a statement that may write the pin, and returns what stands afterwards.
func (c *Catalog) pin(ctx context.Context, account string, p Pin, statement string) (Pin, error) {
	var now Pin
	err := c.db.Update(ctx, func(tx *disk.Tx) error {
		if err := tx.Exec(statement, account, p.Model, p.Fingerprint, stamp(c.now())); err != nil {
			return err
		}
		return tx.Each(`SELECT fingerprint, pinned FROM pins WHERE account = ? AND model = ?`, func(r *disk.Row) error {
			now = Pin{Model: p.Model, Fingerprint: r.Text(0), Pinned: unstamp(r.Int(1))}
			return nil
		}, account, p.Model)
	}, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.putPinLocked(account, now)
	})
	return now, err
}

func (c *Catalog) loadPins(tx *disk.Tx) error {
	return tx.Each(`SELECT account, model, fingerprint, pinned FROM pins`, func(r *disk.Row) error {
		c.putPinLocked(r.Text(0), Pin{Model: r.Text(1), Fingerprint: r.Text(2), Pinned: unstamp(r.Int(3))}) // nobody else has the catalogue yet
		return nil
	})
}

func (c *Catalog) putPinLocked(account string, p Pin) {
	if c.pins[account] == nil {
		c.pins[account] = map[string]Pin{}
	}
	c.pins[account][p.Model] = p
}
