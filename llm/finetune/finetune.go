// Package finetune keeps fine-tunes: adapters (LoRA) that people made for models of
// Cloudflare's, each two files with a name.
//
// Store is the main type. Its truth is finetunes.db, kept by package disk:
//
//	finetunes  id → account, model, name, description, whether others see it, times
//	assets     (finetune, file name) → the file that holds it, its length and SHA-256
//
// The files lie in the folder finetunes, under names drawn at random. An upload is a
// file first and a row after it: what a crash leaves between the two is swept away
// when the store is opened. A change that returned without error is durable. Files
// are looked at while they come in, so that what is kept can be an adapter; none is
// ever whole in memory.
//
// Nothing here runs a fine-tune: the package says which there are. Methods may be
// called from any goroutine.
package finetune

import (
	"context"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"nearside/disk"
	"nearside/fault"
)

// Limits of what an account may store
// (developers.cloudflare.com/workers-ai/features/fine-tunes/loras).
const (
	MaxPerAccount = 100
	MaxAsset      = 300 << 20 // bytes of a file
	MaxRank       = 32

	maxName        = 128 // bytes; Cloudflare documents no limit of names and descriptions
	maxDescription = 4096
)

// The files of a fine-tune.
const (
	ConfigFile  = "adapter_config.json"
	WeightsFile = "adapter_model.safetensors"
)

// Reasons of the faults of this package.
const (
	ReasonModel      fault.Reason = "finetune_model"      // the model takes no fine-tunes
	ReasonUnknown    fault.Reason = "finetune_unknown"    // there is no such fine-tune
	ReasonIncomplete fault.Reason = "finetune_incomplete" // it lacks a file
	ReasonAsset      fault.Reason = "finetune_asset"      // a file is not what its name says
)

// names of the database and the folder within the data directory.
const (
	databaseName = "finetunes.db"
	folderName   = "finetunes"
)

// schema is the format of finetunes.db. Times are microseconds since 1970, UTC.
var schema = disk.Schema{
	Application: "nearside finetunes",
	Version:     1,
	Statements: []string{
		`CREATE TABLE finetunes (
			id          TEXT PRIMARY KEY,
			account     TEXT NOT NULL,
			model       TEXT NOT NULL,
			name        TEXT NOT NULL,
			description TEXT NOT NULL,
			public      INTEGER NOT NULL,
			created     INTEGER NOT NULL,
			modified    INTEGER NOT NULL,
			UNIQUE (account, name)
		) STRICT, WITHOUT ROWID`,
		`CREATE TABLE assets (
			finetune TEXT NOT NULL,
			name     TEXT NOT NULL,
			file     TEXT NOT NULL UNIQUE,
			bytes    INTEGER NOT NULL,
			sha256   BLOB NOT NULL,
			PRIMARY KEY (finetune, name)
		) STRICT, WITHOUT ROWID`,
	},
}

// Finetune is an adapter that somebody stored, or is about to.
type Finetune struct {
	ID          string
	Account     string
	Model       string // that it is for
	Name        string // the account has it once
	Description string
	Public      bool // other accounts see it too
	Created     time.Time
	Modified    time.Time // when its last file came
}

// Store is the fine-tunes of a data directory.
type Store struct {
	db    *disk.DB
	files *disk.Dir
	clock func() time.Time
}

// Open opens the store of a data directory and makes it if there is none. A nil
// clock is the system's.
func Open(dir *disk.Dir, clock func() time.Time) (*Store, error) {
	if clock == nil {
		clock = time.Now
	}
	db, err := dir.OpenDB(databaseName, schema)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, files: dir.Sub(folderName), clock: clock}
	if err := s.sweep(); err != nil {
		err = fmt.Errorf("read %s: %w", db.Path(), err)
		if closing := db.Close(); closing != nil {
			err = fmt.Errorf("%w (and closing it: %v)", err, closing)
		}
		return nil, err
	}
	return s, nil
}

// Close closes the store. Nothing of it may be under way.
func (s *Store) Close() error { return s.db.Close() }

// sweep removes files that belong to no fine-tune: of uploads that were cut off.
func (s *Store) sweep() error {
	kept := map[string]bool{}
	err := s.db.View(context.Background(), func(tx *disk.Tx) error {
		return tx.Each(`SELECT file FROM assets`, func(r *disk.Row) error { kept[r.Text(0)] = true; return nil })
	})
	if err != nil {
		return err
	}
	names, err := s.files.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if kept[name] {
			continue
		}
		if err := s.files.RemoveAll(name); err != nil {
			return err
		}
	}
	return nil
}

// Create files a fine-tune that has no files yet, and returns it with its id and its times.
func (s *Store) Create(ctx context.Context, f Finetune) (Finetune, error) {
	if err := f.check(); err != nil {
		return Finetune{}, err
	}
	f.ID = uuid.NewString()
	f.Created = s.clock().UTC().Truncate(time.Microsecond)
	f.Modified = f.Created
	err := s.db.Update(ctx, func(tx *disk.Tx) error {
		others := 0
		err := tx.Each(`SELECT name, id FROM finetunes WHERE account = ?`, func(r *disk.Row) error {
			if others++; r.Text(0) == f.Name {
				return fault.New(fault.Conflict, "there is a fine-tune named %q, with the id %s; choose another name, or remove that one: DELETE nearside/finetunes/%s", f.Name, r.Text(1), r.Text(1))
			}
			return nil
		}, f.Account)
		if err != nil {
			return err
		}
		if others >= MaxPerAccount {
			return fault.New(fault.Invalid, "the account has %d fine-tunes, and no more are allowed; remove one: DELETE nearside/finetunes/{id}", others)
		}
		return tx.Exec(`INSERT INTO finetunes VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			f.ID, f.Account, f.Model, f.Name, f.Description, f.Public, f.Created.UnixMicro(), f.Modified.UnixMicro())
	}, nil)
	if err != nil {
		return Finetune{}, err
	}
	return f, nil
}

// check refuses what cannot be filed. A name that looks like an id could be taken for one.
func (f Finetune) check() error {
	switch _, asID := uuid.Parse(f.Name); {
	case f.Name == "":
		return fault.New(fault.Invalid, "a fine-tune needs a name")
	case len(f.Name) > maxName:
		return fault.New(fault.Invalid, "the name has %d bytes; a fine-tune's can have %d", len(f.Name), maxName)
	case asID == nil:
		return fault.New(fault.Invalid, "the name %q is of the form that ids have; choose one that is not", f.Name)
	case !printable(f.Name):
		return fault.New(fault.Invalid, "the name must be UTF-8 without control characters")
	case len(f.Description) > maxDescription:
		return fault.New(fault.Invalid, "the description has %d bytes; a fine-tune's can have %d", len(f.Description), maxDescription)
	case !utf8.ValidString(f.Description):
		return fault.New(fault.Invalid, "the description must be UTF-8")
	}
	return nil
}

func printable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return utf8.ValidString(s)
}

// columns are those that scan reads.
const columns = `SELECT id, account, model, name, description, public, created, modified FROM finetunes `

func scan(r *disk.Row) Finetune {
	return Finetune{
		ID: r.Text(0), Account: r.Text(1), Model: r.Text(2), Name: r.Text(3), Description: r.Text(4), Public: r.Int(5) != 0,
		Created: time.UnixMicro(r.Int(6)).UTC(), Modified: time.UnixMicro(r.Int(7)).UTC(),
	}
}

// List returns an account's fine-tunes, in the order in which they were made.
func (s *Store) List(ctx context.Context, account string) ([]Finetune, error) {
	return s.list(ctx, `WHERE account = ? ORDER BY created, id`, account)
}

// Public returns those that all accounts see, in the order in which they were made.
func (s *Store) Public(ctx context.Context) ([]Finetune, error) {
	return s.list(ctx, `WHERE public = 1 ORDER BY created, id`)
}

func (s *Store) list(ctx context.Context, where string, args ...any) ([]Finetune, error) {
	list := []Finetune{}
	err := s.db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(columns+where, func(r *disk.Row) error { list = append(list, scan(r)); return nil }, args...)
	})
	return list, err
}

// find returns the fine-tune with the id or name: the account's own, or else a
// public one if those are asked for too.
func find(tx *disk.Tx, account, idOrName string, public bool) (Finetune, error) {
	var found []Finetune
	err := tx.Each(columns+`WHERE (account = ?1 OR (public = 1 AND ?3)) AND (id = ?2 OR name = ?2) ORDER BY account != ?1, created, id LIMIT 1`,
		func(r *disk.Row) error { found = append(found, scan(r)); return nil }, account, idOrName, public)
	if err != nil {
		return Finetune{}, err
	}
	if len(found) == 0 {
		return Finetune{}, &fault.Error{Kind: fault.NotFound, Reason: ReasonUnknown, Message: fmt.Sprintf("there is no fine-tune with the id or name %q; GET ai/finetunes lists those there are", idOrName[:min(len(idOrName), maxName)])}
	}
	return found[0], nil
}

// Base returns the model that a whole fine-tune is for, the account's own or a public one.
func (s *Store) Base(ctx context.Context, account, idOrName string) (model string, err error) {
	err = s.db.View(ctx, func(tx *disk.Tx) error {
		f, err := find(tx, account, idOrName, true)
		if err != nil {
			return err
		}
		has := map[string]bool{}
		if err := tx.Each(`SELECT name FROM assets WHERE finetune = ?`, func(r *disk.Row) error { has[r.Text(0)] = true; return nil }, f.ID); err != nil {
			return err
		}
		for _, name := range []string{ConfigFile, WeightsFile} {
			if !has[name] {
				return fault.For(ReasonIncomplete, "the fine-tune %q lacks its file %s; POST ai/finetunes/%s/finetune-assets takes it", f.Name, name, f.ID)
			}
		}
		model = f.Model
		return nil
	})
	return model, err
}

// Remove removes an account's fine-tune and its files.
func (s *Store) Remove(ctx context.Context, account, idOrName string) error {
	var files []string
	err := s.db.Update(ctx, func(tx *disk.Tx) error {
		f, err := find(tx, account, idOrName, false)
		if err != nil {
			return err
		}
		if err := tx.Each(`SELECT file FROM assets WHERE finetune = ?`, func(r *disk.Row) error { files = append(files, r.Text(0)); return nil }, f.ID); err != nil {
			return err
		}
		if err := tx.Exec(`DELETE FROM assets WHERE finetune = ?`, f.ID); err != nil {
			return err
		}
		return tx.Exec(`DELETE FROM finetunes WHERE id = ?`, f.ID)
	}, nil)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := s.files.RemoveAll(file); err != nil {
			return fmt.Errorf("the fine-tune is removed, and a file of it is left until the next start: %w", err)
		}
	}
	return nil
}
