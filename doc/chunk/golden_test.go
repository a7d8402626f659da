package chunk_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/doc"
	"nearside/doc/chunk"
	"nearside/doc/parse"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The files in testdata/golden are read, cut small, and printed; what is printed is beside them.
func TestFilesOfEachFormatAreCutAsTheyWere(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, name := range files {
		if strings.HasSuffix(name, ".golden") {
			continue
		}
		read++
		t.Run(filepath.Base(name), func(t *testing.T) {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			next := 1
			c, err := chunk.New(chunk.Options{Source: filepath.Base(name), Tokenizer: byWords{}, Size: 30, Window: 40, Overlap: 6})
			if err != nil {
				t.Fatal(err)
			}
			err = parse.Parse(t.Context(), parse.File{Name: filepath.Base(name), Body: bytes.NewReader(content)}, parse.Options{}, func(d *doc.Document) error {
				chunks, err := c.Cut(t.Context(), d)
				if err != nil {
					return err
				}
				for _, c := range chunks {
					samePlace(t, c, string(content))
				}
				err = chunk.Print(&got, chunks, next)
				next += len(chunks)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			compare(t, name+".golden", got.Bytes())
		})
	}
	if read < 6 {
		t.Errorf("%d files were read", read)
	}
}

// samePlace checks that the bytes where a chunk is said to be begin with its first word and end with its last.
func samePlace(t *testing.T, c chunk.Chunk, file string) {
	t.Helper()
	place := strings.ReplaceAll(file[c.Place.From:c.Place.To], `\u00fc`, "ü") // as JSON may write it
	words := strings.FieldsFunc(c.Passage(), func(r rune) bool { return strings.ContainsRune(" \n\t\u00a0|\"", r) })
	if !strings.HasPrefix(strings.TrimLeft(place, " \t|\""), words[0]) {
		t.Errorf("the passage begins with %q, its place with %q", words[0], place)
	}
	if last := words[len(words)-1]; !strings.HasSuffix(strings.TrimRight(place, " \t|\""), last) {
		t.Errorf("the passage ends with %q, its place with %q", last, place)
	}
	if line := 1 + strings.Count(file[:c.Place.From], "\n"); line != c.Place.Line {
		t.Errorf("%q begins in line %d, not %d", place, line, c.Place.Line)
	}
}

func compare(t *testing.T, golden string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; -update writes it anew. Got:\n%s", golden, got)
	}
}
