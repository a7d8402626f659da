// Package office reads what is written in DOCX, ODT and XLSX files: ZIP archives of XML.
//
// DOCX and ODT each make one document; Sheets hands out the rows of an XLSX. All are read as
// streams of XML, so that each stretch of text knows the member of the archive, and the bytes
// in that member once unpacked, that it was taken from.
//
// What is decided: headings, lists with their depth and numbers, and tables are kept; notes at the foot or the end follow the
// paragraph that refers to them; text boxes follow the paragraph that they are
// anchored to, once; deletions that are tracked are left out, insertions are text; comments, tables of
// contents, headers and footers are left out. Pages are those that the file itself recorded when it was
// saved, if it did.
//
// Promises: whatever a file holds, it ends in a fault, not in a panic, within Limits. Entities of
// a document type are not expanded, nothing outside of the file is read. Files that want a password are named so.
package office

import (
	"bytes"
	"strings"

	"nearside/doc"
	"nearside/fault"
)

// Limits bound what a file may cost.
type Limits struct {
	Expanded int64 // bytes that all its members unpack to
	Held     int64 // bytes of text and notes about it that are held in memory at once
	Depth    int   // of its XML
}

const (
	maxMembers = 10_000   // of an archive
	maxToken   = 16 << 20 // bytes of XML from one tag to the next
)

// Kind returns which of the formats an open archive is of, "" if of none.
func Kind(a *Archive) doc.Format {
	switch {
	case a.has("content.xml") && strings.HasPrefix(a.mimetype(), "application/vnd.oasis.opendocument.text"):
		return doc.FormatODT
	case a.has("word/document.xml") || strings.HasPrefix(a.main, "word/"):
		return doc.FormatDOCX
	case a.has("xl/workbook.xml") || strings.HasPrefix(a.main, "xl/"):
		return doc.FormatXLSX
	}
	return ""
}

// compound is the first bytes of the container that Office encrypts files into, and that was its format before 2007.
var compound = []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")

// IsCompound reports whether a file begins like an encrypted, or an old, Office file.
func IsCompound(head []byte) bool { return bytes.HasPrefix(head, compound) }

// compoundFault says what is in such a container, as far as its first bytes tell.
func compoundFault(head []byte) error {
	if bytes.Contains(head, wide("EncryptedPackage")) {
		return fault.New(fault.Forbidden, "it is encrypted and wants a password; save it without one")
	}
	return fault.New(fault.Unsupported, "it is in Office's format from before 2007, or encrypted; save it as DOCX, XLSX or ODT without a password")
}

// wide is s in UTF-16, as names in the container are written.
func wide(s string) []byte {
	var b []byte
	for i := range len(s) {
		b = append(b, s[i], 0)
	}
	return b
}

// piece is a stretch of text and where it was taken from.
type piece struct {
	text string
	at   doc.Origin
}

// block is a paragraph or a table before it is written.
type block struct {
	kind   doc.Kind
	level  int
	label  string
	pieces []piece
	rows   [][]cell // of a table
	after  []block  // notes and text boxes
}

// cell is of a table. It spans columns to the right.
type cell struct {
	pieces  []piece
	columns int
}

func (b *block) add(text string, at doc.Origin) {
	if text != "" {
		b.pieces = append(b.pieces, piece{text, at})
	}
}

// write writes a block and what comes after it.
func (b *block) write(out *doc.Builder) {
	if b.kind == doc.Table {
		writeTable(out, b.rows)
	} else if len(b.pieces) > 0 {
		out.Begin(b.kind, b.level, b.label)
		for _, p := range b.pieces {
			out.Add(p.text, p.at)
		}
		out.End()
	}
	for i := range b.after {
		b.after[i].write(out)
	}
}

// maxColumns is how wide a table is written; what is further right is cut off.
const maxColumns = 1000

// writeTable writes a Markdown table. A table of one column is paragraphs in a frame.
func writeTable(out *doc.Builder, rows [][]cell) {
	width := 0
	for _, row := range rows {
		n := 0
		for _, c := range row {
			n += c.columns
		}
		width = max(width, n)
	}
	width = min(width, maxColumns)
	if width <= 1 {
		for _, row := range rows {
			for _, c := range row {
				b := block{kind: doc.Paragraph, pieces: c.pieces}
				b.write(out)
			}
		}
		return
	}
	if !says(rows) {
		return
	}
	out.Begin(doc.Table, 0, "")
	for i, row := range rows {
		writeRow(out, row, width, place(rows, i))
		if i == 0 {
			out.Add(strings.Repeat("| --- ", width)+"|\n", place(rows, i))
		}
	}
	out.End()
}

func says(rows [][]cell) bool {
	for _, row := range rows {
		for _, c := range row {
			for _, p := range c.pieces {
				if strings.TrimSpace(p.text) != "" {
					return true
				}
			}
		}
	}
	return false
}

// place is where the bars of a row come from: its first piece of text, or that of a row near it.
func place(rows [][]cell, i int) doc.Origin {
	at := func(i int) (doc.Origin, bool) {
		for _, c := range rows[i] {
			for _, p := range c.pieces {
				o := p.at
				o.To, o.Verbatim = o.From, false
				return o, true
			}
		}
		return doc.Origin{}, false
	}
	for k := i; k >= 0; k-- {
		if o, ok := at(k); ok {
			return o
		}
	}
	for k := i; k < len(rows); k++ {
		if o, ok := at(k); ok {
			return o
		}
	}
	return doc.Origin{}
}

func writeRow(out *doc.Builder, row []cell, width int, bar doc.Origin) {
	n := 0
	for _, c := range row {
		if n+c.columns > width {
			break
		}
		before := out.Len()
		out.Add("| ", bar)
		if writeCell(out, c.pieces, &bar); out.Len() > before+len("| ") {
			out.Add(" ", bar)
		}
		out.Add(strings.Repeat("| ", c.columns-1), bar)
		n += c.columns
	}
	out.Add(strings.Repeat("| ", width-n)+"|\n", bar)
}

// writeCell writes a cell's text on one line, bars in it escaped. Bars after it stand where it ends.
func writeCell(out *doc.Builder, pieces []piece, bar *doc.Origin) {
	for i, p := range pieces {
		text := strings.NewReplacer("\n", " ", "|", `\|`).Replace(p.text)
		if (i == 0 || i == len(pieces)-1) && strings.TrimSpace(text) == "" {
			continue
		}
		if text != p.text {
			p.at.Verbatim = false
		}
		out.Add(text, p.at)
		*bar = p.at
		bar.From, bar.Verbatim = p.at.To, false
	}
}
