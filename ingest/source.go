package ingest

import (
	"context"
	"io"
	"time"

	"nearside/doc/parse"
)

// Source is where files come from: a folder, a list of addresses, standard input.
type Source interface {
	// Name is what the manifest knows it by, the same in each run: "file:///home/ann/notes".
	Name() string

	// Walk hands out the items in the order of their paths' bytes, and returns the first error of yield as it is. When
	// it returns nil it has seen all there is: an item it did not hand out is gone. What it could not
	// look into, such as a folder without the right to read it, it hands out as an item with a Problem that covers what is below.
	Walk(ctx context.Context, yield func(*Item) error) error
}

// Item is one file of a source. An archive is one item, with many files.
type Item struct {
	Path     string    // within the source, with slashes; UTF-8, what is not is escaped as %FF
	Size     int64     // bytes; -1 = unknown
	Modified time.Time // zero = unknown
	Version  string    // what the source says stands for the content, such as an ETag; "" = nothing does

	// Problem is why it cannot be read: it was found, and that is all. A Folder with a
	// Problem stands for all that may be in it, so that nothing below Path counts as gone.
	Problem error
	Folder  bool

	// Open opens it. Nil where there is a Problem.
	Open func(ctx context.Context) (Content, error)
}

// Content is an opened item. It is for one goroutine.
type Content interface {
	io.Closer

	// Digest reads the whole item and returns what stands for its bytes, such as a SHA-256 in hex.
	Digest(ctx context.Context) (string, error)

	// Files hands out what there is to parse: the item itself, what it unpacks to, or the
	// members of an archive in its order. A member that cannot be read has a Problem, and the next one follows.
	Files(ctx context.Context, yield func(File) error) error

	// Changed reports an error if the item is no longer what it was when it was opened.
	Changed() error
}

// File is something to parse.
type File struct {
	parse.File
	Member  string // its name within an archive, as Item.Path is written; "" = the item itself
	Problem error  // why it cannot be read
}
