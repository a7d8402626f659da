package neuron

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"nearside/disk"
)

// fileName is the database within the data directory.
const fileName = "ledger.db"

// schema is the format of ledger.db. Days are UTC, as 2006-01-02; neurons are
// millionths. The key of a call without one is "".
var schema = disk.Schema{
	Application: "nearside ledger",
	Version:     2,
	Statements: []string{
		`CREATE TABLE calls (
			account  TEXT NOT NULL,
			day      TEXT NOT NULL,
			key      TEXT NOT NULL,
			model    TEXT NOT NULL,
			settled  INTEGER NOT NULL,
			failed   INTEGER NOT NULL,
			cached   INTEGER NOT NULL,
			unpriced INTEGER NOT NULL,
			neurons  INTEGER NOT NULL,
			PRIMARY KEY (account, day, key, model)
		) STRICT, WITHOUT ROWID`,
		`CREATE INDEX calls_by_day ON calls (day)`, // for Open, which reads what was charged today
		`CREATE TABLE units (
			account TEXT NOT NULL,
			day     TEXT NOT NULL,
			key     TEXT NOT NULL,
			model   TEXT NOT NULL,
			unit    TEXT NOT NULL,
			count   INTEGER NOT NULL,
			PRIMARY KEY (account, day, key, model, unit)
		) STRICT, WITHOUT ROWID`,
		`CREATE TABLE queried (
			account    TEXT NOT NULL,
			day        TEXT NOT NULL,
			dimensions INTEGER NOT NULL,
			PRIMARY KEY (account, day)
		) STRICT, WITHOUT ROWID`,
		createReceipts,
	},
	Upgrades: map[int][]string{1: {createReceipts}},
}

// Options are the choices of Open.
type Options struct {
	Clock  func() time.Time // nil: time.Now
	PerDay Micro            // what each account may use in a UTC day; 0: as much as it likes
}

// Ledger keeps what every account, key and model used on every UTC day. It may
// be used from any goroutine.
type Ledger struct {
	db     *disk.DB
	clock  func() time.Time
	perDay Micro
	meters *meters
	later  *disk.Later // writes pending

	mu       sync.Mutex // guards the fields below; nothing waits under it
	day      string     // the UTC day that charges go to; it never goes back
	tallies  map[holder]*tally
	reserved int // reservations that are neither settled nor refunded
	pending  counts
}

// holder is who has a limit: an account, or with a key that key of the account.
type holder struct{ account, key string }

// tally is what a holder has used of the day's allowance.
type tally struct {
	settled  Micro // charged today
	reserved Micro // by calls under way; carried over midnight, as they are charged after it
}

// Open opens the ledger of a data directory and makes it if there is none.
func Open(dir *disk.Dir, o Options) (*Ledger, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	db, err := dir.OpenDB(fileName, schema)
	if err != nil {
		return nil, err
	}
	l := &Ledger{db: db, clock: o.Clock, perDay: o.PerDay, meters: newMeters(), tallies: map[holder]*tally{}}
	l.later = disk.NewLater(flushAfter, l.flushLater)
	l.day = dayOf(o.Clock())
	if err := db.View(context.Background(), l.load); err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", db.Path(), err), db.Close())
	}
	return l, nil
}

// load reads what has been charged today.
func (l *Ledger) load(tx *disk.Tx) error {
	return tx.Each(`SELECT account, key, sum(neurons) FROM calls WHERE day = ? GROUP BY account, key`, func(r *disk.Row) error {
		for _, h := range (Payer{Account: r.Text(0), Key: r.Text(1)}).holders() {
			l.tallyLocked(h).settled += Micro(r.Int(2))
		}
		return nil
	}, l.day)
}

// Check examines the ledger of a data directory that nobody has open, without
// changing it, and lists what is wrong. That there is none is nothing wrong.
func Check(ctx context.Context, dir *disk.Dir) ([]disk.Finding, error) {
	if there, err := dir.HasDB(fileName); err != nil || !there {
		return nil, err
	}
	return dir.CheckDB(ctx, fileName, schema)
}

// Check verifies every page of the database and reports the first damage by file.
func (l *Ledger) Check(ctx context.Context) error { return l.db.Check(ctx) }

// Close writes what is still to be written and closes the database. What is
// reserved is forgotten.
func (l *Ledger) Close() error {
	l.later.Close()
	return errors.Join(l.flush(context.Background()), l.db.Close())
}

// Reservations returns how many calls are neither settled nor refunded.
func (l *Ledger) Reservations() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reserved
}

// tallyLocked returns the tally of a holder, which exists from then on.
func (l *Ledger) tallyLocked(h holder) *tally {
	t := l.tallies[h]
	if t == nil {
		t = &tally{}
		l.tallies[h] = t
	}
	return t
}

// todayLocked returns the day that charges go to, and begins a new one when it has come.
func (l *Ledger) todayLocked() string {
	if today := dayOf(l.clock()); today > l.day {
		l.day = today
		for h, t := range l.tallies {
			t.settled = 0
			if t.reserved == 0 {
				delete(l.tallies, h)
			}
		}
	}
	return l.day
}

// dayOf is the UTC day of a moment.
func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }
