package manifest

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"nearside/disk"
	"nearside/fault"
)

// Claim is the right to change a source, of one loader at a time.
type Claim struct {
	Index  Index
	Source int64
	Secret string    // shown with every change
	Until  time.Time // it ends then, unless it is used before
}

// Claim claims a source by its name, and makes it if the index has none of that name. The
// holder says who it is, for the one that comes second: "ingest on host, process 17".
func (s *Store) Claim(ctx context.Context, ix Index, name, holder string) (Claim, error) {
	switch {
	case name == "" || len(name) > MaxName:
		return Claim{}, fault.For(ReasonItem, "the source's name has %d bytes; it can have 1 to %d", len(name), MaxName)
	case holder == "" || len(holder) > maxHolder:
		return Claim{}, fault.For(ReasonItem, "the holder's name has %d bytes; it can have 1 to %d", len(holder), maxHolder)
	}
	now := s.clock()
	c := Claim{Index: ix, Secret: uuid.NewString(), Until: now.Add(ClaimFor)}
	err := s.db.Update(ctx, func(tx *disk.Tx) error {
		number, err := find(tx, ix, name)
		if err != nil {
			return err
		}
		if number == 0 {
			c.Source, err = s.make(tx, ix, name, now)
		} else {
			c.Source = number
			held, lookErr := s.claimOf(tx, ix, number)
			if lookErr != nil {
				return lookErr
			}
			if held.taken {
				return held.refuse()
			}
		}
		if err != nil {
			return err
		}
		return tx.Exec(`UPDATE sources SET claim = ?, holder = ?, until = ? WHERE number = ?`, c.Secret, holder, stamp(c.Until), c.Source)
	}, nil)
	if err != nil {
		return Claim{}, err
	}
	return c, nil
}

// find returns the number of a source; 0 = there is none.
func find(tx *disk.Tx, ix Index, name string) (number int64, err error) {
	err = tx.Each(`SELECT number FROM sources WHERE account = ? AND ix = ? AND name = ?`, func(r *disk.Row) error {
		number = r.Int(0)
		return nil
	}, ix.Account, int64(ix.Number), name)
	return number, err
}

// make makes a source.
func (s *Store) make(tx *disk.Tx, ix Index, name string, now time.Time) (number int64, err error) {
	err = tx.Each(`SELECT count(*) FROM sources WHERE account = ? AND ix = ?`, func(r *disk.Row) error {
		if r.Int(0) >= MaxSources {
			return fault.For(ReasonItem, "the index has %d sources, and no more are allowed; remove one: DELETE …/sources/{source}", MaxSources)
		}
		return nil
	}, ix.Account, int64(ix.Number))
	if err != nil {
		return 0, err
	}
	number = int64(tx.Sequence()) // not used twice
	return number, tx.Exec(`INSERT INTO sources (number, account, ix, name, created, scanned, claim, holder, until) VALUES (?, ?, ?, ?, ?, 0, '', '', 0)`,
		number, ix.Account, int64(ix.Number), name, stamp(now))
}

// hold is who has a source.
type hold struct {
	name, secret, holder string
	taken                bool // the claim has not ended
	left                 time.Duration
}

// claimOf returns who has a source of an index.
func (s *Store) claimOf(tx *disk.Tx, ix Index, number int64) (h hold, err error) {
	found := false
	err = tx.Each(`SELECT name, claim, holder, until FROM sources WHERE number = ? AND account = ? AND ix = ?`, func(r *disk.Row) error {
		found = true
		left := moment(r.Int(3)).Sub(s.clock())
		h = hold{r.Text(0), r.Text(1), r.Text(2), r.Int(3) != 0 && left > 0, left}
		return nil
	}, number, ix.Account, int64(ix.Number))
	if err == nil && !found {
		err = unknown(number)
	}
	return h, err
}

func (h hold) refuse() error {
	return &fault.Error{Kind: fault.Conflict, Reason: ReasonClaimed, Message: fmt.Sprintf(
		"the source %q is being loaded by %s; wait until it is done, or end it: %s after its last sign of life the source is free", h.name, h.holder, ClaimFor)}
}

// changing runs a change of a source for the one that has it, and prolongs the claim. A claim that
// ended is good as long as nobody else came.
func (s *Store) changing(ctx context.Context, c *Claim, change func(tx *disk.Tx, now time.Time) error) error {
	now := s.clock()
	until := now.Add(ClaimFor)
	err := s.db.Update(ctx, func(tx *disk.Tx) error {
		held, err := s.claimOf(tx, c.Index, c.Source)
		if err != nil {
			return err
		}
		if held.secret != c.Secret {
			return held.lost()
		}
		if err := change(tx, now); err != nil {
			return err
		}
		return tx.Exec(`UPDATE sources SET until = ? WHERE number = ?`, stamp(until), c.Source)
	}, nil)
	if err == nil {
		c.Until = until
	}
	return err
}

// lost is what the one is told who had a source before.
func (h hold) lost() error {
	who := "and nobody has it now; begin again"
	if h.taken {
		who = "and now it is being loaded by " + h.holder
	}
	return &fault.Error{Kind: fault.Conflict, Reason: ReasonClaimed, Message: fmt.Sprintf("the claim to the source %q has ended, %s", h.name, who)}
}

// Renew prolongs a claim.
func (s *Store) Renew(ctx context.Context, c *Claim) error {
	return s.changing(ctx, c, func(*disk.Tx, time.Time) error { return nil })
}

// Release gives a source back. A loader that came to the end of it says so: complete.
func (s *Store) Release(ctx context.Context, c Claim, complete bool) error {
	return s.db.Update(ctx, func(tx *disk.Tx) error {
		held, err := s.claimOf(tx, c.Index, c.Source)
		if err != nil {
			return err
		}
		if held.secret != c.Secret {
			return held.lost()
		}
		if complete {
			if err := tx.Exec(`UPDATE sources SET scanned = ? WHERE number = ?`, stamp(s.clock()), c.Source); err != nil {
				return err
			}
		}
		return tx.Exec(`UPDATE sources SET claim = '', holder = '', until = 0 WHERE number = ?`, c.Source)
	}, nil)
}
