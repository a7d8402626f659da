package office_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"nearside/doc"
	"nearside/doc/parse/office"
)

var limits = office.Limits{Expanded: 8 << 20, Held: 8 << 20, Depth: 60}

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
	wordStart = `<w:document xmlns:w="w" xmlns:mc="mc" xmlns:wps="wps" xmlns:v="v"><w:body>`
	wordEnd   = `</w:body></w:document>`
	textStart = `<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" ` +
		`xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:draw="d" xmlns:fo="fo" xmlns:style="s"><office:automatic-styles>` +
		`<style:style style:name="B" style:family="paragraph"><style:paragraph-properties fo:break-before="page"/></style:style></office:automatic-styles><office:body><office:text>`
	textEnd = `</office:text></office:body></office:document-content>`
	rels    = `<Relationships><Relationship Id="1" Type="x/styles" Target="styles.xml"/><Relationship Id="2" Type="x/numbering" Target="numbering.xml"/>` +
		`<Relationship Id="3" Type="x/footnotes" Target="footnotes.xml"/></Relationships>`
	styles = `<w:styles xmlns:w="w"><w:style w:type="paragraph" w:styleId="H"><w:name w:val="heading 2"/></w:style>` +
		`<w:style w:type="paragraph" w:styleId="Mine"><w:name w:val="Mine"/><w:basedOn w:val="H"/></w:style>` +
		`<w:style w:type="paragraph" w:styleId="Loop"><w:name w:val="Loop"/><w:basedOn w:val="Loop"/></w:style>` +
		`<w:style w:type="paragraph" w:styleId="C1"><w:name w:val="toc 1"/></w:style></w:styles>`
	lists = `<w:numbering xmlns:w="w"><w:abstractNum w:abstractNumId="0">` +
		`<w:lvl w:ilvl="0"><w:start w:val="3"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>` +
		`<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerRoman"/><w:lvlText w:val="%1.%2)"/></w:lvl></w:abstractNum>` +
		`<w:num w:numId="7"><w:abstractNumId w:val="0"/></w:num></w:numbering>`
	notes = `<w:footnotes xmlns:w="w"><w:footnote w:type="separator" w:id="0"><w:p><w:r><w:t>---</w:t></w:r></w:p></w:footnote>` +
		`<w:footnote w:id="2"><w:p><w:r><w:t>Note.</w:t></w:r></w:p></w:footnote></w:footnotes>`
)

func word(body string) []byte {
	return archive("word/document.xml", wordStart+body+wordEnd, "word/_rels/document.xml.rels", rels, "word/styles.xml", styles, "word/numbering.xml", lists, "word/footnotes.xml", notes)
}

func openText(body string) []byte {
	return archive("mimetype", "application/vnd.oasis.opendocument.text", "content.xml", textStart+body+textEnd)
}

func docx(data []byte) (*doc.Document, error) {
	return office.DOCX(context.Background(), bytes.NewReader(data), int64(len(data)), limits)
}

func odt(data []byte) (*doc.Document, error) {
	return office.ODT(context.Background(), bytes.NewReader(data), int64(len(data)), limits)
}

// blocks writes blocks down in short.
func blocks(d *doc.Document) string {
	var all []string
	for _, b := range d.Blocks {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s%d%s", b.Kind[:1], b.Level, b.Label))+":"+d.Text[b.Start:b.End])
	}
	return strings.Join(all, "/")
}

func run(text string) string  { return "<w:r><w:t>" + text + "</w:t></w:r>" }
func para(text string) string { return "<w:p>" + run(text) + "</w:p>" }
func styled(style, text string) string {
	return `<w:p><w:pPr><w:pStyle w:val="` + style + `"/></w:pPr>` + run(text) + "</w:p>"
}
func item(level int, text string) string {
	return fmt.Sprintf(`<w:p><w:pPr><w:numPr><w:ilvl w:val="%d"/><w:numId w:val="7"/></w:numPr></w:pPr>%s</w:p>`, level, run(text))
}

func TestWordDocuments(t *testing.T) {
	box := "<w:txbxContent>" + para("In a box.") + "</w:txbxContent>"
	cell := func(text string) string { return "<w:tc>" + para(text) + "</w:tc>" }
	for name, c := range map[string]struct{ body, want, notes string }{
		"runs":               {"<w:p>" + run("one ") + run("t&amp;wo") + "<w:r><w:tab/><w:t>three</w:t><w:br/><w:t>four</w:t><w:noBreakHyphen/></w:r></w:p>", "p0:one t&wo\tthree\nfour-", ""},
		"styles":             {styled("H", "A") + styled("Mine", "B") + styled("Loop", "C") + styled("Gone", "D"), "h2:A/h2:B/p0:C/p0:D", ""},
		"outline":            {`<w:p><w:pPr><w:outlineLvl w:val="8"/></w:pPr>` + run("deep") + `</w:p><w:p><w:pPr><w:outlineLvl w:val="9"/></w:pPr>` + run("body") + "</w:p>", "h6:deep/p0:body", ""},
		"lists":              {item(0, "a") + item(1, "b") + item(1, "c") + item(0, "d") + item(1, "e"), "i13.:a/i23.i):b/i23.ii):c/i14.:d/i24.i):e", ""},
		"changes":            {"<w:p><w:ins>" + run("new") + "</w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del><w:moveFrom>" + run("moved") + "</w:moveFrom></w:p>", "p0:new", "2 tracked deletions were left out"},
		"a box, once":        {"<w:p>" + run("Before. ") + "<w:r><mc:AlternateContent><mc:Choice><wps:txbx>" + box + "</wps:txbx></mc:Choice><mc:Fallback><v:textbox>" + box + "</v:textbox></mc:Fallback></mc:AlternateContent></w:r>" + run("After.") + "</w:p>", "p0:Before. After./p0:In a box.", ""},
		"a note":             {"<w:p>" + run("Text") + `<w:r><w:footnoteReference w:id="2"/></w:r>` + run(" on.") + "</w:p>" + para("Next."), "p0:Text on./p0:Note./p0:Next.", ""},
		"fields":             {"<w:p><w:r><w:instrText>PAGE</w:instrText></w:r><w:hyperlink>" + run("link") + "</w:hyperlink><w:fldSimple>" + run(" 7") + "</w:fldSimple></w:p>", "p0:link 7", ""},
		"contents":           {styled("C1", "A 1") + styled("C1", "B 2") + para("x"), "p0:x", "2 lines of a table of contents were left out"},
		"content controls":   {"<w:sdt><w:sdtPr><w:alias/></w:sdtPr><w:sdtContent>" + para("in") + "</w:sdtContent></w:sdt>", "p0:in", ""},
		"a table":            {"<w:tbl><w:tr>" + cell("a") + cell("b|c") + "</w:tr><w:tr><w:tc><w:tcPr><w:gridSpan w:val=\"2\"/></w:tcPr>" + para("d") + para("e") + "</w:tc></w:tr></w:tbl>", "t0:| a | b\\|c |\n| --- | --- |\n| d e | |", ""},
		"a table in a cell":  {"<w:tbl><w:tr>" + cell("a") + "<w:tc>" + para("b") + "<w:tbl><w:tr>" + cell("c") + cell("d") + "</w:tr></w:tbl></w:tc></w:tr></w:tbl>", "t0:| a | b c d |\n| --- | --- |", ""},
		"a table as a frame": {"<w:tbl><w:tr>" + cell("a") + "</w:tr><w:tr>" + cell("b") + "</w:tr></w:tbl>", "p0:a/p0:b", ""},
		"an empty table":     {"<w:tbl><w:tr>" + cell("") + cell(" ") + "</w:tr></w:tbl>" + para("x"), "p0:x", ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := docx(word(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Check(nil); err != nil {
				t.Error(err)
			}
			if got := blocks(d); got != c.want || strings.Join(d.Notes, ";") != c.notes {
				t.Errorf("got %q, notes %q, want %q", got, d.Notes, c.want)
			}
		})
	}
}

func TestOpenDocuments(t *testing.T) {
	p := func(text string) string { return "<text:p>" + text + "</text:p>" }
	for name, c := range map[string]struct{ body, want string }{
		"white space": {p("a  b\n c<text:s text:c=\"3\"/>d<text:tab/>e<text:line-break/>f"), "p0:a b c   d\te\nf"},
		"headings":    {`<text:h text:outline-level="9">A</text:h><text:h>B</text:h>`, "h6:A/h1:B"},
		"lists":       {"<text:list><text:list-item>" + p("a") + p("more") + "<text:list><text:list-item>" + p("b") + "</text:list-item></text:list></text:list-item></text:list>", "i1:a/p0:more/i2:b"},
		"a note":      {p("x<text:note><text:note-citation>1</text:note-citation><text:note-body>" + p("N.") + "</text:note-body></text:note>y"), "p0:xy/p0:N."},
		"a box":       {p("x<draw:frame><draw:text-box>"+p("box")+"</draw:text-box></draw:frame>y") + p("z"), "p0:xy/p0:box/p0:z"},
		"repeated":    {`<table:table><table:table-row><table:table-cell>` + p("a") + `</table:table-cell><table:table-cell table:number-columns-repeated="2"/></table:table-row></table:table>`, "t0:| a | | |\n| --- | --- | --- |"},
		"contents":    {"<text:table-of-content><text:index-body>" + p("A 1") + "</text:index-body></text:table-of-content>" + p("x"), "p0:x"},
		"sections":    {"<text:section>" + p("in") + "</text:section>", "p0:in"},
		"comments":    {p("a<office:annotation>" + p("no") + "</office:annotation>b"), "p0:ab"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := odt(openText(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Check(nil); err != nil {
				t.Error(err)
			}
			if got := blocks(d); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func pages(d *doc.Document) []int {
	var all []int
	for _, b := range d.Blocks {
		all = append(all, d.Locate(b.Start, b.End).Page)
	}
	return all
}

func TestPagesAreThoseThatTheFileRecorded(t *testing.T) {
	recorded, hard := "<w:p><w:r><w:lastRenderedPageBreak/><w:t>", `<w:p><w:r><w:br w:type="page"/></w:r></w:p>`
	for name, c := range map[string]struct {
		data []byte
		want []int
	}{
		"recorded":           {word(para("a") + recorded + "b</w:t></w:r></w:p>" + recorded + "c</w:t></w:r></w:p>"), []int{1, 2, 3}},
		"set and recorded":   {word(para("a") + hard + recorded + "b</w:t></w:r></w:p>"), []int{1, 2}},
		"only set":           {word(para("a") + hard + para("b")), []int{0, 0}},
		"nothing":            {word(para("a") + para("b")), []int{0, 0}},
		"one page, it says":  {archive("word/document.xml", wordStart+para("a")+wordEnd, "docProps/app.xml", "<P><Pages>1</Pages></P>"), []int{1}},
		"a note on its page": {word(para("a") + `<w:p><w:r><w:lastRenderedPageBreak/><w:t>b</w:t><w:footnoteReference w:id="2"/></w:r></w:p>`), []int{1, 2, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := docx(c.data)
			if err != nil || fmt.Sprint(pages(d)) != fmt.Sprint(c.want) {
				t.Errorf("got %v, %v, want %v", pages(d), err, c.want)
			}
		})
	}
	body := textStart + `<text:p>a</text:p><text:p text:style-name="B">b</text:p><text:p>c<text:soft-page-break/>d</text:p>` + textEnd
	for count, want := range map[string]string{"3": "[1 2 2]", "4": "[0 0 0]"} {
		d, err := odt(archive("mimetype", "application/vnd.oasis.opendocument.text", "content.xml", body, "meta.xml", `<m><document-statistic page-count="`+count+`"/></m>`))
		if err != nil || fmt.Sprint(pages(d)) != want {
			t.Errorf("with %s pages: got %v, %v, want %s", count, pages(d), err, want)
		}
	}
}

// book packs a workbook of one sheet.
func book(workbook, rows, after string) []byte {
	return archive(
		"xl/workbook.xml", `<workbook xmlns:r="r">`+workbook+`<sheets><sheet name="S" r:id="r1"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels", `<Relationships><Relationship Id="r1" Type="x/worksheet" Target="worksheets/s.xml"/><Relationship Id="r2" Type="x/sharedStrings" Target="/xl/sharedStrings.xml"/><Relationship Id="r3" Type="x/styles" Target="styles.xml"/></Relationships>`,
		"xl/sharedStrings.xml", `<sst><si><t>one</t></si><si><r><t>rich </t></r><r><t>te&#120;t</t></r><rPh><t>no</t></rPh></si><si/><si><t>a_x000D_b_x0041_</t></si></sst>`,
		"xl/styles.xml", `<styleSheet><numFmts><numFmt numFmtId="170" formatCode="[$-409]d\-mmm\-yy;@"/><numFmt numFmtId="171" formatCode="[h]:mm"/><numFmt numFmtId="172" formatCode="0.0 &quot;days&quot;"/></numFmts>`+
			`<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="22"/><xf numFmtId="170"/><xf numFmtId="171"/><xf numFmtId="172"/><xf numFmtId="20"/></cellXfs></styleSheet>`,
		"xl/worksheets/s.xml", "<worksheet><sheetData>"+rows+"</sheetData>"+after+"</worksheet>")
}

func rowsOf(data []byte) (string, error) {
	var all []string
	err := office.Sheets(context.Background(), bytes.NewReader(data), int64(len(data)), limits, func(r *office.Row) error {
		line := fmt.Sprint(r.Number)
		for _, v := range r.Cells {
			var b doc.Builder
			v.Add(&b)
			d := b.Document("x")
			if err := d.Check(nil); err != nil {
				return err
			}
			if strings.TrimSpace(v.Text) != d.Text {
				return fmt.Errorf("%q is added as %q", v.Text, d.Text)
			}
			line += fmt.Sprintf(" %d=%v(%T)", v.Column, v.Meta, v.Meta)
		}
		all = append(all, line)
		return nil
	})
	return strings.Join(all, "/"), err
}

func TestSheets(t *testing.T) {
	for name, c := range map[string]struct{ workbook, rows, after, want string }{
		"shared strings": {"", `<row><c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="s"><v>2</v></c><c t="s"><v>9</v></c><c t="s"><v>3</v></c></row>`, "", "1 0=one(string) 1=rich text(string) 4=abA(string)"},
		"inline strings": {"", `<row r="4"><c r="C4" t="inlineStr"><is><t>in</t></is></c><c t="str"><f>A1</f><v>made</v></c></row>`, "", "4 2=in(string) 3=made(string)"},
		"numbers":        {"", `<row><c><v>3.0999999999999996</v></c><c><v>1e3</v></c><c t="b"><v>1</v></c><c t="e"><v>#N/A</v></c><c><f>1+1</f></c><c s="5"><v>2</v></c></row>`, "", "1 0=3.0999999999999996(float64) 1=1000(float64) 2=true(bool) 5=2(float64)"},
		"dates":          {"", `<row><c s="1"><v>45351</v></c><c s="2"><v>45351.75</v></c><c s="3"><v>1</v></c><c s="4"><v>1.5</v></c><c s="6"><v>0.5</v></c><c s="1"><v>-1</v></c></row>`, "", "1 0=2024-02-29(string) 1=2024-02-29 18:00:00(string) 2=1900-01-01(string) 3=36:00:00(string) 4=12:00:00(string) 5=-1(float64)"},
		"since 1904":     {`<workbookPr date1904="1"/>`, `<row><c s="1"><v>1</v></c></row>`, "", "1 0=1904-01-02(string)"},
		"merged":         {"", `<row r="1"><c r="A1"><v>7</v></c><c r="B1"><v>8</v></c></row><row r="2"><c r="B2"><v>9</v></c></row><row r="3"/><row r="4"><c r="B4"><v>1</v></c></row>`, `<mergeCells><mergeCell ref="A1:A3"/></mergeCells>`, "1 0=7(float64) 1=8(float64)/2 0=7(float64) 1=9(float64)/3 0=7(float64)/4 1=1(float64)"},
		"far away":       {"", `<row><c r="XFD1"><v>1</v></c><c r="ZZZ1"><v>2</v></c></row>`, "", "1 16383=1(float64)"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := rowsOf(book(c.workbook, c.rows, c.after))
			if err != nil || got != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestARowsErrorIsReturnedAsItIs(t *testing.T) {
	data := book("", "<row><c><v>1</v></c></row>", "")
	err := office.Sheets(context.Background(), bytes.NewReader(data), int64(len(data)), limits, func(*office.Row) error { return io.ErrShortWrite })
	if err != io.ErrShortWrite {
		t.Error(err)
	}
}

func FuzzWord(f *testing.F) {
	f.Add(styled("H", "A") + item(0, "b") + `<w:tbl><w:tr><w:tc><w:p/></w:tc></w:tr></w:tbl>`)
	f.Add(`<w:p><w:r><w:txbxContent>` + para("x") + `</w:txbxContent><w:footnoteReference w:id="2"/></w:r></w:p>`)
	f.Fuzz(func(t *testing.T, body string) {
		if d, err := docx(word(body)); err == nil {
			if err := d.Check(nil); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzOpenDocument(f *testing.F) {
	f.Add(`<text:h>A</text:h><text:list><text:list-item><text:p>b<text:s/></text:p></text:list-item></text:list>`)
	f.Add(`<table:table><table:table-row><table:table-cell table:number-columns-repeated="9"><text:p>x</text:p></table:table-cell></table:table-row></table:table>`)
	f.Fuzz(func(t *testing.T, body string) {
		if d, err := odt(openText(body)); err == nil {
			if err := d.Check(nil); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzSheet(f *testing.F) {
	f.Add(`<row r="1"><c r="A1" t="s"><v>1</v></c><c s="4"><v>1e300</v></c></row>`, `<mergeCells><mergeCell ref="A1:B9"/></mergeCells>`)
	f.Fuzz(func(t *testing.T, rows, after string) {
		if _, err := rowsOf(book("", rows, after)); err != nil && strings.Contains(err.Error(), "added as") {
			t.Error(err)
		}
	})
}
