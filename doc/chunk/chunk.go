// Package chunk cuts documents into passages that an embedding model reads whole.
//
// A Cutter takes the documents of one file, in order, and returns their Chunks. It
// counts with the model's own tokenizer; Estimate stands in for one that is not here.
//
// How it cuts: sections, as headings divide a document, are kept whole where they fit, and small
// ones that follow each other under a common heading are joined. A larger section is cut between
// blocks; else between items, at blank lines of code, between sentences, rows and
// lines. What is longer than the window by itself is cut at line ends, at punctuation,
// between words, and only then between characters as people see them. Sentences are
// those of Unicode's annex 29, with what it says that abbreviations need.
//
// Promises: no chunk has more tokens than the window, counted by the tokenizer over its Text. Chunks
// are in order, and hold every byte of every block that is not white space. A
// Text ends with the document's own bytes, changed nowhere. A heading ends a chunk only where nothing stands
// below it, or headings in a row fill half of the window. The same document gives the same chunks with the same ids. Where there is
// a choice, the words at a place decide, not its distance from the beginning: after an
// edit the cuts fall into place again some passages further on, and all other chunks keep
// their ids. The time is linear in the text.
//
// It does not read files, and it knows no model.
package chunk

import (
	"cmp"
	"context"
	"unicode"

	"nearside/doc"
	"nearside/fault"
)

// Chunk is a passage to be embedded.
type Chunk struct {
	// ID is 32 letters and digits, made of the source, the document's key, Text, and how many chunks of the same had the same
	// Text before. An id that was there before need not be embedded again; its Place may be another.
	ID       string
	Text     string // what is embedded: the context, then the passage as the document has it
	Start    int    // the passage is Document.Text[Start:End]
	End      int
	Repeats  int       // bytes at Start that end the chunk before too
	Place    doc.Place // where the passage stands in the file
	Headings []string  // what the whole passage stands under, outermost first, a heading within it included
	Tokens   int       // of Text, with those that the model adds
}

// Context is what Text has before the passage: the headings above it, the header of a table it continues.
func (c Chunk) Context() string { return c.Text[:len(c.Text)-(c.End-c.Start)] }

// Passage is the document's own text in the chunk.
func (c Chunk) Passage() string { return c.Text[len(c.Text)-(c.End-c.Start):] }

// Tokenizer counts as an embedding model does. The built-in encoder is one.
type Tokenizer interface {
	// CountTokens returns how many tokens the model reads of a text, with those that it adds to every text.
	CountTokens(ctx context.Context, text string) (int, error)
}

// Options say how documents are cut. Zero values stand for the defaults.
type Options struct {
	// Source is what ids begin from: the file's name for as long as it is the same file, such as its path in its folder.
	Source    string
	Tokenizer Tokenizer // nil: Estimate, and a fifth of the window is left free for its error
	Window    int       // tokens that the model reads; 0: DefaultWindow
	Size      int       // tokens that a chunk should have at most, its context included; 0: DefaultSize, or the window if that is less
	Overlap   int       // tokens of whole sentences that a chunk repeats of the one before it in its section; 0: none
	Bare      bool      // leaves out the context
}

// Defaults and limits of the options.
//
// DefaultSize, no overlap, and the context before each passage were chosen by nDCG@10 of the built-in encoder (its window is 256) on
// collections whose passages were put into files of 20, in an order of chance, and had to be found again
// by the chunks that cover them (TestFigures; -figures repeats it; 240 passages a collection):
//
//	                       MedQuAD,   MedQuAD    Cranfield,  XQuAD,
//	                       headings   without    headings    English
//	64 tokens              .874       .778       .531        .949
//	128                    .847       .747       .556        .922
//	192                    .839       .783       .546        .902
//	256                    .821       .756       .490        .810
//	128, overlap of 21     .844       .784       .553        .926
//	128, no context        .814                  .523
//
// Half of the window is found as well as anything on the whole. Quarters are found better where answers are short, but are twice as
// many vectors, and little for a reader to go by. An overlap helped one set of the four, by as much as chance may. MedQuAD
// has 60 questions: differences below .03 say nothing there.
const (
	DefaultWindow = 256 // the built-in encoder's
	DefaultSize   = 128
	LeastWindow   = 8 // below it no passage means anything
)

// withDefaults fills in and checks.
func (o Options) withDefaults() (Options, error) {
	o.Window = cmp.Or(o.Window, DefaultWindow)
	if o.Tokenizer == nil {
		o.Tokenizer = Estimate{}
		o.Window -= o.Window / estimateError
	}
	o.Size = cmp.Or(o.Size, min(DefaultSize, o.Window))
	switch {
	case o.Window < LeastWindow:
		return o, fault.New(fault.Invalid, "a window of %d tokens; at least %d are needed for a passage", o.Window, LeastWindow)
	case o.Size < LeastWindow || o.Size > o.Window:
		return o, fault.New(fault.Invalid, "chunks of %d tokens; %d to %d are possible, what the model's window holds", o.Size, LeastWindow, o.Window)
	case o.Overlap < 0 || o.Overlap > o.Size/2:
		return o, fault.New(fault.Invalid, "an overlap of %d tokens; 0 to %d are possible, half of a chunk", o.Overlap, o.Size/2)
	}
	return o, nil
}

// Cutter cuts the documents of one file. It remembers the headings that stand open from one part of a document
// to the next, and eight bytes of each passage, so that equal ones get ids of their own. It is not for several
// goroutines at once.
type Cutter struct {
	Options
	added int // tokens that the model adds to every text
	ids   ids
	open  *heading // the last heading of the part before
}

// New returns a Cutter.
func New(o Options) (*Cutter, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Cutter{Options: o, added: -1}, nil
}

// Cut is New and one Cutter.Cut.
func Cut(ctx context.Context, d *doc.Document, o Options) ([]Chunk, error) {
	c, err := New(o)
	if err != nil {
		return nil, err
	}
	return c.Cut(ctx, d)
}

// Cut returns the chunks of a document, none if it says nothing. The parts of one document come one after the other.
func (c *Cutter) Cut(ctx context.Context, d *doc.Document) ([]Chunk, error) {
	if c.added < 0 {
		n, err := c.Tokenizer.CountTokens(ctx, "")
		if err != nil {
			return nil, err
		}
		c.added = n
	}
	if d.Part == 0 {
		c.open = nil
	}
	r := reading{cutter: c, ctx: ctx, doc: d}
	if err := r.read(); err != nil {
		return nil, err
	}
	c.open = r.above
	if err := r.pack(0, len(r.atoms)); err != nil {
		return nil, err
	}
	return r.chunks, nil
}

// count returns the tokens of a text without those that the model adds to every text.
func (r *reading) count(text string) (int, error) {
	n, err := r.cutter.Tokenizer.CountTokens(r.ctx, text)
	return max(0, n-r.cutter.added), err
}

// weigh returns what a text counts for: its tokens, or more if its tokens are enormous. A model may
// read a line of a hundred thousand characters as one unknown word; a passage it is not.
func (r *reading) weigh(text string) (int, error) {
	n, err := r.count(text)
	return max(n, (len(text)+widestToken-1)/widestToken), err
}

// widestToken is how many bytes a token stands for at most. English has 4 to 5 a token, indented
// code up to 10, by the built-in encoder's vocabulary.
const widestToken = 16

// blank reports whether a text is nothing but white space.
func blank(text string) bool {
	for _, r := range text {
		if !unicode.IsSpace(r) {
			return false
		}
	}
	return true
}
