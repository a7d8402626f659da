package parse

import (
	"bytes"
	"context"
	"net/url"
	"strings"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"

	"nearside/doc"
	"nearside/fault"
)

// parseHTML reads the main content of a page: what main.go's rules leave of it when navigation, headers,
// footers and the like are gone. With Options.Selector it reads what that selects, and all of it.
func parseHTML(ctx context.Context, f File, o Options, yield func(*doc.Document) error) error {
	data, err := readAll(f, o)
	if err != nil {
		return err
	}
	f.Body = bytes.NewReader(data)
	text, err := decodeAll(f, o, declared(f, data))
	if err != nil {
		return err
	}
	tree, err := parseTree(text.text, 0, len(text.text), false)
	if err == nil && depthOfTree(tree.root) > o.Depth {
		err = fault.New(fault.TooLarge, "more than %d", o.Depth)
	}
	if err != nil {
		return fault.New(fault.TooLarge, "%s: its elements are nested too deep; leave it out", f.Name).Because(err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p := &page{text: text, tree: tree, o: o}
	if err := p.read(f); err != nil {
		return err
	}
	if text.note != "" {
		p.b.Note(text.note)
	}
	d := p.b.Document(doc.FormatHTML)
	d.Title, d.Metadata = p.title, p.meta
	if d.Title == "" {
		d.Title = titleOf(d)
	}
	if len(d.Blocks) == 0 {
		return fault.New(fault.Invalid, "%s: it says nothing: there is no text for readers in it (is it made by scripts?)", f.Name)
	}
	return yield(d)
}

// addFragment adds what text[start:end], a piece of HTML in another format, says to readers.
func addFragment(b *doc.Builder, text *decoded, start, end int, o Options) {
	tree, err := parseTree(text.text, start, end, true)
	if err != nil || depthOfTree(tree.root) > o.Depth {
		b.Note("HTML that is nested too deep was left out")
		return
	}
	p := &page{text: text, tree: tree, o: o, into: b}
	p.children(tree.root, flow{})
	b.End()
}

// page makes blocks of a tree of HTML.
type page struct {
	text  *decoded
	tree  *htmlTree
	o     Options
	b     doc.Builder
	into  *doc.Builder // where blocks go; nil = b
	title string
	meta  map[string]any
	drop  map[*html.Node]bool // what is not main content
	space [2]int              // white space that is due before the next word
}

// flow is what is around a node.
type flow struct {
	kind  doc.Kind // of the block that running text opens; "" = a paragraph
	level int      // of lists, and of a heading
	label string
	pre   bool // white space stands
	cell  bool // of a table: blocks within do not open any
	first *bool
}

func (p *page) out() *doc.Builder {
	if p.into != nil {
		return p.into
	}
	return &p.b
}

// read adds the main content, or what was selected.
func (p *page) read(f File) error {
	p.readHead(p.tree.root)
	if p.o.Selector == "" {
		p.drop = boilerplate(p.tree)
		for _, n := range mainContent(p.tree, p.drop) {
			p.node(n, flow{})
			p.out().End()
		}
		return nil
	}
	selector, err := cascadia.ParseGroup(p.o.Selector)
	if err != nil {
		return fault.New(fault.Invalid, "the selector %q is no CSS selector: %v", p.o.Selector, err)
	}
	all := cascadia.QueryAll(p.tree.root, selector)
	chosen := map[*html.Node]bool{}
	for _, n := range all {
		chosen[n] = true
	}
	for _, n := range all {
		if !within(n, chosen) {
			p.node(n, flow{})
			p.out().End()
		}
	}
	if len(all) == 0 {
		return fault.New(fault.Invalid, "%s: the selector %q matches nothing in it", f.Name, p.o.Selector)
	}
	return nil
}

// within reports whether a node is below one of others.
func within(n *html.Node, others map[*html.Node]bool) bool {
	for up := n.Parent; up != nil; up = up.Parent {
		if others[up] {
			return true
		}
	}
	return false
}

// readHead sets the title and what else a page says of itself.
func (p *page) readHead(n *html.Node) {
	for c := range n.Descendants() {
		if c.Type != html.ElementNode {
			continue
		}
		switch c.Data {
		case "html":
			p.say("language", attr(c, "lang"))
		case "title":
			if p.title == "" && c.Namespace == "" {
				p.title = strings.Join(strings.Fields(p.plain(c)), " ")
			}
		case "meta":
			switch name := strings.ToLower(attr(c, "name")); name {
			case "description", "author", "keywords":
				p.say(name, attr(c, "content"))
			}
		case "body":
			return
		}
	}
}

func (p *page) say(name, value string) {
	if value = strings.TrimSpace(value); value == "" {
		return
	}
	if p.meta == nil {
		p.meta = map[string]any{}
	}
	p.meta[name] = value
}

// plain returns the text in a node.
func (p *page) plain(n *html.Node) string {
	var s strings.Builder
	for c := range n.Descendants() {
		if c.Type != html.TextNode {
			continue
		}
		for _, i := range p.tree.texts(c) {
			if i < 0 {
				s.WriteByte(' ')
			} else {
				s.WriteString(html.UnescapeString(p.text.text[p.tree.pieces[i].start:p.tree.pieces[i].end]))
			}
		}
	}
	return s.String()
}

// silent are the elements that say nothing to readers, or only what is to be filled in.
var silent = map[string]bool{
	"head": true, "script": true, "style": true, "noscript": true, "template": true, "iframe": true, "object": true, "embed": true,
	"svg": true, "canvas": true, "audio": true, "video": true, "map": true, "button": true, "input": true, "select": true, "textarea": true,
	"datalist": true, "dialog": true, "progress": true, "meter": true,
}

// inlineElements are those that do not break a paragraph.
var inlineElements = map[string]bool{
	"a": true, "abbr": true, "acronym": true, "b": true, "bdi": true, "bdo": true, "big": true, "cite": true, "code": true, "data": true, "del": true,
	"dfn": true, "em": true, "font": true, "i": true, "img": true, "ins": true, "kbd": true, "label": true, "mark": true, "math": true, "nobr": true, "picture": true,
	"q": true, "rp": true, "rt": true, "ruby": true, "s": true, "samp": true, "small": true, "source": true, "span": true, "strike": true, "strong": true,
	"sub": true, "sup": true, "time": true, "tt": true, "u": true, "var": true, "wbr": true, "br": true,
}

func (p *page) children(n *html.Node, fl flow) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		p.node(c, fl)
	}
}

func (p *page) node(n *html.Node, fl flow) {
	switch {
	case n.Type == html.TextNode:
		p.words(n, fl)
	case n.Type == html.DocumentNode:
		p.children(n, fl)
	case n.Type != html.ElementNode || silent[n.Data] || p.drop[n]:
	case inlineElements[n.Data]:
		p.inline(n, fl)
	case fl.cell || fl.kind == doc.Heading:
		p.dueSpace(offset(n))
		p.children(n, fl)
		p.dueSpace(offset(n))
	default:
		p.block(n, fl)
	}
}

func (p *page) inline(n *html.Node, fl flow) {
	switch n.Data {
	case "br":
		if fl.cell || fl.kind == doc.Heading {
			p.dueSpace(offset(n))
		} else if p.out().Kind() != "" {
			p.space = [2]int{}
			start, end := tagOf(n)
			p.text.addAs(p.out(), "\n", start, end)
		}
	case "img":
		p.image(n, fl)
	case "a":
		p.link(n, fl)
	default:
		p.children(n, fl)
	}
}

// block adds an element that stands for itself.
func (p *page) block(n *html.Node, fl flow) {
	p.end()
	switch n.Data {
	case "h1", "h2", "h3", "h4", "h5", "h6":
		p.children(n, flow{kind: doc.Heading, level: int(n.Data[1] - '0')})
	case "pre", "listing", "xmp", "plaintext":
		p.children(n, flow{kind: doc.Code, label: languageOf(n), pre: true})
	case "blockquote":
		fl.kind = doc.Quote
		p.children(n, fl)
	case "ul", "ol", "menu", "dir", "dl":
		p.list(n, fl)
	case "table":
		p.table(n, fl)
	default:
		p.children(n, fl)
	}
	p.end()
}

func (p *page) end() {
	p.out().End()
	p.space = [2]int{}
}

// list adds the items of a list. What is no item, such as a list right within a list, is
// read as if it were one's.
func (p *page) list(n *html.Node, fl flow) {
	number := newNumber(n)
	fl.level, fl.kind = fl.level+1, ""
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		inner := fl
		if c.Type == html.ElementNode && (c.Data == "li" || c.Data == "dt") {
			first := true
			inner.first, inner.label = &first, number.next(c)
		}
		p.node(c, inner)
	}
}

// open opens the block that running text belongs to, if none is open.
func (p *page) open(fl flow) {
	b := p.out()
	switch {
	case b.Kind() != "":
	case fl.kind != "" && fl.kind != doc.Quote:
		b.Begin(fl.kind, fl.level, fl.label)
	case fl.first != nil && *fl.first:
		*fl.first = false
		b.Begin(doc.Item, fl.level, fl.label)
	case fl.kind == doc.Quote:
		b.Begin(doc.Quote, 0, "")
	default:
		b.Begin(doc.Paragraph, 0, "")
	}
}

// link adds the words of a link, and its address if those are kept. Links to the place that they stand at say nothing.
func (p *page) link(n *html.Node, fl flow) {
	href := attr(n, "href")
	words := strings.TrimSpace(p.plain(n))
	if words == "¶" || words == "#" || words == "§" || words == "🔗" {
		return
	}
	if !p.o.Links || href == "" || fl.pre || strings.HasPrefix(href, "#") || hasBlocks(n) {
		p.children(n, fl)
		return
	}
	p.open(fl)
	p.putSpace()
	p.text.imply(p.out(), "[", offset(n))
	p.children(n, fl)
	p.text.imply(p.out(), "]("+p.absolute(href)+")", offset(n))
}

// hasBlocks reports whether an element has others in it that are blocks of their own.
func hasBlocks(n *html.Node) bool {
	for c := range n.Descendants() {
		if c.Type == html.ElementNode && !inlineElements[c.Data] && !silent[c.Data] {
			return true
		}
	}
	return false
}

// image adds what a picture shows, as its page says. A picture that is all that a link has is a button or
// a badge, and says nothing.
func (p *page) image(n *html.Node, fl flow) {
	alt := strings.Join(strings.Fields(attr(n, "alt")), " ")
	if alt == "" && !p.o.Links || n.Parent.Data == "a" && !p.o.Links && strings.TrimSpace(p.plain(n.Parent)) == "" {
		return
	}
	if p.o.Links {
		alt = "![" + alt + "](" + p.absolute(attr(n, "src")) + ")"
	}
	p.open(fl)
	p.putSpace()
	start, end := tagOf(n)
	p.text.addAs(p.out(), alt, start, end)
}

// absolute returns an address as it is from outside of the page.
func (p *page) absolute(address string) string {
	base, err := url.Parse(p.o.Hostname)
	if err != nil || p.o.Hostname == "" {
		return address
	}
	if base.Host == "" {
		base = &url.URL{Scheme: "https", Host: p.o.Hostname}
	}
	to, err := base.Parse(address)
	if err != nil {
		return address
	}
	return to.String()
}

// languageOf returns the language that a block of code is said to be in, by the class names that are used for it.
func languageOf(n *html.Node) string {
	nodes := []*html.Node{n, n.FirstChild, n.Parent}
	if n.Parent != nil {
		nodes = append(nodes, n.Parent.Parent)
	}
	for _, c := range nodes {
		if c == nil {
			continue
		}
		for _, class := range strings.Fields(attr(c, "class")) {
			for _, prefix := range []string{"language-", "lang-", "highlight-source-", "highlight-", "sourceCode "} {
				if name, ok := strings.CutPrefix(class, prefix); ok && name != "default" && name != "text" && name != "none" {
					return name
				}
			}
		}
	}
	return ""
}
