package pdf_test

import (
	"bytes"
	"context"
	"encoding/ascii85"
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"nearside/doc/parse/pdf"
	"nearside/doc/parse/pdf/pdftest"
	"nearside/fault"
)

var limits = pdf.Limits{Expanded: 1 << 20, Depth: 50}

func open(data []byte) (*pdf.File, error) {
	return pdf.Open(context.Background(), bytes.NewReader(data), int64(len(data)), limits)
}

// text is the glyphs of all pages, a bar between two pages.
func text(data []byte) (string, error) {
	f, err := open(data)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i := range f.Pages() {
		page, err := f.Page(i)
		if err != nil {
			return "", err
		}
		if i > 0 {
			b.WriteByte('|')
		}
		for _, g := range page.Glyphs {
			b.WriteString(g.Text)
		}
	}
	return b.String(), nil
}

func want(t *testing.T, data []byte, words string) {
	t.Helper()
	got, err := text(data)
	if err != nil || got != words {
		t.Errorf("got %q, %v, want %q", got, err, words)
	}
}

func TestFiltersAreUndone(t *testing.T) {
	content := []byte(pdftest.Lines(20, 500, "Oil for the lamp"))
	a85 := make([]byte, ascii85.MaxEncodedLen(len(content)))
	a85 = append(a85[:ascii85.Encode(a85, content)], "~>"...)
	up := append([]byte{2}, content...) // one row, nothing above it
	for name, c := range map[string]struct {
		entries string
		data    []byte
	}{
		"none":              {"", content},
		"Flate":             {"/Filter /FlateDecode", pdftest.Deflate(content)},
		"Flate, cut off":    {"/Filter /FlateDecode", pdftest.Deflate(append(bytes.Clone(content), "         "...))[:len(pdftest.Deflate(content))-4]},
		"hexadecimal":       {"/Filter /ASCIIHexDecode", []byte(hex.EncodeToString(content) + ">")},
		"base 85":           {"/Filter /ASCII85Decode", a85},
		"run lengths":       {"/Filter /RunLengthDecode", append(append([]byte{byte(len(content) - 1)}, content...), 128)},
		"two, one in other": {"/Filter [/ASCIIHexDecode /FlateDecode]", []byte(hex.EncodeToString(pdftest.Deflate(content)))},
		"predictor":         {fmt.Sprintf("/Filter /FlateDecode /DecodeParms << /Predictor 12 /Columns %d >>", len(content)), pdftest.Deflate(up)},
		"LZW":               {"/Filter /LZWDecode", packLZW(content)},
	} {
		t.Run(name, func(t *testing.T) {
			f := &pdftest.File{}
			f.PageOf(f.Stream(c.entries, c.data))
			want(t, f.Bytes(), "Oil for the lamp")
		})
	}
}

// packLZW writes codes of nine bits that never refer back, and clears the table before it grows.
func packLZW(data []byte) []byte {
	var codes []int
	for i, c := range data {
		if i%200 == 0 {
			codes = append(codes, 256)
		}
		codes = append(codes, int(c))
	}
	var out []byte
	bits, n := 0, 0
	for _, c := range append(codes, 257) {
		bits, n = bits<<9|c, n+9
		for ; n >= 8; n -= 8 {
			out = append(out, byte(bits>>(n-8)))
		}
		bits &= 1<<n - 1
	}
	return append(out, byte(bits<<(8-n)))
}

func TestDamagedReferencesAreMadeAnew(t *testing.T) {
	f := &pdftest.File{}
	f.Page(pdftest.Lines(20, 500, "one"))
	f.Page(pdftest.Lines(20, 500, "two"))
	whole := f.Bytes()
	for name, data := range map[string][]byte{
		"no table":            whole[:bytes.Index(whole, []byte("xref"))],
		"offsets are wrong":   bytes.Replace(whole, []byte("%PDF-1.7\n"), []byte("%PDF-1.7\n% another line\n"), 1),
		"startxref is wrong":  bytes.Replace(whole, []byte("startxref\n"), []byte("startxref\n9"), 1),
		"no trailer":          bytes.Replace(whole, []byte("trailer"), []byte("traxxer"), 1),
		"no root":             bytes.Replace(whole, []byte("/Root"), []byte("/Moot"), 1),
		"no page tree":        bytes.Replace(whole, []byte("/Pages 2 0 R"), []byte("/Pages 9 9 R"), 1),
		"a length is wrong":   bytes.ReplaceAll(whole, []byte("/Length "), []byte("/Length 9")),
		"a length is missing": bytes.ReplaceAll(whole, []byte("/Length"), []byte("/Lxngth")),
		"a length is a loop":  bytes.Replace(whole, []byte("/Length "), []byte("/Length 4 0 R /X "), 1),
	} {
		t.Run(name, func(t *testing.T) { want(t, data, "one|two") })
	}
	t.Run("bytes before it", func(t *testing.T) { want(t, append([]byte("mail header\r\n\r\n"), whole...), "one|two") })
}

func TestEncryptedFilesOpenWithoutAPassword(t *testing.T) {
	for _, name := range []string{"rc4-40", "rc4-128", "aes-128", "aes-256", "objects"} {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile("testdata/" + name + ".pdf")
			if err != nil {
				t.Fatal(err)
			}
			want(t, data, "The lamp is lit at dusk.")
			f, err := open(data)
			if err != nil || f.Info()["Title"] != "Lamps" {
				t.Errorf("info is %v, %v", f.Info(), err)
			}
		})
	}
}

func TestBadFilesEndInTheirFault(t *testing.T) {
	locked, err := os.ReadFile("testdata/locked.pdf")
	if err != nil {
		t.Fatal(err)
	}
	bomb := &pdftest.File{}
	bomb.PageOf(bomb.Stream("/Filter /FlateDecode", pdftest.Deflate(make([]byte, 2<<20))))
	twice := &pdftest.File{}
	twice.PageOf(twice.Stream("/Filter [/FlateDecode /FlateDecode]", pdftest.Deflate(pdftest.Deflate(make([]byte, 8<<20)))))
	spaces := &pdftest.File{} // a bomb of which the last filter leaves nothing
	spaces.PageOf(spaces.Stream("/Filter [/FlateDecode /ASCIIHexDecode]", pdftest.Deflate(bytes.Repeat([]byte(" "), 2<<20))))
	empty := &pdftest.File{}
	foreign := &pdftest.File{Trailer: "/Encrypt << /Filter /Acme /V 1 >>"}
	foreign.Page("")
	crowd := &pdftest.File{}
	crowd.Page(pdftest.Lines(1, 1, strings.Repeat("x", 1<<18+1)))
	var deep pdftest.File
	deep.Catalog = "<< /Type /Catalog /Pages 4 0 R >>"
	for i := range 60 {
		deep.Object(fmt.Sprintf("<< /Type /Pages /Kids [%d 0 R] >>", i+5))
	}
	for name, c := range map[string]struct {
		data  []byte
		kind  fault.Kind
		words string
	}{
		"nothing":               {nil, fault.Invalid, "%PDF-"},
		"another format":        {[]byte("<!DOCTYPE html>"), fault.Invalid, "%PDF-"},
		"only its first line":   {[]byte("%PDF-1.7\n"), fault.Invalid, "no page"},
		"no pages":              {empty.Bytes(), fault.Invalid, "no page"},
		"a password is wanted":  {locked, fault.Forbidden, "password"},
		"an unknown encryption": {foreign.Bytes(), fault.Unsupported, "Acme"},
		"a bomb":                {bomb.Bytes(), fault.TooLarge, "1048576"},
		"a bomb in a bomb":      {twice.Bytes(), fault.TooLarge, "1048576"},
		"a bomb of spaces":      {spaces.Bytes(), fault.TooLarge, "1048576"},
		"a page tree too deep":  {deep.Bytes(), fault.TooLarge, "50"},
		"a page of too many":    {crowd.Bytes(), fault.TooLarge, "262144"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := text(c.data)
			if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %v, want a fault of kind %s that says %q", err, c.kind, c.words)
			}
		})
	}
}

func TestLoopsEnd(t *testing.T) {
	form := &pdftest.File{}
	n := form.Stream("/Type /XObject /Subtype /Form /Resources << /XObject << /X 4 0 R >> >>", []byte("/X Do /X Do"))
	form.PageOf(form.Stream("", []byte("/X Do "+pdftest.Lines(20, 500, "end"))), fmt.Sprintf("/XObject << /X %d 0 R >>", n))
	want(t, form.Bytes(), "end")

	tree := &pdftest.File{Catalog: "<< /Type /Catalog /Pages 4 0 R >>"}
	tree.Object("<< /Type /Pages /Kids [4 0 R 4 0 R 2 0 R] >>")
	tree.Page(pdftest.Lines(20, 500, "end"))
	want(t, tree.Bytes(), "end")

	alias := &pdftest.File{}
	alias.PageOf(alias.Object("4 0 R"))
	alias.Page(pdftest.Lines(20, 500, "end"))
	want(t, alias.Bytes(), "|end")

	table := (&pdftest.File{})
	table.Page(pdftest.Lines(20, 500, "end"))
	data := table.Bytes()
	start := bytes.LastIndex(data, []byte("xref\n0"))
	want(t, bytes.Replace(data, []byte("/Root 1"), []byte(fmt.Sprintf("/Prev %d /Root 1", start)), 1), "end")
}

// A bomb of forms: each paints the next ten times.
func TestFormsThatPaintFormsStayWithinTheLimit(t *testing.T) {
	f := &pdftest.File{}
	var first int
	for i := range 12 {
		n := f.Stream(fmt.Sprintf("/Type /XObject /Subtype /Form /Resources << /XObject << /X %d 0 R >> >>", i+5), []byte(strings.Repeat("/X Do ", 10)))
		if i == 0 {
			first = n
		}
	}
	f.Stream("/Type /XObject /Subtype /Form", []byte(strings.Repeat(" ", 100)))
	f.PageOf(f.Stream("", []byte("/X Do")), fmt.Sprintf("/XObject << /X %d 0 R >>", first))
	if _, err := text(f.Bytes()); !fault.Is(err, fault.TooLarge) {
		t.Errorf("got %v, want a fault", err)
	}
}

func TestABombTakesLittleMemory(t *testing.T) {
	f := &pdftest.File{}
	f.PageOf(f.Stream("/Filter [/FlateDecode /FlateDecode]", pdftest.Deflate(pdftest.Deflate(make([]byte, 32<<20)))))
	data := f.Bytes()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	_, err := text(data)
	runtime.ReadMemStats(&after)
	// Growing a slice to the limit of 1 MiB takes some five times as much in all.
	if got := after.TotalAlloc - before.TotalAlloc; err == nil || got > 16<<20 {
		t.Errorf("%v after %d MiB, want a fault before 16", err, got>>20)
	}
}

func TestTheEndOfTheContextEndsIt(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f := &pdftest.File{}
	f.Page(pdftest.Lines(20, 500, "x"))
	data := f.Bytes()
	if file, err := pdf.Open(ctx, bytes.NewReader(data), int64(len(data)), limits); err == nil {
		if _, err := file.Page(0); err == nil {
			t.Error("a page was read after the context's end")
		}
	}
}

func TestSourcesAreTheStreamsAsTheyAreStored(t *testing.T) {
	f := &pdftest.File{}
	a, b := f.Stream("", []byte(pdftest.Lines(20, 500, "one"))), f.Stream("/Filter /FlateDecode", pdftest.Deflate([]byte(pdftest.Lines(20, 400, "two"))))
	form := f.Stream("/Type /XObject /Subtype /Form", []byte(pdftest.Lines(20, 300, "three")))
	f.PageOf(f.Object(fmt.Sprintf("[%d 0 R %d 0 R %d 0 R]", a, b, f.Stream("", []byte("/X Do")))), fmt.Sprintf("/XObject << /X %d 0 R >>", form))
	data := f.Bytes()
	file, err := open(data)
	if err != nil {
		t.Fatal(err)
	}
	page, err := file.Page(0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, g := range page.Glyphs {
		s := page.Sources[g.From]
		found[string(data[s.From:s.To])] += g.Text
		if !bytes.HasSuffix(data[:s.From], []byte("stream\n")) || !bytes.HasPrefix(data[s.To:], []byte("\nendstream")) {
			t.Errorf("%q is of bytes %d to %d, which are no stream", g.Text, s.From, s.To)
		}
	}
	for _, words := range []string{"one", "three"} {
		if key := pdftest.Lines(20, map[string]int{"one": 500, "three": 300}[words], words); found[key] != words {
			t.Errorf("%q has the text %q", key, found[key])
		}
	}
	if packed := pdftest.Deflate([]byte(pdftest.Lines(20, 400, "two"))); found[string(packed)] != "two" {
		t.Errorf("the packed stream has the text %q", found[string(packed)])
	}
}

func TestFontsTellTheirCharacters(t *testing.T) {
	cmap := "/CIDInit /ProcSet findresource begin begincmap 1 begincodespacerange <00> <FF> endcodespacerange " +
		"2 beginbfchar <41> <00660066> <42> <D83DDE00> endbfchar 2 beginbfrange <43> <44> <03B1> <45> <46> [<0031> <0032>] endbfrange endcmap"
	for name, c := range map[string]struct {
		font  func(f *pdftest.File) string
		codes string
		words string
	}{
		"WinAnsi":     {func(*pdftest.File) string { return "" }, "<80E992>", "€é’"},
		"Standard":    {func(*pdftest.File) string { return "<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>" }, "<27 60 AE FB E1>", "’‘ﬁßÆ"},
		"Symbol":      {func(*pdftest.File) string { return "<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>" }, "<61 62 A5 DE>", "αβ∞⇒"},
		"Dingbats":    {func(*pdftest.File) string { return "<< /Type /Font /Subtype /Type1 /BaseFont /ZapfDingbats >>" }, "<33 6C D5>", "✓●→"},
		"Differences": {func(*pdftest.File) string { return diff("/eacute /ffi /uni4E2D /u1F600 /Scaron.sc /f_i /afii10017") }, "<01020304050607>", "éffi中😀ŠfiА"},
		"ToUnicode": {func(f *pdftest.File) string {
			return fmt.Sprintf("<< /Type /Font /Subtype /TrueType /BaseFont /X /ToUnicode %d 0 R >>", f.Stream("", []byte(cmap)))
		}, "(ABCDEFa)", "ff😀αβ12a"},
		"UCS-2":      {func(*pdftest.File) string { return composite("/UniJIS-UCS2-H", "Japan1") }, "<65E5672C>", "日本"},
		"Shift-JIS":  {func(*pdftest.File) string { return composite("/90ms-RKSJ-H", "Japan1") }, "<93FA967B41>", "日本A"},
		"JIS":        {func(*pdftest.File) string { return composite("/H", "Japan1") }, "<467C>", "日"},
		"GBK":        {func(*pdftest.File) string { return composite("/GBK-EUC-H", "GB1") }, "<D6D0CEC4>", "中文"},
		"Big5":       {func(*pdftest.File) string { return composite("/ETen-B5-V", "CNS1") }, "<A4A4>", "中"},
		"Latin CIDs": {func(*pdftest.File) string { return composite("/Identity-H", "Korea1") }, "<00220023>", "AB"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &pdftest.File{}
			f.Font = c.font(f)
			f.Page("BT /F1 10 Tf " + c.codes + " Tj ET")
			want(t, f.Bytes(), c.words)
		})
	}
}

func diff(names string) string {
	return "<< /Type /Font /Subtype /Type1 /BaseFont /X /Encoding << /Differences [1 " + names + "] >> >>"
}

func composite(encoding, ordering string) string {
	return "<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding " + encoding + " /DescendantFonts [<< /Type /Font /Subtype /CIDFontType0 /CIDSystemInfo << /Ordering (" + ordering + ") >> >>] >>"
}

func TestGlyphsStandWhereTheyArePainted(t *testing.T) {
	f := &pdftest.File{}
	f.Page("q 2 0 0 2 10 20 cm BT /F1 10 Tf 5 5 Td (A) Tj 50 Tz (A) Tj 100 Tz [-1000 (A)] TJ ET Q BT /F1 8 Tf 0 1 -1 0 100 200 Tm (up) Tj ET")
	file, err := open(f.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	page, err := file.Page(0)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range []pdf.Glyph{
		{Text: "A", X: 20, Y: 30, Width: 13.34, Size: 20},
		{Text: "A", X: 33.34, Y: 30, Width: 6.67, Size: 20},
		{Text: "A", X: 60.01, Y: 30, Width: 13.34, Size: 20},
		{Text: "u", X: 100, Y: 200, Width: 4.448, Size: 8, Turn: 1},
	} {
		g := page.Glyphs[i]
		if g.Text != w.Text || near(g.X, w.X) || near(g.Y, w.Y) || near(g.Width, w.Width) || near(g.Size, w.Size) || g.Turn != w.Turn {
			t.Errorf("glyph %d is %+v, want %+v", i, g, w)
		}
	}
}

func near(a, b float64) bool { return a-b > 0.001 || b-a > 0.001 }

func TestMarkedContentSaysWhatItStandsFor(t *testing.T) {
	f := &pdftest.File{}
	f.Page("BT /F1 10 Tf /Span << /ActualText (whole) >> BDC (w) Tj (h) Tj EMC /Artifact BMC (7) Tj EMC (.) Tj ET")
	want(t, f.Bytes(), "whole7.")
	file, err := open(f.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	page, err := file.Page(0)
	if err != nil || !page.Glyphs[2].Extra || page.Glyphs[3].Extra {
		t.Errorf("got %+v, %v; want the 7, and only it, to be extra", page.Glyphs, err)
	}
}

func TestInfoIsDecoded(t *testing.T) {
	f := &pdftest.File{Trailer: "/Info << /Title (\\376\\377\\000L\\000\\344) /Author (caf\\351 \\222) /CreationDate (D:20240131120000+01'00') /ModDate (D:2024) /Producer 7 >>"}
	f.Page("")
	file, err := open(f.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(file.Info())
	if got != "map[Author:café ™ CreationDate:2024-01-31T12:00:00+01:00 ModDate:2024-01-01T00:00:00Z Title:Lä]" {
		t.Error(got)
	}
}

func FuzzFile(f *testing.F) {
	small := &pdftest.File{Trailer: "/Info << /Title (x) >>"}
	small.Page(pdftest.Lines(20, 500, "one"))
	f.Add(small.Bytes())
	for _, name := range []string{"rc4-40", "aes-256", "objects"} {
		data, err := os.ReadFile("testdata/" + name + ".pdf")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text(data) // it may fail, but not panic
	})
}

func FuzzContent(f *testing.F) {
	f.Add(pdftest.Lines(20, 500, "one"))
	f.Add("q 1 0 0 1 0 0 cm BT /F1 1e9 Tf [(a) -5 <62>] TJ T* (c) ' 1 2 (d) \" ET Q BI /W 1 ID \x00 EI /X Do /a << /ActualText (z) >> BDC EMC")
	f.Fuzz(func(t *testing.T, content string) {
		file := &pdftest.File{}
		file.Page(content)
		text(file.Bytes())
	})
}

func FuzzCMap(f *testing.F) {
	f.Add("1 begincodespacerange <00> <FFFF> endcodespacerange 1 beginbfrange <0000> <FFFF> <0000> endbfrange 1 begincidrange <00> <ff> 7 endcidrange", []byte("ab"))
	f.Add("1 beginbfchar <41> <D83D> endbfchar 1 beginbfrange <42> <44> [<0031> /alpha] endbfrange", []byte("ABCD"))
	f.Fuzz(func(t *testing.T, cmap string, codes []byte) {
		file := &pdftest.File{}
		n := file.Stream("", []byte(cmap))
		file.Font = fmt.Sprintf("<< /Type /Font /Subtype /Type0 /Encoding %d 0 R /ToUnicode %d 0 R /DescendantFonts [<< /W [0 [500] 1 9 300] >>] >>", n, n)
		file.Page("BT /F1 10 Tf <" + hex.EncodeToString(codes) + "> Tj ET")
		text(file.Bytes())
	})
}
