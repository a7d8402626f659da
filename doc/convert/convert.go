// Package convert turns a file into one text, Markdown or plain, for people and models to read whole.
//
// It is package parse with its documents put together again: a table is a table and not a document a
// row, a PDF has its pages under headings of their own, addresses of links stay. What comes out is bounded,
// as what comes in is; a file that cannot be read ends in a fault that says why.
//
// It does not look at pictures, those within documents included.
package convert

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"nearside/doc"
	"nearside/doc/parse"
	"nearside/fault"
)

// Limits of one file.
const (
	MaxText  = 32 << 20        // bytes that come out, unless less is asked for
	patience = 2 * time.Minute // that its parser may take

	maxExpanded = 256 << 20 // what it unpacks to; several files may be under way at once
)

// Format is what comes out.
type Format string

// The formats.
const (
	Markdown Format = "markdown"
	Text     Format = "text"
)

// Options say how. The zero value makes Markdown.
type Options struct {
	Format     Format
	Selector   string // HTML: the CSS selector of what is taken; "" = the main content
	Hostname   string // HTML: what relative addresses are taken to be relative to
	NoMetadata bool   // PDF: without what the file says of itself
	MaxText    int    // bytes that may come out; 0 or more than MaxText = MaxText
}

// File converts a file.
func File(ctx context.Context, f parse.File, o Options) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if o.MaxText <= 0 || o.MaxText > MaxText {
		o.MaxText = MaxText
	}
	w := writing{Options: o, name: f.Name}
	p := parse.Options{Limits: parse.Limits{Expanded: maxExpanded}, Selector: o.Selector, Hostname: o.Hostname, Links: o.Format != Text, Tables: true}
	if err := parse.Parse(ctx, f, p, w.add); err != nil {
		if ctx.Err() == context.DeadlineExceeded {
			err = fault.New(fault.TooLarge, "%s: reading it takes longer than %v", f.Name, patience)
		}
		return "", err
	}
	return w.out.String(), nil
}

// Supported returns the kinds of files that File converts, by their endings.
func Supported() []parse.Type { return parse.Supported() }

// MediaType returns the media type that a file's ending stands for; "" = none is known.
func MediaType(name string) string {
	ending := strings.ToLower(path.Ext(name))
	for _, t := range slices.Concat(Supported(), pictures) {
		if t.Extension == ending {
			return t.MediaType
		}
	}
	return ""
}

// writing is a file that is being converted.
type writing struct {
	Options
	name string
	out  strings.Builder
}

// add writes a document of the file.
func (w *writing) add(d *doc.Document) error {
	if w.out.Len() > 0 {
		w.out.WriteString("\n\n")
	}
	switch {
	case w.Format == Text:
		w.out.WriteString(d.Text)
	case d.Format == doc.FormatPDF:
		w.pages(d)
	default:
		if d.Format == doc.FormatXLSX && d.Title != "" && d.Part == 0 {
			fmt.Fprintf(&w.out, "## %s\n\n", d.Title) // a sheet
		}
		w.out.WriteString(doc.Markdown(d))
	}
	if w.out.Len() > w.MaxText {
		return fault.New(fault.TooLarge, "%s: its text has more than %d bytes; convert it by itself, or in parts", w.name, w.MaxText)
	}
	return nil
}

// pages writes a document that has pages.
func (w *writing) pages(d *doc.Document) {
	fmt.Fprintf(&w.out, "# %s\n", w.name)
	if !w.NoMetadata {
		w.metadata(d)
	}
	w.out.WriteString("\n## Contents\n")
	for from := 0; from < len(d.Blocks); {
		page := d.Locate(d.Blocks[from].Start, d.Blocks[from].End).Page
		to := from + 1
		for to < len(d.Blocks) && d.Locate(d.Blocks[to].Start, d.Blocks[to].End).Page == page {
			to++
		}
		part := *d
		part.Blocks = d.Blocks[from:to]
		fmt.Fprintf(&w.out, "### Page %d\n\n%s\n\n", page, doc.Markdown(&part))
		from = to
	}
}

// metadata writes what a file says of itself.
func (w *writing) metadata(d *doc.Document) {
	w.out.WriteString("## Metadata\n")
	if _, there := d.Metadata["title"]; !there && d.Title != "" {
		fmt.Fprintf(&w.out, "- title=%s\n", d.Title)
	}
	for _, key := range slices.Sorted(maps.Keys(d.Metadata)) {
		fmt.Fprintf(&w.out, "- %s=%v\n", key, d.Metadata[key])
	}
}
