package parse_test

import (
	"bytes"
	"context"
	"os"
	"testing"

	"nearside/doc"
	"nearside/doc/parse"
)

// BenchmarkFormats reads a MiB of each format that is made of text, which repeats a golden file.
func BenchmarkFormats(b *testing.B) {
	for _, c := range []struct{ name, golden, between string }{
		{"text", "notes.txt", "\n"}, {"utf16", "utf16.txt", ""}, {"markdown", "guide.md", "\n\n"}, {"html", "page.html", "\n"}, {"csv", "rows.csv", ""},
		{"json", "list.json", ","}, {"jsonlines", "lines.jsonl", ""}, {"go", "shop.go", "\n"}, {"typescript", "shop.ts", "\n"},
	} {
		data, err := os.ReadFile("testdata/golden/" + c.golden)
		if err != nil {
			b.Fatal(err)
		}
		all := bytes.Repeat(append(data, c.between...), 1<<20/len(data))
		if c.name == "json" {
			all = append(append([]byte("["), bytes.TrimSuffix(all, []byte(","))...), ']')
		}
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(all)))
			b.ReportAllocs()
			for b.Loop() {
				err := parse.Parse(context.Background(), parse.File{Name: c.golden, Body: bytes.NewReader(all)}, parse.Options{}, func(*doc.Document) error { return nil })
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
