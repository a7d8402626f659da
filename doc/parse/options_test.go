package parse_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nearside/doc"
	"nearside/doc/parse"
)

// texts returns the documents of a file's text as strings.
func texts(t *testing.T, name, data string, o parse.Options) []string {
	t.Helper()
	all, err := read(t, name, []byte(data), o)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range all {
		got = append(got, d.Text)
	}
	return got
}

func TestTablesAreOneDocumentIfAsked(t *testing.T) {
	got := texts(t, "a.csv", "name;note\nAda;\"a | b\nc\"\nBob\nEve;x;more\n", parse.Options{Tables: true})
	want := "| name | note |\n| --- | --- |\n| Ada | a \\| b c |\n| Bob | |\n| Eve | x | more |"
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got = texts(t, "a.tsv", "1\t2\n3\t4\n", parse.Options{Tables: true})
	want = "| column 1 | column 2 |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |"
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestALongTableHasItsHeaderInEachPart(t *testing.T) {
	data := "name,note\n" + strings.Repeat("Ada,some words that go on\n", 100_000)
	all, err := read(t, "a.csv", []byte(data), parse.Options{Tables: true})
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for i, d := range all {
		if d.Part != i || !strings.HasPrefix(d.Text, "| name | note |\n| --- | --- |\n| Ada |") {
			t.Errorf("document %d is part %d: %.60q", i, d.Part, d.Text)
		}
		rows += strings.Count(d.Text, "Ada")
	}
	if len(all) < 3 || rows != 100_000 {
		t.Errorf("%d rows in %d parts", rows, len(all))
	}
}

func TestColumnsSayWhatIsWhat(t *testing.T) {
	const rows = "Id,Head,One,Two,Kind\n7,A head,first,second,x\n8,Other,,only,y\n9,Head alone,,,z\n"
	o := parse.Options{Columns: parse.Columns{ID: "id", Title: "head", Text: []string{"two", "one"}, Metadata: []string{"kind"}}}
	all, err := read(t, "a.csv", []byte(rows), o)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range all {
		got = append(got, fmt.Sprintf("%s/%s/%s/%v", d.Key, d.Title, d.Text, d.Metadata))
	}
	want := []string{"7/A head/second\n\nfirst/map[Kind:x]", "8/Other/only/map[Kind:y]", "9/Head alone/Head alone/map[Kind:z]"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := texts(t, "a.csv", rows, parse.Options{Columns: parse.Columns{Metadata: []string{"kind"}, ID: "id"}}); got[0] != "Head: A head\nOne: first\nTwo: second" {
		t.Errorf("all that is not metadata is %q", got[0])
	}
}

func TestAPointerNamesTheDocumentsOfJSON(t *testing.T) {
	const data = `{"a~b": {"c/d": [{"t": {"in": "one"}, "n": 1}, {"t": {"in": "two"}}]}, "x": {"text": "three", "skip": 1}, "l": ["p", "q"]}`
	for _, c := range []struct {
		pointer string
		columns parse.Columns
		keys    string
		texts   []string
	}{
		{"/a~0b/c~1d", parse.Columns{Text: []string{"/t/in"}}, "/a~0b/c~1d/0 /a~0b/c~1d/1", []string{"one", "two"}},
		{"/a~0b/c~1d/1", parse.Columns{}, "/a~0b/c~1d/1", []string{"t.in: two"}},
		{"/x", parse.Columns{}, "/x", []string{"three"}},
		{"", parse.Columns{Text: []string{"l"}, ID: "/x/text"}, "three", []string{"p\n\nq"}},
	} {
		all, err := read(t, "a.json", []byte(data), parse.Options{Pointer: c.pointer, Columns: c.columns})
		if err != nil {
			t.Errorf("%s: %v", c.pointer, err)
		}
		var keys, got []string
		for _, d := range all {
			keys, got = append(keys, d.Key), append(got, d.Text)
		}
		if strings.Join(keys, " ") != c.keys || !slices.Equal(got, c.texts) {
			t.Errorf("%s: got %q and %q, want %q and %q", c.pointer, keys, got, c.keys, c.texts)
		}
	}
}

func TestASelectorReadsAllThatItMatches(t *testing.T) {
	const page = `<html><body><nav class="menu">Home</nav><div class="x">one <b class="x">two</b></div><p>three</p><p class="x">four</p></body></html>`
	if got := texts(t, "a.html", page, parse.Options{Selector: ".x"}); got[0] != "one two\n\nfour" {
		t.Errorf("got %q", got)
	}
	if got := texts(t, "a.html", page, parse.Options{Selector: "nav, p"}); got[0] != "Home\n\nthree\n\nfour" {
		t.Errorf("got %q", got)
	}
}

func TestMainContentIsWhatIsLeft(t *testing.T) {
	item := `<li><a href="/x">Elsewhere</a></li>`
	for name, c := range map[string][2]string{
		"a list of links":         {`<p>` + strings.Repeat("Words that matter. ", 20) + `</p><ul>` + strings.Repeat(item, 5) + `</ul>`, strings.TrimSpace(strings.Repeat("Words that matter. ", 20))},
		"a page that is links":    {`<h1>All</h1><ul>` + strings.Repeat(item, 4) + `</ul>`, "All" + strings.Repeat("\n\nElsewhere", 4)},
		"a page called menu":      {`<div class="menu"><p>Soup, bread and fish.</p></div><p>Enjoy.</p>`, "Soup, bread and fish.\n\nEnjoy."},
		"one article":             {`<div>Subscribe</div><article><header><h1>T</h1></header><p>The text of it.</p></article>`, "T\n\nThe text of it."},
		"several articles":        {`<article>One.</article><article>Two.</article>`, "One.\n\nTwo."},
		"numbers of lines":        {"<table><tr><td class=linenos><pre>1\n2</pre></td><td><pre>a\nb</pre></td></tr></table>", "a\nb"},
		"what is hidden":          {`<p style="display: none">No.</p><p aria-hidden="true">No.</p><p>Yes.</p>`, "Yes."},
		"a header within main":    {`<main><header>Kept</header><p>Text.</p></main>`, "Kept\n\nText."},
		"inline and block":        {`<div>a<b>b</b>c<p>d</p>e <span>f</span></div>`, "abc\n\nd\n\ne f"},
		"a layout of one row":     {`<table><tr><td><p>One.</p></td><td><p>Two.</p></td></tr></table>`, "One.\n\nTwo."},
		"text that is not closed": {`<p>One<p>Two<li>Three`, "One\n\nTwo\n\nThree"},
		"words in a pre":          {"<pre>\n  a  b\n\n</pre>", "  a  b"},
		"entities":                {`<p>&lt;&notit;&copy &unknown; &#65;&#x1F600; &amp;amp;</p>`, "<¬it;© &unknown; A😀 &amp;"},
		"odd characters":          {"<p>\ue0001\ue001 kept</p>", "\ue0001\ue001 kept"},
	} {
		if got := texts(t, "a.html", "<html><body>"+c[0]+"</body></html>", parse.Options{}); got[0] != c[1] {
			t.Errorf("%s: got %q, want %q", name, got[0], c[1])
		}
	}
}

func TestLinksAreKeptIfAsked(t *testing.T) {
	o := parse.Options{Links: true, Hostname: "https://example.com/dir/"}
	if got := texts(t, "a.html", `<html><p>See <a href="../b">the b</a> and <a href="#x">x</a> <img src="c.png" alt="cup"></p>`, o); got[0] != "See [the b](https://example.com/b) and x ![cup](https://example.com/dir/c.png)" {
		t.Errorf("got %q", got)
	}
	if got := texts(t, "a.html", `<html><a href="x"><h2>A card</h2><p>Words</p></a>`, o); got[0] != "A card\n\nWords" {
		t.Errorf("got %q", got)
	}
	if got := texts(t, "a.md", "See [the *b*](b.md) and ![cup](c.png) [![badge](d.svg)](e)", o); got[0] != "See [the b](b.md) and ![cup](c.png) [![badge](d.svg)](e)" {
		t.Errorf("got %q", got)
	}
	if got := texts(t, "a.md", "See [the *b*](b.md) and ![cup](c.png) [![badge](d.svg)](e)", parse.Options{}); got[0] != "See the b and cup" {
		t.Errorf("got %q", got)
	}
}

func TestDelimitersAndHeadersAreFoundOut(t *testing.T) {
	for data, want := range map[string]string{
		"a,b\n1,2\n":                     "a: 1\nb: 2",
		"a;b\n1,5;2\n":                   "a: 1,5\nb: 2",
		"a\tb\n\"x\ty\"\t2\n":            "a: x\ty\nb: 2",
		"a|b\n1|2\n":                     "a: 1\nb: 2",
		"\"a\",\"b\"\r\n\"1\",\"2\"\r\n": "a: 1\nb: 2",
		"just\nwords\n":                  "just: words",
		"1,2\n3,4\n":                     "column 1: 1\ncolumn 2: 2",
		"a,a\n1,2\n":                     "column 1: a\ncolumn 2: a",
		"a,\"b\"c\n1,2\n":                "a: 1\n\"b\"c: 2",
		"\xEF\xBB\xBFa,b\n1,2\n":         "a: 1\nb: 2",
		"\xFF\xFEa\x00\t\x00b\x00\n\x001\x00\t\x002\x00": "a: 1\nb: 2",
	} {
		if got := texts(t, "a.csv", data, parse.Options{}); got[0] != want {
			t.Errorf("%q: got %q, want %q", data, got[0], want)
		}
	}
}

func TestSupportedNamesEachEndingOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range parse.Supported() {
		if seen[s.Extension] || !strings.HasPrefix(s.Extension, ".") || !strings.Contains(s.MediaType, "/") {
			t.Errorf("%+v", s)
		}
		seen[s.Extension] = true
	}
	for _, ending := range []string{".html", ".md", ".csv", ".json", ".go", ".txt"} {
		if !seen[ending] {
			t.Errorf("%s is missing", ending)
		}
	}
}

func TestEncodings(t *testing.T) {
	for name, c := range map[string]struct{ file, data, want string }{
		"a few bad bytes in UTF-8":      {"a.txt", "Käse, Brötchen, Öl \xff", "Käse, Brötchen, Öl \uFFFD"},
		"windows-1252":                  {"a.txt", "\x93K\xe4se\x94", "“Käse”"},
		"UTF-16, big end first":         {"a.txt", "\xFE\xFF\x00a\xD8\x3D\xDE\x00", "a😀"},
		"half a pair":                   {"a.txt", "\xFF\xFEa\x00\x3D\xD8b\x00", "a\uFFFDb"},
		"an odd byte":                   {"a.txt", "\xFF\xFEa\x00b", "a\uFFFD"},
		"a meta element":                {"a.html", "<html><meta http-equiv=Content-Type content='text/html; charset=koi8-r'><p>\xf0\xf2", "ПР"},
		"a meta element that lies":      {"a.html", "<html><meta charset=iso-8859-1><p>日本", "日本"},
		"an encoding that is not there": {"a.html", "<html><meta charset=klingon><p>K\xe4se", "Käse"},
		"a stateful one":                {"a.html", "<html><meta charset=iso-2022-jp><p>\x1b$B$3$s\x1b(B ok \xff", "こん ok \uFFFD"},
	} {
		if got := texts(t, c.file, c.data, parse.Options{}); got[0] != c.want {
			t.Errorf("%s: got %q, want %q", name, got[0], c.want)
		}
	}
	all, err := read(t, "a.txt", bytes.Repeat([]byte("K\xe4se "), 10), parse.Options{})
	if err != nil || len(all[0].Notes) != 1 || all[0].Format != doc.FormatText {
		t.Errorf("what was guessed is not said: %+v, %v", all, err)
	}
}
