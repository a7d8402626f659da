package disk

import (
	"context"
	"errors"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// groupLimit bounds the callers that share one transaction, so that the first of
// them is not kept waiting by a stream of others.
const groupLimit = 256

// group is the callers that share one transaction.
type group struct {
	head    uint64 // the sequence of the last member
	members []*member
	done    chan struct{} // closed when err is final
	err     error
}

// member is one caller whose changes are in the group's transaction.
type member struct {
	committed func()
	panicked  any // what committed panicked with
}

// Update runs fn in a transaction and returns once its changes are durable.
//
// Callers at the same time share one transaction and one sync. Each has a
// savepoint of its own: if fn returns an error or panics, its changes and only
// its changes are undone. fn is called once, on the caller's goroutine, with
// nobody else writing; it is not called if ctx has ended before.
//
// After the commit, and before any caller of the group returns or a later group
// commits, the committed functions run in the order of their sequences. They
// must be quick and must not call Update. nil stands for nothing to do.
//
// After an error nothing of fn's changes is seen; only after a failed sync it is
// open, until the database is next opened, whether they will be there, whole.
// From then on every Update fails, and says how to go on.
func (db *DB) Update(ctx context.Context, fn func(tx *Tx) error, committed func()) error {
	if err := db.turn.take(ctx); err != nil {
		return err
	}
	g, m, err := db.join(ctx, fn, committed)
	if err != nil {
		return err
	}
	<-g.done
	if m.panicked != nil {
		panic(m.panicked)
	}
	return g.err
}

// join runs fn in a savepoint of the group's transaction, and passes the baton on.
func (db *DB) join(ctx context.Context, fn func(tx *Tx) error, committed func()) (*group, *member, error) {
	defer db.passOn() // also when fn panics
	if err := ctx.Err(); err != nil {
		return nil, nil, canceled(err)
	}
	g, err := db.beginGroup()
	if err != nil {
		return nil, nil, err
	}
	if err := db.inSavepoint(ctx, g, fn); err != nil {
		return nil, nil, err
	}
	g.head++
	m := &member{committed: committed}
	g.members = append(g.members, m)
	return g, m, nil
}

// beginGroup returns the group in progress, or begins one.
func (db *DB) beginGroup() (*group, error) {
	switch {
	case db.closed:
		return nil, db.closedError()
	case db.broken != nil:
		return nil, db.broken
	case db.group != nil:
		return db.group, nil
	}
	if err := db.awake(); err != nil {
		return nil, err
	}
	if err := db.run(`BEGIN IMMEDIATE`); err != nil {
		return nil, err
	}
	db.group = &group{head: db.head.Load(), done: make(chan struct{})}
	return db.group, nil
}

// awake opens the writer of a database that was parked.
func (db *DB) awake() error {
	db.dir.house.fleet.used(db)
	if db.writer != nil {
		return nil
	}
	return db.explain(db.start())
}

// inSavepoint runs fn so that all of its changes are undone if it fails. The first
// of a group needs no savepoint: the whole transaction is undone for it, and whoever
// comes next begins another. That saves SQLite a copy of each page that fn changes.
func (db *DB) inSavepoint(ctx context.Context, g *group, fn func(tx *Tx) error) (err error) {
	first := len(g.members) == 0
	if !first {
		if err := db.run(`SAVEPOINT caller`); err != nil {
			return err
		}
	}
	kept := false
	defer func() {
		if !kept && !db.writer.GetAutocommit() {
			err = db.undo(err, first)
		}
	}()
	if err := fn(&Tx{ctx: ctx, c: db.writer, sequence: g.head + 1}); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return canceled(err)
	}
	if db.writer.GetAutocommit() {
		return db.explain(errors.New("SQLite has undone the transaction"))
	}
	if !first {
		if err := db.run(`RELEASE caller`); err != nil {
			return err
		}
	}
	kept = true
	return nil
}

// undo rolls back what the caller did, because of err: the whole transaction, if it is
// the caller's alone, or if rolling back its savepoint fails, since nobody can tell
// then what is in it.
func (db *DB) undo(err error, alone bool) error {
	var failed error
	if !alone {
		failed = errors.Join(db.run(`ROLLBACK TO caller`), db.run(`RELEASE caller`))
	}
	if alone || failed != nil {
		failed = errors.Join(failed, db.run(`ROLLBACK`))
	}
	if failed == nil {
		return err
	}
	return errors.Join(err, failed)
}

// run runs one of the writer's own statements.
func (db *DB) run(sql string, args ...any) error {
	tx := Tx{ctx: context.Background(), c: db.writer}
	return tx.Exec(sql, args...)
}

// passOn gives the baton to the next caller, who joins the group; if nobody
// waits, or the group is full, or its transaction is lost, the group ends here.
func (db *DB) passOn() {
	g := db.group
	if g != nil && len(g.members) < groupLimit && !db.writer.GetAutocommit() && db.turn.pass() {
		return
	}
	defer db.turn.drop()
	db.endGroup()
}

// alone takes the baton for something that is not a change.
func (db *DB) alone(ctx context.Context) error {
	if err := db.turn.take(ctx); err != nil {
		return err
	}
	db.endGroup()
	return nil
}

// endGroup commits the group in progress, if there is one, and tells its members.
func (db *DB) endGroup() {
	g := db.group
	if g == nil {
		return
	}
	db.group = nil
	g.err = db.commit(g)
	if g.err == nil {
		for _, m := range g.members {
			m.publish()
		}
	}
	close(g.done)
	if g.err == nil {
		db.checkpoint()
	}
}

// publish runs the member's function and keeps a panic for its own caller.
func (m *member) publish() {
	defer func() { m.panicked = recover() }()
	if m.committed != nil {
		m.committed()
	}
}

// commit makes the group durable: first in the database, then in the witness.
func (db *DB) commit(g *group) error {
	undone := db.writer.GetAutocommit()
	switch {
	case len(g.members) == 0 && undone:
		return nil
	case len(g.members) == 0:
		return db.run(`ROLLBACK`)
	case undone:
		return db.explain(errors.New("another change of the same transaction failed and SQLite has undone it all"))
	}
	err := db.run(`UPDATE nearside SET head = ?`, g.head)
	if err == nil {
		err = db.run(`COMMIT`)
	}
	if err != nil {
		if !db.writer.GetAutocommit() {
			err = errors.Join(err, db.run(`ROLLBACK`))
		}
		db.breakDown()
		return err
	}
	if err := db.witness.advance(g.head); err != nil { // or the sync of the one before has failed
		db.broken = unsyncedError(db.path+witnessSuffix, err)
		return db.broken
	}
	db.head.Store(g.head)
	return nil
}

// breakDown makes the database read-only if a sync has failed: the operating
// system may have dropped the bytes, and a second sync would not say so.
func (db *DB) breakDown() {
	if err := db.system.failedSync(); err != nil && db.broken == nil {
		db.broken = unsyncedError(db.path, err)
	}
}

// checkpoint copies the log into the database when it has grown enough since the
// last time. What fails here is tried again later: the log still has everything.
//
// A log begins anew once all of it is copied and nobody reads from it. Where views
// always overlap that never happens by itself; so when the log is long the
// checkpoint waits for them, but not for one that takes its time.
func (db *DB) checkpoint() {
	grown := db.walPages - db.copiedPages
	if grown < 0 { // it has begun anew
		grown = db.walPages
	}
	limit := db.dir.house.logPages
	if grown < limit || db.copying.Load() {
		return
	}
	mode := sqlite3.CHECKPOINT_PASSIVE
	if db.walPages >= 4*limit {
		mode = sqlite3.CHECKPOINT_RESTART
		_ = db.writer.BusyTimeout(100 * time.Millisecond) // cannot fail
		defer func() { _ = db.writer.BusyTimeout(busyTimeout) }()
	}
	_, _, _ = db.writer.WALCheckpoint("main", mode)
	db.copiedPages = db.walPages
	db.breakDown()
}
