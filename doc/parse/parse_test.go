package parse_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/doc"
	"nearside/doc/parse"
)

var (
	update = flag.Bool("update", false, "write the golden files anew")
	long   = flag.Bool("long", false, "parse more real files, and longer ones")
	all    = flag.Bool("all", false, "parse all real files that are there, and 2 GiB of one: a quarter of an hour")
)

// read returns the documents of a file's bytes, and checks each of them against the bytes.
func read(t testing.TB, name string, data []byte, o parse.Options) ([]*doc.Document, error) {
	t.Helper()
	var all []*doc.Document
	err := parse.Parse(context.Background(), parse.File{Name: name, Body: bytes.NewReader(data)}, o, func(d *doc.Document) error {
		if err := d.Check(data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		all = append(all, d)
		return nil
	})
	return all, err
}

// describe writes documents down so that every stretch shows the bytes that it came from.
func describe(all []*doc.Document, data []byte) string {
	var s strings.Builder
	for _, d := range all {
		fmt.Fprintf(&s, "document %q %s, title %q, metadata %v, notes %q\n", d.Key, d.Format, d.Title, d.Metadata, d.Notes)
		next := 0
		for _, b := range d.Blocks {
			place := d.Locate(b.Start, b.End)
			fmt.Fprintf(&s, "\n%s level %d label %q, bytes %d to %d, lines %d to %d\n%s\n", b.Kind, b.Level, b.Label, place.From, place.To, place.Line, place.LastLine, d.Text[b.Start:b.End])
			for ; next < len(d.Origins) && d.Origins[next].Start < b.End; next++ {
				o := d.Origins[next]
				if o.Verbatim || o.File != "" {
					continue
				}
				fmt.Fprintf(&s, "  line %d: %q is of %q\n", o.Line, d.Text[o.Start:o.End], data[o.From:o.To])
			}
		}
		s.WriteString("\n")
	}
	return s.String()
}

func TestGoldenDocuments(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".golden") {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all, err := read(t, filepath.Base(file), data, parse.Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := describe(all, data)
			if *update {
				if err := os.WriteFile(file+".golden", []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file + ".golden")
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
