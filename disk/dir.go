package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"nearside/fault"
)

// Suffixes of names that mean "not finished": swept when the directory is opened.
const (
	tempSuffix  = ".temp"  // being written; renamed when whole
	trashSuffix = ".trash" // being removed; renamed first
)

// Options are the choices of OpenDir.
type Options struct {
	Hook    Hook             // consulted before every file operation; nil in production
	Clock   func() time.Time // nil: time.Now
	Command string           // how the owner is named to a second process; "": the program's arguments

	Connections int // SQLite connections kept open at once, over all databases; 0: 128
	LogPages    int // a database's log is copied into it when it has this many pages of 16 KiB; 0: 1000
}

// Dir is a data directory, or a directory below it. It belongs to this process
// until the Dir that OpenDir returned is closed. Its methods may be called from
// any goroutine.
type Dir struct {
	house *house
	path  string
}

// house is what a data directory and everything below it share.
type house struct {
	hook     Hook
	owner    *File
	logPages int
	fleet    fleet

	mu     sync.Mutex      // guards the fields below; held for a few instructions
	open   map[string]bool // the paths of databases that are open, or being opened
	closed bool
}

// OpenDir opens the data directory at path, and makes it if it is absent.
//
// A directory that another process owns is refused (fault.Conflict, naming the
// process), and so is one of a newer format (fault.Unsupported, naming both
// versions) or one that holds files but was not made by nearside.
func OpenDir(path string, o Options) (*Dir, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Command == "" {
		o.Command = strings.Join(os.Args, " ")
	}
	path, err := makeRoot(o.Hook, path)
	if err != nil {
		return nil, err
	}
	if o.Connections == 0 {
		o.Connections = defaultConnections
	}
	if o.LogPages == 0 {
		o.LogPages = defaultLogPages
	}
	d := &Dir{path: path, house: &house{
		hook:     o.Hook,
		logPages: o.LogPages,
		fleet:    fleet{limit: o.Connections},
		open:     map[string]bool{},
	}}
	if d.house.owner, err = takeOwnership(o, path); err != nil {
		return nil, err
	}
	if err = errors.Join(d.checkFormat(), d.sweep(path)); err != nil {
		return nil, errors.Join(explainFile(path, err), d.house.leave())
	}
	return d, nil
}

// makeRoot makes the data directory and returns its absolute path without symbolic links.
func makeRoot(hook Hook, path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if err := mkdirAll(hook, path); err != nil {
		return "", explainFile(path, err)
	}
	return filepath.EvalSymlinks(path)
}

// Close gives the data directory up. It fails while a database in it is open.
func (d *Dir) Close() error {
	h := d.house
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	for path := range h.open {
		return fault.New(fault.Conflict, "%s cannot be closed while %s is open", d.path, path)
	}
	h.closed = true
	return h.leave()
}

// leave gives the owner lock back.
func (h *house) leave() error { return errors.Join(unlock(h.owner.f), h.owner.Close()) }

// Path returns the path of the directory, or of something in it.
func (d *Dir) Path(elem ...string) string {
	return filepath.Join(append([]string{d.path}, elem...)...)
}

// Sub returns the directory elem below d, which shares d's lock and hook. It is
// made, durably, by the first thing that is written to it.
func (d *Dir) Sub(elem string) *Dir { return &Dir{house: d.house, path: d.Path(elem)} }

// Make makes the directory if it is absent, and returns when that is durable.
func (d *Dir) Make() error { return explainFile(d.path, mkdirAll(d.house.hook, d.path)) }

// Names lists what is in the directory, sorted; nothing if there is no such directory.
func (d *Dir) Names() ([]string, error) {
	if err := d.house.hook.ask(OpList, d.path); err != nil {
		return nil, &fs.PathError{Op: "list", Path: d.path, Err: err}
	}
	entries, err := os.ReadDir(d.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names, nil
}

// Exists reports whether there is a file or directory called name.
func (d *Dir) Exists(name string) (bool, error) { return exists(d.house.hook, d.Path(name)) }

func exists(hook Hook, path string) (bool, error) {
	if err := hook.ask(OpList, path); err != nil {
		return false, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// ReadFile returns the whole content of a file; errors.Is(err, fs.ErrNotExist) if there is none.
func (d *Dir) ReadFile(name string) ([]byte, error) { return readFile(d.house.hook, d.Path(name)) }

func readFile(hook Hook, path string) ([]byte, error) {
	if err := hook.ask(OpRead, path); err != nil {
		return nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return os.ReadFile(path)
}

// OpenFile opens a derived file with the flags of os.OpenFile. Nothing about it is
// durable until File.Sync, and a new name not even then: the file may be gone after
// a crash, and is made anew.
func (d *Dir) OpenFile(name string, flag int) (*File, error) {
	if flag&os.O_CREATE != 0 {
		if err := d.Make(); err != nil {
			return nil, err
		}
	}
	return openFile(d.house.hook, d.Path(name), flag)
}

// mkdirAll makes path and its missing parents, durably.
func mkdirAll(hook Hook, path string) error {
	info, err := os.Stat(path)
	if err == nil {
		if !info.IsDir() {
			return fault.New(fault.Conflict, "%s is a file, where a directory should be", path)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(path)
	if err := mkdirAll(hook, parent); err != nil {
		return err
	}
	if err := hook.ask(OpMkdir, path); err != nil {
		return &fs.PathError{Op: "mkdir", Path: path, Err: err}
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(hook, parent)
}
