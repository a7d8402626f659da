// Package doc is what files say: text in reading order, cut into blocks, each
// stretch of which knows where in the file it came from.
//
// Package parse makes Documents of files, package chunk cuts Documents into passages
// that an embedding model can read whole. Document is what they agree on; a Builder
// makes one.
//
// Promises: Text is valid UTF-8. Blocks are in reading order, do not overlap, and hold all
// that is not white space; each of them begins and ends with a line that says something.
// Origins are ascending and cover every byte of every block, so that a passage can be
// pointed at in the file that it was taken from. Check proves it of one document.
//
// It does not keep what a document looks like: fonts, colours, positions on a page.
package doc

// Document is a file's text, or the part of it that stands for itself: a row of a
// table, a line of JSON, a stretch of a file that is too large to be held at once.
type Document struct {
	Key      string         // which part of the file, such as "row 17"; "" = the file itself
	Part     int            // 0, or how many stretches of the same Key came before
	Format   Format         // what it was read as
	Title    string         // as the file gives it; "" if it gives none
	Metadata map[string]any // what the file says of itself: front matter, properties, columns; may be nil
	Text     string         // blocks, a blank line between two
	Blocks   []Block
	Origins  []Origin
	Notes    []string // what was left out, and why; for people
}

// Format is the kind of a file, as a short name such as "markdown".
type Format string

// The formats.
const (
	FormatText      Format = "text"
	FormatMarkdown  Format = "markdown"
	FormatHTML      Format = "html"
	FormatCSV       Format = "csv" // with commas, semicolons, tabs or bars
	FormatJSON      Format = "json"
	FormatJSONLines Format = "jsonl"
	FormatSource    Format = "source" // of a program, in any language
	FormatPDF       Format = "pdf"
	FormatDOCX      Format = "docx"
	FormatODT       Format = "odt"
	FormatXLSX      Format = "xlsx"
)

// Kind is what a block is.
type Kind string

// The kinds of blocks.
const (
	Paragraph Kind = "paragraph"
	Heading   Kind = "heading"
	Item      Kind = "item" // of a list, without its bullet or number
	Code      Kind = "code"
	Table     Kind = "table" // as a Markdown table, its header in the first line
	Quote     Kind = "quote"
)

// Block is a stretch of a document's text that belongs together.
type Block struct {
	Kind       Kind
	Level      int    // of a heading 1 to 6, of an item its depth from 1; else 0
	Label      string // of code its language, of source code what it defines, of a numbered item its number; else ""
	Start, End int    // it is Text[Start:End]
}

// Origin says where Text[Start:End] came from: the bytes From to To. If it is Verbatim, the text
// is those bytes, and each stands for itself. Otherwise the stretch as a whole says what they
// say: an entity, a word in an encoding that is not UTF-8, a line of a PDF. It
// counts as one line. Text that the file implies but does not
// have, such as the bars of a table in HTML, comes from the place it stands at: From = To.
type Origin struct {
	Start, End int
	File       string // the member of an archive that From and To count in, such as word/document.xml; "" = the file itself
	From, To   int64
	Verbatim   bool
	Line       int // the line of From, from 1; 0 in a format without lines
	Page       int // from 1; 0 in a format without pages
}
