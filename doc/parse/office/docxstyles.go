package office

import (
	"encoding/xml"
	"strconv"
	"strings"
)

// docxStyle is what a paragraph's style says of its place in the document.
type docxStyle struct {
	name, base string
	outline    int // 0 to 8 is a heading; else -1
	num        listRef
	contents   bool // of a table of contents
	quote      bool
	code       bool
}

// listRef is a list and a level of it, from 0.
type listRef struct {
	id    string
	level int
}

func listLevel(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return min(max(n, 0), 8)
}

const maxStyles = 20_000

// docxStyles reads the styles of paragraphs by id; "" is the default one. Damaged ones are missing.
func (a *Archive) docxStyles(name string) map[string]docxStyle {
	all := map[string]docxStyle{"": {outline: -1}}
	p, err := a.xml(name)
	if err != nil {
		return all
	}
	id, s := "", docxStyle{}
	for {
		t, err := p.next()
		if err != nil || t == nil || len(all) > maxStyles {
			break
		}
		switch t := t.(type) {
		case xml.StartElement:
			value := attr(t, "val")
			switch t.Name.Local {
			case "style":
				id, s = attr(t, "styleId"), docxStyle{outline: -1}
				if attr(t, "type") == "paragraph" && attr(t, "default") == "1" {
					id = ""
				}
			case "name":
				s.name = strings.ToLower(value)
			case "basedOn":
				s.base = value
			case "outlineLvl":
				if n, err := strconv.Atoi(value); err == nil {
					s.outline = n
				}
			case "numId":
				s.num.id = value
			case "ilvl":
				s.num.level = listLevel(value)
			}
		case xml.EndElement:
			if t.Name.Local == "style" {
				s.judge()
				all[id] = s
			}
		}
	}
	return inherit(all)
}

// judge knows the built-in styles by their names, which are English in every language's files.
func (s *docxStyle) judge() {
	if rest, ok := strings.CutPrefix(s.name, "heading "); ok && s.outline < 0 {
		if n, err := strconv.Atoi(rest); err == nil && n >= 1 && n <= 9 {
			s.outline = n - 1
		}
	}
	if s.name == "title" && s.outline < 0 {
		s.outline = 0
	}
	s.contents = strings.HasPrefix(s.name, "toc ") || s.name == "table of contents" || s.name == "contents heading" || strings.HasPrefix(s.name, "contents ")
	s.quote = strings.Contains(s.name, "quote") || s.name == "quotations"
	s.code = s.name == "html preformatted" || s.name == "preformatted text" || s.name == "source code" || s.name == "macro"
}

// inherit fills in what styles take from those that they are based on.
func inherit(all map[string]docxStyle) map[string]docxStyle {
	out := make(map[string]docxStyle, len(all))
	for id, s := range all {
		base := s.base
		for range 20 { // longer chains are loops
			b, ok := all[base]
			if base == "" || !ok {
				break
			}
			if s.outline < 0 {
				s.outline = b.outline
			}
			if s.num.id == "" {
				s.num = b.num
			}
			s.quote, s.code, s.contents = s.quote || b.quote, s.code || b.code, s.contents || b.contents
			base = b.base
		}
		out[id] = s
	}
	return out
}

// numbering is the lists of a document and how far each has counted.
type numbering struct {
	abstract map[string]string     // list → definition
	levels   map[string][9]numeral // of a definition
	counts   map[string]*[9]int    // of a definition
}

// numeral is how a level of a list writes its numbers.
type numeral struct {
	format, text string
	start        int
}

// numbering reads the definitions of lists; without them items have no numbers.
func (a *Archive) numbering(name string) *numbering {
	n := &numbering{abstract: map[string]string{}, levels: map[string][9]numeral{}, counts: map[string]*[9]int{}}
	p, err := a.xml(name)
	if err != nil {
		return n
	}
	definition, list, level := "", "", 0
	for {
		t, err := p.next()
		e, ok := t.(xml.StartElement)
		if err != nil || t == nil || len(n.levels)+len(n.abstract) > maxStyles {
			return n
		}
		if !ok {
			continue
		}
		value := attr(e, "val")
		levels := n.levels[definition]
		switch e.Name.Local {
		case "abstractNum":
			definition = attr(e, "abstractNumId")
			continue
		case "num":
			list = attr(e, "numId")
		case "abstractNumId":
			n.abstract[list] = value
		case "lvl":
			level = listLevel(attr(e, "ilvl"))
			levels[level].start = 1
		case "start":
			levels[level].start, _ = strconv.Atoi(value) // what is no number starts at 0
		case "numFmt":
			levels[level].format = value
		case "lvlText":
			levels[level].text = value
		}
		if list == "" {
			n.levels[definition] = levels
		}
	}
}

// label counts an item and returns its number as it is written, "" for a bullet.
func (n *numbering) label(r listRef) string {
	definition, ok := n.abstract[r.id]
	if !ok {
		return ""
	}
	levels := n.levels[definition]
	counts := n.counts[definition]
	if counts == nil {
		counts = &[9]int{}
		n.counts[definition] = counts
	}
	counts[r.level]++
	clear(counts[r.level+1:])
	if f := levels[r.level].format; f == "bullet" || f == "none" || f == "" {
		return ""
	}
	out := levels[r.level].text
	for i := range levels {
		if mark := "%" + strconv.Itoa(i+1); strings.Contains(out, mark) {
			value := levels[i].start + max(counts[i], 1) - 1
			out = strings.ReplaceAll(out, mark, numeralText(value, levels[i].format))
		}
	}
	return out
}

// numeralText writes a number as a list's level does; formats that are not known are decimal.
func numeralText(n int, format string) string {
	switch format {
	case "lowerLetter", "a":
		return letters(n)
	case "upperLetter", "A":
		return strings.ToUpper(letters(n))
	case "lowerRoman", "i":
		return strings.ToLower(romanNumber(n))
	case "upperRoman", "I":
		return romanNumber(n)
	case "decimalZero":
		if n < 10 {
			return "0" + strconv.Itoa(n)
		}
	}
	return strconv.Itoa(n)
}

// letters is a to z, then aa, bb and so on, as word processors count.
func letters(n int) string {
	if n < 1 || n > 26*20 {
		return strconv.Itoa(n)
	}
	return strings.Repeat(string(rune('a'+(n-1)%26)), (n-1)/26+1)
}

func romanNumber(n int) string {
	if n < 1 || n > 3999 {
		return strconv.Itoa(n)
	}
	var b strings.Builder
	for _, r := range []struct {
		value int
		text  string
	}{{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"}, {40, "XL"}, {10, "X"}, {9, "IX"}, {5, "V"}, {4, "IV"}, {1, "I"}} {
		for n >= r.value {
			b.WriteString(r.text)
			n -= r.value
		}
	}
	return b.String()
}
