package layout_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"nearside/doc"
	"nearside/doc/parse/pdf"
	"nearside/doc/parse/pdf/layout"
	"nearside/doc/parse/pdf/pdftest"
	"nearside/fault"
)

var limits = pdf.Limits{Expanded: 64 << 20, Depth: 50}

func read(t *testing.T, data []byte) *doc.Document {
	t.Helper()
	d, err := layout.Read(context.Background(), bytes.NewReader(data), int64(len(data)), limits)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Check(data); err != nil {
		t.Error(err)
	}
	return d
}

// blocks writes blocks down in short.
func blocks(d *doc.Document) string {
	var all []string
	for _, b := range d.Blocks {
		all = append(all, fmt.Sprintf("%s%d%s:%s", b.Kind[:1], b.Level, b.Label, d.Text[b.Start:b.End]))
	}
	return strings.Join(all, "/")
}

// page is a PDF of one page.
func page(content string) []byte {
	f := &pdftest.File{}
	f.Page(content)
	return f.Bytes()
}

const filler = "Here stands a line of usual text that is long"

func TestLinesBecomeBlocks(t *testing.T) {
	sized := func(size, y int, s string) string {
		return fmt.Sprintf("BT /F1 %d Tf 20 %d Td (%s) Tj ET\n", size, y, s)
	}
	body := pdftest.Lines(20, 400, filler, filler, filler+".")
	for name, c := range map[string]struct{ content, want string }{
		"a paragraph":              {pdftest.Lines(20, 500, "One line and", "another one."), "p0:One line and another one."},
		"a hyphen is mended":       {pdftest.Lines(20, 500, "The light-", "house stands."), "p0:The lighthouse stands."},
		"a known hyphen stays":     {pdftest.Lines(20, 500, "A well-known lamp. The well-", "known tower."), "p0:A well-known lamp. The well-known tower."},
		"a name's hyphen stays":    {pdftest.Lines(20, 500, "Nobody but Miller-", "Smith came."), "p0:Nobody but Miller-Smith came."},
		"a gap ends it":            {pdftest.Lines(20, 500, "One.") + pdftest.Lines(20, 470, "Two."), "p0:One./p0:Two."},
		"an indent begins one":     {pdftest.Lines(20, 500, "The first one is long enough", "and ends.") + pdftest.Lines(32, 476, "The second one is as long") + pdftest.Lines(20, 464, "and ends, too."), "p0:The first one is long enough and ends./p0:The second one is as long and ends, too."},
		"a heading is large":       {sized(18, 450, "Lamps") + sized(14, 425, "Oil") + body, "h1:Lamps/h2:Oil/p0:" + filler + " " + filler + " " + filler + "."},
		"items":                    {pdftest.Lines(20, 500, "\x95 Oil and", "  wicks", "\x95 Matches", "1. First", "2) Second"), "i1:Oil and wicks/i1:Matches/i11.:First/i12):Second"},
		"words painted apart":      {"BT /F1 10 Tf 20 500 Td (Ligh) Tj (thouse) Tj 60 0 Td (keeper) Tj ET", "p0:Lighthouse keeper"},
		"letters painted one by 1": {"BT /F1 10 Tf 20 500 Td (L) Tj 5.56 0 Td (a) Tj 5.56 0 Td (m) Tj 8.33 0 Td (p) Tj 8.4 0 Td (o) Tj 5.56 0 Td (n) Tj ET", "p0:Lamp on"},
		"a space taken back":       {"BT /F1 10 Tf 20 500 Td [(beg ) 270 (an to) 10 (o)] TJ ET", "p0:began too"},
		"painted twice for bold":   {pdftest.Lines(20, 500, "Shadow") + pdftest.Lines(20, 500, "Shadow"), "p0:Shadow"},
		"painted as a shadow":      {pdftest.Lines(20, 500, "All still") + "BT /F1 10 Tf 20.3 499.8 Td (All still) Tj ET", "p0:All still"},
		"painted from below":       {pdftest.Lines(20, 400, "Second.") + pdftest.Lines(20, 500, "First."), "p0:First./p0:Second."},
		"an exponent":              {"BT /F1 10 Tf 20 500 Td (x) Tj /F1 6 Tf 5 4 Td (2) Tj /F1 10 Tf 6 -4 Td (is) Tj ET", "p0:x2 is"},
		"upwards":                  {pdftest.Lines(20, 500, "Level text.") + "BT /F1 10 Tf 0 1 -1 0 390 100 Tm (Up the side) Tj ET", "p0:Level text./p0:Up the side"},
		"rows of cells":            {"BT /F1 10 Tf 20 500 Td (Lamp) Tj 100 0 Td (Oil) Tj -100 -12 Td (North) Tj 100 0 Td (2 l) Tj ET", "p0:Lamp Oil\nNorth 2 l"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := blocks(read(t, page(c.content))); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// The l of Helvetica takes 0.222 of its size.
func TestNarrowLettersSideBySideAreAllThere(t *testing.T) {
	for x := 20.0; x < 25; x += 0.1 {
		content := fmt.Sprintf("BT /F1 10 Tf %.1f 500 Td (All illegally still, iiii llll) Tj ET", x)
		if got := blocks(read(t, page(content))); got != "p0:All illegally still, iiii llll" {
			t.Fatalf("painted at %.1f: got %q", x, got)
		}
	}
}

func TestColumnsAreReadOneAfterTheOther(t *testing.T) {
	var left, right []string
	for i := range 12 {
		left = append(left, fmt.Sprintf("left line %d of the column", i))
		right = append(right, fmt.Sprintf("right line %d of the other", i))
	}
	title := pdftest.Lines(60, 540, "A title that stands over both of the columns, from left to right")
	foot := pdftest.Lines(60, 300, "A line below that again goes over both of the columns, and ends")
	across := "" // painted row by row, as some writers do
	for i := range left {
		across += pdftest.Lines(20, 500-12*i, left[i]) + pdftest.Lines(210, 500-12*i, right[i])
	}
	want := "p0:A title that stands over both of the columns, from left to right/p0:" + strings.Join(left, " ") + "/p0:" + strings.Join(right, " ") +
		"/p0:A line below that again goes over both of the columns, and ends"
	for name, content := range map[string]string{
		"column by column": title + pdftest.Lines(20, 500, left...) + pdftest.Lines(210, 500, right...) + foot,
		"right one first":  foot + pdftest.Lines(210, 500, right...) + pdftest.Lines(20, 500, left...) + title,
		"across":           title + across + foot,
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.ReplaceAll(blocks(read(t, page(content))), "column right", "column/p0:right")
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestRunningLinesAreLeftOutAndSaid(t *testing.T) {
	f := &pdftest.File{}
	for i := range 5 {
		f.Page(pdftest.Lines(20, 580, fmt.Sprintf("Handbook, page %d of 5", i+1)) + pdftest.Lines(20, 500, fmt.Sprintf("Page %c says this.", 'A'+i), "Every page says this.", fmt.Sprintf("The last one differs: %c.", 'V'+i)) + pdftest.Lines(200, 20, fmt.Sprint(i+1)))
	}
	d := read(t, f.Bytes())
	var want []string
	for i := range 5 {
		want = append(want, fmt.Sprintf("p0:Page %c says this. Every page says this. The last one differs: %c.", 'A'+i, 'V'+i))
	}
	if got := blocks(d); got != strings.Join(want, "/") {
		t.Errorf("got %q", got)
	}
	if len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "10 running") || !strings.Contains(d.Notes[0], "Handbook") {
		t.Errorf("notes are %q", d.Notes)
	}
	if p := d.Locate(d.Blocks[3].Start, d.Blocks[3].End); p.Page != 4 || p.LastPage != 4 {
		t.Errorf("the fourth block is on pages %d to %d", p.Page, p.LastPage)
	}
}

func TestWhatIsMostOfTheTextIsTheText(t *testing.T) {
	f := &pdftest.File{}
	for i := range 9 {
		f.Page(pdftest.Lines(20, 580, fmt.Sprint(i+1)))
	}
	if d := read(t, f.Bytes()); len(d.Blocks) != 9 || len(d.Notes) != 0 {
		t.Errorf("got %q, notes %q", blocks(d), d.Notes)
	}
}

func TestChaptersThatBeginPagesAreNoRunningLines(t *testing.T) {
	f := &pdftest.File{}
	for i := range 9 {
		top := fmt.Sprintf("This is another page, %c.", 'A'+i)
		if i%3 == 0 {
			top = fmt.Sprintf("Chapter %d", i/3+1)
		}
		f.Page(pdftest.Lines(20, 580, top) + pdftest.Lines(20, 500, fmt.Sprintf("Words of page %c.", 'A'+i)) + pdftest.Lines(200, 20, fmt.Sprint(i+1)))
	}
	if got := blocks(read(t, f.Bytes())); strings.Count(got, "Chapter") != 3 || strings.Contains(got, "9") {
		t.Errorf("got %q", got)
	}
}

func TestAParagraphGoesOnOverThePage(t *testing.T) {
	f := &pdftest.File{}
	f.Page(pdftest.Lines(20, 40, "The sentence of this page goes"))
	f.Page(pdftest.Lines(20, 560, "on over here."))
	d := read(t, f.Bytes())
	if got := blocks(d); got != "p0:The sentence of this page goes on over here." {
		t.Errorf("got %q", got)
	}
	if p := d.Locate(0, len(d.Text)); p.Page != 1 || p.LastPage != 2 {
		t.Errorf("it is on pages %d to %d", p.Page, p.LastPage)
	}
	if p := d.Locate(strings.Index(d.Text, "over"), len(d.Text)); p.Page != 2 {
		t.Errorf("its end is on page %d", p.Page)
	}
}

func TestMonospacedTypeIsCode(t *testing.T) {
	f := &pdftest.File{Font: "<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>"}
	f.Page(pdftest.Lines(20, 500, "if lit {") + pdftest.Lines(32, 488, "wait()   // a night") + pdftest.Lines(20, 476, "}"))
	if got := blocks(read(t, f.Bytes())); got != "c0:if lit {\n  wait()   // a night\n}" {
		t.Errorf("got %q", got)
	}
}

func TestRightToLeftIsReadSo(t *testing.T) {
	f := &pdftest.File{}
	n := f.Stream("", []byte("1 begincodespacerange <00> <ff> endcodespacerange 1 beginbfrange <80> <9a> <05D0> endbfrange 1 beginbfrange <30> <39> <0030> endbfrange"))
	f.Font = fmt.Sprintf("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode %d 0 R >>", n)
	f.Page("BT /F1 10 Tf 20 500 Td (\x82\x81\x80 12 \x85\x84\x83) Tj ET") // as it is seen, from left to right
	if got := blocks(read(t, f.Bytes())); got != "p0:גדה 12 אבג" && got != "p0:דהו 12 אבג" {
		t.Errorf("got %q", got)
	}
}

func TestScansAndUnknownGlyphsAreNoted(t *testing.T) {
	f := &pdftest.File{Font: "<< /Type /Font /Subtype /Type1 /BaseFont /X /Encoding << /Differences [1 /g1 /g2] >> >>"}
	f.Page("BT /F1 10 Tf 20 500 Td (Words\\001\\002) Tj ET")
	f.Page("BI /W 1 /H 1 ID x EI ")
	f.Page("BI /W 1 /H 1 ID x EI ")
	d := read(t, f.Bytes())
	if d.Text != "Words" || len(d.Notes) != 2 || !strings.HasPrefix(d.Notes[0], "pages 2 to 3: only pictures") || !strings.HasPrefix(d.Notes[1], "2 glyphs left out") {
		t.Errorf("got %q, notes %q", d.Text, d.Notes)
	}
}

func TestTextThatIsTooMuchToBeHeldIsRefused(t *testing.T) {
	f := &pdftest.File{}
	for range 20 {
		f.Page(pdftest.Lines(20, 500, filler, filler, filler))
	}
	data := f.Bytes()
	_, err := layout.Read(context.Background(), bytes.NewReader(data), int64(len(data)), pdf.Limits{Expanded: 1 << 20, Held: 10_000, Depth: 50})
	if !fault.Is(err, fault.TooLarge) || !strings.Contains(err.Error(), "10000") {
		t.Errorf("got %v", err)
	}
}
