package source

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"

	"nearside/fault"
	"nearside/ingest"
	"nearside/ingest/source/ignore"
)

// DefaultMaxFileSize is how large a file may be, in bytes, if Options do not say.
const DefaultMaxFileSize = 4 << 30

// Options say what is handed out of a folder. The zero value is good.
type Options struct {
	Name        string   // of the source; "" = file:// and the absolute path
	Include     []string // only files that these globs match, or that lie in a folder that they match; nil = all
	Exclude     []string // not these. A glob with "!" takes back what one before it, or an ignore file, left out
	NoIgnore    bool     // do not heed .gitignore, .ignore and .nearsideignore
	Hidden      bool     // names that begin with a dot too
	FollowLinks bool     // follow all links, also those that lead out of the folder
	MaxFileSize int64    // bytes, also of a member of an archive; 0 = DefaultMaxFileSize
	Unpack      Limits   // what an archive may unpack to
}

func (o Options) orDefault() Options {
	if o.MaxFileSize <= 0 {
		o.MaxFileSize = DefaultMaxFileSize
	}
	o.Unpack = o.Unpack.orDefault()
	return o
}

// Path returns the folder or the file at a path, whichever there is.
func Path(path string, o Options) (ingest.Source, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, unreadable(path, err)
	case info.IsDir():
		return Folder(path, o)
	}
	return File(path, o)
}

// Folder returns a folder with all that is below it.
func Folder(dir string, o Options) (ingest.Source, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, unreadable(dir, err)
	}
	f := &folder{dir: abs, Options: o.orDefault(), include: ignore.Globs(o.Include), exclude: ignore.Globs(o.Exclude)}
	if f.Options.Name == "" {
		f.Options.Name = fileAddress(abs)
	}
	return f, nil
}

// fileAddress is what a file or a folder is called as a source.
func fileAddress(abs string) string { return "file://" + Escape(filepath.ToSlash(abs)) }

// unreadable makes a fault of an error of opening or reading a file.
func unreadable(name string, err error) error {
	if fault.As(err) != nil {
		return err
	}
	kind := fault.Invalid
	if errors.Is(err, fs.ErrNotExist) {
		kind = fault.NotFound
	}
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return fault.New(kind, "%s cannot be read", name).Because(fmt.Errorf("%w", err))
}

// tooLarge is the problem of a file over the limit.
func tooLarge(name string, size, limit int64) error {
	return fault.New(fault.TooLarge, "%s has %s, more than the limit of %s; split it, or raise --max-file-size",
		name, humanize.IBytes(uint64(size)), humanize.IBytes(uint64(limit)))
}

// also returns err as it is, or with what went wrong after it.
func also(err, after error) error {
	if err == nil || after == nil {
		return cmp.Or(err, after)
	}
	return errors.Join(err, after)
}
