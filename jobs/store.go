package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"nearside/disk"
	"nearside/fault"
	"nearside/llm/neuron"
)

// fileName is the database within the data directory.
const fileName = "jobs.db"

// schema is the format of jobs.db.
var schema = disk.Schema{
	Application: "nearside jobs",
	Version:     1,
	Statements: []string{
		`CREATE TABLE jobs (
			number      INTEGER PRIMARY KEY,
			account     TEXT NOT NULL,
			key         TEXT NOT NULL,
			key_per_day INTEGER NOT NULL,
			kind        TEXT NOT NULL,
			ix          TEXT NOT NULL,
			spec        BLOB NOT NULL,
			memory      BLOB NOT NULL,
			state       TEXT NOT NULL,
			cancel      INTEGER NOT NULL,
			reason      TEXT NOT NULL,
			due         INTEGER NOT NULL,
			stalled     INTEGER NOT NULL,
			created     INTEGER NOT NULL,
			started     INTEGER NOT NULL,
			ended       INTEGER NOT NULL,
			progress    TEXT NOT NULL
		) STRICT`,
		`CREATE INDEX jobs_account ON jobs (account, number)`,
		`CREATE TABLE failures (
			job    INTEGER NOT NULL,
			place  INTEGER NOT NULL,
			path   TEXT NOT NULL,
			reason TEXT NOT NULL,
			PRIMARY KEY (job, place)
		) STRICT, WITHOUT ROWID`,
	},
}

// Options are the choices of Open. A field of 0 has its default.
type Options struct {
	Ledger     *neuron.Ledger   // whose receipts go with the jobs; nil: there are none
	Clock      func() time.Time // nil: time.Now
	Log        *slog.Logger     // nil: nothing is logged
	AtOnce     int
	Keep       time.Duration
	GiveUp     time.Duration
	WriteEvery time.Duration
	MaxOpen    int
	MaxKept    int
}

func (o Options) withDefaults() Options {
	o.AtOnce = cmp.Or(o.AtOnce, AtOnce)
	o.Keep = cmp.Or(o.Keep, Keep)
	o.GiveUp = cmp.Or(o.GiveUp, GiveUp)
	o.WriteEvery = cmp.Or(o.WriteEvery, WriteEvery)
	o.MaxOpen = cmp.Or(o.MaxOpen, MaxOpen)
	o.MaxKept = cmp.Or(o.MaxKept, MaxKept)
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Store keeps jobs and runs them. It may be used from any goroutine.
type Store struct {
	db       *disk.DB
	options  Options
	meters   *meters
	wake     chan struct{} // has one in it when there may be something to do
	handlers map[string]Handler

	mu    sync.Mutex // guards the queue and what is in it; nothing waits under it
	queue queue
}

// Open opens the jobs of a data directory, and makes the database if there is none. Nothing runs before Run.
func Open(dir *disk.Dir, o Options) (*Store, error) {
	db, err := dir.OpenDB(fileName, schema)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, options: o.withDefaults(), meters: newMeters(), wake: make(chan struct{}, 1), handlers: map[string]Handler{}}
	if err := s.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", db.Path(), err), db.Close())
	}
	return s, nil
}

// recover puts in order what a process left behind, and reads what is to be done.
func (s *Store) recover() error {
	ctx, left := context.Background(), false
	err := s.db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(`SELECT 1 FROM jobs WHERE state = 'running' LIMIT 1`, func(*disk.Row) error { left = true; return nil })
	})
	if err == nil && left {
		err = s.db.Update(ctx, func(tx *disk.Tx) error {
			if err := tx.Exec(`UPDATE jobs SET state = 'cancelled', ended = ? WHERE state = 'running' AND cancel = 1`, millis(s.options.Clock())); err != nil {
				return err
			}
			return tx.Exec(`UPDATE jobs SET state = 'queued', due = 0 WHERE state = 'running'`)
		}, nil)
	}
	if err != nil {
		return err
	}
	return s.db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(`SELECT number, account, ix FROM jobs WHERE state = 'queued' ORDER BY number`, func(r *disk.Row) error {
			s.queue = append(s.queue, &entry{number: r.Int(0), account: r.Text(1), index: r.Text(2)}) // one that waits is tried: things may have changed
			return nil
		})
	})
}

// Handle says who does the jobs of a kind. It is called before Run.
func (s *Store) Handle(kind string, h Handler) { s.handlers[kind] = h }

// Check examines the jobs of a data directory that nobody has open, without changing
// them, and lists what is wrong. That there are none is nothing wrong.
func Check(ctx context.Context, dir *disk.Dir) ([]disk.Finding, error) {
	if there, err := dir.HasDB(fileName); err != nil || !there {
		return nil, err
	}
	return dir.CheckDB(ctx, fileName, schema)
}

// Check verifies every page of the database, and reports the first damage by file.
func (s *Store) Check(ctx context.Context) error { return s.db.Check(ctx) }

// Close closes the database, once Run has returned.
func (s *Store) Close() error { return s.db.Close() }

// Add takes a job. When it returns nil the job is durable.
func (s *Store) Add(ctx context.Context, o Order) (Job, error) {
	if err := o.check(); err != nil {
		return Job{}, err
	}
	j := Job{
		Payer: o.Payer, Kind: o.Kind, Index: o.Index, Spec: o.Spec, State: Queued,
		Created: moment(millis(s.options.Clock())), Progress: Progress{Total: o.Total},
	}
	err := s.db.Update(ctx, func(tx *disk.Tx) error {
		if err := s.room(tx, o.Account); err != nil {
			return err
		}
		j.Number = int64(tx.Sequence()) // never used twice
		return j.insert(tx)
	}, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.queue = append(s.queue, &entry{number: j.Number, account: j.Account, index: j.Index})
	})
	if err != nil {
		return Job{}, err
	}
	s.meters.jobs.WithLabelValues("taken").Inc()
	s.signal()
	return j, nil
}

// room refuses a job of an account that has too many.
func (s *Store) room(tx *disk.Tx, account string) error {
	return tx.Each(`SELECT count(*) FROM jobs WHERE account = ? AND state IN ('queued', 'running')`, func(r *disk.Row) error {
		if r.Int(0) < int64(s.options.MaxOpen) {
			return nil
		}
		return &fault.Error{Kind: fault.Busy, Reason: ReasonOrder, RetryAfter: time.Minute, Message: fmt.Sprintf(
			"%d jobs of the account have not ended, and no more are taken; wait for some, or cancel them: POST …/jobs/{job}/cancel", r.Int(0))}
	}, account)
}

func (j Job) insert(tx *disk.Tx) error {
	progress, err := json.Marshal(j.Progress)
	if err != nil {
		return err
	}
	return tx.Exec(`INSERT INTO jobs (number, account, key, key_per_day, kind, ix, spec, memory, state, cancel, reason, due, stalled, created, started, ended, progress)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', 0, 0, ?, 0, 0, ?)`,
		j.Number, j.Account, j.Key, int64(j.KeyPerDay), j.Kind, j.Index, append([]byte{}, j.Spec...), []byte{}, string(j.State), millis(j.Created), string(progress))
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
	return time.UnixMilli(millis).UTC()
}

// shortened cuts a text to at most n bytes, between characters, and makes it UTF-8.
func shortened(text string, n int) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
