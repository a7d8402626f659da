// Package pdf reads what is written on the pages of PDF files: glyphs, each with its characters, its place
// and its size. What is a line, a column or a heading is for the caller to find out.
//
// Open reads where the objects of a file are, and Page paints one page as a viewer would, but with
// characters instead of ink. It reads versions 1.0 to 2.0: tables and streams of
// references, object streams, the filters that text comes in, encryption that opens without a
// password, fonts of every kind by their ToUnicode maps, encodings and glyph names, and
// CJK fonts by the encodings that have tables in golang.org/x/text.
//
// Promises: whatever a file holds, it ends in a fault, not in a panic, within Limits and soon after the end of
// the context. A damaged table of references is made anew by looking for the objects. A
// File holds in memory what one page needs, never the whole file.
//
// It does not look at pictures (no text is recognised in them), forms' fields, annotations,
// attachments or scripts. A File must not be used by two goroutines at once.
package pdf

import (
	"context"
	"io"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"nearside/fault"
)

// Limits bound what a file may cost.
type Limits struct {
	Expanded int64 // bytes that all its streams unpack to
	Held     int64 // bytes of text, and of what is known of it, that a document of it may take; 0 = any
	Depth    int   // of its page tree, and of forms in forms
}

// File is an open PDF.
type File struct {
	ctx     context.Context
	src     io.ReaderAt
	size    int64
	limits  Limits
	spent   int64 // of limits.Expanded
	base    int64 // where %PDF- stands, which offsets count from
	xref    map[int]entry
	trailer dict
	rebuilt bool // the table of references was made anew
	crypt   *crypt
	packed  map[int]*objectStream // object streams unpacked lately
	held    int                   // bytes that they hold
	busy    map[int]bool          // objects that are being read, to end loops
	fonts   map[ref]*font
	pages   []pageNode
}

// Open reads the structure of a PDF. Its faults are Invalid for what is no PDF or cannot be mended,
// Forbidden for one that wants a password, and TooLarge.
func Open(ctx context.Context, src io.ReaderAt, size int64, limits Limits) (*File, error) {
	f := &File{ctx: ctx, src: src, size: size, limits: limits, fonts: map[ref]*font{}, busy: map[int]bool{}}
	if err := f.findHeader(); err != nil {
		return nil, err
	}
	err := f.readXref()
	if err == nil {
		err = f.open()
	}
	if err == nil || fault.Is(err, fault.Forbidden) || fault.Is(err, fault.TooLarge) {
		return f, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if again := f.rebuild(); again != nil {
		return nil, again
	}
	return f, f.open()
}

// open makes pages of the table of references.
func (f *File) open() error {
	if err := f.unlock(); err != nil {
		return err
	}
	f.pages = nil
	catalog := f.dict(f.trailer["Root"])
	if err := f.walk(catalog["Pages"], dict{}, 0, map[ref]bool{}); err != nil {
		return err
	}
	if len(f.pages) == 0 && f.rebuilt {
		f.strayPages()
	}
	if len(f.pages) == 0 {
		return fault.New(fault.Invalid, "no page was found in it; the file is damaged, or was cut off")
	}
	return nil
}

// Pages is how many pages there are.
func (f *File) Pages() int { return len(f.pages) }

// Mended reports whether the table of references was damaged, so that the objects had to be looked for.
func (f *File) Mended() bool { return f.rebuilt }

// Info is what the file says of itself, such as Title, Author and CreationDate (as time.RFC3339).
func (f *File) Info() map[string]string {
	out := map[string]string{}
	for k, v := range f.dict(f.trailer["Info"]) {
		s, ok := f.resolve(v).(str)
		if !ok {
			continue
		}
		text := strings.TrimSpace(textString(string(s)))
		if strings.HasSuffix(string(k), "Date") {
			text = date(text)
		}
		if text != "" {
			out[string(k)] = text
		}
	}
	return out
}

// date makes RFC 3339 of D:20240131120000+01'00'; what does not look like it stays what it is.
func date(s string) string {
	digits := strings.TrimPrefix(s, "D:")
	zone := ""
	if i := strings.IndexAny(digits, "+-Z"); i >= 0 {
		digits, zone = digits[:i], strings.ReplaceAll(digits[i:], "'", "")
	}
	layout := "20060102150405"
	if len(digits) > len(layout) || len(digits) < 4 || len(digits)%2 != 0 {
		return s
	}
	if len(zone) == 5 && len(digits) == len(layout) {
		if t, err := time.Parse(layout+"-0700", digits+zone); err == nil {
			return t.Format(time.RFC3339)
		}
	}
	t, err := time.Parse(layout[:len(digits)], digits)
	if err != nil {
		return s
	}
	return t.Format(time.RFC3339)
}

// textString decodes a text string (ISO 32000-2, 7.9.2.2): UTF-16, UTF-8, or PDFDocEncoding.
func textString(s string) string {
	switch {
	case strings.HasPrefix(s, "\xfe\xff"):
		return utf16BE(s[2:])
	case strings.HasPrefix(s, "\xef\xbb\xbf") && utf8.ValidString(s):
		return s[3:]
	}
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(docEncoding(s[i]))
	}
	return b.String()
}

// utf16BE decodes UTF-16; what is none becomes U+FFFD.
func utf16BE(s string) string {
	units := make([]uint16, len(s)/2)
	for i := range units {
		units[i] = uint16(s[2*i])<<8 | uint16(s[2*i+1])
	}
	return string(utf16.Decode(units))
}
