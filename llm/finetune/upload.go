package finetune

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/uuid"

	"nearside/disk"
	"nearside/fault"
)

// Upload is a file on its way to a fine-tune. Forms may say what it is after they
// sent it, so it is written first and looked at by Keep.
type Upload struct {
	store *Store
	to    Finetune
	file  string
	bytes int64
	sum   []byte
}

// Asset is a file of a fine-tune.
type Asset struct {
	ID       string
	Finetune string // its id
	Name     string
	Kept     time.Time
}

// Begin prepares for a file of an account's fine-tune.
func (s *Store) Begin(ctx context.Context, account, idOrName string) (*Upload, error) {
	u := &Upload{store: s}
	err := s.db.View(ctx, func(tx *disk.Tx) (err error) {
		u.to, err = find(tx, account, idOrName, false)
		return err
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// Receive writes the file as it comes.
func (u *Upload) Receive(r io.Reader) error {
	if err := u.Discard(); err != nil {
		return err
	}
	u.file = uuid.NewString()
	sum := sha256.New()
	source := &reader{r: io.LimitReader(r, MaxAsset+1)}
	err := u.store.files.WriteAtomic(u.file, func(w io.Writer) (err error) {
		u.bytes, err = io.Copy(io.MultiWriter(w, sum), source)
		if err == nil && u.bytes > MaxAsset {
			err = errTooLarge
		}
		return err
	})
	u.sum = sum.Sum(nil)
	switch {
	case source.err != nil:
		return source.err // the client's, not the disk's
	case errors.Is(err, errTooLarge):
		return fault.New(fault.TooLarge, "the file has more than %d bytes, and no file of a fine-tune can; use an adapter of a lower rank", MaxAsset)
	}
	return err
}

var errTooLarge = errors.New("too large")

// reader remembers why reading failed.
type reader struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// Keep files what was received under one of the two names, if it can be what the
// name says. A file is sent once: a fine-tune that was used does not change.
func (u *Upload) Keep(ctx context.Context, name string) (Asset, error) {
	if u.file == "" {
		return Asset{}, fault.For(ReasonAsset, "no file was sent")
	}
	if err := u.inspect(name); err != nil {
		return Asset{}, err
	}
	kept := Asset{ID: u.file, Finetune: u.to.ID, Name: name, Kept: u.store.clock().UTC().Truncate(time.Microsecond)}
	err := u.store.db.Update(ctx, func(tx *disk.Tx) error {
		if _, err := find(tx, u.to.Account, u.to.ID, false); err != nil { // removed meanwhile
			return err
		}
		if err := tx.Exec(`INSERT OR IGNORE INTO assets VALUES (?, ?, ?, ?, ?)`, u.to.ID, name, u.file, u.bytes, u.sum); err != nil {
			return err
		}
		if tx.Changes() == 0 {
			return fault.New(fault.Conflict, "the fine-tune %q has its %s, and files are not replaced; make another fine-tune", u.to.Name, name)
		}
		return tx.Exec(`UPDATE finetunes SET modified = ? WHERE id = ?`, kept.Kept.UnixMicro(), u.to.ID)
	}, nil)
	if err != nil {
		return Asset{}, err
	}
	u.file = ""
	return kept, nil
}

// inspect checks that what was received can be the file of the name.
func (u *Upload) inspect(name string) (err error) {
	var check func(io.Reader, int64) error
	switch name {
	case ConfigFile:
		check = checkConfig
	case WeightsFile:
		check = checkWeights
	default:
		return fault.For(ReasonAsset, "file_name is %q; it can be %s or %s", name[:min(len(name), maxName)], ConfigFile, WeightsFile)
	}
	f, err := u.store.files.OpenFile(u.file, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if wrong := check(f, u.bytes); wrong != nil {
		return fault.For(ReasonAsset, "%s cannot be used: %s", name, wrong)
	}
	return nil
}

// Discard removes what was received and not kept. It does nothing after Keep.
func (u *Upload) Discard() error {
	if u.file == "" {
		return nil
	}
	if err := u.store.files.RemoveAll(u.file); err != nil {
		return fmt.Errorf("an upload that was refused is left until the next start: %w", err)
	}
	u.file = ""
	return nil
}
