package parse

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"nearside/doc"
	"nearside/fault"
)

// parseCSV reads a table of text: each row is a document. Fields may be quoted, and then hold the
// delimiter, line ends and doubled quotes. The delimiter and whether there is a header are found
// out. Rows are counted from 1 with the header; blank lines are none.
func parseCSV(ctx context.Context, f File, o Options, yield func(*doc.Document) error) error {
	t := &table{f: f, o: o, yield: yield, whole: tableWriter{format: doc.FormatCSV, yield: yield}}
	w := newWindow(f, o)
	err := w.each(ctx, func(text *decoded) (int, error) { return t.rows(text, w.eof, w.note) })
	if err != nil {
		return err
	}
	if t.row == 0 {
		return fault.New(fault.Invalid, "%s: it has no rows", f.Name)
	}
	return t.whole.flush()
}

// table is a table of text while it is read.
type table struct {
	f         File
	o         Options
	yield     func(*doc.Document) error
	delimiter byte // 0 = not found out so far
	header    []string
	row       int
	b         doc.Builder
	whole     tableWriter // with Options.Tables
}

// cell is a field of a row: text[start:end], its quotes included.
type cell struct {
	start, end int
	quoted     bool
}

// rows reads the rows of a stretch, and returns how much of it was read. If it is not the
// last, a row at its end that may go on stays.
func (t *table) rows(text *decoded, last bool, note string) (int, error) {
	at := 0
	if t.delimiter == 0 {
		if at = t.begin(text, last); at < 0 {
			return 0, nil
		}
	}
	for at < len(text.text) {
		cells, next, whole := readRow(text.text, at, t.delimiter, last)
		if !whole {
			if last {
				return at, fault.New(fault.Invalid, "%s: a quote in the row on line %d is not closed; the rows before it were read", t.f.Name, text.lineAt(at))
			}
			return at, nil
		}
		at = next
		t.row++
		if err := t.add(text, cells, note); err != nil {
			return at, err
		}
	}
	return at, nil
}

// add yields the document of a row, if it says anything.
func (t *table) add(text *decoded, cells []cell, note string) error {
	if t.header == nil {
		isHeader := t.takeHeader(text, cells)
		if err := checkColumns(t.f, t.o.Columns, t.header); isHeader || err != nil {
			return err
		}
	}
	fields := make([]field, len(cells))
	for i, c := range cells {
		fields[i] = field{name: t.name(i), value: c.value(text.text), at: text.place(c.start, c.end)}
		fields[i].add = func(b *doc.Builder) { c.appendTo(b, text) }
	}
	if t.o.Tables {
		t.whole.header, t.whole.note = t.header, note
		return t.whole.row(fields)
	}
	d := rowDocument(&t.b, t.o.Columns, doc.FormatCSV, fmt.Sprintf("row %d", t.row), fields)
	if d == nil {
		return nil
	}
	if note != "" {
		d.Notes = append(d.Notes, note)
	}
	return t.yield(d)
}

// takeHeader sets the names of the columns, and reports whether the first row has them. A header's cells
// are all there, differ, are short, and are no numbers; or they are the columns that were asked for.
func (t *table) takeHeader(text *decoded, cells []cell) bool {
	seen, header := map[string]bool{}, true
	for i, c := range cells {
		name := strings.TrimSpace(c.value(text.text))
		_, err := strconv.ParseFloat(name, 64)
		if err == nil || seen[name] || len(name) > 100 || name == "" && i > 0 && i < len(cells)-1 {
			header = false
		}
		seen[name] = true
		t.header = append(t.header, name)
	}
	asked := t.o.Columns
	if header || asked.ID+asked.Title+strings.Join(asked.Text, "")+strings.Join(asked.Metadata, "") != "" && checkColumns(t.f, asked, t.header) == nil {
		return true
	}
	for i := range t.header {
		t.header[i] = fmt.Sprintf("column %d", i+1)
	}
	return false
}

func (t *table) name(i int) string {
	if i < len(t.header) && t.header[i] != "" {
		return t.header[i]
	}
	return fmt.Sprintf("column %d", i+1)
}

// begin finds out the delimiter, and returns where the first row begins; -1 = more of the file is needed.
func (t *table) begin(text *decoded, last bool) int {
	first := text.text[:lineEnd(text.text, 0, len(text.text))]
	if line := strings.TrimRight(first, "\r\n"); len(line) == 5 && strings.HasPrefix(line, "sep=") { // as Excel writes
		t.delimiter = line[4]
		return len(first)
	}
	t.delimiter = delimiterOf(text.text, last)
	return 0
}

// sampleRows is how many rows the delimiter is found out from.
const sampleRows = 20

// delimiterOf returns the delimiter that cuts the first rows into the same number of cells most often, and
// into the most cells.
func delimiterOf(text string, last bool) byte {
	best, bestScore := byte(','), 0
	for _, delimiter := range []byte(",\t;|") {
		counts := map[int]int{}
		for at, n := 0, 0; at < len(text) && n < sampleRows; n++ {
			cells, next, whole := readRow(text, at, delimiter, last)
			if !whole {
				break
			}
			counts[len(cells)]++
			at = next
		}
		for cells, rows := range counts {
			if score := rows*1000 + min(cells, 999); cells > 1 && score > bestScore {
				best, bestScore = delimiter, score
			}
		}
	}
	return best
}

// readRow returns the cells of the row at an offset, and where the next one begins; blank lines are skipped. The row is
// not whole if a quote is not closed, or if the text ends without a line feed and is not the last.
func readRow(text string, at int, delimiter byte, last bool) (cells []cell, next int, whole bool) {
	for at < len(text) && (text[at] == '\n' || text[at] == '\r') {
		at++
	}
	for {
		c, ok := readCell(text, at, delimiter)
		if !ok {
			return nil, at, false
		}
		cells = append(cells, c)
		if at = c.end; at < len(text) && text[at] == delimiter {
			at++
			continue
		}
		break
	}
	if at == len(text) {
		return cells, at, last
	}
	if text[at] == '\r' && at+1 < len(text) && text[at+1] == '\n' {
		at++
	}
	return cells, at + 1, true
}

// readCell returns the cell at an offset. What goes on behind its closing quote is not quoted at all.
func readCell(text string, at int, delimiter byte) (cell, bool) {
	if at < len(text) && text[at] == '"' {
		end := closingQuote(text, at)
		if end < 0 {
			return cell{}, false
		}
		if end == len(text) || text[end] == delimiter || text[end] == '\n' || text[end] == '\r' {
			return cell{at, end, true}, true
		}
	}
	end := at
	for end < len(text) && text[end] != delimiter && text[end] != '\n' && text[end] != '\r' {
		end++
	}
	return cell{at, end, false}, true
}

// closingQuote returns where a quoted cell that begins at an offset ends, -1 if it does not.
func closingQuote(text string, at int) int {
	for at++; ; {
		i := strings.IndexByte(text[at:], '"')
		if i < 0 {
			return -1
		}
		if at += i + 1; at == len(text) || text[at] != '"' {
			return at
		}
		at++
	}
}

// value returns what a cell says.
func (c cell) value(text string) string {
	if !c.quoted {
		return strings.TrimSpace(text[c.start:c.end])
	}
	return strings.ReplaceAll(text[c.start+1:c.end-1], `""`, `"`)
}

// appendTo appends what a cell says: as it stands, but for doubled quotes.
func (c cell) appendTo(b *doc.Builder, text *decoded) {
	if !c.quoted {
		text.add(b, c.start, c.end)
		return
	}
	at, end := c.start+1, c.end-1
	for at < end {
		i := strings.Index(text.text[at:end], `""`)
		if i < 0 {
			break
		}
		text.add(b, at, at+i)
		text.addAs(b, `"`, at+i, at+i+2)
		at += i + 2
	}
	text.add(b, at, end)
}
