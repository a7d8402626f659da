// Package layout makes a document of what is written on the pages of a PDF: lines, columns in
// reading order, paragraphs with the hyphens at line ends mended, lists, headings where their size or
// weight is clear, and code in monospaced type. Running headers and footers are left out.
//
// What its origins say: From and To are the bytes, as they are stored, of the content stream
// that paints the text, and Page is the page that it is painted on. A content stream is the smallest
// thing in a PDF that has bytes of its own: it is packed, and often encrypted, as a whole.
//
// A PDF does not say where words, lines and paragraphs are, only where glyphs are; all of the above is
// judged by distances. Tables are read row by row, as paragraphs; formulas are read from left to right.
package layout

import (
	"context"
	"fmt"
	"io"
	"strings"

	"nearside/doc"
	"nearside/doc/parse/pdf"
	"nearside/fault"
)

// Read reads a PDF as one document. Its faults are those of package pdf.
func Read(ctx context.Context, src io.ReaderAt, size int64, limits pdf.Limits) (*doc.Document, error) {
	file, err := pdf.Open(ctx, src, size, limits)
	if err != nil {
		return nil, err
	}
	t := &text{limit: limits.Held}
	for i := range file.Pages() {
		if err := t.read(file, i); err != nil {
			return nil, err
		}
	}
	if file.Mended() {
		t.notes.Note("the table of references was damaged; the objects were looked for, and some may be missing")
	}
	d := t.document()
	info := file.Info()
	d.Title = info["Title"]
	d.Metadata = map[string]any{"pages": file.Pages()}
	for key, as := range map[string]string{"Author": "author", "Subject": "subject", "Keywords": "keywords", "CreationDate": "created", "ModDate": "modified"} {
		if info[key] != "" {
			d.Metadata[as] = info[key]
		}
	}
	return d, nil
}

// What a line and a stretch of it cost in memory beside their text.
const (
	lineCost = 200
	spanCost = 128
)

// text collects the lines of all pages.
type text struct {
	lines   []line
	limit   int64 // of held; 0 = none
	held    int64
	notes   doc.Builder // only notes
	scans   []int       // pages with pictures and no text
	unknown int         // glyphs that no font explains
}

func (t *text) read(file *pdf.File, i int) error {
	page, err := file.Page(i)
	if err != nil {
		return err
	}
	lines := linesOf(page, i+1)
	for _, l := range lines {
		t.held += int64(len(l.text) + lineCost + len(l.sources)*spanCost)
	}
	if t.limit > 0 && t.held > t.limit {
		return fault.New(fault.TooLarge, "its text and what is known of it take more than %d bytes, the limit of what is held in memory; split it, or raise the limit", t.limit)
	}
	if len(lines) == 0 && page.Pictures > 0 {
		t.scans = append(t.scans, i+1)
	}
	t.unknown += page.Unknown
	t.lines = append(t.lines, lines...)
	return nil
}

// document makes blocks of the lines.
func (t *text) document() *doc.Document {
	t.leaveOutRunning()
	b := &blocks{style: styleOf(t.lines), known: wordsOf(t.lines)}
	for i := range t.lines {
		if !t.lines[i].running {
			b.add(&t.lines[i])
		}
	}
	b.close()
	if len(t.scans) > 0 {
		b.out.Note(fmt.Sprintf("%s: only pictures, no text; recognise the text (OCR) to have it read", pageList(t.scans)))
	}
	if t.unknown > 0 {
		b.out.Note(fmt.Sprintf("%d glyphs left out: their fonts do not say which characters they are", t.unknown))
	}
	d := b.out.Document(doc.FormatPDF)
	d.Notes = append(d.Notes, t.notes.Document(doc.FormatPDF).Notes...)
	return d
}

// pageList names pages as 1, 3 to 7, 9, and no more than ten of them.
func pageList(pages []int) string {
	var parts []string
	for i := 0; i < len(pages); {
		k := i
		for k+1 < len(pages) && pages[k+1] == pages[k]+1 {
			k++
		}
		if k > i {
			parts = append(parts, fmt.Sprintf("%d to %d", pages[i], pages[k]))
		} else {
			parts = append(parts, fmt.Sprint(pages[i]))
		}
		i = k + 1
	}
	if len(parts) > 10 {
		parts = append(parts[:10], "and others")
	}
	if len(pages) == 1 {
		return "page " + parts[0]
	}
	return "pages " + strings.Join(parts, ", ")
}
