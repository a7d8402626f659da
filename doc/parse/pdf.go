package parse

import (
	"bytes"
	"context"
	"errors"

	"nearside/doc"
	"nearside/doc/parse/pdf"
	"nearside/doc/parse/pdf/layout"
	"nearside/fault"
)

func looksPDF(head []byte, _ File) bool {
	return bytes.Contains(head[:min(len(head), 1024)], []byte("%PDF-"))
}

// parsePDF reads a PDF as one document.
func parsePDF(ctx context.Context, f File, o Options, yield func(*doc.Document) error) error {
	d, err := layout.Read(ctx, f.At, f.Size, pdf.Limits{Expanded: o.Expanded, Held: 2 * o.Bytes, Depth: o.Depth})
	if err != nil {
		return named(f, err)
	}
	return yieldText(f, d, yield)
}

// named puts the file's name before a fault's message.
func named(f File, err error) error {
	if e := fault.As(err); e != nil {
		return fault.New(e.Kind, "%s: %s", f.Name, e.Message).Because(errors.Unwrap(e))
	}
	return readError(f, err)
}
