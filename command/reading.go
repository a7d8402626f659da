package command

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"nearside/doc"
	"nearside/doc/chunk"
	"nearside/doc/parse"
	"nearside/embed/bert"
)

// readingFlags say how files are read and cut.
type readingFlags struct {
	parsing  parse.Options
	format   string
	cut      chunk.Options
	estimate bool
	models   string
}

// register adds the flags. A window of 0 is that of the index's model.
func (f *readingFlags) register(flags *pflag.FlagSet, window int) {
	o := &f.parsing
	flags.StringVar(&f.format, "format", "", "what the files are, such as markdown or pdf; \"\" = found out")
	flags.StringVar(&o.Pointer, "pointer", "", "JSON: where the documents are, as a JSON pointer such as /data/items")
	flags.StringSliceVar(&o.Columns.Text, "text-column", nil, "tables and JSON: the columns, or fields, that are a document's text (default text, body or content, else all)")
	flags.StringVar(&o.Columns.Title, "title-column", "", "tables and JSON: the column that is its title")
	flags.StringVar(&o.Columns.ID, "id-column", "", "tables and JSON: the column that names a document; \"\" = they are numbered")
	flags.StringSliceVar(&o.Columns.Metadata, "metadata-columns", nil, "tables and JSON: the columns that become metadata (default all others)")
	flags.BoolVar(&o.Tables, "tables", false, "tables: a document is a table, not a row")
	flags.StringVar(&o.Selector, "selector", "", "HTML: what is read, as a CSS selector; \"\" = the main content")
	flags.BoolVar(&o.Links, "links", false, "keep the addresses of links")

	flags.IntVar(&f.cut.Size, "size", 0, fmt.Sprintf("tokens of a passage at most; 0 = %d, or the window if that is less", chunk.DefaultSize))
	flags.IntVar(&f.cut.Overlap, "overlap", 0, "tokens of whole sentences that a passage repeats of the one before it")
	flags.IntVar(&f.cut.Window, "window", window, "tokens that the embedding model reads")
	flags.BoolVar(&f.cut.Bare, "bare", false, "leave out the headings before a passage")
	flags.BoolVar(&f.estimate, "estimate", false, "estimate tokens, as for a model whose tokenizer is not here")
	flags.StringVar(&f.models, "models", defaultModels(), "directory of model weights, for the built-in encoder's vocabulary")
}

// parse returns how files are read.
func (f *readingFlags) parse() parse.Options {
	o := f.parsing
	o.Format = doc.Format(f.format)
	return o
}

// vocabulary opens the built-in encoder's tokenizer; nil if it is not on this machine.
func (f *readingFlags) vocabulary() (chunk.Tokenizer, error) {
	dir := (&modelFlags{dir: f.models}).encoderDir()
	if _, err := os.Stat(filepath.Join(dir, "vocab.txt")); err != nil {
		return nil, nil
	}
	t, err := bert.OpenTokenizer(dir)
	if err != nil {
		return nil, err
	}
	return t, nil
}
