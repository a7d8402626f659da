package parse_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"nearside/doc"
	"nearside/doc/parse"
	"nearside/doc/parse/pdf/pdftest"
	"nearside/fault"
)

// members unpacks an archive; what is none has no members.
func members(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return all
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if all[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// checkPlaces compares every stretch with the bytes that it says it is of: those of a member, or a stream of a PDF.
func checkPlaces(t *testing.T, d *doc.Document, data []byte, parts map[string][]byte) {
	t.Helper()
	for _, o := range d.Origins {
		text := d.Text[o.Start:o.End]
		from := data
		if o.File != "" {
			from = parts[o.File]
		}
		if o.To > int64(len(from)) {
			t.Fatalf("%q is of bytes %d to %d of %s, which has %d", text, o.From, o.To, o.File, len(from))
		}
		if said := string(from[o.From:o.To]); o.Verbatim && said != text {
			t.Errorf("%q is of %q, verbatim", text, said)
		}
		if d.Format == doc.FormatPDF && (!bytes.HasSuffix(bytes.TrimRight(from[:o.From], "\r\n"), []byte("stream")) || !bytes.HasPrefix(bytes.TrimLeft(from[o.To:], "\r\n"), []byte("endstream"))) {
			t.Errorf("%q is of bytes %d to %d, which are no stream", text, o.From, o.To)
		}
	}
}

// places writes a document's blocks down, with the bytes of their member and the page.
func places(all []*doc.Document) string {
	var s strings.Builder
	for _, d := range all {
		meta := map[string]any{}
		for k, v := range d.Metadata {
			if k != "created" && k != "modified" { // which change when the file is made anew
				meta[k] = v
			}
		}
		fmt.Fprintf(&s, "document %q %s, title %q, metadata %v, notes %q\n", d.Key, d.Format, d.Title, meta, d.Notes)
		for _, b := range d.Blocks {
			p := d.Locate(b.Start, b.End)
			fmt.Fprintf(&s, "\n%s level %d label %q, %s bytes %d to %d, pages %d to %d\n%s\n", b.Kind, b.Level, b.Label, p.File, p.From, p.To, p.Page, p.LastPage, d.Text[b.Start:b.End])
		}
		s.WriteString("\n")
	}
	return s.String()
}

func TestGoldenOfficeDocuments(t *testing.T) {
	for _, name := range []string{"lighthouse.docx", "lighthouse.odt", "lighthouse.pdf", "lamps.xlsx"} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata/office", name)
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all, err := read(t, name, data, parse.Options{})
			if err != nil {
				t.Fatal(err)
			}
			parts := members(t, data)
			for _, d := range all {
				checkPlaces(t, d, data, parts)
			}
			got := places(all)
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

// The same handbook was saved as DOCX and ODT.
func TestBothWordFormatsSayTheSame(t *testing.T) {
	var said [2]string
	for i, name := range []string{"lighthouse.docx", "lighthouse.odt"} {
		data, err := os.ReadFile("testdata/office/" + name)
		if err != nil {
			t.Fatal(err)
		}
		all, err := read(t, name, data, parse.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range all[0].Blocks {
			said[i] += fmt.Sprintf("%s %d %s %s\n", b.Kind, b.Level, b.Label, strings.Join(strings.Fields(all[0].Text[b.Start:b.End]), " "))
		}
	}
	if said[0] != said[1] {
		t.Errorf("DOCX says\n%s\nODT says\n%s", said[0], said[1])
	}
}

func TestASheetIsOneTableIfAsked(t *testing.T) {
	data, err := os.ReadFile("testdata/office/lamps.xlsx")
	if err != nil {
		t.Fatal(err)
	}
	all, err := read(t, "lamps.xlsx", data, parse.Options{Tables: true})
	if err != nil || len(all) != 2 {
		t.Fatalf("got %d documents, %v", len(all), err)
	}
	want := "| Coast | Lamp | Height | Lit on | Works |\n| --- | --- | --- | --- | --- |\n| All lamps of the coast | | | | |\n" +
		"| North & East | Tower | 42.5 | 2024-02-29 | TRUE |\n| North & East | Pier | 85 | 1999-12-31 | FALSE |"
	if all[0].Text != want || all[0].Title != "Lamps" || all[1].Title != "Ships" {
		t.Errorf("got %q of %q, and %q", all[0].Text, all[0].Title, all[1].Title)
	}
}

func TestASheetOfOneRowHasNoHeader(t *testing.T) {
	all, err := read(t, "a.xlsx", []byte(sheet(`<row><c t="str"><v>Only words</v></c></row>`)), parse.Options{})
	if err != nil || len(all) != 1 || all[0].Text != "column 1: Only words" {
		t.Errorf("got %+v, %v", all, err)
	}
}

func TestTheHeaderOfASheetIsItsFirstWideRow(t *testing.T) {
	row := func(cells ...string) string {
		return `<row><c t="str"><v>` + strings.Join(cells, `</v></c><c t="str"><v>`) + "</v></c></row>"
	}
	for name, c := range map[string]struct{ rows, want string }{
		"titles above it":      {row("A title") + row("some", "words", "more") + row("Name", "Born", "Lamp", "Oil") + row("Ada", "1815", "x", "y"), "Name: Ada\nBorn: 1815\nLamp: x\nOil: y"},
		"a column has no name": {row("Name", "Born") + row("Ada", "1815", "7"), "Name: Ada\nBorn: 1815\ncolumn 3: 7"},
		"no names":             {row("1", "2") + row("Ada", "1815"), "column 1: Ada\ncolumn 2: 1815"},
	} {
		all, err := read(t, "a.xlsx", []byte(sheet(c.rows)), parse.Options{})
		if err != nil || len(all) == 0 || all[len(all)-1].Text != c.want {
			t.Errorf("%s: got %+v, %v", name, all, err)
		}
	}
}

func TestColumnsOfSheetsAreMapped(t *testing.T) {
	data, err := os.ReadFile("testdata/office/lamps.xlsx")
	if err != nil {
		t.Fatal(err)
	}
	all, err := read(t, "lamps.xlsx", data, parse.Options{Columns: parse.Columns{ID: "Lamp", Text: []string{"Coast"}}})
	if len(all) != 2 || all[0].Key != "Tower" || all[0].Text != "North & East" || all[0].Metadata["Height"] != 42.5 || all[0].Metadata["Works"] != true {
		t.Errorf("got %+v", all)
	}
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), `no column "Lamp"`) {
		t.Errorf("the other sheet has no such column; got %v", err)
	}
}

// archive packs members, given as names and contents in turn.
func archive(list ...string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i+1 < len(list); i += 2 {
		w, err := z.Create(list[i])
		if err != nil {
			panic(err)
		}
		if _, err := io.WriteString(w, list[i+1]); err != nil {
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

const (
	wordStart = `<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>`
	wordEnd   = `</w:body></w:document>`
)

func word(body string, more ...string) string {
	return string(archive(append([]string{"word/document.xml", wordStart + body + wordEnd}, more...)...))
}

func para(text string) string { return "<w:p><w:r><w:t>" + text + "</w:t></w:r></w:p>" }

func sheet(rows string, more ...string) string {
	return string(archive(append([]string{
		"xl/workbook.xml", `<workbook xmlns:r="r"><sheets><sheet name="S" r:id="r1"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels", `<Relationships><Relationship Id="r1" Type="x/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`,
		"xl/worksheets/sheet1.xml", "<worksheet><sheetData>" + rows + "</sheetData></worksheet>"}, more...)...))
}

func TestBadOfficeFilesAreRefusedWithTheirReason(t *testing.T) {
	lighthouse, err := os.ReadFile("testdata/office/lighthouse.docx")
	if err != nil {
		t.Fatal(err)
	}
	compound := "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + strings.Repeat("\x00", 600)
	small := parse.Options{Limits: parse.Limits{Bytes: 2 << 20, Expanded: 4 << 20, Depth: 50}}
	laughs := `<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>` + wordStart + para("&b;") + wordEnd
	many := make([]string, 2*10_001)
	for i := range many {
		many[i] = fmt.Sprint(i / 2)
	}
	scan := &pdftest.File{}
	scan.Page("BI /W 1 /H 1 /BPC 8 /CS /G ID x EI ")
	locked, err := os.ReadFile("pdf/testdata/locked.pdf")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, file, data string
		kind             fault.Kind
		words            []string
	}{
		{"truncated", "a.docx", string(lighthouse[:len(lighthouse)/2]), fault.Invalid, []string{"a.docx", "cut off"}},
		{"a member truncated", "a.docx", word(para("x") + "<w:p>")[:40] + "", fault.Invalid, []string{"cut off"}},
		{"no document in it", "a.docx", string(archive("hello.txt", "x")), fault.Invalid, []string{"word/document.xml"}},
		{"XML that is none", "a.docx", word("<w:p></w:q>"), fault.Invalid, []string{"word/document.xml", "damaged"}},
		{"XML that breaks off", "a.docx", string(archive("word/document.xml", wordStart+"<w:p>")), fault.Invalid, []string{"damaged"}},
		{"entities of entities", "a.docx", string(archive("word/document.xml", laughs)), fault.Invalid, []string{"damaged", "&b;"}},
		{"UTF-16", "a.docx", string(archive("word/document.xml", "\xff\xfe<\x00w\x00")), fault.Unsupported, []string{"UTF-16"}},
		{"nested too deep", "a.docx", word(strings.Repeat("<w:sdt>", 60) + strings.Repeat("</w:sdt>", 60)), fault.TooLarge, []string{"deeper than 50"}},
		{"says nothing", "a.docx", word(para(" ")), fault.Invalid, []string{"says nothing"}},
		{"unpacks to too much", "a.docx", word(strings.Repeat(para("x"), 200_000)), fault.TooLarge, []string{"limit"}},
		{"one tag without end", "a.docx", word(para(strings.Repeat("x", 5<<20))), fault.TooLarge, []string{"limit"}},
		{"too many members", "a.docx", string(archive(many...)), fault.TooLarge, []string{"10001", "10000"}},
		{"encrypted", "a.docx", compound + "E\x00n\x00c\x00r\x00y\x00p\x00t\x00e\x00d\x00P\x00a\x00c\x00k\x00a\x00g\x00e\x00", fault.Forbidden, []string{"password"}},
		{"from before 2007", "a.xlsx", compound, fault.Unsupported, []string{"before 2007"}},
		{"an encrypted ODT", "a.odt", string(archive("mimetype", "application/vnd.oasis.opendocument.text", "META-INF/manifest.xml", "<m><encryption-data/></m>", "content.xml", "\x01\x02")),
			fault.Forbidden, []string{"password"}},
		{"an ODT without text", "a.odt", string(archive("mimetype", "application/vnd.oasis.opendocument.text", "content.xml", "<x/>")), fault.Invalid, []string{"content.xml"}},
		{"no rows", "a.xlsx", sheet(""), fault.Invalid, []string{"no rows"}},
		{"a sheet that breaks off", "a.xlsx", sheet(`<row><c><v>1</v></row>`), fault.Invalid, []string{"sheet1.xml"}},
		{"a PDF truncated", "a.pdf", "%PDF-1.7\n1 0 obj\n<<", fault.Invalid, []string{"a.pdf", "no page"}},
		{"a PDF with a password", "a.pdf", string(locked), fault.Forbidden, []string{"password"}},
		{"a scan", "a.pdf", string(scan.Bytes()), fault.Invalid, []string{"page 1: only pictures", "OCR"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := read(t, c.file, []byte(c.data), small)
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

// Every beginning of a file, and every file with a changed byte, ends in documents that keep the promises or in a fault.
func TestDamagedOfficeFilesNeverPanic(t *testing.T) {
	step := 997
	if *long {
		step = 31
	}
	for _, name := range []string{"lighthouse.docx", "lighthouse.odt", "lighthouse.pdf", "lamps.xlsx"} {
		data, err := os.ReadFile("testdata/office/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(data); i += step {
			changed := bytes.Clone(data)
			changed[i] ^= 0x55
			for _, d := range [][]byte{data[:i], changed} {
				if _, err := read(t, name, d, parse.Options{}); err != nil && (fault.As(err) == nil || strings.Contains(err.Error(), "reader failed")) {
					t.Fatalf("%s, byte %d: %v", name, i, err)
				}
			}
		}
	}
}

// A member of 1 GiB in an archive of 1 MB.
func TestAnArchiveBombTakesLittleMemory(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("word/document.xml")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, wordStart)
	size := 64 << 20
	if *long {
		size = 1 << 30
	}
	chunk := []byte(strings.Repeat(para("x"), 1<<20/len(para("x"))))
	for n := 0; n < size; n += len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprint(w, wordEnd)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	_, err = read(t, "a.docx", b.Bytes(), parse.Options{Limits: parse.Limits{Bytes: 4 << 20}})
	runtime.ReadMemStats(&after)
	if !fault.Is(err, fault.TooLarge) || !strings.Contains(err.Error(), "8388608") {
		t.Errorf("got %v, want a fault that says the limit", err)
	}
	if got := int64(after.HeapSys) - int64(before.HeapSys); got > 128<<20 {
		t.Errorf("the heap grew by %d MiB", got>>20)
	}
}
