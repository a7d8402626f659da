package parse

import (
	"bytes"
	"context"
	"io"
	"path"
	"slices"
	"strings"

	"nearside/doc"
	"nearside/doc/parse/office"
	"nearside/fault"
)

// officeLimits are the limits of an archive. What is held in memory is text and what is known of
// it, so that twice what a file may have, if it is held, is room enough.
func officeLimits(o Options) office.Limits {
	return office.Limits{Expanded: o.Expanded, Held: 2 * o.Bytes, Depth: o.Depth}
}

// looksOffice returns a sniff for one of the office formats: an archive with its members, or an
// encrypted or old file of that name, of which the parser says what it is.
func looksOffice(format doc.Format, mark string, endings ...string) func([]byte, File) bool {
	return func(head []byte, f File) bool {
		own := slices.Contains(endings, strings.ToLower(path.Ext(f.Name)))
		if office.IsCompound(head) {
			return own
		}
		if !bytes.HasPrefix(head, []byte("PK\x03\x04")) {
			return false
		}
		if f.At != nil {
			if a, err := office.Open(context.Background(), f.At, f.Size, officeLimits(Options{Limits: Limits{}.orDefault()})); err == nil {
				return office.Kind(a) == format
			}
		}
		return own || bytes.Contains(head, []byte(mark))
	}
}

func parseDOCX(ctx context.Context, f File, o Options, yield func(*doc.Document) error) error {
	return parseOffice(ctx, f, o, yield, office.DOCX)
}

func parseODT(ctx context.Context, f File, o Options, yield func(*doc.Document) error) error {
	return parseOffice(ctx, f, o, yield, office.ODT)
}

func parseOffice(ctx context.Context, f File, o Options, yield func(*doc.Document) error,
	read func(context.Context, io.ReaderAt, int64, office.Limits) (*doc.Document, error)) error {
	d, err := read(ctx, f.At, f.Size, officeLimits(o))
	if err != nil {
		return named(f, err)
	}
	return yieldText(f, d, yield)
}

// yieldText yields a document if it says anything.
func yieldText(f File, d *doc.Document, yield func(*doc.Document) error) error {
	if len(d.Blocks) == 0 {
		return fault.New(fault.Invalid, "%s: it says nothing: there is no text in it; %s", f.Name, strings.Join(append(d.Notes, "see whether it opens elsewhere"), "; "))
	}
	return yield(d)
}
