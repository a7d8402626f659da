package office

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"nearside/doc"
)

// DOCX reads a word processor's document in Office Open XML (ECMA-376).
func DOCX(ctx context.Context, src io.ReaderAt, size int64, limits Limits) (*doc.Document, error) {
	a, err := Open(ctx, src, size, limits)
	if err != nil {
		return nil, err
	}
	main := a.main
	if !strings.HasPrefix(main, "word/") {
		main = "word/document.xml"
	}
	d := &docx{a: a, styles: a.docxStyles(a.related(main, "styles")), lists: a.numbering(a.related(main, "numbering"))}
	d.notes = map[string][]block{}
	for _, kind := range []string{"footnote", "endnote"} {
		if err := d.readNotes(a.related(main, kind+"s"), kind); err != nil {
			return nil, err
		}
	}
	if err := d.read(main, func(b *block) { b.write(&d.out) }); err != nil {
		return nil, err
	}
	props := a.properties("docProps/core.xml")
	pages := a.properties("docProps/app.xml")["Pages"]
	made := d.out.Document(doc.FormatDOCX)
	if !d.recorded && strconv.Itoa(d.page) != pages {
		forgetPages(made)
	}
	made.Title = props["title"]
	made.Metadata = describe(props, "creator", "author", "subject", "subject", "keywords", "keywords", "description", "description",
		"created", "created", "modified", "modified", "language", "language", "category", "category")
	d.note(made)
	return made, nil
}

// forgetPages is for a document that does not say where its pages end.
func forgetPages(d *doc.Document) {
	for i := range d.Origins {
		d.Origins[i].Page = 0
	}
}

func (d *docx) note(made *doc.Document) {
	say := func(n int, one, many string) {
		if n == 1 {
			made.Notes = append(made.Notes, one)
		} else if n > 1 {
			made.Notes = append(made.Notes, fmt.Sprintf(many, n))
		}
	}
	say(d.deleted, "a tracked deletion was left out", "%d tracked deletions were left out")
	say(d.comments, "a comment was left out", "%d comments were left out")
	say(d.contents, "a line of a table of contents was left out", "%d lines of a table of contents were left out")
	say(d.pictures, "a picture was left out", "%d pictures were left out")
}

// docx is a document while it is read.
type docx struct {
	a      *Archive
	out    doc.Builder
	styles map[string]docxStyle
	lists  *numbering
	notes  map[string][]block // by kind and id
	page   int
	broken bool // a page break stands before the text that comes next

	recorded bool // the file says where its pages ended when it was laid out

	deleted, comments, contents, pictures int
}

// docxParagraph is a paragraph while it is read.
type docxParagraph struct {
	block
	style   docxStyle
	outline int // direct; -1 = by the style
	num     listRef
}

// level is the level of the heading that a paragraph is, 0 if it is none.
func (p *docxParagraph) level() int {
	outline := p.outline
	if outline < 0 {
		outline = p.style.outline
	}
	if outline < 0 || outline > 8 {
		return 0
	}
	return min(outline+1, 6)
}

// read hands out the blocks of a member that holds a document's body, or notes.
func (d *docx) read(name string, out func(*block)) error {
	p, err := d.a.xml(name)
	if err != nil {
		return err
	}
	d.page = 1
	return d.body(p, out, "")
}

// body reads paragraphs and tables up to the end tag of the element that it is in, or of the member.
func (d *docx) body(p *parser, out func(*block), until string) error {
	return p.each(until, func(e xml.StartElement) error {
		switch e.Name.Local {
		case "p":
			return d.paragraph(p, out)
		case "tbl":
			return d.table(p, out)
		}
		return d.other(p, e)
	})
}

// other leaves out an element that is left out, with all that is in it.
func (d *docx) other(p *parser, e xml.StartElement) error {
	if d.skips(e) {
		return p.skip()
	}
	return nil
}

// skips reports whether an element is left out with all that is in it.
func (d *docx) skips(e xml.StartElement) bool {
	switch e.Name.Local {
	case "del", "moveFrom":
		d.deleted++
	case "commentReference":
		d.comments++
		return true
	case "Fallback", "instrText", "delText", "delInstrText", "rPr", "sectPr", "tblPr", "tblGrid", "trPr", "sdtPr", "rt", "txbxContent":
	default:
		return false
	}
	return true
}

// paragraph reads a paragraph, and hands it out with the notes and text boxes in it.
func (d *docx) paragraph(p *parser, out func(*block)) error {
	para := &docxParagraph{outline: -1, style: d.styles[""]}
	if err := p.each("p", func(e xml.StartElement) error { return d.run(p, para, e) }); err != nil {
		return err
	}
	b := para.block
	b.kind = doc.Paragraph
	num := para.num
	if num.id == "" {
		num = para.style.num
	}
	level := para.level()
	switch {
	case para.style.contents:
		d.contents++
		b.pieces = nil
	case level > 0:
		b.kind, b.level = doc.Heading, level
		d.lists.label(num) // its number is counted, but is not text of the file
	case num.id != "" && num.id != "0":
		b.kind, b.level, b.label = doc.Item, num.level+1, d.lists.label(num)
	case para.style.quote:
		b.kind = doc.Quote
	}
	if para.style.code {
		b.kind, b.level, b.label = doc.Code, 0, ""
	}
	out(&b)
	return nil
}

// run reads an element in a paragraph.
func (d *docx) run(p *parser, para *docxParagraph, e xml.StartElement) error {
	switch e.Name.Local {
	case "pPr":
		return d.paragraphProperties(p, para)
	case "t":
		return d.text(p, para)
	case "tab", "ptab":
		return d.implied(p, para, "\t")
	case "br", "cr":
		if attr(e, "type") == "page" {
			d.breakPage()
			return nil
		}
		return d.implied(p, para, "\n")
	case "noBreakHyphen":
		return d.implied(p, para, "-")
	case "lastRenderedPageBreak":
		d.recorded = true
		d.breakPage()
	case "footnoteReference", "endnoteReference":
		key := strings.TrimSuffix(e.Name.Local, "Reference") + attr(e, "id")
		para.after = append(para.after, onPage(d.notes[key], d.page)...)
		delete(d.notes, key)
	case "txbxContent":
		return d.body(p, func(b *block) { para.after = append(para.after, *b) }, "txbxContent")
	case "pic":
		d.pictures++
	default:
		return d.other(p, e)
	}
	return nil
}

// onPage puts notes on the page that refers to them.
func onPage(notes []block, page int) []block {
	for i := range notes {
		for k := range notes[i].pieces {
			notes[i].pieces[k].at.Page = page
		}
		for _, row := range notes[i].rows {
			for _, c := range row {
				for k := range c.pieces {
					c.pieces[k].at.Page = page
				}
			}
		}
		onPage(notes[i].after, page)
	}
	return notes
}

// breakPage begins a page; a break that was set and one that was recorded at the same place are one.
func (d *docx) breakPage() {
	if !d.broken {
		d.page++
	}
	d.broken = true
}

// at is an origin of what was read last.
func (d *docx) at(p *parser, verbatim bool) doc.Origin {
	return doc.Origin{File: p.name, From: p.from, To: p.InputOffset(), Verbatim: verbatim, Page: d.page}
}

// implied adds a character that an element stands for.
func (d *docx) implied(p *parser, para *docxParagraph, text string) error {
	at := d.at(p, false)
	at.To = max(at.To, at.From)
	para.add(text, at)
	return d.a.hold(pieceCost + len(text))
}

// pieceCost is what a stretch of text costs in memory beside its bytes: its origin, and itself.
const pieceCost = 160

// text reads the text of a run.
func (d *docx) text(p *parser, para *docxParagraph) error {
	for {
		t, err := p.next()
		if err != nil || t == nil {
			return err
		}
		switch t := t.(type) {
		case xml.EndElement:
			return nil
		case xml.StartElement:
			if err := p.skip(); err != nil {
				return err
			}
		case xml.CharData:
			text := string(t)
			d.broken = false
			// Whatever is written otherwise in XML, an entity or CDATA, is longer there.
			para.add(text, d.at(p, p.InputOffset()-p.from == int64(len(text))))
			if err := d.a.hold(pieceCost + len(text)); err != nil {
				return err
			}
		}
	}
}

func (d *docx) paragraphProperties(p *parser, para *docxParagraph) error {
	return p.each("pPr", func(e xml.StartElement) error {
		switch e.Name.Local {
		case "pStyle":
			if s, ok := d.styles[attr(e, "val")]; ok {
				para.style = s
			}
		case "outlineLvl":
			if n, err := strconv.Atoi(attr(e, "val")); err == nil {
				para.outline = n
			}
		case "ilvl":
			para.num.level = listLevel(attr(e, "val"))
		case "numId":
			para.num.id = attr(e, "val")
		case "rPr", "pPrChange", "sectPr":
			return p.skip()
		}
		return nil
	})
}

// table reads a table. What is in its cells becomes text of the cells.
func (d *docx) table(p *parser, out func(*block)) error {
	b := block{kind: doc.Table}
	err := p.each("tbl", func(e xml.StartElement) error {
		switch e.Name.Local {
		case "tr":
			b.rows = append(b.rows, nil)
			return d.a.hold(pieceCost)
		case "tc":
			if len(b.rows) == 0 {
				return nil
			}
			last := &b.rows[len(b.rows)-1]
			*last = append(*last, cell{columns: 1})
			return d.cell(p, &(*last)[len(*last)-1], &b)
		}
		return d.other(p, e)
	})
	if err == nil {
		out(&b)
	}
	return err
}

// cell reads a cell of a table. A table in it is read as its cells, one after the other.
func (d *docx) cell(p *parser, c *cell, table *block) error {
	if err := d.a.hold(pieceCost); err != nil {
		return err
	}
	add := func(b *block) { c.take(b, table) }
	return p.each("tc", func(e xml.StartElement) error {
		switch e.Name.Local {
		case "gridSpan":
			if n, err := strconv.Atoi(attr(e, "val")); err == nil {
				c.columns = min(max(n, 1), maxColumns)
			}
			return nil
		case "p":
			return d.paragraph(p, add)
		case "tbl":
			return d.table(p, add)
		}
		return d.other(p, e)
	})
}

// take appends a block to a cell, with a space between. What comes after the block comes after the table.
func (c *cell) take(b *block, table *block) {
	if n := len(c.pieces); n > 0 && len(b.pieces) > 0 {
		at := b.pieces[0].at
		at.To, at.Verbatim = at.From, false
		c.pieces = append(c.pieces, piece{" ", at})
	}
	c.pieces = append(c.pieces, b.pieces...)
	for _, row := range b.rows {
		for i := range row {
			c.take(&block{pieces: row[i].pieces}, table)
		}
	}
	table.after = append(table.after, b.after...)
}

// readNotes keeps the notes of a member by kind and id.
func (d *docx) readNotes(name, kind string) error {
	if name == "" {
		return nil
	}
	p, err := d.a.xml(path.Clean(name))
	if err != nil {
		return err
	}
	return p.each("", func(e xml.StartElement) error {
		if e.Name.Local != kind {
			return nil
		}
		if k := attr(e, "type"); k != "" && k != "normal" { // lines between the text and its notes
			return p.skip()
		}
		key := kind + attr(e, "id")
		return d.body(p, func(b *block) { d.notes[key] = append(d.notes[key], *b) }, kind)
	})
}
