package disk

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"

	"nearside/fault"
)

const (
	pageSize      = 16384
	reservedBytes = 8 // at the end of each page: its checksum

	witnessSuffix = ".head"
	newSuffix     = ".new" // a database that is whole but not yet visible
	walSuffix     = "-wal"
	shmSuffix     = "-shm"
	journalSuffix = "-journal"

	readers         = 4 // connections for View, opened when needed
	defaultLogPages = 1000

	busyTimeout = 10 * time.Second // connections wait for each other only while one opens or closes
)

// Schema says what a database is for and which tables it has.
type Schema struct {
	Application string   // refused if the file is another application's
	Version     int      // at least 1; a file of a later version is refused
	Statements  []string // run once, when the database is made
	// Upgrades are the statements that bring a file of a version, the key, to the
	// next one. They run when it is opened or installed. A file of a version from
	// which no upgrades lead here is refused. In the end the tables must be those of
	// Statements, word for word: one that changes is renamed, made anew, copied from
	// the old one, and the old one dropped.
	Upgrades map[int][]string
}

// DB is an open database. Its methods may be called from any goroutine.
type DB struct {
	dir    *Dir
	path   string
	schema Schema
	system *system
	head   atomic.Uint64

	turn        baton    // held by whoever uses the fields up to the blank line
	id          identity // drawn when the database was made
	writer      *conn    // nil while the database is parked
	witness     *witness // nil while the database is parked
	group       *group   // the transaction in progress, nil if there is none
	walPages    int      // in the log after the last commit
	copiedPages int      // in the log at the last checkpoint
	closed      bool
	broken      error // why nothing can be written any more, nil if it can

	copies  baton       // held by the one Backup or Check in progress
	copying atomic.Bool // the database file must not change: no checkpoints
	pool    chan *conn  // read connections, nil for those not opened; closed with the database
	berth   berth       // the database's place in the fleet
}

// OpenDB opens a database of the directory, and makes it if it is absent.
//
// A database that is damaged, or that lacks something that was acknowledged, is
// refused with a fault.Corrupt that names the file; its files are left as they are.
func (d *Dir) OpenDB(name string, s Schema) (*DB, error) {
	path := d.Path(name)
	if err := d.house.claim(path); err != nil {
		return nil, err
	}
	db, err := d.openDB(path, s)
	if err != nil {
		d.house.release(path)
		return nil, explainFile(path, err)
	}
	return db, nil
}

// claim reserves the path of a database for one opener.
func (h *house) claim(path string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return fault.New(fault.Unavailable, "the data directory of %s is closed", path)
	}
	if h.open[path] {
		return fault.New(fault.Conflict, "%s is open already", path)
	}
	h.open[path] = true
	return nil
}

func (h *house) release(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, path)
}

func (d *Dir) openDB(path string, s Schema) (*DB, error) {
	if err := d.Make(); err != nil {
		return nil, err
	}
	if err := d.settle(path, s); err != nil {
		return nil, err
	}
	db := d.newDB(path, s)
	if err := db.start(); err != nil {
		db.system.close()
		return nil, err
	}
	return db, nil
}

// newDB returns a database without a connection.
func (d *Dir) newDB(path string, s Schema) *DB {
	db := &DB{dir: d, path: path, schema: s, pool: make(chan *conn, readers)}
	db.system = newSystem(d.house.hook, filepath.Dir(path))
	for range readers {
		db.pool <- nil
	}
	return db
}

// start opens the writer and compares the database with its witness.
func (db *DB) start() error {
	if err := checkFirstPage(db.system.hook, db.path); err != nil {
		return err
	}
	c, err := db.connect()
	if err != nil {
		return err
	}
	c.WALHook(func(_ *sqlite3.Conn, _ string, pages int) error {
		db.walPages = pages
		return nil
	})
	found, err := db.identify(c)
	if err == nil {
		err = db.compare(found.head)
	}
	if err == nil {
		err = db.upgrade(c, found.version)
	}
	if err == nil {
		_, err = c.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, false)
	}
	if err != nil {
		err = errors.Join(err, c.close(), db.witness.close())
		db.witness = nil
		return err
	}
	db.writer, db.walPages, db.copiedPages = c, 0, 0
	db.head.Store(found.head)
	return nil
}

// compare refuses a database that ends before its witness, and catches a witness
// up that a crash left behind.
func (db *DB) compare(head uint64) error {
	path := db.path + witnessSuffix
	w, err := openWitness(db.system.hook, path)
	if head == 0 && (errors.Is(err, fs.ErrNotExist) || fault.Is(err, fault.Corrupt)) {
		// Nothing was ever acknowledged, so that nothing can be missing.
		if err := createWitness(db.system.hook, path, db.id, 0); err != nil {
			return err
		}
		w, err = openWitness(db.system.hook, path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.Corrupt, "%s is missing: nobody can tell whether %s, which ends at sequence %d, is complete; restore it from a snapshot",
			path, db.path, head)
	case err != nil:
		return err
	}
	if err = w.agrees(db, head); err == nil && head > w.head {
		err = errors.Join(w.advance(head), w.settle())
	}
	if err != nil {
		return errors.Join(err, w.close())
	}
	db.witness = w
	return nil
}

// agrees returns why the witness speaks against a database that ends at head.
func (w *witness) agrees(db *DB, head uint64) error {
	path := db.path + witnessSuffix
	switch {
	case w.database != db.id:
		return fault.New(fault.Corrupt, "%s belongs to another database than %s; restore it from a snapshot", path, db.path)
	case head < w.head:
		return fault.New(fault.Corrupt, "%s has lost acknowledged changes: it ends at sequence %d, but %s says %d; its log %s is damaged or gone; restore it from a snapshot",
			db.path, head, path, w.head, db.path+walSuffix)
	}
	return nil
}

// identify reads the row that says what the database is. One that this program
// cannot read is refused.
func (db *DB) identify(c *conn) (found self, err error) {
	var application string
	var id []byte
	tx := Tx{ctx: context.Background(), c: c}
	err = tx.Each(selfQuery, func(r *Row) error {
		application, found = r.Text(0), self{version: int(r.Int(1)), head: uint64(r.Int(2))}
		id = append(id, r.Blob(3)...)
		return nil
	})
	switch {
	case err != nil:
		return self{}, err
	case len(id) != len(db.id):
		return self{}, fault.New(fault.Corrupt, "%s is damaged: it does not say what it is", db.path)
	case application != db.schema.Application:
		return self{}, fault.New(fault.Corrupt, "%s is a database of %q, not of %q", db.path, application, db.schema.Application)
	}
	copy(db.id[:], id)
	return found, db.schema.refuses(db.path, found.version)
}

// The one table that is ours, with its one row.
const (
	selfTable = `CREATE TABLE nearside (
	self INTEGER PRIMARY KEY CHECK (self = 1),
	application TEXT NOT NULL,
	version INTEGER NOT NULL,
	head INTEGER NOT NULL,
	identity BLOB NOT NULL) STRICT`
	selfInsert = `INSERT INTO nearside (self, application, version, head, identity) VALUES (1, ?, ?, 0, ?)`
	selfQuery  = `SELECT application, version, head, identity FROM nearside`
)

// pragmas of every connection. The page cache is what a busy connection grows to;
// an idle one needs about 0.4 MB. Checkpoints are ours to time.
const pragmas = `
PRAGMA synchronous = FULL;
PRAGMA temp_store = MEMORY;
PRAGMA trusted_schema = OFF;
PRAGMA cell_size_check = ON;
PRAGMA cache_size = -2048;
PRAGMA wal_autocheckpoint = 0;
PRAGMA journal_size_limit = 67108864;
`

// connect opens one connection. It does not checkpoint when it is closed, so that
// a database found to be damaged stays as it was.
func (db *DB) connect() (*conn, error) {
	if err := checkHeader(db.system.hook, db.path); err != nil {
		return nil, err
	}
	c, err := openSQLite(db.system, db.path)
	if err != nil {
		return nil, db.explain(err)
	}
	_, err = c.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
	if err == nil {
		err = errors.Join(c.BusyTimeout(busyTimeout), c.Exec(pragmas))
	}
	if err != nil {
		return nil, errors.Join(db.explain(err), c.Close())
	}
	return db.newConn(c), nil
}

func (db *DB) newConn(c *sqlite3.Conn) *conn {
	db.dir.house.fleet.opened(db)
	return &conn{Conn: c, db: db, statements: map[string]*sqlite3.Stmt{}}
}

// openSQLite opens a connection through a system.
func openSQLite(s *system, path string) (*sqlite3.Conn, error) {
	path = filepath.ToSlash(path)
	if path[0] != '/' { // a drive letter
		path = "/" + path
	}
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: "vfs=" + s.name}
	return sqlite3.OpenFlags(u.String(), sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE|sqlite3.OPEN_URI)
}

// Head returns the sequence of the last acknowledged mutation; 0 if there was none.
func (db *DB) Head() uint64 { return db.head.Load() }

// Path returns the path of the database file.
func (db *DB) Path() string { return db.path }

// Close waits for the calls in flight and closes the database; later calls fail.
func (db *DB) Close() error {
	// The waits have no end of their own: what is in flight is never abandoned.
	_ = db.copies.take(context.Background())
	defer db.copies.drop()
	if err := db.alone(context.Background()); err != nil {
		return err
	}
	defer db.turn.drop()
	if db.closed {
		return nil
	}
	db.closed = true
	var errs []error
	for range readers {
		errs = append(errs, (<-db.pool).close())
	}
	close(db.pool)
	errs = append(errs, db.closeWriter())
	db.system.close()
	db.dir.house.release(db.path)
	return errors.Join(errs...)
}

// closeWriter closes the writer, which copies the log into the database and
// removes it, unless the device is not to be trusted with that any more.
func (db *DB) closeWriter() error {
	if db.writer == nil {
		return nil
	}
	var err error
	if db.broken != nil {
		_, err = db.writer.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
	}
	err = errors.Join(err, db.writer.close(), db.witness.close())
	db.writer, db.witness = nil, nil
	if db.broken == nil {
		db.breakDown()
		err = errors.Join(err, db.broken)
	}
	return db.explain(err)
}

func (db *DB) closedError() error {
	return fault.New(fault.Unavailable, "%s is closed", db.path)
}
