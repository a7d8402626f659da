package catalog

import (
	"cmp"
	"context"
	"slices"
	"time"

	"nearside/disk"
	"nearside/fault"
)

// Number identifies the storage behind an index name. No two indexes ever share one.
type Number uint64

// Index is the definition of an index.
type Index struct {
	Account     string
	Name        string
	Number      Number // of its storage: another one after the index was restored or re-embedded
	Origin      Number // the first number since it was made or restored: what is filed under it outlives re-embedding
	Description string
	Dimensions  int
	Metric      string
	Preset      string // the Cloudflare preset it was made from, or ""
	Model       string // the embedding model whose texts it takes, or "" for vectors only
	Fingerprint string // the weights behind Model when the index was made
	Created     time.Time
	Modified    time.Time // when the definition, not the content, last changed
}

// Reasons of the faults about index names.
const (
	ReasonNoIndex   fault.Reason = "index_missing"   // no index has the name
	ReasonDeleted   fault.Reason = "index_deleted"   // the index with the name was deleted
	ReasonDuplicate fault.Reason = "index_duplicate" // the name is taken
	ReasonQuota     fault.Reason = "index_quota"     // the account has as many indexes as it may
)

// AllocateNumber returns a number that no index has had before and none will get again.
func (c *Catalog) AllocateNumber(ctx context.Context) (Number, error) {
	var n int64
	err := c.db.Update(ctx, func(tx *disk.Tx) error {
		if err := tx.Exec(`INSERT INTO counters (name, value) VALUES ('index', 1)
			ON CONFLICT (name) DO UPDATE SET value = value + 1`); err != nil {
			return err
		}
		return tx.Each(`SELECT value FROM counters WHERE name = 'index'`, func(r *disk.Row) error {
			n = r.Int(0)
			return nil
		})
	}, nil)
	return Number(n), err
}

// LastNumber returns the last number that AllocateNumber gave out; 0 if it never did.
func (c *Catalog) LastNumber(ctx context.Context) (Number, error) {
	var n Number
	err := c.db.View(ctx, func(tx *disk.Tx) error {
		last, err := count(tx, `SELECT value FROM counters WHERE name = 'index'`)
		n = Number(last)
		return err
	})
	return n, err
}

// AddIndex files a definition under its account and name, stamped with the present time,
// and returns it. An account that has limit indexes already gets no more; 0 means no limit.
func (c *Catalog) AddIndex(ctx context.Context, x Index, limit int) (Index, error) {
	x.Created = c.now()
	x.Modified, x.Origin = x.Created, x.Number
	err := c.db.Update(ctx, func(tx *disk.Tx) error {
		if taken, err := count(tx, `SELECT count(*) FROM indexes WHERE account = ? AND name = ?`, x.Account, x.Name); err != nil {
			return err
		} else if taken > 0 {
			return Duplicate(x.Name)
		}
		if limit > 0 {
			if held, err := count(tx, `SELECT count(*) FROM indexes WHERE account = ?`, x.Account); err != nil {
				return err
			} else if held >= limit {
				return fault.For(ReasonQuota, "the account has %d indexes and may have %d; delete one, or raise the limit with --relaxed", held, limit)
			}
		}
		if err := tx.Exec(`DELETE FROM deleted WHERE account = ? AND name = ?`, x.Account, x.Name); err != nil {
			return err
		}
		return tx.Exec(`INSERT INTO indexes
			(account, name, number, description, dimensions, metric, preset, model, fingerprint, created, modified)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			x.Account, x.Name, uint64(x.Number), x.Description, x.Dimensions, x.Metric, x.Preset, x.Model, x.Fingerprint, stamp(x.Created), stamp(x.Modified))
	}, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.putIndexLocked(x)
		delete(c.deleted, place{x.Account, x.Name})
	})
	if err != nil {
		return Index{}, err
	}
	return x, nil
}

// Index returns the definition behind a name, from memory.
func (c *Catalog) Index(account, name string) (Index, error) {
	c.mu.RLock()
	x, ok := c.indexes[account][name]
	gone := c.deleted[place{account, name}]
	c.mu.RUnlock()
	if ok {
		return x, nil
	}
	return Index{}, absent(name, gone)
}

// Indexes returns the definitions of an account, by name, from memory.
func (c *Catalog) Indexes(account string) []Index {
	c.mu.RLock()
	list := make([]Index, 0, len(c.indexes[account]))
	for _, x := range c.indexes[account] {
		list = append(list, x)
	}
	c.mu.RUnlock()
	slices.SortFunc(list, func(a, b Index) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// All returns the definitions of all accounts, by number, from memory.
func (c *Catalog) All() []Index {
	c.mu.RLock()
	var list []Index
	for _, names := range c.indexes {
		for _, x := range names {
			list = append(list, x)
		}
	}
	c.mu.RUnlock()
	slices.SortFunc(list, func(a, b Index) int { return cmp.Compare(a.Number, b.Number) })
	return list
}

// RemoveIndex deletes a definition, remembers that the name was deleted, and returns what it deleted.
func (c *Catalog) RemoveIndex(ctx context.Context, account, name string) (Index, error) {
	var removed Index
	err := c.db.Update(ctx, func(tx *disk.Tx) error {
		var err error
		if removed, err = indexIn(tx, account, name); err != nil {
			return err
		}
		if err := tx.Exec(`DELETE FROM indexes WHERE account = ? AND name = ?`, account, name); err != nil {
			return err
		}
		if err := forgetTwin(tx, removed); err != nil {
			return err
		}
		return tx.Exec(`INSERT OR REPLACE INTO deleted (account, name, deleted) VALUES (?, ?, ?)`, account, name, stamp(c.now()))
	}, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.indexes[account], name)
		c.putTwinLocked(account, name, nil)
		c.deleted[place{account, name}] = true
	})
	return removed, err
}

// SwapNumber puts new storage behind a name, in one step, if the name still has
// the old one. It is how a restored index takes the place of the damaged or
// outdated one.
func (c *Catalog) SwapNumber(ctx context.Context, account, name string, from, to Number) (Index, error) {
	return c.change(ctx, account, name, func(x *Index) error {
		if x.Number != from {
			return fault.New(fault.Conflict, "index %q was replaced while it was being restored; restore it again if that is still wanted", name)
		}
		x.Number, x.Origin = to, to
		return nil
	})
}

// SetDescription replaces the description of an index.
func (c *Catalog) SetDescription(ctx context.Context, account, name, description string) (Index, error) {
	return c.change(ctx, account, name, func(x *Index) error {
		x.Description = description
		return nil
	})
}

// change lets edit alter a definition, stamps it, and returns what became of it.
func (c *Catalog) change(ctx context.Context, account, name string, edit func(*Index) error) (Index, error) {
	var x Index
	err := c.db.Update(ctx, func(tx *disk.Tx) error {
		var err error
		if x, err = indexIn(tx, account, name); err != nil {
			return err
		}
		before := x
		if err := edit(&x); err != nil || x == before {
			return err
		}
		x.Modified = c.now()
		return tx.Exec(`UPDATE indexes SET number = ?, description = ?, model = ?, fingerprint = ?, modified = ? WHERE account = ? AND name = ?`,
			uint64(x.Number), x.Description, x.Model, x.Fingerprint, stamp(x.Modified), account, name)
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

const selectIndexes = `SELECT account, name, number, description, dimensions, metric, preset, model, fingerprint, created, modified,
	coalesce((SELECT origin FROM origins WHERE origins.number = indexes.number), number) FROM indexes`

func readIndex(r *disk.Row) Index {
	return Index{
		Account: r.Text(0), Name: r.Text(1), Number: Number(r.Int(2)), Description: r.Text(3),
		Dimensions: int(r.Int(4)), Metric: r.Text(5), Preset: r.Text(6), Model: r.Text(7), Fingerprint: r.Text(8),
		Created: unstamp(r.Int(9)), Modified: unstamp(r.Int(10)), Origin: Number(r.Int(11)),
	}
}

// indexIn reads a definition within a transaction, which may see changes that memory does not show yet.
func indexIn(tx *disk.Tx, account, name string) (Index, error) {
	var x Index
	found := false
	err := tx.Each(selectIndexes+` WHERE account = ? AND name = ?`, func(r *disk.Row) error {
		x, found = readIndex(r), true
		return nil
	}, account, name)
	if err != nil || found {
		return x, err
	}
	gone, err := count(tx, `SELECT count(*) FROM deleted WHERE account = ? AND name = ?`, account, name)
	if err != nil {
		return x, err
	}
	return x, absent(name, gone > 0)
}

// Duplicate is the fault of making an index under a name that is taken.
func Duplicate(name string) error {
	return &fault.Error{Kind: fault.Conflict, Reason: ReasonDuplicate, Message: `vectorize.index.duplicate_name - Index name "` + name + `"`}
}

// absent is the fault of asking for a name that has no index.
func absent(name string, deleted bool) error {
	if deleted {
		return &fault.Error{Kind: fault.Gone, Reason: ReasonDeleted, Message: `vectorize.index.deleted - Index name "` + name + `" was deleted`}
	}
	return &fault.Error{Kind: fault.NotFound, Reason: ReasonNoIndex, Message: `vectorize.index.not_found - Index name "` + name + `"`}
}

func (c *Catalog) loadIndexes(tx *disk.Tx) error {
	err := tx.Each(selectIndexes, func(r *disk.Row) error {
		c.putIndexLocked(readIndex(r)) // nobody else has the catalogue yet
		return nil
	})
	if err != nil {
		return err
	}
	return tx.Each(`SELECT account, name FROM deleted`, func(r *disk.Row) error {
		c.deleted[place{r.Text(0), r.Text(1)}] = true
		return nil
	})
}

func (c *Catalog) putIndexLocked(x Index) {
	if c.indexes[x.Account] == nil {
		c.indexes[x.Account] = map[string]Index{}
	}
	c.indexes[x.Account][x.Name] = x
}

// count runs a query whose answer is one number.
func count(tx *disk.Tx, sql string, args ...any) (int, error) {
	n := 0
	err := tx.Each(sql, func(r *disk.Row) error {
		n = int(r.Int(0))
		return nil
	}, args...)
	return n, err
}
