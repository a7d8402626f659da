package parse_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"nearside/doc"
	"nearside/doc/parse"
)

var writeTable = flag.Bool("table", false, "write the tables of what is kept of each format into docs/formats.md")

// The tables of docs/formats.md, each of which stands between two lines.
const (
	formatsDocument = "../../docs/formats.md"
	keptBegin       = "<!-- seen in TestWhatIsKeptOfEachFormat -->\n"
	realBegin       = "<!-- seen in TestWhatIsKeptOfRealFiles -->\n"
	tableEnd        = "<!-- end -->\n"
)

// A cell of the table says one of these.
const (
	keptYes   = "yes"
	keptWords = "words" // they are there, as what they are is not
	keptNot   = "–"
)

// handbooks are the files that say the same: lighthouse.fodt as LibreOffice saves it, and lighthouse.md.
var handbooks = []string{"lighthouse.md", "lighthouse.html", "lighthouse.txt", "lighthouse.docx", "lighthouse.odt", "lighthouse.pdf"}

// TestWhatIsKeptOfEachFormat looks for what the handbook has in each of its files, and
// compares every place with the bytes that it is said to be.
func TestWhatIsKeptOfEachFormat(t *testing.T) {
	holdTable(t, keptBegin, keptTable(t, "testdata/office"))
}

// TestWhatLibreOfficeSavesNowIsReadAlike makes the files anew, with the LibreOffice that is here.
func TestWhatLibreOfficeSavesNowIsReadAlike(t *testing.T) {
	if !*long {
		t.Skip("runs with -long")
	}
	if _, err := exec.LookPath("soffice"); err != nil {
		t.Skip("LibreOffice is needed: apt-get install libreoffice-writer-nogui libreoffice-calc-nogui")
	}
	dir := t.TempDir()
	if out, err := exec.Command("sh", "testdata/office/make", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	page, err := os.ReadFile("testdata/office/lighthouse.md")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "lighthouse.md"), page, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := keptTable(t, dir), keptTable(t, "testdata/office"); got != want {
		t.Errorf("of what LibreOffice saves now is kept\n%s\nwhile of the files here\n%s", got, want)
	}
	if got, want := readAt(t, filepath.Join(dir, "lamps.xlsx")).all, readAt(t, "testdata/office/lamps.xlsx").all; places(got) != places(want) {
		t.Errorf("the sheets say\n%s\nwhile those here\n%s", places(got), places(want))
	}
}

// opened is a file that was read.
type opened struct {
	data []byte
	all  []*doc.Document
}

// readAt reads a file, and compares every place with the bytes it is said to be.
func readAt(t *testing.T, path string) opened {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return readBytes(t, filepath.Base(path), data)
}

func readBytes(t *testing.T, name string, data []byte) opened {
	t.Helper()
	all, err := read(t, name, data, parse.Options{})
	if err != nil || len(all) == 0 {
		t.Fatalf("%s: %d documents, %v", name, len(all), err)
	}
	parts := members(t, data)
	for _, d := range all {
		checkPlaces(t, d, data, parts)
	}
	return opened{data, all}
}

// keptTable returns feature × format as a Markdown table.
func keptTable(t *testing.T, dir string) string {
	t.Helper()
	table := [][]string{{""}}
	for i, name := range handbooks {
		f := readAt(t, filepath.Join(dir, name))
		table[0] = append(table[0], string(f.all[0].Format))
		for j, k := range f.kept() {
			if i == 0 {
				table = append(table, []string{k[0]})
			}
			table[j+1] = append(table[j+1], k[1])
		}
	}
	return markdownTable(table)
}

// kept returns what the handbook has, each with what came of it.
func (f opened) kept() [][2]string {
	d := f.all[0]
	block := func(kind doc.Kind, level int, label, words string) string {
		if slices.ContainsFunc(d.Blocks, func(b doc.Block) bool {
			return b.Kind == kind && b.Level == level && b.Label == label && strings.Contains(oneLine(d.Text[b.Start:b.End]), words)
		}) {
			return keptYes
		}
		if strings.Contains(oneLine(d.Text), strings.Split(strings.Trim(words, "| "), " |")[0]) {
			return keptWords
		}
		return keptNot
	}
	return [][2]string{
		{"title", yes(d.Title == "The Lighthouse Handbook")},
		{"author, and what else the file says of itself", yes(d.Metadata["author"] == "Ada Keeper")},
		{"headings and their level", block(doc.Heading, 2, "", "Supplies")},
		{"lists within lists", block(doc.Item, 2, "", "Round ones")},
		{"numbers of lists", block(doc.Item, 1, "2.", "Light the wick")},
		{"tables", block(doc.Table, 0, "", "| 42 m | white |")},
		{"paragraphs of their own", block(doc.Paragraph, 0, "", "The third page is short.")},
		{"footnotes", block(doc.Paragraph, 0, "", "Dusk is when the sixth star shows.")},
		{"what was left out is said", yes(len(d.Notes) > 0)},
		{"pages", f.placed("The second page holds", func(p doc.Place) bool { return p.Page == 2 })},
		{"lines", f.placed("The second page holds", func(p doc.Place) bool { return p.Line > 0 })},
		{"bytes are counted in", f.counted("The second page holds")},
		{"byte for byte, of the letters and digits", fmt.Sprintf("%d %%", f.verbatim())},
	}
}

func yes(is bool) string {
	if is {
		return keptYes
	}
	return keptNot
}

// oneLine joins the lines of a text, as a renderer does.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// placed reports whether the block with the words is where is says.
func (f opened) placed(words string, is func(doc.Place) bool) string {
	p, ok := f.locate(words)
	return yes(ok && is(p))
}

// counted says what the bytes of the block with the words are bytes of.
func (f opened) counted(words string) string {
	p, ok := f.locate(words)
	switch {
	case !ok:
		return keptNot
	case p.File != "":
		return "`" + p.File + "`"
	case f.all[0].Format == doc.FormatPDF:
		return "the file: its page's stream"
	}
	return "the file"
}

func (f opened) locate(words string) (doc.Place, bool) {
	for _, d := range f.all {
		for _, b := range d.Blocks {
			if strings.Contains(oneLine(d.Text[b.Start:b.End]), words) {
				return d.Locate(b.Start, b.End), true
			}
		}
	}
	return doc.Place{}, false
}

// verbatim is which share of the letters and digits is the file's, or a member's, byte for byte; in percent, rounded down.
func (f opened) verbatim() int {
	exact, whole := 0, 0
	for _, d := range f.all {
		for _, o := range d.Origins {
			n := 0
			for _, r := range d.Text[o.Start:o.End] {
				if unicode.IsLetter(r) || unicode.IsDigit(r) {
					n++
				}
			}
			whole += n
			if o.Verbatim {
				exact += n
			}
		}
	}
	return 100 * exact / max(1, whole)
}

func markdownTable(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(&b, "|%s\n", strings.Repeat("---|", len(row)))
		}
	}
	return b.String()
}

// holdTable compares a table of docs/formats.md with what was seen, and writes it with -table.
func holdTable(t *testing.T, begin, want string) {
	t.Helper()
	before, got, after := tableOf(t, begin)
	if got == want {
		return
	}
	if !*writeTable {
		t.Errorf("the table in %s is not what was seen; run this test with -table to write it:\n%s", formatsDocument, want)
		return
	}
	if err := os.WriteFile(formatsDocument, []byte(before+begin+want+tableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func tableOf(t *testing.T, begin string) (before, table, after string) {
	t.Helper()
	raw, err := os.ReadFile(formatsDocument)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(raw), begin)
	table, after, ended := strings.Cut(rest, tableEnd)
	if !begun || !ended {
		t.Fatalf("%s has no table between %q and %q", formatsDocument, begin, tableEnd)
	}
	return before, table, after
}
