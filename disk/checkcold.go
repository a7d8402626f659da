package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"nearside/fault"
)

// Finding is one thing that is wrong with a file.
type Finding struct {
	Path    string `json:"path"`
	Problem string `json:"problem"`
	Rescue  string `json:"rescue"` // what can be saved, and how
}

// fromSnapshot is the way out of most damage.
const fromSnapshot = "restore it from a snapshot"

// cold is a database under examination that nobody has open.
type cold struct {
	dir      *Dir
	path     string
	schema   Schema
	log      *wal // as far as it can be read
	findings []Finding
}

func (c *cold) find(path, rescue, format string, args ...any) {
	c.findings = append(c.findings, Finding{Path: path, Problem: fmt.Sprintf(format, args...), Rescue: rescue})
}

// HasDB reports whether anything of a database lies in the directory: a file of its
// own, its log or its witness.
func (d *Dir) HasDB(name string) (bool, error) {
	names, err := d.Names()
	return slices.ContainsFunc(names, func(there string) bool { return strings.HasPrefix(there, name) }), err
}

// CheckDB verifies a database that is not open, without changing it, and lists
// all that is wrong with it: every page's checksum, SQLite's integrity check,
// application and version, the log and the witness. A database that opening would
// upgrade is not at fault. The error is about the
// examination, not about what it found.
func (d *Dir) CheckDB(ctx context.Context, name string, s Schema) ([]Finding, error) {
	c := &cold{dir: d, path: d.Path(name), schema: s}
	if err := d.house.claim(c.path); err != nil {
		return nil, err
	}
	defer d.house.release(c.path)
	present, err := c.present()
	if err != nil || !present {
		return c.findings, err
	}
	sound, err := c.pages(ctx)
	if err != nil {
		return c.findings, err
	}
	w, err := c.readWitness()
	if err != nil {
		return c.findings, err
	}
	if !sound {
		return c.findings, nil // SQLite would only find the same again
	}
	return c.findings, c.content(ctx, w)
}

// present reports whether there is a database to look at.
func (c *cold) present() (bool, error) {
	hook := c.dir.house.hook
	found, err1 := exists(hook, c.path)
	witnessed, err2 := exists(hook, c.path+witnessSuffix)
	ready, err3 := exists(hook, c.path+newSuffix)
	journal, err4 := exists(hook, c.path+journalSuffix)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return false, err
	}
	if journal {
		c.find(c.path+journalSuffix, fromSnapshot, "nearside never makes such a file: another program has changed the database")
		return false, nil
	}
	if !found && !(witnessed && ready) { // else opening it finishes what a crash interrupted
		c.find(c.path, fromSnapshot, "the file is missing")
	}
	return found, nil
}

// pages verifies every page, and reports whether SQLite can be let at them.
func (c *cold) pages(ctx context.Context) (sound bool, err error) {
	hook := c.dir.house.hook
	first, err := readFirstPage(hook, c.path)
	if err != nil {
		return false, err
	}
	if !headerIsOurs(first) {
		c.find(c.path, fromSnapshot, "the first page is not that of a database of nearside")
		return false, nil
	}
	if c.log, err = readWAL(hook, c.path+walSuffix); err != nil {
		return false, err
	}
	im := &image{over: c.log.frames}
	if im.file, err = openFile(hook, c.path, os.O_RDONLY); err == nil {
		im.log, err = openFile(hook, c.path+walSuffix, os.O_RDONLY)
	}
	if errors.Is(err, fs.ErrNotExist) {
		im.log, err = nil, nil
	}
	if err != nil {
		return false, errors.Join(err, im.close())
	}
	bad, err := c.verify(ctx, im)
	return len(bad) == 0, errors.Join(err, im.close())
}

func (c *cold) verify(ctx context.Context, im *image) (bad []uint32, err error) {
	size, err := im.file.Size()
	if err != nil {
		return nil, err
	}
	im.pages = uint32(size / pageSize)
	im.pages = max(c.log.pages, im.pages)
	bad, err = im.verify(ctx)
	if err != nil {
		return nil, err
	}
	if len(bad) > 0 {
		c.find(c.path, "what the other pages hold can be read with any SQLite program; "+fromSnapshot,
			"%d of %d pages have a wrong checksum: %s", len(bad), im.pages, listed(bad))
	}
	return bad, nil
}

// listed names the first few of many pages.
func listed(pages []uint32) string {
	const few = 8
	var b strings.Builder
	for i, n := range pages {
		if i == few {
			b.WriteString(", …")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, n)
	}
	return b.String()
}

// readWitness returns the witness, closed; nil if it cannot be read.
func (c *cold) readWitness() (*witness, error) {
	path := c.path + witnessSuffix
	const rescue = "the database can be read as far as it goes, but nobody can tell whether its last changes are missing; " + fromSnapshot
	w, err := openWitness(c.dir.house.hook, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.find(path, rescue, "the witness is missing")
		return nil, nil
	case fault.Is(err, fault.Corrupt):
		c.find(path, rescue, "neither of the witness's two slots can be read")
		return nil, nil
	case err != nil:
		return nil, err
	}
	return w, w.close()
}

// content opens the database with SQLite, and leaves no trace of that.
func (c *cold) content(ctx context.Context, w *witness) error {
	hook := c.dir.house.hook
	logged, err := exists(hook, c.path+walSuffix)
	if err != nil {
		return err
	}
	db := c.dir.newDB(c.path, c.schema)
	defer db.system.close()
	conn, err := db.connect()
	if err == nil {
		err = errors.Join(c.examine(ctx, db, conn, w), conn.close())
	}
	if fault.Is(err, fault.Corrupt) || fault.Is(err, fault.Unsupported) {
		c.find(c.path, fromSnapshot, "%s", err)
		err = nil
	}
	traces := []string{c.path + shmSuffix}
	if !logged {
		traces = append(traces, c.path+walSuffix)
	}
	for _, path := range traces {
		err = errors.Join(err, remove(hook, path))
	}
	return err
}

func (c *cold) examine(ctx context.Context, db *DB, conn *conn, w *witness) error {
	found, err := db.identify(conn)
	if err != nil {
		return err
	}
	if err := db.integrity(ctx, conn); err != nil {
		return err
	}
	switch {
	case w == nil:
	case w.database != db.id:
		c.find(c.path+witnessSuffix, fromSnapshot, "the witness belongs to another database")
	case found.head < w.head:
		c.find(c.path, fmt.Sprintf("everything up to sequence %d is whole; %s", found.head, fromSnapshot),
			"the changes %d to %d were acknowledged and are lost: %d of the %d bytes of the log %s can be read",
			found.head+1, w.head, c.log.size, c.log.size+c.log.rest, c.path+walSuffix)
	}
	return nil
}
