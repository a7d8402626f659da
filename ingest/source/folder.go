package source

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"nearside/fault"
	"nearside/ingest"
	"nearside/ingest/source/ignore"
)

// folder is a folder as a source.
type folder struct {
	dir string // absolute
	Options
	include, exclude ignore.Patterns
}

// Name implements ingest.Source.
func (f *folder) Name() string { return f.Options.Name }

// Walk implements ingest.Source. When the folder itself cannot be read it is an error, so that nothing counts as gone.
func (f *folder) Walk(ctx context.Context, yield func(*ingest.Item) error) error {
	return f.walk(ctx, yield, nil)
}

// folders tells of each folder that Walk looks into, by its path on the disk.
func (f *folder) folders(ctx context.Context, entered func(path string) error) error {
	return f.walk(ctx, func(*ingest.Item) error { return nil }, entered)
}

func (f *folder) walk(ctx context.Context, yield func(*ingest.Item) error, entered func(path string) error) (err error) {
	real, err := filepath.EvalSymlinks(f.dir)
	if err != nil {
		return unreadable(f.dir, err)
	}
	root, err := os.OpenRoot(real)
	if err != nil {
		return unreadable(f.dir, err)
	}
	defer func() { err = also(err, root.Close()) }()
	w := &walk{folder: f, ctx: ctx, root: root, real: real, yield: yield, entered: entered}
	if !f.NoIgnore {
		if w.above, err = rulesAbove(real); err != nil {
			return unreadable(f.dir, err)
		}
	}
	return w.enter(place{at: "."}, w.above, nil, f.include.Empty())
}

// walk is one walk over a folder.
type walk struct {
	*folder
	ctx   context.Context
	root  *os.Root
	real  string // the folder, without links
	above *rules
	yield func(*ingest.Item) error

	entered func(path string) error // told of each folder; nil = nobody is, and files are handed out
}

// place is where something is: as it is called, and where it is opened. The two differ behind a link.
type place struct {
	path string // within the folder, its bytes as they are; "" = the folder
	at   string // within the folder without links; with FollowLinks the path, from "."
}

// in returns the place of an entry of the folder at p.
func (p place) in(name string) place {
	return place{path: path.Join(p.path, name), at: path.Join(p.at, name)}
}

// entry is one of a folder, or what its link leads to.
type entry struct {
	key    string // its path is sorted by it: a folder's ends with "/"
	name   string
	folder bool
	link   bool
}

// enter hands out what is in a folder. above are the folders it is in.
func (w *walk) enter(p place, r *rules, above []os.FileInfo, included bool) error {
	info, entries, has, err := w.read(p)
	if p.path != "" && errors.Is(err, fs.ErrNotExist) {
		return nil // it vanished after it was found
	}
	if err != nil {
		return w.problem(p, err)
	}
	if slices.ContainsFunc(above, func(up os.FileInfo) bool { return os.SameFile(up, info) }) {
		return w.problem(p, fault.New(fault.Invalid, "%s leads back to a folder that it is in, so it was not entered", Escape(p.path)))
	}
	above = append(slices.Clip(above), info)
	if w.entered != nil {
		if err := w.entered(w.full(p)); err != nil {
			return err
		}
	}
	if r, err = w.rules(p, r, has); err != nil {
		return w.problem(p, err)
	}
	for _, e := range entries {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		in := p.in(e.name)
		if w.leftOut(in.path, e.folder, r) {
			continue
		}
		if err := w.entry(e, in, r, above, w.includes(in.path, e.folder, included)); err != nil {
			return err
		}
	}
	return nil
}

// entry hands out a file, or what is in a folder.
func (w *walk) entry(e entry, p place, r *rules, above []os.FileInfo, included bool) error {
	if e.link {
		target, ok := w.follow(p, e.folder)
		if !ok {
			return nil
		}
		p.at = target
	}
	switch {
	case e.folder:
		return w.enter(p, r, above, included)
	case included && w.entered == nil:
		return w.file(p)
	}
	return nil
}

// problem hands out that a folder cannot be looked into. Of the folder as a whole it is an error.
func (w *walk) problem(p place, err error) error {
	if p.path == "" {
		return unreadable(w.dir, err)
	}
	name := Escape(p.path)
	return w.yield(&ingest.Item{Path: name + "/", Size: -1, Folder: true, Problem: unreadable(name, err)})
}

// file hands out a file, or that it is none that can be read.
func (w *walk) file(p place) error {
	name := Escape(p.path)
	item := &ingest.Item{Path: name, Size: -1}
	info, err := w.stat(p)
	switch {
	case errors.Is(err, fs.ErrNotExist) && w.vanished(p):
		return nil
	case err != nil:
		item.Problem = unreadable(name, err)
	default:
		w.fill(item, info, opener{
			name: name,
			open: func() (*os.File, error) { return later(w, p, (*walk).open) },
			stat: func() (os.FileInfo, error) { return later(w, p, (*walk).stat) },
		})
	}
	return w.yield(item)
}

// leftOut reports whether globs or ignore files leave a path out.
func (w *walk) leftOut(path string, isFolder bool, r *rules) bool {
	if v := w.exclude.Match(path, isFolder); v != ignore.Silent {
		return v == ignore.Ignore
	}
	return r.ignored(path, isFolder)
}

// includes reports whether a path is asked for, given whether its folder is.
func (w *walk) includes(path string, isFolder, folderIs bool) bool {
	if v := w.include.Match(path, isFolder); v != ignore.Silent {
		return v == ignore.Ignore // a glob that matches is one that includes
	}
	return folderIs
}

// shown reports whether a name is one to look at: hidden ones and version control's are not.
func (o *Options) shown(name string) bool {
	return !slices.Contains(controlled, name) && (o.Hidden || !strings.HasPrefix(name, "."))
}

// full returns the path on the disk.
func (w *walk) full(p place) string { return filepath.Join(w.real, filepath.FromSlash(p.at)) }

// open opens something; without FollowLinks nothing outside the folder, even if a link was put in its way meanwhile.
func (w *walk) open(p place) (*os.File, error) {
	if w.FollowLinks {
		return os.OpenFile(w.full(p), readFlags, 0)
	}
	return w.root.OpenFile(filepath.FromSlash(p.at), readFlags, 0)
}

// stat returns what is at a place, in the way of open.
func (w *walk) stat(p place) (os.FileInfo, error) {
	if w.FollowLinks {
		return os.Stat(w.full(p))
	}
	return w.root.Lstat(filepath.FromSlash(p.at))
}

// vanished reports whether nothing is at a place, not even a link that leads nowhere.
func (w *walk) vanished(p place) bool {
	_, err := w.root.Lstat(filepath.FromSlash(p.at))
	return errors.Is(err, fs.ErrNotExist)
}

// later does something with a place when the walk may be over.
func later[T any](w *walk, p place, do func(*walk, place) (T, error)) (t T, err error) {
	root, err := os.OpenRoot(w.real)
	if err != nil {
		return t, err
	}
	defer func() { err = also(err, root.Close()) }()
	return do(&walk{folder: w.folder, root: root, real: w.real}, p)
}

// rules returns the rules within a folder, which has some ignore files.
func (w *walk) rules(p place, r *rules, has []string) (*rules, error) {
	base := p.path
	if base != "" {
		base += "/"
	}
	return r.below(base, has, func(name string) ([]byte, error) { return readIgnore(os.OpenFile(w.full(p.in(name)), readFlags, 0)) })
}

// read returns the entries of a folder that are to be looked at, in the order of paths, and its ignore files.
func (w *walk) read(p place) (info os.FileInfo, entries []entry, has []string, err error) {
	d, err := w.open(p)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { err = also(err, d.Close()) }()
	if info, err = d.Stat(); err != nil {
		return nil, nil, nil, err
	}
	for {
		some, err := d.ReadDir(1024)
		for _, de := range some {
			if !w.NoIgnore && slices.Contains(ignoreFiles, de.Name()) {
				has = append(has, de.Name())
			}
			if w.shown(de.Name()) {
				entries = append(entries, w.look(p, de))
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, nil, err
		}
		if err := w.ctx.Err(); err != nil {
			return nil, nil, nil, err
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	return info, entries, has, nil
}

// look says what an entry is. Of a link it says what it leads to.
func (w *walk) look(p place, de fs.DirEntry) entry {
	e := entry{name: de.Name(), key: Escape(de.Name()), folder: de.IsDir(), link: de.Type()&fs.ModeSymlink != 0}
	if e.link {
		info, err := os.Stat(w.full(p.in(e.name)))
		e.folder = err == nil && info.IsDir()
	}
	if e.folder {
		e.key += "/"
	}
	return e
}
