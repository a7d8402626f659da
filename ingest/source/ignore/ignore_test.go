package ignore_test

import (
	"strings"
	"testing"

	"nearside/ingest/source/ignore"
)

func TestARuleMatchesWhatItSays(t *testing.T) {
	for _, c := range []struct {
		rules, path string
		folder      bool
		want        ignore.Verdict
	}{
		{"a", "a", false, ignore.Ignore},
		{"a", "x/y/a", true, ignore.Ignore},
		{"/a", "x/a", false, ignore.Silent},
		{"a/", "a", false, ignore.Silent},
		{"a/", "x/a", true, ignore.Ignore},
		{"a/b", "x/a/b", false, ignore.Silent},
		{"*.log", "x/y.log", false, ignore.Ignore},
		{"*.log\n!keep.log", "x/keep.log", false, ignore.Keep},
		{"!keep.log\n*.log", "keep.log", false, ignore.Ignore},
		{"a/*", "a/b/c", false, ignore.Silent},
		{"a/**", "a/b/c", false, ignore.Ignore},
		{"a/**", "a", true, ignore.Silent},
		{"**/a/b", "a/b", false, ignore.Ignore},
		{"a/**/b", "a/b", false, ignore.Ignore},
		{"a/**/b", "a/x/y/b", false, ignore.Ignore},
		{"a/**/b", "a/xb", false, ignore.Silent},
		{"x/a**/b", "x/ay/z/b", false, ignore.Ignore}, // see compileStars
		{"# a", "# a", false, ignore.Silent},
		{`\#a`, "#a", false, ignore.Ignore},
		{`\!a`, "!a", false, ignore.Ignore},
		{"a  ", "a", false, ignore.Ignore},
		{`a\ `, "a ", false, ignore.Ignore},
		{"a\t", "a", false, ignore.Silent},
		{"a\r\nb\r\n", "a", false, ignore.Ignore},
		{"\xEF\xBB\xBFa", "a", false, ignore.Ignore},
		{"[a-c]x", "bx", false, ignore.Ignore},
		{"[!a-c]x", "bx", false, ignore.Silent},
		{"[]]", "]", false, ignore.Ignore},
		{"[[:digit:]-]", "-", false, ignore.Ignore},
		{"[[:nonsense:]]", "a", false, ignore.Silent},
		{"[a", "[a", false, ignore.Silent},
		{`a\`, "a", false, ignore.Silent},
		{"x[/]y", "x/y", false, ignore.Silent},
		{"?", "é", false, ignore.Silent}, // a byte, as with git
		{"/", "a", true, ignore.Silent},
		{"", "a", false, ignore.Silent},
		{strings.Repeat("a", 5000), strings.Repeat("a", 5000), false, ignore.Silent},
	} {
		if got := ignore.Parse([]byte(c.rules)).Match(c.path, c.folder); got != c.want {
			t.Errorf("rules %q of %q (folder %v): %v, want %v", c.rules, c.path, c.folder, got, c.want)
		}
	}
}

// A matcher that goes back without bound needs longer than the universe for these.
func TestNoPatternTakesForever(t *testing.T) {
	path := strings.Repeat("a", 2000) + "/" + strings.Repeat("a", 2000)
	for _, pattern := range []string{
		strings.Repeat("*a", 2000) + "b",
		strings.Repeat("**/a*", 800) + "b",
		strings.Repeat("?*", 2000) + "/b",
		"x/" + strings.Repeat("[a-z]*", 600) + "b",
	} {
		if ignore.Parse([]byte(pattern)).Match(path, false) != ignore.Silent {
			t.Errorf("%.20s… matches", pattern)
		}
	}
}

func FuzzPatterns(f *testing.F) {
	f.Add("*.log\n!a/**/b\n[[:alpha:]-z]/\\x", "a/x/b", true)
	f.Add("**/[!a]*?", "é/\xff", false)
	f.Add("[[:a", "[:", false)
	f.Fuzz(func(t *testing.T, rules, path string, folder bool) {
		p := ignore.Parse([]byte(rules))
		with := ignore.Parse([]byte(rules + "\n*"))
		if p.Match(path, folder); with.Match(path, folder) != ignore.Ignore {
			t.Errorf("%q does not end in what matches everything", rules)
		}
	})
}
