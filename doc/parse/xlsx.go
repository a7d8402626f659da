package parse

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"nearside/doc"
	"nearside/doc/parse/office"
	"nearside/fault"
)

// parseXLSX reads the sheets of a workbook: each row is a document, as of a CSV.
func parseXLSX(ctx context.Context, f File, o Options, yield func(*doc.Document) error) error {
	s := &sheets{f: f, o: o, yield: yield}
	var stop error // of yield, which is not ours to name
	err := office.Sheets(ctx, f.At, f.Size, officeLimits(o), func(row *office.Row) error {
		stop = s.add(row)
		return stop
	})
	if err == nil {
		stop = s.endSheet()
		err = stop
	}
	if err == nil && s.count == 0 {
		err = fault.New(fault.Invalid, "it says nothing: its sheets have no rows")
	}
	if err != nil && err == stop {
		return err
	}
	return named(f, err)
}

// sheets makes documents of rows, sheet by sheet.
type sheets struct {
	f     File
	o     Options
	yield func(*doc.Document) error
	sheet string
	head  []*office.Row  // the first rows of the sheet, until its header is known
	names map[int]string // of columns; nil = not known so far
	b     doc.Builder
	whole *tableWriter // with Options.Tables
	count int          // of rows
}

// headRows is how far down a header is looked for, as titles may stand above it.
const headRows = 10

func (s *sheets) add(row *office.Row) error {
	s.count++
	if row.Sheet != s.sheet {
		if err := s.endSheet(); err != nil {
			return err
		}
		s.sheet, s.names = row.Sheet, nil
	}
	if s.names != nil {
		return s.document(row, true)
	}
	s.head = append(s.head, row)
	if len(s.head) < headRows {
		return nil
	}
	return s.flush()
}

// endSheet yields what is left of a sheet.
func (s *sheets) endSheet() error {
	if err := s.flush(); err != nil || s.whole == nil {
		return err
	}
	w := s.whole
	s.whole = nil
	return w.flush()
}

// flush finds the header among the first rows of a sheet, and makes documents of the others.
func (s *sheets) flush() error {
	if s.names != nil || len(s.head) == 0 {
		return nil
	}
	head := s.head
	s.head = nil
	s.names = map[int]string{}
	at := headerOf(head)
	if at >= 0 {
		for _, v := range head[at].Cells {
			s.names[v.Column] = strings.TrimSpace(v.Text)
		}
	}
	var columns []string
	for _, c := range slices.Sorted(maps.Keys(s.names)) {
		columns = append(columns, s.names[c])
	}
	if err := checkColumns(s.f, s.o.Columns, columns); err != nil {
		return err
	}
	for i, row := range head {
		if i == at || i < at && chosen(s.o.Columns) {
			continue
		}
		if err := s.document(row, i > at); err != nil {
			return err
		}
	}
	return nil
}

// headerOf is which of the first rows has the names of the columns, -1 = none: the first of the widest ones, or the first that is
// more than half as wide, if its cells are short texts that differ.
func headerOf(rows []*office.Row) int {
	if len(rows) == 1 {
		return -1 // names of nothing
	}
	widest := 0
	for _, r := range rows {
		widest = max(widest, len(r.Cells))
	}
	for _, width := range []int{widest, widest/2 + 1} {
		i := slices.IndexFunc(rows, func(r *office.Row) bool { return len(r.Cells) >= width })
		if i >= 0 && isHeader(rows[i]) {
			return i
		}
	}
	return -1
}

func isHeader(r *office.Row) bool {
	seen := map[string]bool{}
	for _, v := range r.Cells {
		text := strings.TrimSpace(v.Text)
		_, isText := v.Meta.(string)
		_, err := strconv.ParseFloat(text, 64)
		if !isText || err == nil || seen[text] || len(text) > 100 {
			return false
		}
		seen[text] = true
	}
	return true
}

// chosen reports whether c says anything.
func chosen(c Columns) bool {
	return c.ID != "" || c.Title != "" || c.Text != nil || c.Metadata != nil
}

// document yields the document of a row. What stands above a header, such as a title of the sheet, is in no column.
func (s *sheets) document(row *office.Row, below bool) error {
	if s.o.Tables {
		return s.tableRow(row)
	}
	fields := make([]field, len(row.Cells))
	for i, v := range row.Cells {
		name := s.names[v.Column]
		if !below {
			name = ""
		} else if name == "" {
			name = fmt.Sprintf("column %d", v.Column+1)
		}
		fields[i] = field{name: name, value: v.Text, meta: v.Meta, at: v.Origin(), add: v.Add}
	}
	d := rowDocument(&s.b, s.o.Columns, doc.FormatXLSX, fmt.Sprintf("%s row %d", row.Sheet, row.Number), fields)
	if d == nil {
		return nil
	}
	if row.Hidden {
		d.Notes = append(d.Notes, fmt.Sprintf("the sheet %q is hidden", row.Sheet))
	}
	if row.Blank > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("%d formulas have no stored result; open the file in a spreadsheet and save it", row.Blank))
	}
	return s.yield(d)
}

// tableRow adds a row to the table of its sheet.
func (s *sheets) tableRow(row *office.Row) error {
	if s.whole == nil {
		s.whole = &tableWriter{format: doc.FormatXLSX, yield: s.yield, title: row.Sheet}
		if len(s.names) > 0 {
			s.whole.header = make([]string, slices.Max(slices.Collect(maps.Keys(s.names)))+1)
		}
		for column, name := range s.names {
			s.whole.header[column] = name
		}
		if row.Hidden {
			s.whole.note = fmt.Sprintf("the sheet %q is hidden", row.Sheet)
		}
	}
	var fields []field
	for _, v := range row.Cells {
		for len(fields) < v.Column {
			fields = append(fields, field{at: placeOf(v.Origin())})
		}
		fields = append(fields, field{value: v.Text, at: v.Origin(), add: v.Add})
	}
	return s.whole.row(fields)
}
