package parse_test

import (
	"fmt"
	"strings"
	"testing"

	"nearside/doc/parse"
	"nearside/fault"
)

// TestHostileFilesEnd reads files that are made to take long. What takes the square of their length, or worse, does not end
// before the test's own limit.
func TestHostileFilesEnd(t *testing.T) {
	n := 3000
	if *long {
		n = 30_000
	}
	times := func(s string) string { return strings.Repeat(s, n) }
	aliases := "---\na: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		aliases += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.Repeat(fmt.Sprintf("*%c,", c-1), 9))
	}
	for _, c := range []struct{ name, file, data string }{
		{"aliases of aliases", "a.md", aliases + "---\nhi"},
		{"a list in YAML", "a.md", "---\na: " + strings.Repeat("[", 60_000) + "\n---\nhi"},
		{"a list in TOML", "a.md", "+++\na = " + strings.Repeat("[", 60_000) + "\n+++\nhi"},
		{"brackets", "a.md", times("[")}, {"links in links", "a.md", times("[a](")}, {"pictures", "a.md", times("![")},
		{"definitions of links", "a.md", times("[a]: b\n")}, {"emphasis", "a.md", times("*a **b ")}, {"code", "a.md", times("`a``b")},
		{"tags", "a.md", times("<a ")}, {"entities", "a.md", times("&")}, {"bars", "a.md", times("|") + "\n" + times("|-") + "\n"},
		{"blocks of HTML", "a.md", times("<div>\n\n")}, {"rows", "a.md", "|a|b|\n|-|-|\n" + times("|a|b|\n")},
		{"bold that is not closed", "a.html", "<html>" + times("<p><b>")}, {"links that are not closed", "a.html", "<html>" + times("<a href=x>y")},
		{"tables in tables", "a.html", "<html>" + strings.Repeat("<table>x", 150) + times("y<td>")},
		{"lists in lists", "a.html", "<html>" + strings.Repeat("<ul><li>x", 90) + times("<li><a href=x>z</a>")},
		{"menus in menus", "a.html", "<html>" + strings.Repeat("<div class=nav>x", 150) + times("<div class=nav>x</div>")},
		{"comments", "a.html", "<html>" + times("<!--")}, {"attributes", "a.html", "<html><p " + times("a=b ") + ">x"}, {"marks", "a.html", "<html>" + times("<")},
		{"keys", "a.json", "{" + times(`"a":1,`) + `"b":2}`}, {"objects", "a.json", "[" + times(`{"a":[1,2]},`) + "1]"},
		{"a text at the bottom", "a.json", strings.Repeat("[", 190) + `"` + times("x") + `"` + strings.Repeat("]", 190)},
		{"columns", "a.csv", times("a,") + "\n" + times("b,") + "\n"}, {"quotes", "a.csv", times(`"a""`)},
		{"definitions on a line", "a.py", times("def a")}, {"definitions on lines", "a.py", times("  def a():\n")},
		{"functions in functions", "a.go", "package a\n" + times("func a(){")}, {"parentheses", "a.go", "package a\nvar x = " + times("(")},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := read(t, c.file, []byte(c.data), parse.Options{})
			if err != nil && (fault.As(err) == nil || strings.Contains(err.Error(), "reader failed")) {
				t.Error(err)
			}
		})
	}
}
