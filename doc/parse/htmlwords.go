package parse

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// words adds a text.
func (p *page) words(n *html.Node, fl flow) {
	for _, i := range p.tree.texts(n) {
		if i < 0 {
			if fl.pre {
				p.text.imply(p.out(), n.Data, offset(n))
				continue
			}
			p.dueSpace(offset(n))
			continue
		}
		piece := p.tree.pieces[i]
		if fl.pre {
			p.open(fl)
			addReferences(p.out(), p.text, piece.start, piece.end, false)
			continue
		}
		p.collapsed(piece, fl)
	}
}

// collapsed adds a text with each stretch of white space as one space.
func (p *page) collapsed(piece piece, fl flow) {
	s := p.text.text
	for at := piece.start; at < piece.end; {
		start := at
		for at < piece.end {
			r, size := utf8.DecodeRuneInString(s[at:])
			if !unicode.IsSpace(r) {
				break
			}
			at += size
		}
		if at > start {
			p.space = [2]int{start, at}
		}
		start = at
		for at < piece.end {
			r, size := utf8.DecodeRuneInString(s[at:])
			if unicode.IsSpace(r) {
				break
			}
			at += size
		}
		if at > start {
			p.word(start, at, piece.raw, fl)
		}
	}
}

// word adds text[start:end], which has no white space but in entities.
func (p *page) word(start, end int, raw bool, fl flow) {
	p.open(fl)
	p.putSpace()
	b, s := p.out(), p.text.text
	for at := start; at < end; {
		i := strings.IndexAny(s[at:end], "&|")
		if i < 0 || raw && !fl.cell {
			p.text.add(b, at, end)
			return
		}
		p.text.add(b, at, at+i)
		at += i
		said, length := s[at:at+1], 1
		if s[at] == '&' {
			if said, length = entity(s[at:end]); length == 0 {
				said, length = "&", 1
			}
		}
		switch {
		case strings.TrimSpace(said) == "":
			p.space = [2]int{at, at + length}
			p.putSpace()
		case said == "|" && fl.cell:
			p.text.addAs(b, `\|`, at, at+length)
		case said == s[at:at+length]:
			p.text.add(b, at, at+length)
		default:
			p.text.addAs(b, said, at, at+length)
		}
		at += length
	}
}

// dueSpace remembers that white space stood at an offset of the source, which does not have it as text.
func (p *page) dueSpace(at int) {
	if p.space[1] == 0 {
		p.space = [2]int{at, at + 1}
	}
}

// putSpace adds the white space that is due.
func (p *page) putSpace() {
	start, end := p.space[0], p.space[1]
	p.space = [2]int{}
	b := p.out()
	if end == 0 || b.AtSpace() {
		return
	}
	switch s := p.text.text; {
	case end-start == 1 && s[start] == ' ':
		p.text.add(b, start, end)
	case unicode.IsSpace(rune(s[start])) || s[start] == '&' || s[start] >= utf8.RuneSelf:
		p.text.addAs(b, " ", start, end)
	default: // a tag stands for it
		p.text.imply(b, " ", start)
	}
}
