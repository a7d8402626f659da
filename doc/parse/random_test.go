package parse_test

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"nearside/doc"
	"nearside/doc/parse"
	"nearside/fault"
)

var seed = flag.Uint64("seed", 1, "of random tests; 0 = another each time")

// textFormats are the formats that are made of text, with a name of a file of each.
var textFormats = map[doc.Format][]string{
	doc.FormatText: {"a.txt"}, doc.FormatMarkdown: {"a.md"}, doc.FormatHTML: {"a.html"}, doc.FormatCSV: {"a.csv"}, doc.FormatJSON: {"a.json"},
	doc.FormatJSONLines: {"a.jsonl"}, doc.FormatSource: {"a.go", "a.py", "a.ts", "a.rs", "a.c", "a.java", "a.sh", "a.rb", "a.php", "a.cs"},
}

func goldenFiles(t testing.TB) [][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/golden/*")
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for _, file := range files {
		if !strings.HasSuffix(file, ".golden") {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, data)
		}
	}
	return all
}

// checkAny reads bytes as a format: whatever they are, documents keep their promises and errors are faults, and no reader panics.
func checkAny(t *testing.T, name string, format doc.Format, data []byte) {
	t.Helper()
	for _, o := range []parse.Options{{Format: format}, {Format: format, Links: true, Hostname: "https://example.com"}} {
		all, err := read(t, name, data, o)
		if err != nil && (fault.As(err) == nil || strings.Contains(err.Error(), "reader failed")) {
			t.Errorf("%s: %v", name, err)
		}
		if format == doc.FormatSource && err == nil {
			if got, want := withoutSpace(all), squeeze(strings.ToValidUTF8(string(data), "\uFFFD")); len(all[0].Notes) == 0 && got != want && !bytes.HasPrefix(data, []byte("\xEF\xBB\xBF")) {
				t.Errorf("%s: source code is not whole: %q of %q", name, got, want)
			}
		}
		for _, d := range all {
			for _, b := range d.Blocks {
				if place := d.Locate(b.Start, b.End); place.To < place.From || place.Line < 1 || place.LastLine < place.Line {
					t.Errorf("%s: a block is at %+v", name, place)
				}
			}
			_ = doc.Markdown(d)
		}
	}
}

func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}

func withoutSpace(all []*doc.Document) string {
	var s strings.Builder
	for _, d := range all {
		s.WriteString(squeeze(d.Text))
	}
	return s.String()
}

func TestMutatedFilesKeepThePromisesOrAreRefused(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed=%d", *seed)
	rng := rand.New(rand.NewPCG(*seed, 7))
	files := goldenFiles(t)
	rounds := 300
	if *long {
		rounds = 3_000
	}
	for range rounds {
		data := mutate(rng, files)
		for format, names := range textFormats {
			checkAny(t, names[rng.IntN(len(names))], format, data)
		}
		if t.Failed() {
			t.Fatalf("-seed=%d: %q", *seed, data)
		}
	}
}

// pieces are what formats give a meaning to.
var pieces = []string{
	"\"", "\\", "\n", "\r\n", "\t", ",", ";", "|", "{", "}", "[", "]", "<", ">", "&", "&amp;", "&#x41", "<p>", "</p>", "<table>", "<tr>", "<td>", "<pre>", "<!--", "-->", "<script>", "<title>",
	"```", "~~~", "# ", "> ", "- ", "1. ", "---\n", "+++\n", "| a | b |\n|---|---|\n", "\\u00e9", "\\ud83d", "/*", "*/", "func ", "class A:", "\xff", "\xc3", "é", "😀", "\u2028", "\u00a0", "\ufeff", "\xff\xfe", " ",
	"<svg>", "<math>", "</body>", "<plaintext>", "<a href=x>", "<img alt=\"a|b\">", "\n===\n", "\"\"\"", "#!/bin/sh\n", "\ue000", "\ue0015",
}

// mutate returns a stretch of a file with changes.
func mutate(rng *rand.Rand, files [][]byte) []byte {
	data := bytes.Clone(files[rng.IntN(len(files))])
	for range rng.IntN(8) {
		at := rng.IntN(len(data) + 1)
		to := min(len(data), at+rng.IntN(40))
		var with []byte
		switch rng.IntN(4) {
		case 0:
			with = []byte(pieces[rng.IntN(len(pieces))])
		case 1:
			with = []byte{byte(1 + rng.IntN(255))}
		case 2:
			other := files[rng.IntN(len(files))]
			from := rng.IntN(len(other))
			with = other[from:min(len(other), from+rng.IntN(100))]
		}
		if rng.IntN(2) == 0 {
			to = at
		}
		data = bytes.Join([][]byte{data[:at], with, data[to:]}, nil)
	}
	return data
}

func fuzz(f *testing.F, format doc.Format) {
	for _, data := range goldenFiles(f) {
		f.Add(data)
	}
	names := textFormats[format]
	f.Fuzz(func(t *testing.T, data []byte) {
		name := names[0]
		if len(data) > 0 {
			name = names[int(data[len(data)-1])%len(names)]
		}
		checkAny(t, name, format, data)
	})
}

func FuzzText(f *testing.F)      { fuzz(f, doc.FormatText) }
func FuzzMarkdown(f *testing.F)  { fuzz(f, doc.FormatMarkdown) }
func FuzzHTML(f *testing.F)      { fuzz(f, doc.FormatHTML) }
func FuzzCSV(f *testing.F)       { fuzz(f, doc.FormatCSV) }
func FuzzJSON(f *testing.F)      { fuzz(f, doc.FormatJSON) }
func FuzzJSONLines(f *testing.F) { fuzz(f, doc.FormatJSONLines) }
func FuzzSource(f *testing.F)    { fuzz(f, doc.FormatSource) }
