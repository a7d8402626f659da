package source_test

import (
	"testing"
	"unicode/utf8"

	"nearside/ingest/source"
)

func TestANameIsEscapedOnlyWhereItMust(t *testing.T) {
	for name, want := range map[string]string{
		"guide.md":      "guide.md",
		"50%.md":        "50%.md",
		"a%20b%41":      "a%20b%41",
		"a%FFb":         "a%25FFb",
		"a%ffb":         "a%ffb",
		"a\xffb":        "a%FFb",
		"a\xc3":         "a%C3",
		"%\xff":         "%%FF",
		"%2\xff":        "%2%FF",
		"%25":           "%2525",
		"%2525":         "%252525",
		"é\x00":         "é%00",
		"%00":           "%2500",
		"\uFFFD.md":     "\uFFFD.md",
		"日本\xe6\x97.md": "日本%E6%97.md",
	} {
		if got := source.Escape(name); got != want {
			t.Errorf("%q is escaped as %q, want %q", name, got, want)
		}
		if got := source.Unescape(want); got != name {
			t.Errorf("%q is read back as %q, want %q", want, got, name)
		}
	}
}

func FuzzEscapedNamesAreReadBack(f *testing.F) {
	f.Add("a%FF\xff")
	f.Add("%2%255\x80%%25")
	f.Fuzz(func(t *testing.T, name string) {
		escaped := source.Escape(name)
		if !utf8.ValidString(escaped) || source.Unescape(escaped) != name {
			t.Errorf("%q became %q, and that %q", name, escaped, source.Unescape(escaped))
		}
	})
}
