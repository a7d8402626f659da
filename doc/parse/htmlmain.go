package parse

import (
	"regexp"
	"strings"

	"golang.org/x/net/html"
)

// What of a page is its main content: the rules, in order.
//
//  1. The element main, or the one with that role, if it has most of a page's text; else the only
//     article, if it has; else the body.
//  2. Within it, what its element, its role or the names of its classes say is navigation, a header, a footer, an
//     aside, a banner about cookies and the like is left out, and so is what is hidden.
//  3. A list or a table that is nearly all short links is navigation too, unless most of the page is.

// asideElements and asideRoles are not main content wherever they stand.
var (
	asideElements = map[string]bool{"nav": true, "aside": true, "footer": true}
	asideRoles    = map[string]bool{"navigation": true, "banner": true, "contentinfo": true, "complementary": true, "search": true, "dialog": true, "alertdialog": true, "menu": true, "menubar": true, "toolbar": true}
)

// asideNames matches the class names and ids of what is not main content. A name is matched whole, or as a word in it.
var asideNames = regexp.MustCompile(`(?i)(^|[-_ ])([a-z]*nav|navbar|navigation|navheader|navfooter|navpanel|menu|menubar|sidebar|sphinxsidebar|sidenav|breadcrumb|breadcrumbs|footer|cookie|cookies|consent|gdpr|advert|adverts|advertisement|ads|share|sharing|social|related|skip|skiplink|masthead|toolbar|pagination|pager|newsletter|subscribe|popup|modal|toc|tableofcontents|inline-search|search-form|searchbox)([-_ ]|$)`)

// trimmings are class names of what a page puts beside its text: numbers of lines, and links to edit a section.
var trimmings = regexp.MustCompile(`(?i)(^|[-_ ])(linenos?|lineno|linenumbers?|line-numbers?|mw-editsection)([-_ ]|$)`)

// boilerplate returns the nodes that are not main content.
func boilerplate(t *htmlTree) map[*html.Node]bool {
	drop := map[*html.Node]bool{}
	weights := t.weigh(drop)
	total := weights[t.root].text
	for n := range t.root.Descendants() {
		// A page whose whole content is called "menu" is not boilerplate.
		if n.Type == html.ElementNode && isAside(n) && (isPlainAside(n) || weights[n].text*2 < total) {
			drop[n] = true
		}
	}
	weights = t.weigh(drop)
	var links []*html.Node
	for n := range t.root.Descendants() {
		if w := weights[n]; n.Type == html.ElementNode && holdsLinks[n.Data] && w.links >= 4 && w.linked*10 > w.text*8 && w.text < w.links*60 {
			links = append(links, n)
			drop[n] = true
		}
	}
	if t.weigh(drop)[t.root].text*3 <= weights[t.root].text {
		for _, n := range links {
			delete(drop, n)
		}
	}
	return drop
}

// holdsLinks are the elements that navigation is made of.
var holdsLinks = map[string]bool{"ul": true, "ol": true, "table": true, "p": true}

// isAside reports whether an element says that it is not main content.
func isAside(n *html.Node) bool {
	if isPlainAside(n) {
		return true
	}
	switch n.Data {
	case "html", "body", "main", "article", "a", "span", "code", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "table", "td", "th", "tr", "tbody":
		return false
	}
	return asideNames.MatchString(attr(n, "class")) || asideNames.MatchString(attr(n, "id"))
}

// isPlainAside reports whether an element's own name, its role or its being hidden says so.
func isPlainAside(n *html.Node) bool {
	role := strings.ToLower(attr(n, "role"))
	style := strings.ReplaceAll(strings.ToLower(attr(n, "style")), " ", "")
	switch {
	case asideElements[n.Data], asideRoles[role], hasAttr(n, "hidden"), attr(n, "aria-hidden") == "true", strings.Contains(style, "display:none"):
		return n.Data != "body" && n.Data != "html" && n.Data != "main"
	case n.Data == "td", n.Data == "span", n.Data == "div", n.Data == "a":
		return trimmings.MatchString(attr(n, "class"))
	case n.Data == "header":
		return !below(n, "main", "article", "section")
	}
	return false
}

// below reports whether a node is below an element of one of the names.
func below(n *html.Node, names ...string) bool {
	for up := n.Parent; up != nil; up = up.Parent {
		for _, name := range names {
			if up.Type == html.ElementNode && up.Data == name {
				return true
			}
		}
	}
	return false
}

// mainContent returns the nodes to read.
func mainContent(t *htmlTree, drop map[*html.Node]bool) []*html.Node {
	weights := t.weigh(drop)
	var mains, articles []*html.Node
	for n := range t.root.Descendants() {
		switch {
		case n.Type != html.ElementNode:
		case n.Data == "main" || attr(n, "role") == "main":
			mains = append(mains, n)
		case n.Data == "article":
			articles = append(articles, n)
		}
	}
	for _, candidates := range [][]*html.Node{mains, articles} {
		if len(candidates) == 1 && weights[candidates[0]].text*3 > weights[t.root].text {
			return candidates
		}
	}
	return []*html.Node{t.root}
}

// weight is how much a node says, in bytes of the source.
type weight struct {
	text, linked int // all of it, and within links
	links        int
}

// weigh weighs all nodes without what was dropped.
func (t *htmlTree) weigh(drop map[*html.Node]bool) map[*html.Node]weight {
	weights := map[*html.Node]weight{}
	t.weighInto(weights, t.root, drop)
	return weights
}

func (t *htmlTree) weighInto(weights map[*html.Node]weight, n *html.Node, drop map[*html.Node]bool) weight {
	var w weight
	if drop[n] || n.Type == html.ElementNode && silent[n.Data] {
		return w
	}
	if n.Type == html.TextNode {
		for _, i := range t.texts(n) {
			if i >= 0 {
				w.text += t.pieces[i].end - t.pieces[i].start
			}
		}
		return w
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		inner := t.weighInto(weights, c, drop)
		w.text, w.linked, w.links = w.text+inner.text, w.linked+inner.linked, w.links+inner.links
	}
	if n.Type == html.ElementNode && n.Data == "a" && hasAttr(n, "href") {
		w.linked, w.links = w.text, 1
	}
	weights[n] = w
	return w
}
