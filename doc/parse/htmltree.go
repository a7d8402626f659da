package parse

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// The tree of HTML that a browser would build, whose texts know where they stood in the source.
//
// The parser of golang.org/x/net/html builds the tree but forgets where things were; its tokenizer
// knows. So the source is tokenized, each text is put aside, and a mark of its number stands in
// its place when the parser sees it. A tag gets an attribute with its offset.

// The marks around a text's number. No text of the source is left for the parser, so that these characters cannot be meant otherwise.
const (
	markOpen  = "\uE000"
	markClose = "\uE001"
	atAttr    = "data-nearside-at"
)

// piece is a text of the source: text[start:end].
type piece struct {
	start, end int
	raw        bool // entities in it stand for themselves
}

// htmlTree is parsed HTML.
type htmlTree struct {
	root   *html.Node
	pieces []piece
}

// unread are the elements whose content is not text for readers.
var unread = map[string]bool{"script": true, "style": true}

// parseTree parses source[start:end] as a page, or as a fragment of a body.
func parseTree(source string, start, end int, fragment bool) (t *htmlTree, err error) {
	defer func() {
		if r := recover(); r != nil { // the parser panics at 512 open elements
			err = fmt.Errorf("%v", r)
		}
	}()
	t = &htmlTree{}
	marked := t.mark(source[start:end], start)
	if !fragment {
		t.root, err = html.Parse(strings.NewReader(marked))
		return t, err
	}
	body := &html.Node{Type: html.ElementNode, Data: "body", DataAtom: atom.Body}
	nodes, err := html.ParseFragment(strings.NewReader(marked), body)
	for _, n := range nodes {
		body.AppendChild(n)
	}
	t.root = body
	return t, err
}

// mark returns HTML with a mark for each text; base is its offset in the source.
func (t *htmlTree) mark(s string, base int) string {
	var out strings.Builder
	out.Grow(len(s))
	z := html.NewTokenizer(strings.NewReader(s))
	within := ""
	for at := 0; ; {
		kind := z.Next()
		raw := z.Raw()
		start := at
		at += len(raw)
		switch kind {
		case html.ErrorToken:
			return out.String()
		case html.TextToken:
			if unread[within] {
				continue
			}
			if strings.TrimSpace(string(raw)) == "" {
				out.Write(raw)
				continue
			}
			out.WriteString(markOpen + strconv.Itoa(len(t.pieces)) + markClose)
			t.pieces = append(t.pieces, piece{base + start, base + at, within == "xmp" || within == "iframe" || within == "plaintext" || within == "noembed" || within == "noframes"})
		case html.StartTagToken, html.SelfClosingTagToken:
			name := tagName(raw)
			out.WriteString("<" + name + " " + atAttr + "=" + strconv.Itoa(base+start) + "+" + strconv.Itoa(len(raw)) + " ")
			out.Write(raw[1+len(name):])
			within = strings.ToLower(name)
		case html.EndTagToken:
			out.Write(raw)
			within = ""
		case html.DoctypeToken:
			out.Write(raw)
		}
	}
}

func tagName(raw []byte) string {
	end := 1
	for end < len(raw) && !strings.ContainsRune(" \t\r\n\f/>", rune(raw[end])) {
		end++
	}
	return string(raw[1:end])
}

// texts returns the pieces and the white space of a text node, in order. White space has the number -1.
func (t *htmlTree) texts(n *html.Node) []int {
	var numbers []int
	for s := n.Data; s != ""; {
		if rest, ok := strings.CutPrefix(s, markOpen); ok {
			number, after, _ := strings.Cut(rest, markClose)
			if i, err := strconv.Atoi(number); err == nil && i >= 0 && i < len(t.pieces) {
				numbers = append(numbers, i)
			}
			s = after
			continue
		}
		next := strings.Index(s, markOpen)
		if next < 0 {
			next = len(s)
		}
		numbers = append(numbers, -1)
		s = s[next:]
	}
	return numbers
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func hasAttr(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

// offset returns where in the source the tag of a node begins, or that of the node around it if the parser implied it.
func offset(n *html.Node) int {
	start, _ := tagOf(n)
	return start
}

// tagOf returns where in the source the tag of a node, or of the one around it, begins and ends.
func tagOf(n *html.Node) (start, end int) {
	for ; n != nil; n = n.Parent {
		at, length, ok := strings.Cut(attr(n, atAttr), "+")
		if !ok {
			continue
		}
		start, errStart := strconv.Atoi(at)
		bytes, errEnd := strconv.Atoi(length)
		if errStart == nil && errEnd == nil {
			return start, start + bytes
		}
	}
	return 0, 0
}

// depthOfTree returns how deep a tree is nested.
func depthOfTree(n *html.Node) int {
	deepest := 0
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		deepest = max(deepest, depthOfTree(c))
	}
	return deepest + 1
}

// entity returns what the entity at the beginning of s stands for, and its length; 0 if there is none.
func entity(s string) (said string, length int) {
	end := 1
	for end < len(s) && end < 34 && (s[end] == '#' || s[end] >= '0' && s[end] <= '9' || s[end]|0x20 >= 'a' && s[end]|0x20 <= 'z') {
		end++
	}
	if end < len(s) && s[end] == ';' {
		if said := html.UnescapeString(s[:end+1]); said != s[:end+1] && utf8.RuneCountInString(said) <= 2 {
			return said, end + 1
		}
	}
	candidate := s[:end]
	said = html.UnescapeString(candidate)
	if said == candidate {
		return "", 0
	}
	for end > 1 && len(said) > 1 && said[len(said)-1] == candidate[end-1] {
		said, end = said[:len(said)-1], end-1
	}
	return said, end
}
