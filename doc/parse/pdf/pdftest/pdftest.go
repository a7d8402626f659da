// Package pdftest writes small PDFs for tests, object by object, so that each can be wrong in one way.
package pdftest

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"strings"
)

// File is a PDF while it is written. Object 1 is the catalog, 2 the page tree, 3 the font Helvetica; further ones are numbered
// from 4. The zero value is ready.
type File struct {
	Catalog string // instead of the usual dictionary
	Trailer string // more entries of the trailer
	Font    string // instead of the usual dictionary
	objects []string
	pages   []int
}

// Object adds an object and returns its number.
func (f *File) Object(body string) int {
	f.objects = append(f.objects, body)
	return len(f.objects) + 3
}

// Stream adds a stream with more entries of its dictionary, such as "/Filter /FlateDecode".
func (f *File) Stream(entries string, data []byte) int {
	return f.Object(fmt.Sprintf("<< /Length %d %s >>\nstream\n%s\nendstream", len(data), entries, data))
}

// Page adds a page of 400 by 600 points that is painted by content; F1 is the font.
func (f *File) Page(content string) {
	f.PageOf(f.Stream("", []byte(content)))
}

// PageOf adds a page that is painted by a stream that was added before.
func (f *File) PageOf(stream int, resources ...string) {
	f.pages = append(f.pages, f.Object(fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 600] /Contents %d 0 R /Resources << /Font << /F1 3 0 R >> %s >> >>",
		stream, strings.Join(resources, " "))))
}

// Lines is content that paints lines in 10 points, the first at x and y, the others 12 points below one another.
func Lines(x, y int, lines ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "BT /F1 10 Tf 12 TL %d %d Td\n", x, y)
	for _, line := range lines {
		fmt.Fprintf(&b, "(%s) Tj T*\n", strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`).Replace(line))
	}
	return b.String() + "ET\n"
}

// Deflate packs data as FlateDecode unpacks it.
func Deflate(data []byte) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	w.Write(data) // into memory
	w.Close()
	return b.Bytes()
}

// Bytes is the whole file.
func (f *File) Bytes() []byte {
	kids := ""
	for _, p := range f.pages {
		kids += fmt.Sprintf("%d 0 R ", p)
	}
	catalog, font := f.Catalog, f.Font
	if catalog == "" {
		catalog = "<< /Type /Catalog /Pages 2 0 R >>"
	}
	if font == "" {
		font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
	}
	objects := append([]string{catalog, fmt.Sprintf("<< /Type /Pages /Count %d /Kids [%s] >>", len(f.pages), kids), font}, f.objects...)
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	table := "0000000000 65535 f \n"
	for i, o := range objects {
		table += fmt.Sprintf("%010d 00000 n \n", b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n%strailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, table, len(objects)+1, f.Trailer, start)
	return b.Bytes()
}
