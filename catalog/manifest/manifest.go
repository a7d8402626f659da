// Package manifest remembers what was loaded from where, so that what did not change need not be
// loaded again, and what is gone can be told from what was never there.
//
// A source is what a loader reads into one index: a folder, a list of addresses. It
// has items, a file each, and of each item the manifest knows what it was when
// it was loaded (size, time, a digest of its content, the recipe by which it was cut) and the
// ids of the records that came of it. Store is the main type. Its truth is manifests.db,
// kept by package disk:
//
//	sources  number → account, index, name, who has it claimed until when, times
//	items    (source, path) → what it was, its state, the ids of its records
//
// Promises:
//
//   - A change that returned without error is durable, whole or not at all.
//   - A source has one loader at a time: who changes it shows a Claim, which the next
//     one is refused, with the name of the first. A claim ends by itself when it is not used.
//   - A page of items is of one moment, and pages are in the order of the paths' bytes: who walks a
//     folder in that order needs no memory to see what is new and what is gone.
//
// It does not know what is in the index: that records and manifest agree is the work of the
// loader, by the order in which it changes the two. Methods may be called from any goroutine.
package manifest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"nearside/disk"
	"nearside/fault"
)

// Limits of our own.
const (
	MaxName    = 1024    // bytes of a source's name: a path, an address
	MaxPath    = 4096    // bytes of an item's path; PATH_MAX of Linux
	MaxPut     = 1000    // items in one change
	MaxRecords = 100_000 // records of one item
	MaxReason  = 1024    // bytes of why an item failed; longer ones are cut
	MaxSources = 1000    // of one index

	maxRecordID = 64 // bytes, as Vectorize's
	maxDigest   = 128
	maxHolder   = 256
)

// A claim that is not used ends after ClaimFor: a loader that was killed does not keep its source for long.
const ClaimFor = 30 * time.Second

// Reasons of the faults of this package.
const (
	ReasonUnknown fault.Reason = "source_unknown" // there is no such source
	ReasonClaimed fault.Reason = "source_claimed" // another loader is at work
	ReasonItem    fault.Reason = "source_item"    // an item that cannot be kept
)

// fileName is the database within the data directory.
const fileName = "manifests.db"

// schema is the format of manifests.db. Times are microseconds since 1970, UTC; 0 = never.
var schema = disk.Schema{
	Application: "nearside manifests",
	Version:     1,
	Statements: []string{
		`CREATE TABLE sources (
			number  INTEGER PRIMARY KEY,
			account TEXT NOT NULL,
			ix      INTEGER NOT NULL,
			name    TEXT NOT NULL,
			created INTEGER NOT NULL,
			scanned INTEGER NOT NULL,
			claim   TEXT NOT NULL,
			holder  TEXT NOT NULL,
			until   INTEGER NOT NULL,
			UNIQUE (account, ix, name)
		) STRICT`,
		`CREATE TABLE items (
			source   INTEGER NOT NULL,
			path     TEXT NOT NULL,
			state    TEXT NOT NULL,
			size     INTEGER NOT NULL,
			modified INTEGER NOT NULL,
			digest   TEXT NOT NULL,
			recipe   TEXT NOT NULL,
			records  TEXT NOT NULL,
			count    INTEGER NOT NULL,
			reason   TEXT NOT NULL,
			changed  INTEGER NOT NULL,
			PRIMARY KEY (source, path)
		) STRICT, WITHOUT ROWID`,
	},
}

// Index is an index as the catalogue numbers it. No number is used twice.
type Index struct {
	Account string
	Number  uint64
}

// Source is what is known of a source.
type Source struct {
	Number  int64 // its id, not used twice
	Index   Index
	Name    string // the loader's name for it; the index has it once
	Created time.Time
	Scanned time.Time // when a loader last came to its end; zero = never
	Holder  string    // who loads it now, as it named itself; "" = nobody
	Items   map[State]int
	Records int64 // of all items
}

// Store is the manifests of a data directory.
type Store struct {
	db    *disk.DB
	clock func() time.Time
}

// Open opens the store of a data directory, and makes it if there is none. A nil clock is the system's.
func Open(dir *disk.Dir, clock func() time.Time) (*Store, error) {
	if clock == nil {
		clock = time.Now
	}
	db, err := dir.OpenDB(fileName, schema)
	if err != nil {
		return nil, err
	}
	return &Store{db: db, clock: clock}, nil
}

// Close closes the store. Nothing of it may be under way.
func (s *Store) Close() error { return s.db.Close() }

// Check examines the store of a data directory that nobody has open, without changing
// it, and lists what is wrong. That there is none is nothing wrong.
func Check(ctx context.Context, dir *disk.Dir) ([]disk.Finding, error) {
	if there, err := dir.HasDB(fileName); err != nil || !there {
		return nil, err
	}
	return dir.CheckDB(ctx, fileName, schema)
}

// Check verifies every page of the database, and reports the first damage by file.
func (s *Store) Check(ctx context.Context) error { return s.db.Check(ctx) }

// Sources returns the sources of an index, by name.
func (s *Store) Sources(ctx context.Context, ix Index) (list []Source, err error) {
	err = s.db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(`SELECT number, name, created, scanned, holder, until FROM sources WHERE account = ? AND ix = ? ORDER BY name`,
			func(r *disk.Row) error {
				found := Source{Number: r.Int(0), Index: ix, Name: r.Text(1), Created: moment(r.Int(2)), Scanned: moment(r.Int(3))}
				if s.clock().Before(moment(r.Int(5))) {
					found.Holder = r.Text(4)
				}
				if err := found.count(tx); err != nil {
					return err
				}
				list = append(list, found)
				return nil
			}, ix.Account, int64(ix.Number))
	})
	return list, err
}

// Find returns the number of an index's source by its name; 0 = there is none.
func (s *Store) Find(ctx context.Context, ix Index, name string) (number int64, err error) {
	err = s.db.View(ctx, func(tx *disk.Tx) error {
		number, err = find(tx, ix, name)
		return err
	})
	return number, err
}

// count adds up the items.
func (f *Source) count(tx *disk.Tx) error {
	f.Items = map[State]int{}
	return tx.Each(`SELECT state, count(*), sum(count) FROM items WHERE source = ? GROUP BY state`, func(r *disk.Row) error {
		f.Items[State(r.Text(0))] = int(r.Int(1))
		f.Records += r.Int(2)
		return nil
	}, f.Number)
}

// Forget removes a source with its items, unless a loader has it. Its records stay in the index.
func (s *Store) Forget(ctx context.Context, ix Index, number int64) error {
	return s.db.Update(ctx, func(tx *disk.Tx) error {
		held, err := s.claimOf(tx, ix, number)
		if err != nil {
			return err
		}
		if held.taken {
			return held.refuse()
		}
		return forget(tx, number)
	}, nil)
}

// ForgetIndex removes all sources of an index, which is no more. Whoever has one claimed is told when he comes again.
func (s *Store) ForgetIndex(ctx context.Context, ix Index) error {
	return s.db.Update(ctx, func(tx *disk.Tx) error {
		var numbers []int64
		err := tx.Each(`SELECT number FROM sources WHERE account = ? AND ix = ?`, func(r *disk.Row) error {
			numbers = append(numbers, r.Int(0))
			return nil
		}, ix.Account, int64(ix.Number))
		for _, number := range numbers {
			err = errors.Join(err, forget(tx, number))
		}
		return err
	}, nil)
}

// Indexes returns the indexes that have sources, so that those of indexes that are no more can be forgotten.
func (s *Store) Indexes(ctx context.Context) (list []Index, err error) {
	err = s.db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(`SELECT DISTINCT account, ix FROM sources ORDER BY account, ix`, func(r *disk.Row) error {
			list = append(list, Index{r.Text(0), uint64(r.Int(1))})
			return nil
		})
	})
	return list, err
}

func forget(tx *disk.Tx, number int64) error {
	if err := tx.Exec(`DELETE FROM items WHERE source = ?`, number); err != nil {
		return err
	}
	return tx.Exec(`DELETE FROM sources WHERE number = ?`, number)
}

// ParseNumber reads the number of a source as a person or a path gives it.
func ParseNumber(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, fault.For(ReasonItem, "%q is not the number of a source; GET …/sources lists them", shortened(text, shown))
	}
	return n, nil
}

func unknown(number int64) error {
	return &fault.Error{Kind: fault.NotFound, Reason: ReasonUnknown, Message: fmt.Sprintf("the index has no source %d; GET …/sources lists those that it has", number)}
}

func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
