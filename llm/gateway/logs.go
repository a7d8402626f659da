package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"nearside/disk"
	"nearside/fault"
	"nearside/llm/neuron"
)

// Log is what is remembered of one call. It holds nothing of what was said.
type Log struct {
	ID               string
	Account, Gateway string
	Created          time.Time // when the call came
	Provider         string    // workers-ai, or whom the caller asked for
	Model, Task      string
	Path             string // the endpoint that was called, without the account
	Duration         time.Duration
	Status           int // HTTP's
	Cached           bool
	TokensIn         int
	TokensOut        int
	Neurons          neuron.Micro
	Step             int // which of the fallbacks, from 0
	EventID          string
	Metadata         json.RawMessage // an object; nil: none
	Feedback         *int            // -1, 0 or 1
	Score            *float64
	RequestType      string // media types
	ResponseType     string
	RequestBytes     int
	ResponseBytes    int // 0 of a stream
}

// The limits of the logs of a data directory.
const (
	keptLogs   = 100_000             // of all accounts together
	keptFor    = 30 * 24 * time.Hour // after that they are dropped
	flushAfter = time.Second
	maxWaiting = 10_000 // logs in memory; beyond that, when the disk is full perhaps, they are lost
)

// fileName is the database within the data directory.
const fileName = "gateway.db"

// schema is the format of gateway.db. Times are microseconds since 1970, UTC, and
// durations microseconds; neurons are millionths; metadata is JSON.
var schema = disk.Schema{
	Application: "nearside gateway",
	Version:     1,
	Statements: []string{
		`CREATE TABLE logs (
			number         INTEGER PRIMARY KEY,
			id             TEXT NOT NULL UNIQUE,
			account        TEXT NOT NULL,
			gateway        TEXT NOT NULL,
			created        INTEGER NOT NULL,
			provider       TEXT NOT NULL,
			model          TEXT NOT NULL,
			task           TEXT NOT NULL,
			path           TEXT NOT NULL,
			duration       INTEGER NOT NULL,
			status         INTEGER NOT NULL,
			cached         INTEGER NOT NULL,
			tokens_in      INTEGER NOT NULL,
			tokens_out     INTEGER NOT NULL,
			neurons        INTEGER NOT NULL,
			step           INTEGER NOT NULL,
			event          TEXT NOT NULL,
			metadata       TEXT,
			feedback       INTEGER,
			score          REAL,
			request_type   TEXT NOT NULL,
			request_bytes  INTEGER NOT NULL,
			response_type  TEXT NOT NULL,
			response_bytes INTEGER NOT NULL
		) STRICT`,
		`CREATE INDEX logs_by_gateway ON logs (account, gateway, number)`,
	},
}

// LogOptions are the choices of OpenLogs.
type LogOptions struct {
	Clock func() time.Time // nil: time.Now
	Keep  int              // logs; 0: 100,000
}

// Logs are the logs of a data directory. They may be used from any goroutine.
type Logs struct {
	db    *disk.DB
	clock func() time.Time
	keep  int
	later *disk.Later // writes those that wait

	mu      sync.Mutex     // guards the field below; nothing waits under it
	waiting map[string]Log // by id: not yet on the disk
}

// OpenLogs opens the logs of a data directory and makes them if there are none.
func OpenLogs(dir *disk.Dir, o LogOptions) (*Logs, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Keep == 0 {
		o.Keep = keptLogs
	}
	db, err := dir.OpenDB(fileName, schema)
	if fault.Is(err, fault.Corrupt) {
		return nil, fmt.Errorf("the logs of AI gateways are damaged; to go on without them, move away the files whose names begin with %s: %w", dir.Path(fileName), err)
	}
	if err != nil {
		return nil, err
	}
	l := &Logs{db: db, clock: o.Clock, keep: o.Keep, waiting: map[string]Log{}}
	l.later = disk.NewLater(flushAfter, l.flushLater)
	return l, nil
}

// CheckLogs examines the logs of a data directory that nobody has open, without
// changing them, and lists what is wrong. That there are none is nothing wrong.
func CheckLogs(ctx context.Context, dir *disk.Dir) ([]disk.Finding, error) {
	if there, err := dir.HasDB(fileName); err != nil || !there {
		return nil, err
	}
	return dir.CheckDB(ctx, fileName, schema)
}

// NewID returns an id for the log of a call that comes now.
func (l *Logs) NewID() string { return newID(l.clock()) }

// Add adds a log, which can be read from then on. It does not wait for the disk, and
// never fails: where nothing can be written for long, logs are lost.
func (l *Logs) Add(log Log) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) >= maxWaiting {
		return
	}
	l.waiting[log.ID] = log
	l.later.Ask()
}

// flushLater writes what waits. What cannot be written now is tried again with
// the next log that is added or asked for.
func (l *Logs) flushLater() { _ = l.flush(context.Background()) }

// flush writes what waits to be written, and drops what is too old or too much.
func (l *Logs) flush(ctx context.Context) error {
	logs := l.unwritten()
	if len(logs) == 0 {
		return nil
	}
	err := l.db.Update(ctx, func(tx *disk.Tx) error {
		for _, log := range logs {
			if err := log.write(tx); err != nil {
				return err
			}
		}
		return l.prune(tx)
	}, func() { l.written(logs) })
	if err != nil {
		return fmt.Errorf("write %s: %w", l.db.Path(), err)
	}
	return nil
}

// Waiting returns how many logs are not yet on the disk.
func (l *Logs) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)
}

// unwritten lists what waits to be written, in the order in which it came.
func (l *Logs) unwritten() []Log {
	l.mu.Lock()
	defer l.mu.Unlock()
	logs := make([]Log, 0, len(l.waiting))
	for _, log := range l.waiting {
		logs = append(logs, log)
	}
	slices.SortFunc(logs, func(a, b Log) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return logs
}

func (l *Logs) written(logs []Log) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, log := range logs {
		delete(l.waiting, log.ID)
	}
}

// write adds a log to the table, unless another flush has.
func (log Log) write(tx *disk.Tx) error {
	var metadata, feedback, score any
	if log.Metadata != nil {
		metadata = string(log.Metadata)
	}
	if log.Feedback != nil {
		feedback = *log.Feedback
	}
	if log.Score != nil {
		score = *log.Score
	}
	return tx.Exec(`INSERT OR IGNORE INTO logs (id, account, gateway, created, provider, model, task, path, duration, status, cached,
			tokens_in, tokens_out, neurons, step, event, metadata, feedback, score, request_type, request_bytes, response_type, response_bytes)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		log.ID, log.Account, log.Gateway, log.Created.UnixMicro(), log.Provider, log.Model, log.Task, log.Path, log.Duration.Microseconds(), log.Status, log.Cached,
		log.TokensIn, log.TokensOut, int64(log.Neurons), log.Step, log.EventID, metadata, feedback, score, log.RequestType, log.RequestBytes, log.ResponseType, log.ResponseBytes)
}

// prune drops the oldest logs: those beyond the number that is kept, and those that
// are too old. They are in the order of their numbers, so that both are the first rows.
func (l *Logs) prune(tx *disk.Tx) error {
	if err := tx.Exec(`DELETE FROM logs WHERE number <= (SELECT max(number) FROM logs) - ?`, l.keep); err != nil {
		return err
	}
	return tx.Exec(`DELETE FROM logs WHERE number < (SELECT number FROM logs WHERE created >= ? ORDER BY number LIMIT 1)`, l.oldest())
}

// oldest is when the oldest log was made that is still shown.
func (l *Logs) oldest() int64 { return l.clock().Add(-keptFor).UnixMicro() }

// Check verifies every page of the database and reports the first damage by file.
func (l *Logs) Check(ctx context.Context) error { return l.db.Check(ctx) }

// Close writes what is still to be written and closes the database.
func (l *Logs) Close() error {
	l.later.Close()
	return errors.Join(l.flush(context.Background()), l.db.Close())
}
