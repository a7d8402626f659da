package parse

import (
	"strings"

	"nearside/doc"
)

// tableWriter makes Markdown tables of rows: one document with one block, or several parts of about a MiB, each
// with the header again.
type tableWriter struct {
	format doc.Format
	yield  func(*doc.Document) error
	title  string
	header []string // set before the first row
	note   string
	b      doc.Builder
	part   int
}

// row adds a row, and yields a part when it is long enough.
func (w *tableWriter) row(fields []field) error {
	if len(fields) == 0 {
		return nil
	}
	if w.b.Kind() == "" {
		w.begin(placeOf(fields[0].at), max(len(w.header), len(fields)))
	}
	for _, f := range fields {
		w.b.Add("| ", placeOf(f.at))
		if said := cellText(f.value); said == f.value {
			f.appendTo(&w.b)
		} else {
			f.at.Verbatim = false
			w.b.Add(said, f.at)
		}
		w.b.Add(" ", placeOf(f.at))
	}
	w.b.Add("|"+strings.Repeat(" |", max(0, len(w.header)-len(fields)))+"\n", placeOf(fields[len(fields)-1].at))
	if w.b.Len() < stretchBytes {
		return nil
	}
	return w.flush()
}

// begin writes the header, which the file has elsewhere or not at all.
func (w *tableWriter) begin(at doc.Origin, columns int) {
	w.b.Begin(doc.Table, 0, "")
	for i := range columns {
		name := " "
		if i < len(w.header) {
			name = " " + cellText(w.header[i]) + " "
		}
		w.b.Add("|"+name, at)
	}
	w.b.Add("|\n|"+strings.Repeat(" --- |", columns)+"\n", at)
}

// flush yields what was added since the last part.
func (w *tableWriter) flush() error {
	if w.b.Blocks() == 0 {
		return nil
	}
	if w.note != "" {
		w.b.Note(w.note)
	}
	d := w.b.Document(w.format)
	d.Part, d.Title = w.part, w.title
	w.part++
	return w.yield(d)
}

// placeOf returns the place of an origin, for text that stands there but that the file does not have.
func placeOf(at doc.Origin) doc.Origin {
	at.To, at.Verbatim = at.From, false
	return at
}

// cellText returns text as it can stand in a cell of a Markdown table.
func cellText(s string) string {
	if !strings.ContainsAny(s, "|\r\n") {
		return s
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "|", `\|`)), " ")
}
