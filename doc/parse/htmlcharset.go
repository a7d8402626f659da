package parse

import (
	"bytes"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/text/encoding/htmlindex"
)

// declared returns the encoding that a server or the page itself names; nil = none. Names of
// encodings lie often: what is valid UTF-8 beyond ASCII is UTF-8.
func declared(f File, data []byte) *charset {
	if utf8.Valid(data) {
		return nil
	}
	_, parameters, err := mime.ParseMediaType(f.MediaType)
	name := parameters["charset"]
	if err != nil || name == "" {
		name = metaCharset(data[:min(len(data), 4096)])
	}
	e, err := htmlindex.Get(name)
	if err != nil {
		return nil
	}
	name, _ = htmlindex.Name(e)
	if name == "utf-8" || strings.HasPrefix(name, "utf-16") || name == "replacement" {
		return nil
	}
	return &charset{name: name, other: e}
}

// metaCharset returns the encoding that a page's head names, "" if it names none.
func metaCharset(head []byte) string {
	z := html.NewTokenizer(bytes.NewReader(head))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return ""
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			if t.Data != "meta" {
				continue
			}
			n := &html.Node{Attr: t.Attr}
			if name := attr(n, "charset"); name != "" {
				return name
			}
			if _, name, ok := strings.Cut(strings.ToLower(attr(n, "content")), "charset="); ok {
				return strings.Trim(name, ` "';`)
			}
		}
	}
}
