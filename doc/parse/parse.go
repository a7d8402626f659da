// Package parse reads documents out of files: text, Markdown, HTML, PDF, office
// formats, tables, JSON and source code.
package parse

import (
	"context"
	"io"

	"nearside/doc"
)

// File is what is read. Name has the file's name with its ending, by which, beside the first
// bytes, its format is known.
type File struct {
	Name      string
	MediaType string // as a server gave it; "" = unknown. What the first bytes say wins
	Body      io.Reader
	At        io.ReaderAt // the same bytes at random; nil = only Body, which is held in memory where the format needs it
	Size      int64       // -1 = unknown
}

// Options say how files are read. The zero value is good.
type Options struct {
	Limits
	Format  doc.Format // "" = found out
	Pointer string     // JSON: the RFC 6901 pointer of the value, or list of values, that are documents
	Columns Columns    // tables and JSON: which fields are what
}

// Columns names the fields of a row, or of an object, that become a document.
type Columns struct {
	ID       string   // its Key; "" = numbered
	Title    string   // "" = title, if there is one
	Text     []string // joined by blank lines; nil = text, body or content if there is one, else all that is not metadata
	Metadata []string // nil = all others
}

// Limits bound what one file may cost. Zero values stand for the defaults.
type Limits struct {
	Bytes    int64 // of the file, where its format must be held in memory
	Expanded int64 // of what it unpacks to
	Depth    int   // of nesting
}

// Parse reads the documents of a file one after the other, and returns the first error of yield as it is.
type parser func(ctx context.Context, f File, o Options, yield func(*doc.Document) error) error

var _ parser // the formats' own files have one each
