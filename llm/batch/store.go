package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"nearside/disk"
	"nearside/fault"
	"nearside/llm/neuron"
)

// fileName is the database within the data directory.
const fileName = "batches.db"

// schema is the format of batches.db.
var schema = disk.Schema{
	Application: "nearside batches",
	Version:     1,
	Statements: []string{
		`CREATE TABLE batches (
			number      INTEGER PRIMARY KEY,
			id          TEXT NOT NULL UNIQUE,
			account     TEXT NOT NULL,
			key         TEXT NOT NULL,
			key_per_day INTEGER NOT NULL,
			model       TEXT NOT NULL,
			created     INTEGER NOT NULL,
			ended       INTEGER NOT NULL,
			stalled     INTEGER NOT NULL,
			items       INTEGER NOT NULL,
			open        INTEGER NOT NULL,
			bytes       INTEGER NOT NULL
		) STRICT`,
		`CREATE TABLE items (
			batch      INTEGER NOT NULL,
			item       INTEGER NOT NULL,
			reference  TEXT NOT NULL,
			open       INTEGER NOT NULL,
			tries      INTEGER NOT NULL,
			stalled    INTEGER NOT NULL,
			input      BLOB,
			result     BLOB,
			code       INTEGER NOT NULL,
			message    TEXT NOT NULL,
			prompt     INTEGER NOT NULL,
			cached     INTEGER NOT NULL,
			completion INTEGER NOT NULL,
			neurons    INTEGER NOT NULL,
			PRIMARY KEY (batch, item)
		) STRICT`,
		`CREATE INDEX items_open ON items (batch, item) WHERE open = 1`, // for Open
	},
}

// Options are the choices of Open. A field of 0 has its default.
type Options struct {
	Ledger    *neuron.Ledger   // which says what items have cost; required
	Clock     func() time.Time // nil: time.Now
	Log       *slog.Logger     // nil: nothing is logged
	AtOnce    int
	Keep      time.Duration
	GiveUp    time.Duration
	Grace     time.Duration
	HeldBytes int64
}

func (o Options) withDefaults() Options {
	o.AtOnce = cmp.Or(o.AtOnce, AtOnce)
	o.Keep = cmp.Or(o.Keep, Keep)
	o.GiveUp = cmp.Or(o.GiveUp, GiveUp)
	o.Grace = cmp.Or(o.Grace, Grace)
	o.HeldBytes = cmp.Or(o.HeldBytes, HeldBytes)
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Store keeps batches. It may be used from any goroutine.
type Store struct {
	db      *disk.DB
	options Options
	meters  *meters
	wake    chan struct{} // has one in it when there may be something to do

	mu    sync.Mutex // guards the fields below; nothing waits under it
	queue queue
	held  int64 // bytes of all batches
}

// Open opens the batches of a data directory, and makes the database if there is
// none. Nothing runs before Run.
func Open(dir *disk.Dir, o Options) (*Store, error) {
	db, err := dir.OpenDB(fileName, schema)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, options: o.withDefaults(), meters: newMeters(), wake: make(chan struct{}, 1)}
	if err := db.View(context.Background(), s.load); err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", db.Path(), err), db.Close())
	}
	return s, nil
}

// load reads what is still to be done.
func (s *Store) load(tx *disk.Tx) error {
	err := tx.Each(`SELECT coalesce(sum(bytes), 0) FROM batches`, func(r *disk.Row) error {
		s.held = r.Int(0)
		return nil
	})
	if err != nil {
		return err
	}
	return tx.Each(`SELECT number, id, account, key, key_per_day, model, stalled, items > open,
			(SELECT coalesce(sum(length(result)), 0) FROM items WHERE batch = number)
		FROM batches WHERE open > 0 ORDER BY number`, func(r *disk.Row) error {
		j := &job{
			number: r.Int(0), id: r.Text(1), payer: neuron.Payer{Account: r.Text(2), Key: r.Text(3), KeyPerDay: neuron.Micro(r.Int(4))},
			model: r.Text(5), stalled: moment(r.Int(6)), begun: r.Int(7) == 1, results: int(r.Int(8)),
		}
		s.queue = append(s.queue, j)
		return tx.Each(`SELECT item FROM items WHERE batch = ? AND open = 1 ORDER BY item`, func(r *disk.Row) error {
			j.waiting = append(j.waiting, int(r.Int(0)))
			return nil
		}, j.number)
	})
}

// Check examines the batches of a data directory that nobody has open, without
// changing them, and lists what is wrong. That there are none is nothing wrong.
func Check(ctx context.Context, dir *disk.Dir) ([]disk.Finding, error) {
	if there, err := dir.HasDB(fileName); err != nil || !there {
		return nil, err
	}
	return dir.CheckDB(ctx, fileName, schema)
}

// Check verifies every page of the database and reports the first damage by file.
func (s *Store) Check(ctx context.Context) error { return s.db.Check(ctx) }

// Close closes the database, once Run has returned.
func (s *Store) Close() error { return s.db.Close() }

// Add takes a batch that is valid, and returns the id under which it is told of.
// When it returns nil the batch is durable.
func (s *Store) Add(ctx context.Context, b Batch) (id string, err error) {
	if err := b.Validate(); err != nil {
		return "", err
	}
	if err := s.makeRoom(b.held()); err != nil {
		return "", err
	}
	j := &job{id: uuid.NewString(), payer: b.Payer, model: b.Model, waiting: make([]int, len(b.Items))}
	for i := range j.waiting {
		j.waiting[i] = i
	}
	err = s.db.Update(ctx, func(tx *disk.Tx) error {
		j.number = int64(tx.Sequence()) // never used twice
		return b.write(tx, j.number, j.id, millis(s.options.Clock()))
	}, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.queue = append(s.queue, j)
	})
	if err != nil {
		s.hold(-b.held())
		return "", err
	}
	s.meters.items.WithLabelValues("taken").Add(float64(len(b.Items)))
	s.signal()
	return j.id, nil
}

// write inserts a batch.
func (b Batch) write(tx *disk.Tx, number int64, id string, now int64) error {
	err := tx.Exec(`INSERT INTO batches (number, id, account, key, key_per_day, model, created, ended, stalled, items, open, bytes)
		VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, ?)`,
		number, id, b.Account, b.Key, int64(b.KeyPerDay), b.Model, now, len(b.Items), len(b.Items), b.held())
	if err != nil {
		return err
	}
	for i, item := range b.Items {
		err := tx.Exec(`INSERT INTO items (batch, item, reference, open, tries, stalled, input, code, message, prompt, cached, completion, neurons)
			VALUES (?, ?, ?, 1, 0, 0, ?, 0, '', 0, 0, 0, 0)`, number, i, item.Reference, item.Input)
		if err != nil {
			return err
		}
	}
	return nil
}

// makeRoom counts bytes that will be held, or refuses them.
func (s *Store) makeRoom(bytes int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held+bytes > s.options.HeldBytes {
		return &fault.Error{Kind: fault.Busy, RetryAfter: time.Minute, Message: fmt.Sprintf(
			"Capacity temporarily exceeded, please try again. (nearside: the batches that are kept have %d bytes, of at most %d, and this one has %d; each is deleted %v after it has ended)",
			s.held, s.options.HeldBytes, bytes, s.options.Keep)}
	}
	s.held += bytes
	return nil
}

// hold counts bytes that are held, or no longer.
func (s *Store) hold(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held += bytes
}

// signal wakes Run.
func (s *Store) signal() {
	select {
	case s.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// millis is how a moment is kept; moment reads it.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis)
}
