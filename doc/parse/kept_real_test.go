package parse_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/doc"
)

// realFiles are files of Debian's packages, which scripts/documents fetches.
var realFiles = []struct{ pkg, path string }{
	{"debian-faq", "usr/share/doc/debian/FAQ/debian-faq.en.pdf.gz"},
	{"debian-faq", "usr/share/doc/debian/FAQ/pkg-basics.en.html"},
	{"debian-faq", "usr/share/doc/debian/FAQ/debian-faq.en.txt.gz"},
	{"libdigidoc-doc", "usr/share/doc/libdigidoc/libdigidoc/SK-COM-PRG-GUIDE.docx.gz"},
	{"libdigidoc-doc", "usr/share/doc/libdigidoc/libdigidoc/SK-COM-PRG-GUIDE.pdf.gz"},
	{"libreoffice-dmaths", "usr/lib/libreoffice/share/extensions/dmaths/Fichiers/userguides/user_guide_en.odt"},
	{"libtasn1-doc", "usr/share/doc/libtasn1-doc/libtasn1.pdf"},
	{"manpages", "usr/share/man/man7/unicode.7.gz"},
	{"nodejs-doc", "usr/share/doc/nodejs/api/http.md.gz"},
	{"nodejs-doc", "usr/share/doc/nodejs/api/http.html"},
	{"nodejs-doc", "usr/share/doc/nodejs/api/http.json.gz"},
	{"xlsx2csv", "usr/share/doc/xlsx2csv/examples/test/xlsx2csv-test-file.xlsx"},
	{"xlsx2csv", "usr/share/doc/xlsx2csv/examples/test/xlsx2csv-test-file.csv"},
}

// TestWhatIsKeptOfRealFiles reads files that others wrote. A line of the table is of one
// version of a package; where another version is here the promises are checked, and the line is let be.
func TestWhatIsKeptOfRealFiles(t *testing.T) {
	_, old, _ := tableOf(t, realBegin)
	rows := [][]string{{"file", "package", "read as", "documents", "headings", "items", "tables", "code", "last page", "byte for byte"}}
	for _, f := range realFiles {
		read, version := readReal(t, f.pkg, f.path)
		row := append([]string{"`" + filepath.Base(f.path) + "`", f.pkg + " " + version}, read.counts()...)
		if line, ok := lineOf(old, row[0]); ok && !*writeTable && !strings.Contains(line, " "+row[1]+" ") {
			t.Logf("the table has another version:\n%s\n%v", line, row)
			row = strings.Split(strings.Trim(line, "| "), " | ")
		}
		rows = append(rows, row)
	}
	holdTable(t, realBegin, markdownTable(rows))
}

// The same guide was saved in two formats by those who wrote it: what is read of the one must be read of the other.
func TestARealGuideSaysTheSameInBothFormats(t *testing.T) {
	dir := "usr/share/doc/libdigidoc/libdigidoc/"
	word, _ := readReal(t, "libdigidoc-doc", dir+"SK-COM-PRG-GUIDE.docx.gz")
	page, _ := readReal(t, "libdigidoc-doc", dir+"SK-COM-PRG-GUIDE.pdf.gz")
	if share := sharedWords(word, page); share < 0.995 {
		t.Errorf("of the words of the DOCX, %.4f are in the PDF", share)
	}
	if share := sharedWords(page, word); share < 0.97 { // it has a table of contents
		t.Errorf("of the words of the PDF, %.4f are in the DOCX", share)
	}
}

// readReal reads a file of a package, which is skipped where it is not here, and returns the package's version.
func readReal(t *testing.T, pkg, path string) (opened, string) {
	t.Helper()
	root := os.Getenv("NEARSIDE_DOCUMENTS")
	if root == "" {
		t.Skip("NEARSIDE_DOCUMENTS is not set: what scripts/documents fetches is needed")
	}
	dirs, err := filepath.Glob(filepath.Join(root, pkg+"_*"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("%s has %d versions of %s, %v; scripts/documents fetches it", root, len(dirs), pkg, err)
	}
	data, err := os.ReadFile(filepath.Join(dirs[0], path))
	if err != nil {
		t.Fatal(err)
	}
	name, packed := strings.CutSuffix(filepath.Base(path), ".gz")
	if packed {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if data, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	_, version, _ := strings.Cut(filepath.Base(dirs[0]), "_")
	return readBytes(t, name, data), version
}

// counts returns what the table says of a file: its format, documents, blocks by kind, last page, and the share that is byte for byte.
func (f opened) counts() []string {
	kinds, pages := map[doc.Kind]int{}, 0
	for _, d := range f.all {
		for _, b := range d.Blocks {
			kinds[b.Kind]++
			pages = max(pages, d.Locate(b.Start, b.End).LastPage)
		}
	}
	row := []string{string(f.all[0].Format)}
	for _, n := range []int{len(f.all), kinds[doc.Heading], kinds[doc.Item], kinds[doc.Table], kinds[doc.Code], pages} {
		cell := keptNot
		if n > 0 {
			cell = fmt.Sprint(n)
		}
		row = append(row, cell)
	}
	return append(row, fmt.Sprintf("%d %%", f.verbatim()))
}

// lineOf returns the line of a table whose first cell is name.
func lineOf(table, name string) (string, bool) {
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "| "+name+" |") {
			return strings.TrimSuffix(line, "\n"), true
		}
	}
	return "", false
}

// sharedWords returns which share of the words of a, each as often as it stands there, b has too. The bars of tables are none.
func sharedWords(a, b opened) float64 {
	has := map[string]int{}
	for _, d := range b.all {
		for _, w := range strings.Fields(d.Text) {
			has[w]++
		}
	}
	shared, whole := 0, 0
	for _, d := range a.all {
		for _, w := range strings.Fields(strings.NewReplacer("|", "", "---", "").Replace(d.Text)) {
			whole++
			if has[w]--; has[w] >= 0 {
				shared++
			}
		}
	}
	return float64(shared) / float64(max(1, whole))
}
