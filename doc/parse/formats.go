package parse

import (
	"path"
	"slices"
	"strings"

	"nearside/doc"
	"nearside/fault"
)

// entry is a format: what its files are called, how their first bytes look, and who reads them.
type entry struct {
	format  doc.Format
	endings []string // lower case, with the dot
	media   []string // media types; the first is the usual one
	// sniff reports whether first bytes, up to 64 KiB, can only be of this format; nil = nothing tells. The
	// file has its name, and At if it was given.
	sniff  func(head []byte, f File) bool
	binary bool // its files are not made of text
	random bool // its parser needs At and Size
	parse  parser
}

// formats is the one table of what can be read. Where several sniff, the first wins.
var formats = []*entry{
	{format: doc.FormatPDF, endings: []string{".pdf"}, media: []string{"application/pdf"}, sniff: looksPDF, binary: true, random: true, parse: parsePDF},
	{format: doc.FormatDOCX, endings: []string{".docx", ".docm", ".dotx"}, media: []string{"application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
		sniff: looksOffice(doc.FormatDOCX, "word/", ".docx", ".docm", ".dotx"), binary: true, random: true, parse: parseDOCX},
	{format: doc.FormatODT, endings: []string{".odt", ".ott"}, media: []string{"application/vnd.oasis.opendocument.text"},
		sniff: looksOffice(doc.FormatODT, "vnd.oasis.opendocument.text", ".odt", ".ott"), binary: true, random: true, parse: parseODT},
	{format: doc.FormatXLSX, endings: []string{".xlsx", ".xlsm"}, media: []string{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
		sniff: looksOffice(doc.FormatXLSX, "xl/", ".xlsx", ".xlsm"), binary: true, random: true, parse: parseXLSX},
	{format: doc.FormatHTML, endings: []string{".html", ".htm", ".xhtml"}, media: []string{"text/html", "application/xhtml+xml"}, sniff: looksHTML, parse: parseHTML},
	{format: doc.FormatMarkdown, endings: []string{".md", ".markdown", ".mdown", ".mkd", ".mdx"}, media: []string{"text/markdown", "text/x-markdown"}, parse: parseMarkdown},
	{format: doc.FormatCSV, endings: []string{".csv", ".tsv", ".tab"}, media: []string{"text/csv", "text/tab-separated-values"}, parse: parseCSV},
	{format: doc.FormatJSONLines, endings: []string{".jsonl", ".ndjson"}, media: []string{"application/jsonl", "application/x-ndjson", "application/x-jsonlines"}, parse: parseJSONLines},
	{format: doc.FormatJSON, endings: []string{".json", ".webmanifest", ".geojson"}, media: []string{"application/json"}, parse: parseJSON},
	{format: doc.FormatSource, endings: sourceEndings(), media: []string{"text/plain", "text/javascript", "application/javascript", "text/x-python"}, sniff: looksScript, parse: parseSource},
	{format: doc.FormatText, endings: []string{".txt", ".text", ".log", ".rst", ".adoc"}, media: []string{"text/plain"}, parse: parseText},
}

// Type is a kind of file that can be read, as toMarkdown lists it.
type Type struct {
	Extension string `json:"extension"` // with the dot
	MediaType string `json:"mimeType"`
}

// Supported returns the kinds of files that can be read, by their endings. Text of any other ending is read too.
func Supported() []Type {
	var types []Type
	for _, e := range formats {
		for _, ending := range e.endings {
			types = append(types, Type{ending, e.mediaType(ending)})
		}
	}
	return types
}

// mediaType returns the media type of an ending: the one of its name, or the usual one.
func (e *entry) mediaType(ending string) string {
	if ending == ".tsv" || ending == ".tab" {
		return "text/tab-separated-values"
	}
	return e.media[0]
}

// CheckFormat returns an error unless files can be read as the format. "" is that they are looked at.
func CheckFormat(format doc.Format) error {
	if format == "" || byFormat(format) != nil {
		return nil
	}
	return unknownFormat(format)
}

func unknownFormat(format doc.Format) error {
	return fault.New(fault.Invalid, "there is no format %q to read as; there are %s", format, names())
}

// byFormat returns the entry of a format, nil if there is none.
func byFormat(format doc.Format) *entry {
	return find(func(e *entry) bool { return e.format == format })
}

// byName returns the entry of a file's ending, nil if it has none that is known.
func byName(name string) *entry {
	ending := strings.ToLower(path.Ext(name))
	return find(func(e *entry) bool { return slices.Contains(e.endings, ending) })
}

// byMedia returns the entry of a media type with or without parameters, nil if it says
// nothing: servers call everything text/plain or application/octet-stream.
func byMedia(media string) *entry {
	media, _, _ = strings.Cut(strings.ToLower(media), ";")
	media = strings.TrimSpace(media)
	if media == "text/plain" {
		return nil
	}
	return find(func(e *entry) bool { return slices.Contains(e.media, media) })
}

func find(is func(*entry) bool) *entry {
	if i := slices.IndexFunc(formats, is); i >= 0 {
		return formats[i]
	}
	return nil
}
