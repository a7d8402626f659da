package disk

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"nearside/fault"
)

// WriteAtomic makes or replaces a file: when it returns nil the new content is
// durable; after an error, or a crash at any moment, the file is what it was.
func (d *Dir) WriteAtomic(name string, write func(io.Writer) error) error {
	if err := d.Make(); err != nil {
		return err
	}
	return explainFile(d.Path(name), writeAtomic(d.house.hook, d.Path(name), write))
}

func writeAtomic(hook Hook, path string, write func(io.Writer) error) error {
	temp := path + tempSuffix
	if err := writeSynced(hook, temp, write); err != nil {
		return errors.Join(err, remove(hook, temp))
	}
	return rename(hook, temp, path)
}

// writeSynced writes a file and makes its content, not its name, durable.
func writeSynced(hook Hook, path string, write func(io.Writer) error) error {
	f, err := openFile(hook, path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY)
	if err != nil {
		return err
	}
	return f.fill(write)
}

// fill writes a new file, makes its content durable, and closes it.
func (f *File) fill(write func(io.Writer) error) error {
	buffered := bufio.NewWriterSize(f, 1<<16)
	err := write(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// rename gives a file a new name in the same directory, durably.
func rename(hook Hook, from, to string) error {
	if err := hook.ask(OpRename, from); err != nil {
		return &fs.PathError{Op: "rename", Path: from, Err: err}
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(hook, filepath.Dir(to))
}

// remove removes a file, not durably; a missing one is fine.
func remove(hook Hook, path string) error {
	if err := hook.ask(OpRemove, path); err != nil {
		return &fs.PathError{Op: "remove", Path: path, Err: err}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// RemoveAll removes a file or a directory with all that is in it; a missing one
// is fine. A crash half-way leaves either all of it, or none that anybody will
// see: what remains is removed when the data directory is next opened.
func (d *Dir) RemoveAll(name string) error {
	if err := d.house.unused(d.Path(name)); err != nil {
		return err
	}
	return explainFile(d.Path(name), d.removeAll(d.Path(name)))
}

func (d *Dir) removeAll(path string) error {
	hook := d.house.hook
	found, err := exists(hook, path)
	if err != nil || !found {
		return err
	}
	trash := path + trashSuffix
	if err := removeTree(hook, trash); err != nil { // left by an earlier attempt
		return err
	}
	if err := rename(hook, path, trash); err != nil {
		return err
	}
	return removeTree(hook, trash)
}

// unused refuses a path at or below which a database is open.
func (h *house) unused(path string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for open := range h.open {
		if open == path || strings.HasPrefix(open, path+string(filepath.Separator)) {
			return fault.New(fault.Conflict, "%s cannot be removed while %s is open", path, open)
		}
	}
	return nil
}

func removeTree(hook Hook, path string) error {
	if err := hook.ask(OpRemove, path); err != nil {
		return &fs.PathError{Op: "remove", Path: path, Err: err}
	}
	return os.RemoveAll(path)
}

// sweep removes what a crash left half-written or half-removed below root.
func (d *Dir) sweep(root string) error {
	if err := d.house.hook.ask(OpList, root); err != nil {
		return &fs.PathError{Op: "list", Path: root, Err: err}
	}
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !strings.HasSuffix(path, tempSuffix) && !strings.HasSuffix(path, trashSuffix) {
			return nil
		}
		if err := removeTree(d.house.hook, path); err != nil {
			return err
		}
		if e.IsDir() {
			return filepath.SkipDir
		}
		return nil
	})
}
