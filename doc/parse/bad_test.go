package parse_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"nearside/doc"
	"nearside/doc/parse"
	"nearside/fault"
)

func TestBadFilesAreRefusedWithTheirReason(t *testing.T) {
	deep := strings.Repeat("[", 300) + strings.Repeat("]", 300)
	for _, c := range []struct {
		name, file, data string
		options          parse.Options
		kind             fault.Kind
		words            []string
	}{
		{name: "empty", file: "a.txt", kind: fault.Invalid, words: []string{"a.txt", "empty"}},
		{name: "blank", file: "a.md", data: " \n\t\r\n", kind: fault.Invalid, words: []string{"empty"}},
		{name: "binary", file: "a.txt", data: "abc\x00\x01\x02", kind: fault.Unsupported, words: []string{"binary", "markdown"}},
		{name: "a picture called a text", file: "a.md", data: "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00", kind: fault.Unsupported, words: []string{"image/png"}},
		{name: "binary further on", file: "a.txt", data: strings.Repeat("text\n\n", 20_000) + "\x00", kind: fault.Unsupported, words: []string{"zero byte at byte 120000"}},
		{name: "binary further on, as rows", file: "a.csv", data: strings.Repeat("a,b\n", 20_000) + "\x00,\n", kind: fault.Unsupported, words: []string{"zero byte at byte 80000"}},
		{name: "nothing for readers", file: "a.html", data: "<html><script>x()</script></html>", kind: fault.Invalid, words: []string{"no text for readers"}},
		{name: "only comments", file: "a.md", data: "<!-- nothing -->", kind: fault.Invalid, words: []string{"says nothing"}},
		{name: "elements without end", file: "a.html", data: "<html>" + strings.Repeat("<div>", 5000) + "x", kind: fault.TooLarge, words: []string{"nested too deep"}},
		{name: "deeper than the limit", file: "a.html", data: "<html>" + strings.Repeat("<div>", 50) + "x", options: parse.Options{Limits: parse.Limits{Depth: 40}}, kind: fault.TooLarge, words: []string{"nested too deep"}},
		{name: "quotes without end", file: "a.md", data: "ok\n\n" + strings.Repeat("> ", 5000) + "x", kind: fault.TooLarge, words: []string{"line 3", "200"}},
		{name: "lists without end", file: "a.md", data: strings.Repeat("- ", 5000) + "x", kind: fault.TooLarge, words: []string{"line 1"}},
		{name: "arrays without end", file: "a.json", data: deep, kind: fault.TooLarge, words: []string{"300 deep", "200"}},
		{name: "arrays without end on a line", file: "a.jsonl", data: deep, kind: fault.TooLarge, words: []string{"300 deep"}},
		{name: "arrays that never close", file: "a.json", data: strings.Repeat("[", 1e6), kind: fault.TooLarge, words: []string{"1000000 deep"}},
		{name: "truncated JSON", file: "a.json", data: "{\n\"a\": [1,\n", kind: fault.Invalid, words: []string{"not JSON", "line"}},
		{name: "two values", file: "a.json", data: "{}\n{\n}", kind: fault.Invalid, words: []string{"not JSON from line"}},
		{name: "JSON that says nothing", file: "a.json", data: `{"a": null}`, kind: fault.Invalid, words: []string{"says nothing"}},
		{name: "a pointer to nowhere", file: "a.json", data: `{"a": []}`, options: parse.Options{Pointer: "/b/c"}, kind: fault.Invalid, words: []string{`"/b/c"`, `no "b"`}},
		{name: "no pointer", file: "a.json", data: `{"a": []}`, options: parse.Options{Pointer: "a"}, kind: fault.Invalid, words: []string{"does not begin with /"}},
		{name: "lines that are no JSON", file: "a.jsonl", data: "{\"text\":\"ok\"}\nnope\n{]\n", kind: fault.Invalid, words: []string{"2 lines", "line 2"}},
		{name: "one line that is no JSON", file: "a.jsonl", data: "{\"text\":\"ok\"}\nnope", kind: fault.Invalid, words: []string{"line 2 is not JSON"}},
		{name: "a quote that is not closed", file: "a.csv", data: "a,b\n1,2\n\"3,4\n5,6\n", kind: fault.Invalid, words: []string{"line 3", "not closed"}},
		{name: "a column that is not there", file: "a.csv", data: "a,b\n1,2\n", options: parse.Options{Columns: parse.Columns{Text: []string{"c"}}}, kind: fault.Invalid, words: []string{`no column "c"`, `"a", "b"`}},
		{name: "a selector that matches nothing", file: "a.html", data: "<html><p>x", options: parse.Options{Selector: "article"}, kind: fault.Invalid, words: []string{"article", "nothing"}},
		{name: "a selector that is none", file: "a.html", data: "<html><p>x", options: parse.Options{Selector: "p["}, kind: fault.Invalid, words: []string{"p[", "CSS"}},
		{name: "a format that is not there", file: "a.html", data: "x", options: parse.Options{Format: "word"}, kind: fault.Invalid, words: []string{`"word"`, "markdown"}},
		{name: "binary that was to be text", file: "a", data: "x\x00", options: parse.Options{Format: doc.FormatText}, kind: fault.Unsupported, words: []string{"read as text", "binary"}},
		{name: "too large to be held", file: "a.md", data: strings.Repeat("words\n", 1000), options: parse.Options{Limits: parse.Limits{Bytes: 1000}}, kind: fault.TooLarge, words: []string{"1000 bytes", "limit"}},
		{name: "a line too long to be held", file: "a.jsonl", data: `{"text":"` + strings.Repeat("x", 3<<20) + `"}`, options: parse.Options{Limits: parse.Limits{Bytes: 1 << 20}}, kind: fault.TooLarge, words: []string{"line 1", "1048576"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := read(t, c.file, []byte(c.data), c.options)
			if !fault.Is(err, c.kind) {
				t.Fatalf("got %v, want a fault of kind %s", err, c.kind)
			}
			for _, words := range c.words {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%q does not say %q", err, words)
				}
			}
		})
	}
}

func TestDocumentsBeforeAnErrorStand(t *testing.T) {
	all, err := read(t, "a.jsonl", []byte("{\"text\":\"one\"}\nnope\n{\"text\":\"two\"}\n"), parse.Options{})
	if err == nil || len(all) != 2 || all[1].Text != "two" {
		t.Errorf("got %d documents and %v, want those before and behind the bad line, and its error", len(all), err)
	}
}

func TestFirstBytesWinOverTheName(t *testing.T) {
	page := "<!-- made -->\n<!DOCTYPE html><title>x</title><p>Words."
	for _, c := range []struct {
		name, media, data string
		want              doc.Format
		note              bool
	}{
		{"a.md", "", page, doc.FormatHTML, true},
		{"a.csv", "text/csv", page, doc.FormatHTML, true},
		{"a.txt", "", "\xEF\xBB\xBF<HTML lang=en><p>Words.", doc.FormatHTML, true},
		{"a.php", "", page + "<?php", doc.FormatSource, false},
		{"a", "", page, doc.FormatHTML, false},
		{"a", "text/html; charset=utf-8", "Words", doc.FormatHTML, false},
		{"a.md", "text/plain", "# Words", doc.FormatMarkdown, false},
		{"a.MD", "application/octet-stream", "# Words", doc.FormatMarkdown, false},
		{"a.unknown", "", "# Words", doc.FormatText, false},
		{"tool", "", "#!/usr/bin/env python3\nx = 1", doc.FormatSource, false},
		{"a.pdf", "application/pdf", page, doc.FormatHTML, true},
		{"a.docx", "", "Just words.", doc.FormatText, true},
		{"a.json", "", "{\"text\":\"x\"}\n{\"text\":\"y\"}\n", doc.FormatJSONLines, false},
		{"data", "application/x-ndjson", `{"text":"x"}`, doc.FormatJSONLines, false},
		{"a.md", "", "<div>not a page</div>\n\n# Words", doc.FormatMarkdown, false},
	} {
		var got []*doc.Document
		err := parse.Parse(context.Background(), parse.File{Name: c.name, MediaType: c.media, Body: strings.NewReader(c.data)}, parse.Options{}, func(d *doc.Document) error {
			got = append(got, d)
			return nil
		})
		if err != nil || len(got) == 0 || got[0].Format != c.want || (len(got[0].Notes) > 0) != c.note {
			t.Errorf("%s (%s) %.20q: got %v, %v; want %s, a note: %v", c.name, c.media, c.data, got, err, c.want, c.note)
		}
	}
}

func TestAnErrorOfReadingIsToldAndThatOfTheCallerReturned(t *testing.T) {
	ctx := context.Background()
	mine := errors.New("mine")
	err := parse.Parse(ctx, parse.File{Name: "a.txt", Body: strings.NewReader("text")}, parse.Options{}, func(*doc.Document) error { return mine })
	if err != mine {
		t.Errorf("yield's error came back as %v", err)
	}
	broken := io.MultiReader(strings.NewReader("# text"), iotest.ErrReader(errors.New("disk on fire")))
	err = parse.Parse(ctx, parse.File{Name: "a.md", Body: broken}, parse.Options{}, func(*doc.Document) error { return nil })
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("got %v", err)
	}
	err = parse.Parse(ctx, parse.File{Name: "a.md"}, parse.Options{}, func(*doc.Document) error { return nil })
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("a file without bytes: got %v", err)
	}
}

func TestAPanicOfTheCallerIsItsOwn(t *testing.T) {
	defer func() {
		if r := recover(); r != "mine" {
			t.Errorf("recovered %v", r)
		}
	}()
	_ = parse.Parse(context.Background(), parse.File{Name: "a.txt", Body: strings.NewReader("text")}, parse.Options{}, func(*doc.Document) error { panic("mine") })
	t.Error("the panic was swallowed")
}

func TestTheContextBoundsTheTime(t *testing.T) {
	for _, name := range []string{"a.txt", "a.csv", "a.jsonl", "a.md"} {
		ctx, cancel := context.WithCancel(context.Background())
		endless := &generator{line: "{\"text\": \"and, on" + strings.Repeat(" and on", 1000) + "\"}\n", left: 1 << 50}
		read := 0
		var body io.Reader = endless
		if name == "a.md" { // held in memory: the end comes while it is read
			body = &cancelAt{r: endless, at: 1 << 20, cancel: cancel}
		}
		err := parse.Parse(ctx, parse.File{Name: name, Body: body}, parse.Options{}, func(*doc.Document) error {
			if read++; read == 3 {
				cancel()
			}
			return nil
		})
		if err != context.Canceled {
			t.Errorf("%s: got %v", name, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	<-ctx.Done()
	if _, err := readUnder(ctx, "a.txt", "text"); err != context.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
}

func readUnder(ctx context.Context, name, data string) (n int, err error) {
	err = parse.Parse(ctx, parse.File{Name: name, Body: strings.NewReader(data)}, parse.Options{}, func(*doc.Document) error { n++; return nil })
	return n, err
}

// cancelAt cancels after some bytes.
type cancelAt struct {
	r      io.Reader
	at     int
	cancel func()
}

func (c *cancelAt) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.at -= n; c.at < 0 {
		c.cancel()
	}
	return n, err
}

// generator is a file of one line again and again.
type generator struct {
	line string
	left int64
	at   int
}

func (g *generator) Read(p []byte) (int, error) {
	if g.left <= 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > g.left {
		p = p[:g.left]
	}
	for n := 0; n < len(p); {
		copied := copy(p[n:], g.line[g.at:])
		n, g.at = n+copied, (g.at+copied)%len(g.line)
	}
	g.left -= int64(len(p))
	return len(p), nil
}

func TestFilesWithoutABodyAreReadFromAt(t *testing.T) {
	data := []byte("# Words")
	n := 0
	err := parse.Parse(context.Background(), parse.File{Name: "a.md", At: bytes.NewReader(data), Size: int64(len(data))}, parse.Options{}, func(d *doc.Document) error {
		n++
		return d.Check(data)
	})
	if err != nil || n != 1 {
		t.Errorf("got %d documents, %v", n, err)
	}
}
