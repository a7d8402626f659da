package office

import (
	"context"
	"encoding/xml"
	"io"
	"regexp"
	"strconv"
	"strings"

	"nearside/doc"
)

// Row is a row of a sheet that has at least one cell with a value.
type Row struct {
	Sheet  string
	Hidden bool // its sheet is not shown
	Number int  // from 1
	Cells  []Value
	Blank  int // formulas that have no stored result
}

// Value is what a cell shows, or nearly: numbers are written plainly, dates as in ISO 8601.
type Value struct {
	Column int // from 0
	Text   string
	Meta   any // a number, bool or text
	spans  []span
	at     doc.Origin
}

// Origin is where the value stands; of text in several styles, where it begins.
func (v Value) Origin() doc.Origin { return v.spans[0].origin(v.at) }

// Add appends the value to a document.
func (v Value) Add(b *doc.Builder) {
	for _, s := range v.spans {
		b.Add(s.text, s.origin(v.at))
	}
}

// span is a stretch of a cell's text; shared strings are held as spans for the whole of a book.
type span struct {
	text     string
	from, to int64
	verbatim bool
}

func (s span) origin(at doc.Origin) doc.Origin {
	at.From, at.To, at.Verbatim = s.from, s.to, s.verbatim
	return at
}

// xlsx is a workbook while it is read.
type xlsx struct {
	a       *Archive
	strings []sharedString
	texts   string // the member that they are in
	styles  cellStyles
	since   bool // days are counted since 1904
	blank   int  // formulas of the row without a stored result
}

// sharedString is a text that cells refer to by its number. Most are of one style.
type sharedString struct {
	first span
	more  []span
}

const (
	sharedCost = 64    // bytes of a shared string beside its text
	maxColumn  = 16384 // of a sheet, by the format
)

type sheet struct {
	name, member string
	hidden       bool
}

// Sheets reads the rows of all sheets of an XLSX (ECMA-376), one after the other, and returns the first error of
// yield as it is. Merged cells that reach over several rows have their value in each.
func Sheets(ctx context.Context, src io.ReaderAt, size int64, limits Limits, yield func(*Row) error) error {
	a, err := Open(ctx, src, size, limits)
	if err != nil {
		return err
	}
	main := a.main
	if !strings.HasPrefix(main, "xl/") {
		main = "xl/workbook.xml"
	}
	x := &xlsx{a: a, styles: a.cellStyles(a.related(main, "styles"))}
	sheets, err := x.workbook(main)
	if err != nil {
		return err
	}
	if x.texts = a.related(main, "sharedStrings"); x.texts != "" {
		if err := x.readStrings(); err != nil {
			return err
		}
	}
	for _, s := range sheets {
		if err := x.read(s, yield); err != nil {
			return err
		}
	}
	return nil
}

// workbook reads the list of sheets.
func (x *xlsx) workbook(main string) ([]sheet, error) {
	members := map[string]string{}
	for _, r := range x.a.relations(strings.Replace(main, "xl/", "xl/_rels/", 1) + ".rels") {
		if strings.HasSuffix(r.kind, "/worksheet") {
			members[r.id] = r.target
		}
	}
	p, err := x.a.xml(main)
	if err != nil {
		return nil, err
	}
	var sheets []sheet
	err = p.each("", func(e xml.StartElement) error {
		switch e.Name.Local {
		case "workbookPr":
			since := attr(e, "date1904")
			x.since = since == "1" || since == "true"
		case "sheet":
			for _, a := range e.Attr {
				if member := members[a.Value]; a.Name.Local == "id" && x.a.has(member) {
					state := attr(e, "state")
					sheets = append(sheets, sheet{attr(e, "name"), member, state == "hidden" || state == "veryHidden"})
				}
			}
		}
		return nil
	})
	return sheets, err
}

func (x *xlsx) readStrings() error {
	p, err := x.a.xml(x.texts)
	if err != nil {
		return err
	}
	return p.each("", func(e xml.StartElement) error {
		if e.Name.Local != "si" {
			return nil
		}
		spans, err := x.richText(p, "si")
		if err != nil {
			return err
		}
		s := sharedString{}
		if len(spans) > 0 {
			s.first, s.more = spans[0], spans[1:]
		}
		if len(s.more) == 0 {
			s.more = nil
		}
		cost := sharedCost * max(1, len(spans))
		for _, v := range spans {
			cost += len(v.text)
		}
		if err := x.a.hold(cost); err != nil {
			return err
		}
		x.strings = append(x.strings, s)
		return nil
	})
}

// richText reads the text in an element up to its end, without hints of pronunciation.
func (x *xlsx) richText(p *parser, until string) ([]span, error) {
	var spans []span
	inText := false
	for {
		t, err := p.next()
		if err != nil || t == nil {
			return spans, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Local == "rPh" {
				if err := p.skip(); err != nil {
					return nil, err
				}
			}
			inText = t.Name.Local == "t"
		case xml.CharData:
			if inText && len(t) > 0 {
				spans = append(spans, p.span(string(t)))
			}
		case xml.EndElement:
			inText = false
			if t.Name.Local == until {
				return spans, nil
			}
		}
	}
}

var escaped = regexp.MustCompile(`_x[0-9A-Fa-f]{4}_`)

// span is the characters that were read last. _x000D_ is how a carriage return, and other characters that XML lacks, are written.
func (p *parser) span(raw string) span {
	s := span{text: raw, from: p.from, to: p.InputOffset(), verbatim: p.InputOffset()-p.from == int64(len(raw))}
	if strings.Contains(raw, "_x") {
		s.text = escaped.ReplaceAllStringFunc(raw, func(m string) string {
			n, err := strconv.ParseUint(m[2:6], 16, 16)
			if err != nil || n < ' ' && n != '\n' && n != '\t' {
				return ""
			}
			return string(rune(n))
		})
		s.verbatim = s.verbatim && s.text == raw
	}
	return s
}

// read reads a sheet.
func (x *xlsx) read(s sheet, yield func(*Row) error) error {
	merged, err := x.merges(s.member)
	if err != nil {
		return err
	}
	p, err := x.a.xml(s.member)
	if err != nil {
		return err
	}
	number := 0
	return p.each("", func(e xml.StartElement) error {
		if e.Name.Local != "row" {
			return nil
		}
		number++
		if n, err := strconv.Atoi(attr(e, "r")); err == nil && n > 0 {
			number = n
		}
		row := &Row{Sheet: s.name, Hidden: s.hidden, Number: number}
		x.blank = 0
		if row.Cells, err = x.cells(p); err != nil {
			return err
		}
		row.Blank = x.blank
		merged.fill(row)
		if len(row.Cells) == 0 {
			return nil
		}
		return yield(row)
	})
}

// cells reads the cells of a row that have a value.
func (x *xlsx) cells(p *parser) ([]Value, error) {
	var out []Value
	column := -1
	err := p.each("row", func(e xml.StartElement) error {
		if e.Name.Local != "c" {
			return nil
		}
		column++
		if c := columnOf(attr(e, "r")); c >= 0 {
			column = c
		}
		v, err := x.cell(p, attr(e, "t"), attr(e, "s"))
		if err == nil && v != nil && column < maxColumn && len(out) < maxColumn {
			v.Column = column
			out = append(out, *v)
		}
		return err
	})
	return out, err
}

// columnOf is the column of a reference such as BC17, from 0; -1 = it is none.
func columnOf(r string) int {
	n := 0
	for i := range len(r) {
		if c := r[i]; c >= 'A' && c <= 'Z' && i < 3 {
			n = n*26 + int(c-'A') + 1
			continue
		}
		break
	}
	return n - 1
}

// cell reads a cell; nil = it shows nothing.
func (x *xlsx) cell(p *parser, kind, style string) (*Value, error) {
	var spans []span
	formula := false
	err := p.each("c", func(e xml.StartElement) (err error) {
		switch e.Name.Local {
		case "is":
			spans, err = x.richText(p, "is")
			return err
		case "v":
			spans, err = x.plain(p)
			return err
		case "f":
			formula = true
		}
		return p.skip()
	})
	if err != nil {
		return nil, err
	}
	if formula && len(spans) == 0 {
		x.blank++
	}
	return x.value(p.name, kind, style, spans), nil
}

func (x *xlsx) plain(p *parser) ([]span, error) {
	var spans []span
	for {
		t, err := p.next()
		if err != nil || t == nil {
			return spans, err
		}
		switch t := t.(type) {
		case xml.CharData:
			spans = append(spans, p.span(string(t)))
		case xml.EndElement:
			return spans, nil
		}
	}
}

// value makes of a cell's text what the cell shows.
func (x *xlsx) value(member, kind, style string, spans []span) *Value {
	if len(spans) == 0 {
		return nil
	}
	v := &Value{spans: spans, at: doc.Origin{File: member}}
	switch kind {
	case "e": // an error such as #DIV/0!
		return nil
	case "s":
		i, err := strconv.Atoi(spans[0].text)
		if err != nil || i < 0 || i >= len(x.strings) || x.strings[i].first.text == "" && x.strings[i].more == nil {
			return nil
		}
		v.spans = append([]span{x.strings[i].first}, x.strings[i].more...)
		v.at.File = x.texts
	case "str", "inlineStr":
	case "b":
		yes := spans[0].text == "1" || spans[0].text == "true"
		v.Meta = yes
		v.say(strings.ToUpper(strconv.FormatBool(yes)))
	case "d":
	default:
		x.number(v, style)
	}
	for _, s := range v.spans {
		v.Text += s.text
	}
	if strings.TrimSpace(v.Text) == "" {
		return nil
	}
	if v.Meta == nil {
		v.Meta = v.Text
	}
	return v
}

// say makes text the text of a value that the file writes otherwise.
func (v *Value) say(text string) {
	if v.spans[0].text != text {
		s := v.spans[0]
		s.text, s.verbatim = text, false
		v.spans = []span{s}
	}
}

// number reads a number, which is a date if its style is that of one. 15 digits are what a spreadsheet knows of it.
func (x *xlsx) number(v *Value, style string) {
	n, err := strconv.ParseFloat(strings.TrimSpace(v.spans[0].text), 64)
	if err != nil {
		return
	}
	if kind := x.styles.kind(style); kind != 0 {
		if text, ok := dateText(n, kind, x.since); ok {
			v.Meta = text
			v.say(text)
			return
		}
	}
	v.Meta = n
	if short := strconv.FormatFloat(n, 'g', 15, 64); !strings.Contains(short, "e") {
		v.say(short)
	}
}

// merges are the merged cells of a sheet that reach over several rows.
type merges struct {
	ranges []mergedRange
	values map[int]*Value // by range: the value of its first cell
}

type mergedRange struct{ column, top, bottom int }

const maxMerges = 10_000

var mergeRef = regexp.MustCompile(`<(?:\w+:)?mergeCell\s+ref="([A-Z]{1,3})(\d{1,7}):[A-Z]{1,3}(\d{1,7})"`)

// merges looks for the merged cells, which stand behind the rows in the member. It goes
// through the bytes, not the XML, as it goes through all of them.
func (x *xlsx) merges(member string) (*merges, error) {
	m := &merges{values: map[int]*Value{}}
	r, err := x.a.open(member)
	if err != nil {
		return nil, err
	}
	spent := x.a.spent
	buf := make([]byte, 64<<10)
	kept := 0
	for {
		n, err := r.Read(buf[kept:])
		r.token = 0
		b := buf[:kept+n]
		for _, found := range mergeRef.FindAllSubmatch(b, -1) {
			top, _ := strconv.Atoi(string(found[2])) // seven digits
			bottom, _ := strconv.Atoi(string(found[3]))
			if bottom > top && len(m.ranges) < maxMerges {
				m.ranges = append(m.ranges, mergedRange{columnOf(string(found[1])), top, bottom})
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, damaged(member, err)
		}
		kept = copy(buf, b[max(lastOpen(b), len(b)-200):])
	}
	x.a.spent = spent // the same bytes are read again, and count then
	return m, nil
}

// lastOpen is where the last tag in b begins, which may go on behind b.
func lastOpen(b []byte) int {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] == '<' {
			return i
		}
	}
	return len(b)
}

// fill adds to a row the values of merged cells that began above it.
func (m *merges) fill(row *Row) {
	for i, r := range m.ranges {
		if row.Number < r.top || row.Number > r.bottom {
			continue
		}
		at := 0
		for at < len(row.Cells) && row.Cells[at].Column < r.column {
			at++
		}
		here := at < len(row.Cells) && row.Cells[at].Column == r.column
		switch v := m.values[i]; {
		case row.Number == r.top && here:
			first := row.Cells[at]
			m.values[i] = &first
		case row.Number > r.top && v != nil && !here:
			row.Cells = append(row.Cells[:at], append([]Value{*v}, row.Cells[at:]...)...)
		}
	}
}
