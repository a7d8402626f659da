package doc

import (
	"sort"
	"strings"
)

// Place is where a passage stands in its file.
type Place struct {
	File           string // as in Origin
	From, To       int64
	Line, LastLine int // 0 in a format without lines
	Page, LastPage int // 0 in a format without pages
}

// Locate returns where Text[start:end] was taken from: the smallest range of bytes that holds
// all its origins. Text that the file does not have adds nothing to that of the text around it. White space between two blocks has none and adds nothing; a
// stretch of nothing else is at the zero Place. If a stretch came from several
// members of an archive, the range is the one in the first.
func (d *Document) Locate(start, end int) Place {
	first := sort.Search(len(d.Origins), func(i int) bool { return d.Origins[i].End > start })
	var place Place
	none, implied := true, true // whether place is not set, or has only text that the file does not have
	for _, o := range d.Origins[first:] {
		if o.Start >= end {
			break
		}
		part := o.cut(d.Text, max(start, o.Start), min(end, o.End))
		switch said := o.To > o.From; {
		case none || said && implied:
			place, none, implied = part, false, !said
		case said && part.File == place.File:
			place.add(part)
		}
	}
	return place
}

// cut returns the place of Text[start:end], which lies within the origin.
func (o Origin) cut(text string, start, end int) Place {
	place := Place{File: o.File, From: o.From, To: o.To, Line: o.Line, LastLine: o.Line, Page: o.Page, LastPage: o.Page}
	if !o.Verbatim {
		return place
	}
	place.From, place.To = o.From+int64(start-o.Start), o.From+int64(end-o.Start)
	if o.Line > 0 && end > start {
		place.Line += strings.Count(text[o.Start:start], "\n")
		place.LastLine = place.Line + strings.Count(text[start:end-1], "\n")
	}
	return place
}

// add widens p by q. Origins are ascending in the text, but not always in the file: a page's
// reading order is not the order in which its text was written.
func (p *Place) add(q Place) {
	p.From, p.To = min(p.From, q.From), max(p.To, q.To)
	p.Line, p.LastLine = min(p.Line, q.Line), max(p.LastLine, q.LastLine)
	p.Page, p.LastPage = min(p.Page, q.Page), max(p.LastPage, q.LastPage)
}
