package convert_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"nearside/doc/convert"
	"nearside/doc/parse"
	"nearside/fault"
)

func file(name, content string) parse.File {
	r := strings.NewReader(content)
	return parse.File{Name: name, Body: r, At: strings.NewReader(content), Size: int64(len(content))}
}

func TestAFileIsOneText(t *testing.T) {
	const page = `<title>Tides</title><main><h1>Tides</h1><p>See <a href="/moon">the moon</a>.</p></main>`
	for _, c := range []struct {
		name, content string
		options       convert.Options
		want          string
	}{
		{"a.md", "# A\n\ntext\n\n```go\nf()\n```\n", convert.Options{}, "# A\n\ntext\n\n```go\nf()\n```"},
		{"a.md", "# A\n\ntext", convert.Options{Format: convert.Text}, "A\n\ntext"},
		{"a.html", page, convert.Options{}, "# Tides\n\nSee [the moon](/moon)."},
		{"a.html", page, convert.Options{Hostname: "https://sea.example"}, "# Tides\n\nSee [the moon](https://sea.example/moon)."},
		{"a.html", page, convert.Options{Format: convert.Text}, "Tides\n\nSee the moon."},
		{"a.html", page, convert.Options{Selector: "h1"}, "# Tides"},
		{"a.csv", "name,height\nIda,3\nOda,4\n", convert.Options{}, "| name | height |\n| --- | --- |\n| Ida | 3 |\n| Oda | 4 |"},
		{"a.txt", "one\n\ntwo", convert.Options{}, "one\n\ntwo"},
	} {
		got, err := convert.File(t.Context(), file(c.name, c.content), c.options)
		if err != nil || got != c.want {
			t.Errorf("%s %+v: %q, %v, want %q", c.name, c.options, got, err, c.want)
		}
	}
}

func TestPagesAndSheetsHaveHeadings(t *testing.T) {
	office := func(name string, o convert.Options) string {
		content, err := os.ReadFile("../parse/testdata/office/" + name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := convert.File(t.Context(), file(name, string(content)), o)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	whole, bare := office("lighthouse.pdf", convert.Options{}), office("lighthouse.pdf", convert.Options{NoMetadata: true})
	if !strings.HasPrefix(whole, "# lighthouse.pdf\n## Metadata\n- title=The Lighthouse Handbook\n- author=Ada Keeper\n") {
		t.Errorf("the PDF begins with %.200q", whole)
	}
	if !strings.HasPrefix(bare, "# lighthouse.pdf\n\n## Contents\n### Page 1\n\n# Tending the Lamp\n\n") || !strings.Contains(bare, "\n\n### Page 2\n\nThe second page") {
		t.Errorf("without metadata it is %.900q", bare)
	}
	const sheets = "## Lamps\n\n| Coast | Lamp | Height | Lit on | Works |\n| --- | --- | --- | --- | --- |\n"
	if got := office("lamps.xlsx", convert.Options{}); !strings.HasPrefix(got, sheets) || !strings.HasSuffix(got, "\n\n## Ships\n\n| Ship |\n| --- |\n| Beagle |") {
		t.Errorf("the workbook is %q", got)
	}
}

func TestWhatCannotBeReadSaysWhy(t *testing.T) {
	for name, content := range map[string]string{"empty.txt": "", "bytes.bin": "\x00\x01\x02\x03\xff", "cut.pdf": "%PDF-1.7\n"} {
		if _, err := convert.File(t.Context(), file(name, content), convert.Options{}); fault.As(err) == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := convert.File(t.Context(), file("a.txt", "four"), convert.Options{MaxText: 3}); !fault.Is(err, fault.TooLarge) {
		t.Errorf("four bytes where three may come out: %v", err)
	}
	if _, err := convert.File(t.Context(), file("long.txt", strings.Repeat("a line\n", convert.MaxText/7+1)), convert.Options{}); !fault.Is(err, fault.TooLarge) {
		t.Errorf("too long: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := convert.File(ended, file("a.txt", "a"), convert.Options{}); err != context.Canceled {
		t.Errorf("after the end: %v", err)
	}
}

func TestAPictureIsKnownByItsFirstBytes(t *testing.T) {
	gif := "GIF89a\x03\x00\x02\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x03\x00\x02\x00\x00\x02\x03\x84\x8f\x05\x00;"
	if line, ok := convert.PictureOf([]byte(gif)); line != "a GIF picture of 3 x 2 pixels" || !ok {
		t.Errorf("%q, %v", line, ok)
	}
	for _, none := range []string{"", "GIF89a", "<html>"} {
		if line, ok := convert.PictureOf([]byte(none)); ok {
			t.Errorf("%q is %q", none, line)
		}
	}
}

func TestEndingsStandForMediaTypes(t *testing.T) {
	for name, want := range map[string]string{"A.HTML": "text/html", "x.jpg": "image/jpeg", "x": "", "x.unknown": ""} {
		if got := convert.MediaType(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}
