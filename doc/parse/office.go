package parse

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"nearside/doc"
	"nearside/doc/parse/office"
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
	return yield(d)
}

// parseXLSX reads the sheets of a workbook: each row is a document, as of a CSV.
func parseXLSX(ctx context.Context, f File, o Options, yield func(*doc.Document) error) error {
	s := &sheets{f: f, o: o, yield: yield}
	var stop error // of yield, which is not ours to name
	err := office.Sheets(ctx, f.At, f.Size, officeLimits(o), func(row *office.Row) error {
		stop = s.add(row)
		return stop
	})
	if err == nil {
		stop = s.flush()
		err = stop
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
}

// headRows is how far down a header is looked for, as titles may stand above it.
const headRows = 10

func (s *sheets) add(row *office.Row) error {
	if row.Sheet != s.sheet {
		if err := s.flush(); err != nil {
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
	for _, c := range slices.Sorted(keysOf(s.names)) {
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

func keysOf(m map[int]string) func(func(int) bool) {
	return func(yield func(int) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// headerOf is which of the first rows has the names of the columns, -1 = none: the first row that is as wide
// as most others are, if its cells are short texts that differ.
func headerOf(rows []*office.Row) int {
	widest := 0
	for _, r := range rows {
		widest = max(widest, len(r.Cells))
	}
	for i, r := range rows {
		if 2*len(r.Cells) <= widest && widest > 1 {
			continue
		}
		seen := map[string]bool{}
		for _, v := range r.Cells {
			text := strings.TrimSpace(v.Text)
			_, isText := v.Meta.(string)
			_, err := strconv.ParseFloat(text, 64)
			if !isText || err == nil || seen[text] || len(text) > 100 {
				return -1
			}
			seen[text] = true
		}
		return i
	}
	return -1
}

// chosen reports whether c says anything.
func chosen(c Columns) bool {
	return c.ID != "" || c.Title != "" || c.Text != nil || c.Metadata != nil
}

// document yields the document of a row. What stands above a header, such as a title of the sheet, is in no column.
func (s *sheets) document(row *office.Row, below bool) error {
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
