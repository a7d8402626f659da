package parse_test

import (
	"bytes"
	"context"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"nearside/doc"
	"nearside/doc/parse"
)

func TestHowAFileIsReadDoesNotMatter(t *testing.T) {
	for _, data := range goldenFiles(t) {
		for format, names := range textFormats {
			o := parse.Options{Format: format}
			want, wantErr := read(t, names[0], data, o)
			for _, body := range []io.Reader{iotest.OneByteReader(bytes.NewReader(data)), iotest.DataErrReader(bytes.NewReader(data))} {
				var got []*doc.Document
				err := parse.Parse(context.Background(), parse.File{Name: names[0], Body: body}, o, func(d *doc.Document) error {
					got = append(got, d)
					return nil
				})
				if !reflect.DeepEqual(got, want) || (err == nil) != (wantErr == nil) {
					t.Fatalf("%s of %.40q: got %d documents and %v, want %d and %v", format, data, len(got), err, len(want), wantErr)
				}
			}
		}
	}
}

func TestALongTextComesInPartsThatLoseNothing(t *testing.T) {
	paragraph := strings.Repeat("Käse und Brot. ", 50)
	text := strings.Repeat(paragraph+"\n\n", 1200) + strings.Repeat("x", 5<<18) + "\n\nThe end."
	for name, data := range map[string][]byte{"utf-8": []byte(text), "latin1": latin1(text), "utf-16": utf16le(text)} {
		all, err := read(t, "long.txt", data, parse.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for i, d := range all {
			if d.Part != i || len(d.Text) > 3<<20 {
				t.Errorf("%s: document %d is part %d, of %d bytes", name, i, d.Part, len(d.Text))
			}
			got.WriteString(squeeze(d.Text))
		}
		if got.String() != squeeze(text) {
			t.Errorf("%s: the parts are not the text", name)
		}
		last := all[len(all)-1]
		if place := last.Locate(len(last.Text)-len("end."), len(last.Text)); place.To != int64(len(data)) || place.Line != strings.Count(text, "\n")+1 {
			t.Errorf("%s: the end is at %+v, of %d bytes and %d lines", name, place, len(data), strings.Count(text, "\n")+1)
		}
	}
}

func latin1(s string) []byte {
	var out []byte
	for _, r := range s {
		out = append(out, byte(r))
	}
	return out
}

func utf16le(s string) []byte {
	out := []byte{0xFF, 0xFE}
	for _, r := range s {
		out = append(out, byte(r), byte(r>>8))
	}
	return out
}

func TestLongFilesAreReadInBoundedMemory(t *testing.T) {
	size := int64(6 << 20)
	if *long {
		size = 32 << 20
	}
	more := strings.Repeat("and more of them ", 40)
	const limit = 24 << 20                     // a stretch, its text, its origins, and what waits for the collector
	for name, line := range map[string]string{ // of one of them more: the others have the same window
		"a.txt":   strings.Repeat("A paragraph that says little, and says it again.\n", 20) + "\n",
		"a.csv":   "7,\"some \"\"words\"\"\",3.5," + more + "\n",
		"a.jsonl": `{"id": 7, "text": "some \"words\" ` + more + `", "n": 3.5}` + "\n",
	} {
		size := size
		switch {
		case name == "a.txt" && *all:
			size = 2 << 30
		case name == "a.txt" && *long:
			size = 256 << 20
		}
		runtime.GC()
		var before, now runtime.MemStats
		runtime.ReadMemStats(&before)
		documents, most := 0, uint64(0)
		err := parse.Parse(context.Background(), parse.File{Name: name, Body: &generator{line: line, left: size / int64(len(line)) * int64(len(line))}}, parse.Options{}, func(d *doc.Document) error {
			if documents++; documents%2000 == 1 || name == "a.txt" && documents%8 == 1 {
				runtime.GC()
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
			}
			return nil
		})
		if err != nil || documents < 5 || most > limit {
			t.Errorf("%s: %d documents, %d MiB held, %v; the limit is %d MiB", name, documents, most>>20, err, limit>>20)
		}
		t.Logf("%s: %d MiB, %d documents, %d MiB held", name, size>>20, documents, most>>20)
	}
}
