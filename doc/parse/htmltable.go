package parse

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"

	"nearside/doc"
)

// longCell is how long the text of a cell of a table of data may be. A longer one is
// part of a layout, as pages had before style sheets.
const longCell = 1500

// table adds a table of data as Markdown, its first row as the header. A table that is there for the layout
// is read cell by cell.
func (p *page) table(n *html.Node, fl flow) {
	rows := rowsOf(n)
	columns := 0
	for _, row := range rows {
		columns = max(columns, len(cellsOf(row)))
	}
	if columns < 2 || !p.isData(n, rows) {
		p.children(n, fl)
		return
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.ElementNode && c.Data == "caption" {
			p.node(c, fl)
			p.end()
		}
	}
	b := p.out()
	b.Begin(doc.Table, 0, "")
	for i, row := range rows {
		p.row(row, columns)
		if i == 0 {
			p.text.imply(b, "|"+strings.Repeat(" --- |", columns)+"\n", offset(row))
		}
	}
	p.end()
}

func (p *page) row(row *html.Node, columns int) {
	b := p.out()
	p.text.imply(b, "|", offset(row))
	cells := cellsOf(row)
	for i := range columns {
		at := offset(row)
		if i < len(cells) && cells[i] != nil {
			at = offset(cells[i])
		}
		p.text.imply(b, " ", at)
		if i < len(cells) && cells[i] != nil {
			p.space = [2]int{}
			p.children(cells[i], flow{cell: true, kind: doc.Table})
			p.space = [2]int{}
		}
		p.text.imply(b, " |", at)
	}
	p.text.imply(b, "\n", offset(row))
}

// isData reports whether a table has data: more than a row, no blocks in its cells, and none of them too long.
func (p *page) isData(n *html.Node, rows []*html.Node) bool {
	headers := 0
	for c := range n.Descendants() {
		if c.Type != html.ElementNode {
			continue
		}
		switch c.Data {
		case "table", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "form":
			return false
		case "th":
			headers++
		}
	}
	for _, row := range rows {
		for _, cell := range cellsOf(row) {
			if cell != nil && (paragraphs(cell) > 1 && headers == 0 || len(p.plain(cell)) > longCell) {
				return false
			}
		}
	}
	return len(rows) > 1 || headers > 0
}

// paragraphs returns how many paragraphs a cell has.
func paragraphs(cell *html.Node) int {
	count := 0
	for c := range cell.Descendants() {
		if c.Type == html.ElementNode && (c.Data == "p" || c.Data == "li") {
			count++
		}
	}
	return count
}

// rowsOf returns the rows of a table, not those of tables within.
func rowsOf(n *html.Node) []*html.Node {
	var rows []*html.Node
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		switch {
		case c.Type != html.ElementNode:
		case c.Data == "tr":
			rows = append(rows, c)
		case c.Data == "thead" || c.Data == "tbody" || c.Data == "tfoot":
			rows = append(rows, rowsOf(c)...)
		}
	}
	return rows
}

// cellsOf returns the cells of a row; nil stands for what a cell spans beside its first column.
func cellsOf(row *html.Node) []*html.Node {
	var cells []*html.Node
	for c := row.FirstChild; c != nil; c = c.NextSibling {
		if c.Type != html.ElementNode || c.Data != "td" && c.Data != "th" {
			continue
		}
		cells = append(cells, c)
		span, _ := strconv.Atoi(attr(c, "colspan"))
		for range min(span, 100) - 1 {
			cells = append(cells, nil)
		}
	}
	return cells
}

// numbering numbers the items of a list.
type numbering struct {
	ordered bool
	number  int
}

func newNumber(list *html.Node) *numbering {
	start, err := strconv.Atoi(attr(list, "start"))
	if err != nil {
		start = 1
	}
	return &numbering{list.Data == "ol", start}
}

// next returns the label of the next item.
func (n *numbering) next(item *html.Node) string {
	if !n.ordered {
		return ""
	}
	if value, err := strconv.Atoi(attr(item, "value")); err == nil {
		n.number = value
	}
	n.number++
	return strconv.Itoa(n.number-1) + "."
}
