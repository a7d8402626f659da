package catalog

import (
	"cmp"
	"context"
	"slices"
	"time"

	"nearside/disk"
	"nearside/fault"
)

// twinsTable and originsTable came later than most others: see later. An earlier program
// would sweep the storage of twins; it finds no index damaged.
const (
	twinsTable = `CREATE TABLE twins (
			account     TEXT NOT NULL,
			name        TEXT NOT NULL,
			number      INTEGER NOT NULL UNIQUE,
			state       TEXT NOT NULL,
			dimensions  INTEGER NOT NULL,
			metric      TEXT NOT NULL,
			preset      TEXT NOT NULL,
			model       TEXT NOT NULL,
			fingerprint TEXT NOT NULL,
			source      INTEGER NOT NULL,
			seen        INTEGER NOT NULL,
			walked      TEXT NOT NULL,
			complete    INTEGER NOT NULL,
			job         INTEGER NOT NULL,
			created     INTEGER NOT NULL,
			PRIMARY KEY (account, name)
		) STRICT, WITHOUT ROWID`
	originsTable = `CREATE TABLE origins (
			number INTEGER PRIMARY KEY,
			origin INTEGER NOT NULL
		) STRICT`
)

// TwinState says what a twin is for.
type TwinState string

// The states of a twin.
const (
	Building  TwinState = "building"  // it is being made from the index, and has never served
	Kept      TwinState = "kept"      // it served until its successor took its place, and is kept
	Returning TwinState = "returning" // it was kept, and learns what was written since, to serve again
)

// Twin is the other storage of an index: the one that is being made of it by
// other weights, or the one whose place that took. An index has one at most. It is
// no index: nobody lists, opens or counts it by a name.
type Twin struct {
	Account     string
	Name        string // of the index
	Number      Number
	State       TwinState
	Dimensions  int
	Metric      string
	Preset      string
	Model       string
	Fingerprint string
	Source      Number // the storage of the index that Seen and Walked are of
	Seen        uint64 // mutations of Source that it has
	Walked      string // records of Source with ids up to this one were compared
	Complete    bool   // all were
	Job         int64  // that works on it, or did last
	Created     time.Time
}

// Reasons of the faults about twins.
const (
	ReasonTwin   fault.Reason = "twin_exists"  // the index has a twin already
	ReasonNoTwin fault.Reason = "twin_missing" // the index has no twin
)

// Twin returns the twin of an index, if it has one, from memory.
func (c *Catalog) Twin(account, name string) (Twin, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	t, ok := c.twins[place{account, name}]
	return t, ok
}

// Twins returns all twins, by number, from memory.
func (c *Catalog) Twins() []Twin {
	c.mu.RLock()
	list := make([]Twin, 0, len(c.twins))
	for _, t := range c.twins {
		list = append(list, t)
	}
	c.mu.RUnlock()
	slices.SortFunc(list, func(a, b Twin) int { return cmp.Compare(a.Number, b.Number) })
	return list
}

// AddTwin files the twin of an index, stamped with the present time, if the index is there and has none.
func (c *Catalog) AddTwin(ctx context.Context, t Twin) (Twin, error) {
	t.Created = c.now()
	return t, c.changeTwin(ctx, t.Account, t.Name, func(tx *disk.Tx, _ Index, old *Twin) (*Twin, error) {
		if old != nil {
			return nil, &fault.Error{Kind: fault.Conflict, Reason: ReasonTwin, Message: `index "` + t.Name + `" has a second storage already, ` + string(old.State)}
		}
		return &t, nil
	})
}

// SaveTwin writes how far a twin is: State, Source, Seen, Walked, Complete and Job.
func (c *Catalog) SaveTwin(ctx context.Context, t Twin) error {
	return c.changeTwin(ctx, t.Account, t.Name, func(_ *disk.Tx, _ Index, old *Twin) (*Twin, error) {
		if old == nil || old.Number != t.Number {
			return nil, noTwin(t.Name)
		}
		old.State, old.Source, old.Seen, old.Walked, old.Complete, old.Job = t.State, t.Source, t.Seen, t.Walked, t.Complete, t.Job
		return old, nil
	})
}

// RemoveTwin forgets the twin of an index, if it still is the one with the number.
func (c *Catalog) RemoveTwin(ctx context.Context, account, name string, n Number) error {
	return c.changeTwin(ctx, account, name, func(tx *disk.Tx, _ Index, old *Twin) (*Twin, error) {
		if old == nil || old.Number != n {
			return nil, noTwin(name)
		}
		return nil, tx.Exec(`DELETE FROM origins WHERE number = ?`, uint64(n))
	})
}

// noTwin is the fault of asking for the twin of an index that has none.
func noTwin(name string) error {
	return &fault.Error{Kind: fault.NotFound, Reason: ReasonNoTwin, Message: `index "` + name + `" has no second storage: it is not being re-embedded, and nothing is kept from before`}
}

// changeTwin lets edit say what becomes of an index's twin: nil is none.
func (c *Catalog) changeTwin(ctx context.Context, account, name string, edit func(tx *disk.Tx, x Index, old *Twin) (*Twin, error)) error {
	var now *Twin
	return c.db.Update(ctx, func(tx *disk.Tx) error {
		x, err := indexIn(tx, account, name)
		if err != nil {
			return err
		}
		old, err := twinIn(tx, account, name)
		if err != nil {
			return err
		}
		if now, err = edit(tx, x, old); err != nil {
			return err
		}
		return writeTwin(tx, account, name, now)
	}, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.putTwinLocked(account, name, now)
	})
}

// SwapTwin puts the twin in the place of its index's storage, in one step, and keeps
// that as the twin. It does so only if the storage is still the one that the twin was
// made from. seen is how many mutations the twin has: what comes later, the other lacks.
func (c *Catalog) SwapTwin(ctx context.Context, account, name string, from Number, seen uint64) (Index, error) {
	var x Index
	var kept *Twin
	err := c.db.Update(ctx, func(tx *disk.Tx) error {
		var err error
		if x, err = indexIn(tx, account, name); err != nil {
			return err
		}
		if kept, err = twinIn(tx, account, name); err != nil {
			return err
		}
		if kept == nil || kept.State == Kept {
			return noTwin(name)
		}
		if x.Number != from || kept.Source != from {
			return fault.New(fault.Conflict, "index %q was replaced while it was being re-embedded; begin again if that is still wanted", name)
		}
		x, *kept = exchanged(x, *kept, seen)
		x.Modified = c.now()
		if err := tx.Exec(`UPDATE indexes SET number = ?, dimensions = ?, metric = ?, preset = ?, model = ?, fingerprint = ?, modified = ? WHERE account = ? AND name = ?`,
			uint64(x.Number), x.Dimensions, x.Metric, x.Preset, x.Model, x.Fingerprint, stamp(x.Modified), account, name); err != nil {
			return err
		}
		if err := tx.Exec(`INSERT OR REPLACE INTO origins (number, origin) VALUES (?, ?)`, uint64(x.Number), uint64(x.Origin)); err != nil {
			return err
		}
		return writeTwin(tx, account, name, kept)
	}, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.putIndexLocked(x)
		c.putTwinLocked(account, name, kept)
	})
	return x, err
}

// exchanged returns an index and its twin with each other's storage.
func exchanged(x Index, t Twin, seen uint64) (Index, Twin) {
	kept := Twin{
		Account: x.Account, Name: x.Name, Number: x.Number, State: Kept,
		Dimensions: x.Dimensions, Metric: x.Metric, Preset: x.Preset, Model: x.Model, Fingerprint: x.Fingerprint,
		Source: t.Number, Seen: seen, Complete: true, Job: t.Job, Created: t.Created,
	}
	x.Number, x.Dimensions, x.Metric, x.Preset, x.Model, x.Fingerprint = t.Number, t.Dimensions, t.Metric, t.Preset, t.Model, t.Fingerprint
	return x, kept
}

const selectTwins = `SELECT account, name, number, state, dimensions, metric, preset, model, fingerprint, source, seen, walked, complete, job, created FROM twins`

func readTwin(r *disk.Row) Twin {
	return Twin{
		Account: r.Text(0), Name: r.Text(1), Number: Number(r.Int(2)), State: TwinState(r.Text(3)),
		Dimensions: int(r.Int(4)), Metric: r.Text(5), Preset: r.Text(6), Model: r.Text(7), Fingerprint: r.Text(8),
		Source: Number(r.Int(9)), Seen: uint64(r.Int(10)), Walked: r.Text(11), Complete: r.Int(12) != 0, Job: r.Int(13), Created: unstamp(r.Int(14)),
	}
}

// twinIn reads a twin within a transaction; nil is none.
func twinIn(tx *disk.Tx, account, name string) (found *Twin, err error) {
	err = tx.Each(selectTwins+` WHERE account = ? AND name = ?`, func(r *disk.Row) error {
		t := readTwin(r)
		found = &t
		return nil
	}, account, name)
	return found, err
}

// writeTwin writes the twin of an index in place of what there was; nil is none.
func writeTwin(tx *disk.Tx, account, name string, t *Twin) error {
	if err := tx.Exec(`DELETE FROM twins WHERE account = ? AND name = ?`, account, name); err != nil || t == nil {
		return err
	}
	complete := 0
	if t.Complete {
		complete = 1
	}
	return tx.Exec(`INSERT INTO twins (account, name, number, state, dimensions, metric, preset, model, fingerprint, source, seen, walked, complete, job, created)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		account, name, uint64(t.Number), string(t.State), t.Dimensions, t.Metric, t.Preset, t.Model, t.Fingerprint, uint64(t.Source), t.Seen, t.Walked, complete, t.Job, stamp(t.Created))
}

// forgetTwin removes what is left of an index beside its row: its twin, and where its storages came from.
func forgetTwin(tx *disk.Tx, x Index) error {
	if err := tx.Exec(`DELETE FROM origins WHERE number = ? OR number IN (SELECT number FROM twins WHERE account = ? AND name = ?)`, uint64(x.Number), x.Account, x.Name); err != nil {
		return err
	}
	return writeTwin(tx, x.Account, x.Name, nil)
}

func (c *Catalog) loadTwins(tx *disk.Tx) error {
	return tx.Each(selectTwins, func(r *disk.Row) error {
		t := readTwin(r)
		c.putTwinLocked(t.Account, t.Name, &t) // nobody else has the catalogue yet
		return nil
	})
}

func (c *Catalog) putTwinLocked(account, name string, t *Twin) {
	if t == nil {
		delete(c.twins, place{account, name})
		return
	}
	c.twins[place{account, name}] = *t
}
