package parse

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"

	"nearside/doc"
	"nearside/fault"
)

// parseMarkdown reads CommonMark with GitHub's tables and front matter. The text keeps what a reader sees:
// marks of emphasis and code go, a link keeps its words and loses its address (an address says nothing
// to an embedding model, and takes many tokens) unless Options.Links asks for it, an image is its
// description. HTML within keeps its text.
func parseMarkdown(ctx context.Context, f File, o Options, yield func(*doc.Document) error) error {
	data, err := readAll(f, o)
	if err != nil {
		return err
	}
	f.Body = bytes.NewReader(data)
	t, err := decodeAll(f, o, nil)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if line := nestedLine(t.text, o.Depth); line > 0 {
		return fault.New(fault.TooLarge, "%s: the quotes and lists on line %d are nested more than %d deep; raise the limit, or leave it out", f.Name, line, o.Depth)
	}
	m := markdown{text: t, source: []byte(t.text), o: o}
	front := cutFront(t.text)
	meta, note := front.read()
	for i := range front.end {
		if m.source[i] != '\n' { // keeps the offsets of what follows
			m.source[i] = ' '
		}
	}
	if line := bracketedLine(string(m.source)); line > 0 {
		f.Body = bytes.NewReader(data)
		return asText(ctx, f, o, line, yield)
	}
	if err := m.blocks(markdownParser.Parse(text.NewReader(m.source)), spot{}); err != nil {
		return err
	}
	for _, note := range []string{t.note, note} {
		if note != "" {
			m.b.Note(note)
		}
	}
	d := m.b.Document(doc.FormatMarkdown)
	d.Metadata = meta
	d.Title = titleOf(d)
	if len(d.Blocks) == 0 && d.Metadata == nil {
		return fault.New(fault.Invalid, "%s: it says nothing: there is no text in it", f.Name)
	}
	return yield(d)
}

var markdownParser = goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough)).Parser()

// titleOf returns a document's title: that of its metadata, or its first heading of level 1.
func titleOf(d *doc.Document) string {
	for _, name := range []string{"title", "Title"} {
		if title, ok := d.Metadata[name].(string); ok && title != "" {
			return title
		}
	}
	for _, b := range d.Blocks {
		if b.Kind == doc.Heading && b.Level == 1 {
			return strings.Join(strings.Fields(d.Text[b.Start:b.End]), " ")
		}
	}
	return ""
}

// markdown makes blocks of a syntax tree.
type markdown struct {
	text   *decoded
	source []byte // what was parsed: the text with its front matter blanked
	o      Options
	b      doc.Builder
	cell   bool // within a table, where a bar needs a backslash
}

// spot is where a block stands among those around it.
type spot struct {
	quote bool
	level int    // of the list, 0 = none
	label string // of the item
	first *bool  // whether no block of the item was made so far
	depth int
}

// begin opens a block of running text: the item itself, something more in it, a quote or a paragraph.
func (m *markdown) begin(p spot) {
	switch {
	case p.first != nil && *p.first:
		*p.first = false
		m.b.Begin(doc.Item, p.level, p.label)
	case p.quote:
		m.b.Begin(doc.Quote, 0, "")
	default:
		m.b.Begin(doc.Paragraph, 0, "")
	}
}

func (m *markdown) blocks(parent ast.Node, p spot) error {
	if p.depth++; p.depth > m.o.Depth {
		return fault.New(fault.TooLarge, "its quotes and lists are nested more than %d deep; raise the limit, or leave it out", m.o.Depth)
	}
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		if err := m.block(n, p); err != nil {
			return err
		}
	}
	m.b.End()
	return nil
}

func (m *markdown) block(n ast.Node, p spot) error {
	switch n := n.(type) {
	case *ast.Heading:
		m.b.Begin(doc.Heading, n.Level, "")
		m.inlines(n)
	case *ast.Paragraph, *ast.TextBlock:
		m.begin(p)
		m.inlines(n)
	case *ast.FencedCodeBlock:
		m.code(n.Lines(), string(n.Language(m.source)))
	case *ast.CodeBlock:
		m.code(n.Lines(), "")
	case *ast.HTMLBlock:
		m.html(n, p)
	case *ast.Blockquote:
		p.quote = true
		return m.blocks(n, p)
	case *ast.List:
		return m.list(n, p)
	case *extast.Table:
		m.table(n)
	}
	m.b.End()
	return nil
}

func (m *markdown) list(list *ast.List, p spot) error {
	number := list.Start
	p.level++
	for n := list.FirstChild(); n != nil; n = n.NextSibling() {
		first := true
		p.first, p.label = &first, ""
		if list.IsOrdered() {
			p.label = fmt.Sprintf("%d%c", number, list.Marker)
			number++
		}
		if err := m.blocks(n, p); err != nil {
			return err
		}
	}
	return nil
}

// code adds lines as they stand. A tab that is partly the block's indentation is the spaces that are left of it.
func (m *markdown) code(lines *text.Segments, language string) {
	m.b.Begin(doc.Code, 0, language)
	for i := range lines.Len() {
		line := lines.At(i)
		if line.Padding > 0 {
			m.text.imply(&m.b, strings.Repeat(" ", line.Padding), line.Start)
		}
		m.text.add(&m.b, line.Start, line.Stop)
	}
	m.b.End()
}

// html adds the text of a block of HTML.
func (m *markdown) html(n *ast.HTMLBlock, p spot) {
	if n.Lines().Len() == 0 {
		return
	}
	start, end := n.Lines().At(0).Start, n.Lines().At(n.Lines().Len()-1).Stop
	if n.HasClosure() {
		end = max(end, n.ClosureLine.Stop)
	}
	m.begin(p)
	addFragment(&m.b, m.text, start, end, m.o)
}

// table adds a table as Markdown, with its cells' text.
func (m *markdown) table(table *extast.Table) {
	m.b.Begin(doc.Table, 0, "")
	for row := table.FirstChild(); row != nil; row = row.NextSibling() {
		at := m.start(row)
		m.text.imply(&m.b, "|", at)
		for cell := row.FirstChild(); cell != nil; cell = cell.NextSibling() {
			at = max(at, m.start(cell))
			m.text.imply(&m.b, " ", at)
			m.cell = true
			m.inlines(cell)
			m.cell = false
			m.text.imply(&m.b, " |", at)
		}
		m.text.imply(&m.b, "\n", at)
		if row == table.FirstChild() {
			m.text.imply(&m.b, "|"+strings.Repeat(" --- |", row.ChildCount())+"\n", at)
		}
	}
	m.b.End()
}

// start returns the offset of the first text in a node, 0 if there is none.
func (m *markdown) start(n ast.Node) int {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if t, ok := c.(*ast.Text); ok {
			return t.Segment.Start
		}
		if at := m.start(c); at > 0 {
			return at
		}
	}
	return 0
}

func (m *markdown) inlines(parent ast.Node) {
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		m.inline(n)
	}
}

func (m *markdown) inline(n ast.Node) {
	switch n := n.(type) {
	case *ast.Text:
		m.words(n)
	case *ast.String:
		m.text.imply(&m.b, string(n.Value), max(n.Pos(), 0))
	case *ast.Link:
		m.link(n, "[", string(n.Destination))
	case *ast.Image:
		if parent, ok := n.Parent().(*ast.Link); !ok || parent.ChildCount() > 1 || m.o.Links { // not a badge
			m.link(n, "![", string(n.Destination))
		}
	case *ast.AutoLink:
		m.autoLink(n)
	case *ast.RawHTML:
		m.rawHTML(n)
	default:
		m.inlines(n)
	}
}

// words adds text, and the end of its line if it goes on in the next.
func (m *markdown) words(n *ast.Text) {
	start, end := n.Segment.Start, n.Segment.Stop
	for m.cell {
		i := strings.IndexByte(m.text.text[start:end], '|')
		if i < 0 {
			break
		}
		addReferences(&m.b, m.text, start, start+len(strings.TrimRight(m.text.text[start:start+i], `\`)), true)
		m.text.addAs(&m.b, `\|`, start+i, start+i+1)
		start += i + 1
	}
	if n.IsRaw() {
		m.text.add(&m.b, start, end)
	} else {
		addReferences(&m.b, m.text, start, end, true)
	}
	if !n.SoftLineBreak() && !n.HardLineBreak() {
		return
	}
	if i := strings.IndexByte(m.text.text[end:], '\n'); i >= 0 {
		if strings.TrimSpace(m.text.text[end:end+i]) == "" {
			m.text.add(&m.b, end, end+i+1)
		} else {
			m.text.addAs(&m.b, "\n", end+i, end+i+1)
		}
	}
}

// link adds the words of a link, and its address if those are kept.
func (m *markdown) link(n ast.Node, open, address string) {
	at := max(n.Pos(), 0)
	if m.o.Links {
		m.text.imply(&m.b, open, at)
	}
	m.inlines(n)
	if m.o.Links {
		m.text.imply(&m.b, "]("+address+")", at)
	}
}

func (m *markdown) autoLink(n *ast.AutoLink) {
	label := n.Label(m.source)
	if at := n.Pos() + 1; at > 0 && strings.HasPrefix(m.text.text[at:], string(label)) {
		m.text.add(&m.b, at, at+len(label))
		return
	}
	m.text.imply(&m.b, string(label), max(n.Pos(), 0))
}

// rawHTML adds what a tag between words stands for: a line's end, or nothing.
func (m *markdown) rawHTML(n *ast.RawHTML) {
	if n.Segments.Len() == 0 {
		return
	}
	first := n.Segments.At(0)
	if tag := strings.ToLower(m.text.text[first.Start:first.Stop]); strings.HasPrefix(tag, "<br") {
		m.text.addAs(&m.b, "\n", first.Start, first.Stop)
	}
}

// addReferences adds text[start:end] with what its entities stand for, and, in Markdown, without the
// backslashes before marks.
func addReferences(b *doc.Builder, t *decoded, start, end int, backslashes bool) {
	for at := start; at < end; {
		i := strings.IndexAny(t.text[at:end], `&\`)
		if i < 0 {
			t.add(b, at, end)
			return
		}
		t.add(b, at, at+i)
		at += i
		if t.text[at] == '&' {
			if said, length := entity(t.text[at:end]); length > 0 {
				t.addAs(b, said, at, at+length)
				at += length
				continue
			}
		} else if backslashes && at+1 < end && isPunctuation(t.text[at+1]) {
			at++
		}
		t.add(b, at, at+1)
		at++
	}
}

func isPunctuation(c byte) bool {
	return c < unicode.MaxASCII && (unicode.IsPunct(rune(c)) || unicode.IsSymbol(rune(c)))
}
