package disk

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"path/filepath"
	"sync/atomic"

	"github.com/ncruces/go-sqlite3"

	"nearside/fault"
)

const (
	pageSize      = 16384
	reservedBytes = 8 // at the end of each page: its checksum

	witnessSuffix = ".head"
	newSuffix     = ".new" // a database that is whole but not yet visible
	walSuffix     = "-wal"

	readers         = 4    // connections for View, opened when needed
	checkpointPages = 1000 // the WAL is copied into the database when it has this many pages (16 MB)
)

// Schema says what a database is for and which tables it has.
type Schema struct {
	Application string   // refused if the file is another application's
	Version     int      // at least 1; a file of another version is refused
	Statements  []string // run once, when the database is made
}

// DB is an open database. Its methods may be called from any goroutine.
type DB struct {
	dir     *Dir
	path    string
	schema  Schema
	system  *system
	id      identity
	head    atomic.Uint64
	witness *witness

	turn     baton // held by whoever uses the fields up to the blank line
	writer   *conn
	group    *group // the transaction in progress, nil if there is none
	walPages int    // in the WAL after the last commit
	closed   bool
	broken   error // why nothing can be written any more, nil if it can

	pool chan *conn // idle read connections, nil for those not opened yet
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
		return nil, err
	}
	d.house.register(path, db)
	return db, nil
}

// claim reserves the path of a database for one opener.
func (h *house) claim(path string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return fault.New(fault.Unavailable, "the data directory of %s is closed", path)
	}
	if _, ok := h.open[path]; ok {
		return fault.New(fault.Conflict, "%s is open already", path)
	}
	h.open[path] = nil
	return nil
}

func (h *house) register(path string, db *DB) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open[path] = db
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
	db := &DB{dir: d, path: path, schema: s, pool: make(chan *conn, readers)}
	db.system = newSystem(d.house.hook, filepath.Dir(path))
	for range readers {
		db.pool <- nil
	}
	if err := db.start(); err != nil {
		db.system.close()
		return nil, err
	}
	return db, nil
}

// settle brings the files of a database into the state in which they can be
// opened: it makes a new database, or finishes what a crash interrupted.
//
// The witness is the commit point: a database is built under the name .new,
// then its witness is written, then it is renamed.
func (d *Dir) settle(path string, s Schema) error {
	hook := d.house.hook
	found, err1 := exists(hook, path)
	witnessed, err2 := exists(hook, path+witnessSuffix)
	ready, err3 := exists(hook, path+newSuffix)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	switch {
	case found:
		return nil
	case witnessed && ready:
		return rename(hook, path+newSuffix, path)
	case witnessed:
		return fault.New(fault.Corrupt, "%s is missing, but its witness %s is there; restore it from a snapshot", path, path+witnessSuffix)
	}
	return d.create(path, s)
}

// start opens the writer and compares the database with its witness.
func (db *DB) start() error {
	if err := checkHeader(db.dir.house.hook, db.path); err != nil {
		return err
	}
	c, err := db.connect()
	if err != nil {
		return err
	}
	db.writer = c
	c.WALHook(func(_ *sqlite3.Conn, _ string, pages int) error {
		db.walPages = pages
		return nil
	})
	head, err := db.identify(c)
	if err == nil {
		err = db.compare(head)
	}
	if err == nil {
		_, err = c.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, false)
	}
	if err != nil {
		return errors.Join(err, c.close())
	}
	db.head.Store(head)
	return nil
}

// compare refuses a database that ends before its witness, and catches a witness
// up that a crash left behind.
func (db *DB) compare(head uint64) error {
	path := db.path + witnessSuffix
	w, err := openWitness(db.dir.house.hook, path)
	if head == 0 && (errors.Is(err, fs.ErrNotExist) || fault.Is(err, fault.Corrupt)) {
		// Nothing was ever acknowledged, so that nothing can be missing.
		if err := createWitness(db.dir.house.hook, path, db.id, 0); err != nil {
			return err
		}
		w, err = openWitness(db.dir.house.hook, path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.Corrupt, "%s is missing: it cannot be known whether %s, at sequence %d, is complete", path, db.path, head)
	case err != nil:
		return err
	case w.database != db.id:
		err = fault.New(fault.Corrupt, "%s belongs to another database than %s", path, db.path)
	case head < w.head:
		err = fault.New(fault.Corrupt, "%s has lost acknowledged changes: it ends at sequence %d, %s says %d; restore it from a snapshot",
			db.path, head, path, w.head)
	case head > w.head:
		err = w.advance(head)
	}
	if err != nil {
		return errors.Join(err, w.close())
	}
	db.witness = w
	return nil
}

// identify reads the row that says what the database is, and returns its head.
func (db *DB) identify(c *conn) (head uint64, err error) {
	var application string
	var version int64
	var id []byte
	tx := Tx{ctx: context.Background(), c: c}
	err = tx.Each(selfQuery, func(r *Row) error {
		application, version, head = r.Text(0), r.Int(1), uint64(r.Int(2))
		id = append(id, r.Blob(3)...)
		return nil
	})
	switch {
	case err != nil:
		return 0, err
	case len(id) != len(db.id):
		return 0, fault.New(fault.Corrupt, "%s is damaged: it does not say what it is", db.path)
	case application != db.schema.Application:
		return 0, fault.New(fault.Corrupt, "%s is a database of %q, not of %q", db.path, application, db.schema.Application)
	case version != int64(db.schema.Version):
		return 0, fault.New(fault.Unsupported, "%s has schema version %d of %q, this program reads version %d; use the nearside that wrote it",
			db.path, version, application, db.schema.Version)
	}
	copy(db.id[:], id)
	return head, nil
}

const (
	selfTable = `CREATE TABLE nearside (
	self INTEGER PRIMARY KEY CHECK (self = 1),
	application TEXT NOT NULL,
	version INTEGER NOT NULL,
	head INTEGER NOT NULL,
	identity BLOB NOT NULL) STRICT`
	selfQuery = `SELECT application, version, head, identity FROM nearside`
)

// pragmas of every connection. Sorting and the like stays in memory.
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
	c, err := open(db.system, db.path)
	if err != nil {
		return nil, db.explain(err)
	}
	_, err = c.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
	if err == nil {
		err = c.Exec(pragmas)
	}
	if err != nil {
		return nil, errors.Join(db.explain(err), c.Close())
	}
	return &conn{Conn: c, db: db, statements: map[string]*sqlite3.Stmt{}}, nil
}

// open opens a connection through a system.
func open(s *system, path string) (*sqlite3.Conn, error) {
	path = filepath.ToSlash(path)
	if path[0] != '/' { // a drive letter
		path = "/" + path
	}
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: "vfs=" + s.name}
	return sqlite3.OpenFlags(u.String(), sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE|sqlite3.OPEN_URI|sqlite3.OPEN_NOFOLLOW)
}

// Head returns the sequence of the last acknowledged mutation; 0 if there was none.
func (db *DB) Head() uint64 { return db.head.Load() }

// Path returns the path of the database file.
func (db *DB) Path() string { return db.path }

// Close waits for the calls in flight and closes the database; later calls fail.
func (db *DB) Close() error {
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
		if c := <-db.pool; c != nil {
			errs = append(errs, c.close())
		}
	}
	close(db.pool)
	errs = append(errs, db.explain(db.writer.close()), db.witness.close())
	db.system.close()
	db.dir.house.release(db.path)
	return errors.Join(errs...)
}

func (db *DB) closedError() error {
	return fault.New(fault.Unavailable, "%s is closed", db.path)
}
