package office

import (
	"context"
	"encoding/xml"
	"io"
	"strconv"
	"strings"

	"nearside/doc"
	"nearside/fault"
)

// ODT reads a text document in OpenDocument's format (ISO 26300).
func ODT(ctx context.Context, src io.ReaderAt, size int64, limits Limits) (*doc.Document, error) {
	a, err := Open(ctx, src, size, limits)
	if err != nil {
		return nil, err
	}
	if err := a.odtEncrypted(); err != nil {
		return nil, err
	}
	d := &odt{a: a, styles: map[string]odtStyle{}}
	for _, member := range []string{"styles.xml", "content.xml"} {
		if err := d.readStyles(member); err != nil && member == "content.xml" {
			return nil, err
		}
	}
	if err := d.read(); err != nil {
		return nil, err
	}
	props := a.properties("meta.xml")
	made := d.out.Document(doc.FormatODT)
	if strconv.Itoa(d.page) != props["page-count"] {
		forgetPages(made)
	}
	made.Title = props["title"]
	made.Metadata = describe(props, "initial-creator", "author", "creator", "author", "subject", "subject", "keyword", "keywords", "description", "description",
		"creation-date", "created", "date", "modified", "language", "language")
	d.note(made)
	return made, nil
}

// odtEncrypted looks for members that the manifest calls encrypted.
func (a *Archive) odtEncrypted() error {
	if !a.has("META-INF/manifest.xml") {
		return nil
	}
	p, err := a.xml("META-INF/manifest.xml")
	if err != nil {
		return err
	}
	for {
		t, err := p.next()
		if err != nil || t == nil {
			return nil // what is wrong with it is nobody's concern
		}
		if e, ok := t.(xml.StartElement); ok && e.Name.Local == "encryption-data" {
			return fault.New(fault.Forbidden, "it is encrypted and wants a password; save it without one")
		}
	}
}

// odtStyle is what a paragraph's style says of pages and lists.
type odtStyle struct {
	parent string
	before bool // a page begins before it
	after  bool // a page begins after it
	list   string
	quote  bool
	code   bool
}

// odt is a document while it is read.
type odt struct {
	a      *Archive
	out    doc.Builder
	styles map[string]odtStyle
	lists  map[string][10]numeral // by style and level, from 1
	page   int
	begins bool // a page begins before the next paragraph
	some   bool // there was text on the page

	deleted, comments, contents, pictures int
}

func (d *odt) note(made *doc.Document) {
	(&docx{deleted: d.deleted, comments: d.comments, contents: d.contents, pictures: d.pictures}).note(made)
}

// readStyles reads the styles of paragraphs and lists in a member.
func (d *odt) readStyles(member string) error {
	p, err := d.a.xml(member)
	if err != nil {
		return err
	}
	if d.lists == nil {
		d.lists = map[string][10]numeral{}
	}
	name, list := "", ""
	for {
		t, err := p.next()
		if err != nil || t == nil || len(d.styles)+len(d.lists) > maxStyles {
			return err
		}
		e, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		switch e.Name.Local {
		case "body":
			return nil
		case "style":
			name = attr(e, "name")
			s := odtStyle{parent: attr(e, "parent-style-name"), list: attr(e, "list-style-name"), before: attr(e, "master-page-name") != ""}
			s.quote = name == "Quotations"
			s.code = name == "Preformatted_20_Text"
			d.styles[name] = s
		case "paragraph-properties":
			s := d.styles[name]
			s.before = s.before || attr(e, "break-before") == "page"
			s.after = attr(e, "break-after") == "page"
			d.styles[name] = s
		case "list-style":
			list = attr(e, "name")
		case "list-level-style-number":
			level := min(max(listLevel(attr(e, "level")), 1), 9)
			n := numeral{format: attr(e, "num-format"), start: 1, text: attr(e, "num-prefix") + "%" + attr(e, "num-suffix")}
			if start, err := strconv.Atoi(attr(e, "start-value")); err == nil {
				n.start = start
			}
			levels := d.lists[list]
			levels[level] = n
			d.lists[list] = levels
		}
	}
}

// style is a style with what it takes from its parents. A page break is not inherited by what automatic styles say.
func (d *odt) style(name string) odtStyle {
	s := d.styles[name]
	for parent, n := s.parent, 0; parent != "" && n < 20; n++ {
		up := d.styles[parent]
		s.before, s.after = s.before || up.before, s.after || up.after
		s.quote, s.code = s.quote || up.quote, s.code || up.code
		if s.list == "" {
			s.list = up.list
		}
		parent = up.parent
	}
	return s
}

// odtList is where in lists a paragraph stands.
type odtList struct {
	style string
	level int
	count *int // of the items on its level so far
	first bool // it is the first paragraph of its item
}

func (d *odt) read() error {
	p, err := d.a.xml("content.xml")
	if err != nil {
		return err
	}
	d.page = 1
	for {
		t, err := p.next()
		if err != nil {
			return err
		}
		if t == nil {
			return fault.New(fault.Invalid, "its member content.xml has no text; the file is damaged, or is something else")
		}
		e, ok := t.(xml.StartElement)
		if ok && e.Name.Local == "text" && strings.HasSuffix(e.Name.Space, "office:1.0") {
			return d.body(p, func(b *block) { b.write(&d.out) }, odtList{}, "text")
		}
	}
}

// body reads what stands between paragraphs, up to the end tag of the element that it is in.
func (d *odt) body(p *parser, out func(*block), list odtList, until string) error {
	return p.each(until, func(e xml.StartElement) error { return d.element(p, e, out, &list) })
}

func (d *odt) element(p *parser, e xml.StartElement, out func(*block), list *odtList) error {
	switch e.Name.Local {
	case "p", "h":
		return d.paragraph(p, e, out, list)
	case "list":
		inner := odtList{style: attr(e, "style-name"), level: list.level + 1, count: new(int)}
		if inner.style == "" {
			inner.style = list.style
		}
		return d.body(p, out, inner, "list")
	case "list-item":
		item := *list
		item.first = true
		if list.count != nil {
			*list.count++
		}
		return d.body(p, out, item, "list-item")
	case "list-header":
		return d.body(p, out, odtList{style: list.style, level: list.level}, "list-header")
	case "table":
		if strings.HasSuffix(e.Name.Space, "table:1.0") {
			return d.table(p, out)
		}
	case "soft-page-break":
		d.breakPage()
	case "table-of-content", "illustration-index", "table-index", "alphabetical-index", "user-index", "object-index":
		return d.index(p)
	case "text-box":
		return d.body(p, out, odtList{}, "text-box")
	default:
		return d.other(p, e)
	}
	return nil
}

// other leaves out an element that is left out, with all that is in it.
func (d *odt) other(p *parser, e xml.StartElement) error {
	if d.skips(e) {
		return p.skip()
	}
	return nil
}

func (d *odt) breakPage() {
	d.page++
	d.begins, d.some = false, false
}

// skips reports whether an element is left out with all that is in it.
func (d *odt) skips(e xml.StartElement) bool {
	switch e.Name.Local {
	case "deletion": // among the tracked changes; an insertion's text stands where it was inserted
		d.deleted++
	case "annotation":
		d.comments++
	case "image":
		d.pictures++
	case "forms", "sequence-decls", "variable-decls", "user-field-decls", "note-citation", "ruby-text", "desc", "title", "object", "event-listeners", "math", "script":
	default:
		return false
	}
	return true
}

// index skips a table of contents, and counts its lines.
func (d *odt) index(p *parser) error {
	for depth := 1; depth > 0; {
		t, err := p.next()
		if err != nil || t == nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			depth++
			switch t.Name.Local {
			case "p":
				d.contents++
			case "soft-page-break":
				d.breakPage()
			}
		case xml.EndElement:
			depth--
		}
	}
	return nil
}

// paragraph reads a paragraph or a heading.
func (d *odt) paragraph(p *parser, e xml.StartElement, out func(*block), list *odtList) error {
	style := d.style(attr(e, "style-name"))
	if (style.before || d.begins) && d.some {
		d.breakPage()
	}
	d.begins = style.after
	b := block{kind: doc.Paragraph}
	switch {
	case e.Name.Local == "h":
		level, err := strconv.Atoi(attr(e, "outline-level"))
		if err != nil {
			level = 1
		}
		b.kind, b.level = doc.Heading, min(max(level, 1), 6)
	case attr(e, "style-name") == "Title" || d.styles[attr(e, "style-name")].parent == "Title":
		b.kind, b.level = doc.Heading, 1
	case list.level > 0 && list.first:
		b.kind, b.level, b.label = doc.Item, list.level, d.label(list)
		list.first = false
	case style.code:
		b.kind = doc.Code
	case style.quote:
		b.kind = doc.Quote
	}
	if err := d.runs(p, &b, e.Name.Local, style.code); err != nil {
		return err
	}
	d.some = d.some || len(b.pieces) > 0
	out(&b)
	return nil
}

// label is the number of a list's item as it is written, "" for a bullet.
func (d *odt) label(list *odtList) string {
	n := d.lists[list.style][min(list.level, 9)]
	if list.count == nil || n.format == "" {
		return ""
	}
	return strings.Replace(n.text, "%", numeralText(n.start+*list.count-1, n.format), 1)
}

// runs reads what is in a paragraph, up to its end.
func (d *odt) runs(p *parser, b *block, until string, code bool) error {
	for {
		t, err := p.next()
		if err != nil || t == nil {
			return err
		}
		switch t := t.(type) {
		case xml.EndElement:
			if t.Name.Local == until {
				return nil
			}
		case xml.CharData:
			err = d.text(p, b, string(t))
		case xml.StartElement:
			err = d.run(p, t, b, code)
		}
		if err != nil {
			return err
		}
	}
}

func (d *odt) run(p *parser, e xml.StartElement, b *block, code bool) error {
	switch e.Name.Local {
	case "s":
		n, err := strconv.Atoi(attr(e, "c"))
		if err != nil {
			n = 1
		}
		return d.implied(p, b, strings.Repeat(" ", min(max(n, 1), 200)))
	case "tab":
		return d.implied(p, b, "\t")
	case "line-break":
		return d.implied(p, b, "\n")
	case "soft-page-break":
		d.breakPage()
	case "note-body":
		return d.body(p, func(n *block) { b.after = append(b.after, *n) }, odtList{}, "note-body")
	case "text-box":
		return d.body(p, func(n *block) { b.after = append(b.after, *n) }, odtList{}, "text-box")
	default:
		return d.other(p, e)
	}
	return nil
}

func (d *odt) at(p *parser, verbatim bool) doc.Origin {
	return doc.Origin{File: p.name, From: p.from, To: p.InputOffset(), Verbatim: verbatim, Page: d.page}
}

func (d *odt) implied(p *parser, b *block, text string) error {
	b.add(text, d.at(p, false))
	return d.a.hold(pieceCost + len(text))
}

// text adds characters. White space is one space, as the format has it; more of it has elements of its own.
func (d *odt) text(p *parser, b *block, raw string) error {
	text := collapse(raw)
	at := d.at(p, text == raw && p.InputOffset()-p.from == int64(len(raw)))
	if n := len(b.pieces); strings.HasPrefix(text, " ") && n > 0 && strings.HasSuffix(b.pieces[n-1].text, " ") && text != raw {
		text = text[1:]
	}
	b.add(text, at)
	return d.a.hold(pieceCost + len(text))
}

func collapse(s string) string {
	if !strings.ContainsAny(s, "\t\n\r") && !strings.Contains(s, "  ") {
		return s
	}
	var b strings.Builder
	space := false
	for _, r := range s {
		if r == ' ' || r == '\t' || r == '\n' || r == '\r' {
			if !space {
				b.WriteByte(' ')
			}
			space = true
			continue
		}
		space = false
		b.WriteRune(r)
	}
	return b.String()
}

// table reads a table.
func (d *odt) table(p *parser, out func(*block)) error {
	b := block{kind: doc.Table}
	err := p.each("table", func(e xml.StartElement) error {
		switch e.Name.Local {
		case "table-row":
			b.rows = append(b.rows, nil)
			return d.a.hold(pieceCost)
		case "table-cell", "covered-table-cell":
			return d.cell(p, e, &b)
		case "soft-page-break":
			d.breakPage()
			return nil
		}
		return d.other(p, e)
	})
	if err == nil {
		out(&b)
	}
	return err
}

// cell reads a cell of a table. One that is covered by its neighbour is there, and empty.
func (d *odt) cell(p *parser, e xml.StartElement, table *block) error {
	c := cell{columns: 1}
	if n, err := strconv.Atoi(attr(e, "number-columns-repeated")); err == nil {
		c.columns = min(max(n, 1), maxColumns)
	}
	if err := d.a.hold(pieceCost); err != nil {
		return err
	}
	err := d.body(p, func(b *block) { c.take(b, table) }, odtList{}, e.Name.Local)
	if n := len(table.rows); n > 0 {
		table.rows[n-1] = append(table.rows[n-1], c)
	}
	return err
}
