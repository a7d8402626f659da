// Package catalog remembers what exists: which indexes an account has and how
// each is configured, which API keys open the door and how far, and which
// weights stand behind each embedding model.
//
// Catalog is the main type. Its truth is nearside.db, kept by package disk:
//
//	counters    name → the last number given out; numbers are never given twice
//	indexes     (account, name) → number, configuration, embedding model, times
//	deleted     (account, name) of indexes that were deleted and not made again
//	keys        SHA-256 of each secret → account, permission, limits
//	allowances  id of a key → the neurons it may use in a day
//	pins        (account, model) → fingerprint of the weights that first served it
//	projects    SHA-256 of each secret → the Workers project whose bindings show it
//	traffic     (project, day) → what its bindings did, for nearside dev check
//	twins       (account, name) of an index → the storage that is made to take its place, or that it had before
//	origins     number → the number that the index began with, where that is another
//
// A change that returned without error is durable. What every request needs,
// the key of a secret and the definition behind a name, is answered from memory;
// memory changes in the order in which changes commit, before the call that
// made them returns, so a revoked key opens nothing from then on.
//
// Methods may be called from any goroutine. Accounts are only ids here: an
// account exists when something is filed under it. The package keeps no vectors
// and knows no HTTP; package vectorize joins its definitions to the indexes.
package catalog

import (
	"context"
	"fmt"
	"sync"
	"time"

	"nearside/disk"
)

// fileName is the database within the data directory.
const fileName = "nearside.db"

// schema is the format of nearside.db. Times are microseconds since 1970, UTC;
// lists and filters are JSON, NULL where there is no limit.
var schema = disk.Schema{
	Application: "nearside catalog",
	Version:     1,
	Statements: []string{
		`CREATE TABLE counters (
			name  TEXT PRIMARY KEY,
			value INTEGER NOT NULL
		) STRICT, WITHOUT ROWID`,
		`CREATE TABLE indexes (
			account     TEXT NOT NULL,
			name        TEXT NOT NULL,
			number      INTEGER NOT NULL UNIQUE,
			description TEXT NOT NULL,
			dimensions  INTEGER NOT NULL,
			metric      TEXT NOT NULL,
			preset      TEXT NOT NULL,
			model       TEXT NOT NULL,
			fingerprint TEXT NOT NULL,
			created     INTEGER NOT NULL,
			modified    INTEGER NOT NULL,
			PRIMARY KEY (account, name)
		) STRICT, WITHOUT ROWID`,
		`CREATE TABLE deleted (
			account TEXT NOT NULL,
			name    TEXT NOT NULL,
			deleted INTEGER NOT NULL,
			PRIMARY KEY (account, name)
		) STRICT, WITHOUT ROWID`,
		`CREATE TABLE keys (
			id         TEXT PRIMARY KEY,
			account    TEXT NOT NULL,
			name       TEXT NOT NULL,
			prefix     TEXT NOT NULL,
			digest     BLOB NOT NULL UNIQUE,
			permission TEXT NOT NULL,
			indexes    TEXT,
			namespaces TEXT,
			filter     TEXT,
			created    INTEGER NOT NULL
		) STRICT, WITHOUT ROWID`,
		`CREATE TABLE pins (
			account     TEXT NOT NULL,
			model       TEXT NOT NULL,
			fingerprint TEXT NOT NULL,
			pinned      INTEGER NOT NULL,
			PRIMARY KEY (account, model)
		) STRICT, WITHOUT ROWID`,
		allowancesTable,
		projectsTable,
		trafficTable,
		twinsTable,
		originsTable,
	},
}

// later are the tables that came later than the others. Open adds those that are
// missing; an earlier program reads the rest as before.
var later = []struct{ name, create string }{
	{"allowances", allowancesTable}, {"projects", projectsTable}, {"traffic", trafficTable}, {"twins", twinsTable}, {"origins", originsTable},
}

// allowancesTable came later: an earlier program limits no key.
const allowancesTable = `CREATE TABLE allowances (
			key     TEXT PRIMARY KEY,
			neurons INTEGER NOT NULL
		) STRICT, WITHOUT ROWID`

// Catalog is an open nearside.db.
type Catalog struct {
	db    *disk.DB
	clock func() time.Time

	// mu guards the copies below. Only commit callbacks write them, in commit
	// order; nothing waits while it is held.
	mu       sync.RWMutex
	indexes  map[string]map[string]Index // account → name → definition
	deleted  map[place]bool
	twins    map[place]Twin
	keys     map[digest]Key
	pins     map[string]map[string]Pin // account → model → pin
	projects map[digest]Project
}

// place is an index name within an account.
type place struct{ account, name string }

// Open opens the catalogue of a data directory and makes it if there is none.
// The clock stamps what is created; nil means the system's.
func Open(dir *disk.Dir, clock func() time.Time) (*Catalog, error) {
	if clock == nil {
		clock = time.Now
	}
	db, err := dir.OpenDB(fileName, schema)
	if err != nil {
		return nil, err
	}
	c := &Catalog{
		db:       db,
		clock:    clock,
		indexes:  map[string]map[string]Index{},
		deleted:  map[place]bool{},
		twins:    map[place]Twin{},
		keys:     map[digest]Key{},
		pins:     map[string]map[string]Pin{},
		projects: map[digest]Project{},
	}
	err = c.complete()
	if err == nil {
		err = db.View(context.Background(), c.load)
	}
	if err != nil {
		err = fmt.Errorf("read %s: %w", db.Path(), err)
		if closing := db.Close(); closing != nil {
			err = fmt.Errorf("%w (and closing it: %v)", err, closing)
		}
		return nil, err
	}
	return c, nil
}

// Check examines the catalogue of a data directory that nobody has open, without
// changing it, and lists what is wrong.
func Check(ctx context.Context, dir *disk.Dir) ([]disk.Finding, error) {
	return dir.CheckDB(ctx, fileName, schema)
}

// Check verifies every page of the database and reports the first damage by file.
func (c *Catalog) Check(ctx context.Context) error { return c.db.Check(ctx) }

// Close closes the database.
func (c *Catalog) Close() error { return c.db.Close() }

// complete adds the tables that a catalogue made by an earlier program lacks.
func (c *Catalog) complete() error {
	for _, table := range later {
		there := false
		err := c.db.View(context.Background(), func(tx *disk.Tx) error {
			n, err := count(tx, `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?`, table.name)
			there = n > 0
			return err
		})
		if err == nil && !there {
			err = c.db.Update(context.Background(), func(tx *disk.Tx) error { return tx.Exec(table.create) }, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// load fills the copies in memory from one state of the database.
func (c *Catalog) load(tx *disk.Tx) error {
	for _, part := range []func(*disk.Tx) error{c.loadIndexes, c.loadTwins, c.loadKeys, c.loadPins, c.loadProjects} {
		if err := part(tx); err != nil {
			return err
		}
	}
	return nil
}

// now is the current time as the catalogue keeps it: UTC, whole microseconds.
func (c *Catalog) now() time.Time { return c.clock().UTC().Truncate(time.Microsecond) }

// stamp and unstamp convert a time to its column and back.
func stamp(t time.Time) int64        { return t.UnixMicro() }
func unstamp(micros int64) time.Time { return time.UnixMicro(micros).UTC() }
