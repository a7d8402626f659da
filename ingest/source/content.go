package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"nearside/fault"
	"nearside/ingest"
)

// fileContent is an opened file of the disk.
type fileContent struct {
	f       *os.File
	was     os.FileInfo                 // of the descriptor, when it was opened
	again   func() (os.FileInfo, error) // what is there now
	name    string
	options *Options
}

// opener knows how to get at a file.
type opener struct {
	name string // for people, and for its ending
	open func() (*os.File, error)
	stat func() (os.FileInfo, error)
}

// content opens a file if it is one, and not too large. What counts is what was opened, not what stood there before.
func (o opener) content(options *Options) (_ ingest.Content, err error) {
	f, err := o.open()
	if err != nil {
		return nil, unreadable(o.name, err)
	}
	defer func() {
		if err != nil {
			err = also(err, f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, unreadable(o.name, err)
	}
	if err := readable(o.name, info, options.MaxFileSize); err != nil {
		return nil, err
	}
	return &fileContent{f: f, was: info, again: o.stat, name: o.name, options: options}, nil
}

// readable returns why something is not to be read: it is no regular file, or too large.
func readable(name string, info os.FileInfo, limit int64) error {
	switch {
	case !info.Mode().IsRegular():
		return fault.New(fault.Invalid, "%s is %s; only regular files are read", name, what(info.Mode()))
	case info.Size() > limit:
		return tooLarge(name, info.Size(), limit)
	}
	return nil
}

// what names the kind of a file, for people.
func what(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeSymlink != 0:
		return "a link"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}

// Close implements ingest.Content.
func (c *fileContent) Close() error { return c.f.Close() }

// body reads what the file had when it was opened: what is added meanwhile is not read.
func (c *fileContent) body() *io.SectionReader { return io.NewSectionReader(c.f, 0, c.was.Size()) }

// Digest implements ingest.Content.
func (c *fileContent) Digest(ctx context.Context) (string, error) {
	return digest(ctx, c.name, c.body())
}

// digest returns the SHA-256 of what r reads, in hex.
func digest(ctx context.Context, name string, r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.CopyBuffer(h, whileReader{ctx, r}, make([]byte, 256<<10)); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", unreadable(name, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Files implements ingest.Content.
func (c *fileContent) Files(ctx context.Context, yield func(ingest.File) error) error {
	return unpack(ctx, packed{name: c.name, body: c.body(), at: c.f, size: c.was.Size()}, c.options, yield)
}

// Changed implements ingest.Content.
func (c *fileContent) Changed() error {
	now, err := c.f.Stat()
	if err != nil {
		return unreadable(c.name, err)
	}
	if now.Size() != c.was.Size() || !now.ModTime().Equal(c.was.ModTime()) {
		return fault.New(fault.Conflict, "%s changed while it was read; load it again", c.name)
	}
	there, err := c.again()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.Conflict, "%s was removed while it was read", c.name)
	case err != nil:
		return unreadable(c.name, err)
	case !os.SameFile(there, c.was):
		return fault.New(fault.Conflict, "%s was replaced while it was read; load it again", c.name)
	}
	return nil
}

// whileReader reads until its context ends.
type whileReader struct {
	ctx context.Context
	r   io.Reader
}

func (w whileReader) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, fmt.Errorf("reading ended: %w", err)
	}
	return w.r.Read(p)
}
