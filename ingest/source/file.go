package source

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"nearside/ingest"
)

// file is a single file as a source.
type file struct {
	path string // absolute
	name string // its last element
	Options
}

// File returns a single file, whatever ignore files say of it. Its item's path is the file's name.
func File(path string, o Options) (ingest.Source, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	f := &file{path: abs, name: Escape(filepath.Base(abs)), Options: o.orDefault()}
	if f.Options.Name == "" {
		f.Options.Name = fileAddress(abs)
	}
	return f, nil
}

// Name implements ingest.Source.
func (f *file) Name() string { return f.Options.Name }

// Walk implements ingest.Source. A file that is not there is gone.
func (f *file) Walk(ctx context.Context, yield func(*ingest.Item) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	item := &ingest.Item{Path: f.name, Size: -1}
	if err != nil {
		item.Problem = unreadable(f.name, err)
		return yield(item)
	}
	f.fill(item, info, opener{
		name: f.name,
		open: func() (*os.File, error) { return os.OpenFile(f.path, readFlags, 0) },
		stat: func() (os.FileInfo, error) { return os.Stat(f.path) },
	})
	return yield(item)
}

// fill completes the item of something that was found.
func (o *Options) fill(item *ingest.Item, info os.FileInfo, by opener) {
	item.Size, item.Modified = info.Size(), modified(info)
	if item.Problem = readable(by.name, info, o.MaxFileSize); item.Problem == nil {
		item.Open = func(context.Context) (ingest.Content, error) { return by.content(o) }
	}
}

// modified is when a file was modified, or changed in any other way after that: of two files that were swapped with
// their times, or an edit whose time was set back, the modification time says nothing.
func modified(info fs.FileInfo) time.Time {
	if c := changed(info); c.After(info.ModTime()) {
		return c
	}
	return info.ModTime()
}
