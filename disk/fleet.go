package disk

import (
	"container/list"
	"sync"
)

// defaultConnections is how many connections a data directory keeps open. Each
// takes 0.3 to 2.5 MB and three descriptors.
const defaultConnections = 128

// fleet keeps the connections of a data directory within a limit, by parking the
// databases that were used longest ago: a parked database has no connection, no
// log and no descriptor, and opens them again when it is used. Connections at
// work are never closed, so that the limit may be exceeded for a while.
type fleet struct {
	limit int

	mu    sync.Mutex // guards the fields below; held for a few instructions
	count int        // connections
	order list.List  // of *DB, the last used first; those that have connections
}

// berth is a database's place in the fleet. The fleet's mutex guards it.
type berth struct {
	element     *list.Element // nil without connections
	connections int
}

// used moves a database to the front.
func (f *fleet) used(db *DB) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if db.berth.element != nil {
		f.order.MoveToFront(db.berth.element)
	}
}

// opened counts a new connection, and parks other databases if that is one too many.
func (f *fleet) opened(db *DB) {
	for _, idle := range f.add(db) {
		idle.park()
	}
}

// add counts a new connection and returns the databases to park, the idlest first.
func (f *fleet) add(db *DB) (park []*DB) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	db.berth.connections++
	if db.berth.element == nil {
		db.berth.element = f.order.PushFront(db)
	}
	surplus := f.count - f.limit
	for e := f.order.Back(); e != nil && surplus > 0; e = e.Prev() {
		if idle := e.Value.(*DB); idle != db {
			park = append(park, idle)
			surplus -= idle.berth.connections
		}
	}
	return park
}

// closed counts a connection that is gone.
func (f *fleet) closed(db *DB) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count--
	db.berth.connections--
	if db.berth.connections == 0 && db.berth.element != nil {
		f.order.Remove(db.berth.element)
		db.berth.element = nil
	}
}

// park closes the connections that nobody uses, the writer's last. It does
// nothing to a database that is being written or copied.
func (db *DB) park() {
	if !db.copies.tryTake() {
		return
	}
	defer db.copies.drop()
	if !db.turn.tryTake() {
		return
	}
	defer db.turn.drop()
	if db.closed || db.broken != nil {
		return
	}
	idle := db.closeIdleReaders()
	if idle == readers {
		// An error here has already made the database read-only, and the next
		// Update says so; the log still has everything.
		_ = db.closeWriter()
	}
	for range idle {
		db.pool <- nil
	}
}

// closeIdleReaders takes the idle read connections out of the pool and closes them.
func (db *DB) closeIdleReaders() (idle int) {
	for {
		select {
		case c := <-db.pool:
			_ = c.close() // a reader has nothing to lose
			idle++
		default:
			return idle
		}
	}
}
