package command

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"nearside/doc"
	"nearside/doc/chunk"
	"nearside/doc/parse"
	"nearside/fault"
)

// parseFlags say how a file is read and shown.
type parseFlags struct {
	readingFlags
	chunks bool
}

func newParse() *cobra.Command {
	var f parseFlags
	cmd := &cobra.Command{
		Use:   "parse FILE",
		Short: "Show what a file says, and with --chunks the passages it would be cut into",
		Long: `Show what a file says: its documents, their blocks, and the lines, pages and bytes these
come from. With --chunks the passages that an index would be given, each with its tokens.
FILE may be - for standard input. No server is needed, and nothing is written.

--json prints an object a line: a document with its blocks, or a passage.`,
		Args: cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	f.register(flags, chunk.DefaultWindow)
	flags.BoolVar(&f.chunks, "chunks", false, "show passages")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) }
	return cmd
}

func (f *parseFlags) run(cmd *cobra.Command, name string) (err error) {
	file, closeFile, err := openParsed(cmd, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFile()) }()
	asJSON, err := cmd.Flags().GetBool("json")
	if err != nil {
		return err
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	show := documentsTo(out, asJSON)
	if f.chunks {
		if show, err = f.chunksTo(cmd, out, name, asJSON); err != nil {
			return err
		}
	}
	if err := parse.Parse(cmd.Context(), file, f.parse(), show); err != nil {
		return errors.Join(err, out.Flush())
	}
	return out.Flush()
}

// openParsed opens a file, or standard input for "-".
func openParsed(cmd *cobra.Command, name string) (parse.File, func() error, error) {
	if name == "-" {
		return parse.File{Name: "standard input", Body: cmd.InOrStdin(), Size: -1}, func() error { return nil }, nil
	}
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	if err != nil {
		return parse.File{}, nil, fault.New(fault.Invalid, "%s cannot be read", name).Because(err)
	}
	f, err := os.Open(name)
	if err != nil {
		return parse.File{}, nil, fault.New(fault.Invalid, "%s cannot be read", name).Because(err)
	}
	return parse.File{Name: filepath.Base(name), Body: f, At: f, Size: info.Size()}, f.Close, nil
}

// documentsTo returns what shows a document.
func documentsTo(out io.Writer, asJSON bool) func(*doc.Document) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	first := true
	return func(d *doc.Document) error {
		if asJSON {
			return enc.Encode(shownDocument(d))
		}
		if !first {
			fmt.Fprintln(out)
		}
		first = false
		return printDocument(out, d)
	}
}

// documentJSON is a document as --json shows it.
type documentJSON struct {
	Key      string         `json:"key,omitempty"`
	Part     int            `json:"part,omitempty"`
	Format   doc.Format     `json:"format"`
	Title    string         `json:"title,omitempty"`
	Metadata map[string]any `json:"metadata,omitempty"`
	Notes    []string       `json:"notes,omitempty"`
	Blocks   []blockJSON    `json:"blocks"`
}

type blockJSON struct {
	Kind  doc.Kind  `json:"kind"`
	Level int       `json:"level,omitempty"`
	Label string    `json:"label,omitempty"`
	Place placeJSON `json:"place"`
	Text  string    `json:"text"`
}

type placeJSON struct {
	File     string `json:"file,omitempty"` // of an archive
	From     int64  `json:"from"`           // bytes
	To       int64  `json:"to"`
	Line     int    `json:"line,omitempty"`
	LastLine int    `json:"last_line,omitempty"`
	Page     int    `json:"page,omitempty"`
	LastPage int    `json:"last_page,omitempty"`
}

func shownDocument(d *doc.Document) documentJSON {
	blocks := make([]blockJSON, len(d.Blocks))
	for i, b := range d.Blocks {
		blocks[i] = blockJSON{b.Kind, b.Level, b.Label, placeJSON(d.Locate(b.Start, b.End)), d.Text[b.Start:b.End]}
	}
	return documentJSON{d.Key, d.Part, d.Format, d.Title, d.Metadata, d.Notes, blocks}
}

// printDocument shows a document to people: a line for it, one for each note, and its blocks.
func printDocument(w io.Writer, d *doc.Document) error {
	fmt.Fprintf(w, "%s, %d bytes of text in %d blocks", documentName(d), len(d.Text), len(d.Blocks))
	if d.Title != "" {
		fmt.Fprintf(w, ", %q", d.Title)
	}
	fmt.Fprintln(w)
	if len(d.Metadata) > 0 {
		metadata, err := json.Marshal(d.Metadata)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "metadata: %s\n", metadata)
	}
	for _, note := range d.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
	for _, b := range d.Blocks {
		kind := string(b.Kind)
		if b.Level > 0 {
			kind += fmt.Sprintf(" %d", b.Level)
		}
		if b.Label != "" {
			kind += fmt.Sprintf(" %q", b.Label)
		}
		fmt.Fprintf(w, "\n%s  %s\n", kind, chunk.Where(d.Locate(b.Start, b.End)))
		for line := range strings.Lines(d.Text[b.Start:b.End]) {
			fmt.Fprintf(w, "  | %s\n", strings.TrimRight(line, "\r\n"))
		}
	}
	return nil
}

func documentName(d *doc.Document) string {
	name := string(d.Format)
	if d.Key != "" {
		name += " " + d.Key
	}
	if d.Part > 0 {
		name += fmt.Sprintf(" part %d", d.Part+1)
	}
	return name
}

// chunkJSON is a passage as --json shows it.
type chunkJSON struct {
	ID       string    `json:"id"`
	Key      string    `json:"key,omitempty"` // the document's
	Tokens   int       `json:"tokens"`
	Headings []string  `json:"headings,omitempty"`
	Place    placeJSON `json:"place"`
	Context  string    `json:"context,omitempty"` // what text has before the passage
	Repeats  int       `json:"repeats,omitempty"` // bytes of the passage that end the one before
	Text     string    `json:"text"`
}

// chunksTo returns what shows the passages of a document.
func (f *parseFlags) chunksTo(cmd *cobra.Command, out io.Writer, name string, asJSON bool) (func(*doc.Document) error, error) {
	if err := f.tokenizer(cmd); err != nil {
		return nil, err
	}
	f.cut.Source = filepath.Base(name)
	cutter, err := chunk.New(f.cut)
	if err != nil {
		return nil, err
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	next := 1
	return func(d *doc.Document) error {
		chunks, err := cutter.Cut(cmd.Context(), d)
		if err != nil {
			return err
		}
		if !asJSON {
			err = chunk.Print(out, chunks, next)
			next += len(chunks)
			return err
		}
		for _, c := range chunks {
			if err := enc.Encode(chunkJSON{c.ID, d.Key, c.Tokens, c.Headings, placeJSON(c.Place), c.Context(), c.Repeats, c.Text}); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// tokenizer opens the built-in encoder's vocabulary; without it tokens are estimated.
func (f *parseFlags) tokenizer(cmd *cobra.Command) error {
	if f.estimate {
		return nil
	}
	t, err := f.vocabulary()
	if err == nil && t == nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "tokens are estimated: the encoder's vocabulary is not in %s; fetch it with: nearside models pull\n", f.models)
	}
	f.cut.Tokenizer = t
	return err
}
