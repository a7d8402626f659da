package doc

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Check returns the first of the package's promises that d breaks, nil if it keeps all. With the
// bytes of the file it also compares what is verbatim; nil leaves that out.
func (d *Document) Check(file []byte) error {
	if !utf8.ValidString(d.Text) {
		return fmt.Errorf("the text is not UTF-8")
	}
	if d.Format == "" {
		return fmt.Errorf("the document has no format")
	}
	if err := d.checkBlocks(); err != nil {
		return err
	}
	if err := d.checkOrigins(file); err != nil {
		return err
	}
	return d.checkCover()
}

func (d *Document) checkBlocks() error {
	end := 0
	for i, b := range d.Blocks {
		if b.Start < end || b.End <= b.Start || b.End > len(d.Text) {
			return fmt.Errorf("block %d is text %d to %d, after %d, of %d bytes", i, b.Start, b.End, end, len(d.Text))
		}
		text := d.Text[b.Start:b.End]
		if !utf8.ValidString(text) {
			return fmt.Errorf("block %d begins or ends within a character", i)
		}
		line, _, _ := strings.Cut(text, "\n")
		if strings.TrimSpace(line) == "" || strings.TrimSpace(text[len(strings.TrimRight(text, " \t\r\n")):]) != "" {
			return fmt.Errorf("block %d begins or ends with a blank line: %q", i, text)
		}
		if err := b.check(); err != nil {
			return fmt.Errorf("block %d: %w", i, err)
		}
		if between := d.Text[end:b.Start]; strings.TrimSpace(between) != "" {
			return fmt.Errorf("no block holds %q before block %d", between, i)
		}
		end = b.End
	}
	if rest := d.Text[end:]; strings.TrimSpace(rest) != "" {
		return fmt.Errorf("no block holds %q at the end", rest)
	}
	return nil
}

func (b Block) check() error {
	low, high := 0, 0
	switch b.Kind {
	case Heading:
		low, high = 1, 6
	case Item:
		low, high = 1, 1<<20
	case Paragraph, Code, Table, Quote:
	default:
		return fmt.Errorf("there is no kind %q", b.Kind)
	}
	if b.Level < low || b.Level > high {
		return fmt.Errorf("a %s has the level %d", b.Kind, b.Level)
	}
	return nil
}

func (d *Document) checkOrigins(file []byte) error {
	end := 0
	for i, o := range d.Origins {
		if o.Start < end || o.End <= o.Start || o.End > len(d.Text) {
			return fmt.Errorf("origin %d is of text %d to %d, after %d, of %d bytes", i, o.Start, o.End, end, len(d.Text))
		}
		end = o.End
		if o.From < 0 || o.To < o.From || o.Line < 0 || o.Page < 0 {
			return fmt.Errorf("origin %d is at bytes %d to %d, line %d, page %d", i, o.From, o.To, o.Line, o.Page)
		}
		text := d.Text[o.Start:o.End]
		if o.Verbatim && o.To-o.From != int64(len(text)) {
			return fmt.Errorf("origin %d has %d bytes for %q", i, o.To-o.From, text)
		}
		if !utf8.ValidString(text) {
			return fmt.Errorf("origin %d begins or ends within a character", i)
		}
		if file != nil && o.File == "" {
			if err := o.compare(text, file); err != nil {
				return fmt.Errorf("origin %d: %w", i, err)
			}
		}
	}
	return nil
}

func (o Origin) compare(text string, file []byte) error {
	if o.To > int64(len(file)) {
		return fmt.Errorf("it ends at byte %d of %d", o.To, len(file))
	}
	if got := string(file[o.From:o.To]); o.Verbatim && got != text {
		return fmt.Errorf("%q is not the bytes %d to %d, which are %q", text, o.From, o.To, got)
	}
	return nil
}

// checkCover checks that every byte of every block has an origin.
func (d *Document) checkCover() error {
	at := 0
	for i, b := range d.Blocks {
		for covered := b.Start; covered < b.End; at++ {
			for at < len(d.Origins) && d.Origins[at].End <= covered {
				at++
			}
			if at == len(d.Origins) || d.Origins[at].Start > covered {
				return fmt.Errorf("byte %d of block %d has no origin", covered-b.Start, i)
			}
			covered = d.Origins[at].End
			if covered >= b.End {
				break
			}
		}
	}
	return nil
}
