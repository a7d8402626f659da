// Package parse reads documents out of files: text, Markdown, HTML, PDF, office
// formats, tables, JSON and source code.
//
// Parse is the way in. It finds the format of a file, reads it within Limits, and hands out its documents
// one after the other: most files are one document; a row of a table, an object of JSON lines and a
// stretch of a long text are one each, so that a file of any size is read in bounded memory.
//
// It promises that each document keeps the promises of package doc, and that a file that cannot
// be read, whatever it holds, ends in a fault that says why, never in a panic. It does
// not follow links, open other files, or run anything that a file holds.
package parse

import (
	"context"
	"errors"
	"fmt"
	"io"

	"nearside/doc"
	"nearside/fault"
)

// File is what is read. Name has the file's name with its ending, by which, beside the first
// bytes, its format is known.
type File struct {
	Name      string
	MediaType string // as a server gave it; "" = unknown. What the first bytes say wins
	Body      io.Reader
	At        io.ReaderAt // the same bytes at random; nil = only Body, which is held in memory where the format needs it
	Size      int64       // of At; without At it is not looked at
}

// Options say how files are read. The zero value is good.
type Options struct {
	Limits
	Format   doc.Format // "" = found out
	Pointer  string     // JSON: the RFC 6901 pointer of the value, or list of values, that are documents
	Columns  Columns    // tables and JSON: which fields are what
	Tables   bool       // tables: a document for each table, or for each part of about a MiB, instead of each row
	Selector string     // HTML: the CSS selector of what is read; "" = the main content
	Links    bool       // Markdown and HTML: keep the addresses of links and images, as Markdown writes them
	Hostname string     // HTML: what relative addresses are taken to be relative to, such as "https://example.com"
}

// Columns names the fields of a row, or of an object, that become a document.
type Columns struct {
	ID       string   // its Key; "" = numbered
	Title    string   // "" = title, if there is one
	Text     []string // joined by blank lines; nil = text, body or content if there is one, else all that is not metadata
	Metadata []string // nil = all others
}

// Limits bound what one file may cost. Zero values stand for the defaults. Time is bounded by the
// context that Parse is given.
type Limits struct {
	Bytes    int64 // of the file, where its format must be held in memory; 64 MiB
	Expanded int64 // of what it unpacks to; 512 MiB
	Depth    int   // of nesting; 200
}

// The defaults of Limits.
const (
	DefaultBytes    = 64 << 20
	DefaultExpanded = 512 << 20
	DefaultDepth    = 200
)

// parser reads the documents of a file one after the other, and returns the first error of yield
// as it is. Its limits are set; its Body begins with the file's first byte and fails when ctx ends. If its
// format says random, At and Size are set too. It asks ctx.Err now and then where it works without reading.
type parser func(ctx context.Context, f File, o Options, yield func(*doc.Document) error) error

// Parse reads the documents of a file in order. It stops at the first error of yield and returns it as it is;
// every other error is a fault for the one who has the file, but for that of ctx. A
// document belongs to the caller. Documents that were yielded before an error stand.
func Parse(ctx context.Context, f File, o Options, yield func(*doc.Document) error) error {
	o.Limits = o.Limits.orDefault()
	head, body, err := peek(ctx, f)
	if err != nil {
		return readError(f, err)
	}
	format, note, err := detect(head, f, o)
	if err != nil {
		return err
	}
	f.Body = body
	if format.random {
		if f, err = atRandom(f, o); err != nil {
			return err
		}
	}
	return guard(ctx, f, o, format, func(d *doc.Document) error {
		if note != "" {
			d.Notes = append(d.Notes, note)
		}
		return yield(d)
	})
}

func (l Limits) orDefault() Limits {
	if l.Bytes <= 0 {
		l.Bytes = DefaultBytes
	}
	if l.Expanded <= 0 {
		l.Expanded = DefaultExpanded
	}
	if l.Depth <= 0 {
		l.Depth = DefaultDepth
	}
	return l
}

// guard runs a parser. A panic of the parser becomes a fault, so that one file that a library
// stumbles over does not end a run over thousands; a panic of yield is not ours and goes on.
func guard(ctx context.Context, f File, o Options, format *entry, yield func(*doc.Document) error) (err error) {
	yielding := false
	defer func() {
		if yielding {
			return
		}
		if r := recover(); r != nil {
			err = fault.New(fault.Invalid, "%s: the %s reader failed on it, so it was left out; the file is damaged, or has what the reader does not know", f.Name, format.format).
				Because(fmt.Errorf("%v", r))
		}
	}()
	err = format.parse(ctx, f, o, func(d *doc.Document) error {
		yielding = true
		err := yield(d)
		yielding = false
		return err
	})
	if ctxErr := ctx.Err(); ctxErr != nil && errors.Is(err, ctxErr) {
		return ctxErr
	}
	return err
}
