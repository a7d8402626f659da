package chunk

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"nearside/doc"
)

// Print shows chunks to people: of each its number, counted from first, its tokens, its place, its headings and its id in one line, and
// then its Text with a bar before each line.
func Print(w io.Writer, chunks []Chunk, first int) error {
	out := bufio.NewWriter(w)
	for i, c := range chunks {
		fmt.Fprintf(out, "chunk %d  %d tokens  %s", first+i, c.Tokens, Where(c.Place))
		if c.Repeats > 0 {
			fmt.Fprintf(out, "  repeats %d bytes", c.Repeats)
		}
		if len(c.Headings) > 0 {
			fmt.Fprintf(out, "  %s", strings.Join(c.Headings, between))
		}
		fmt.Fprintf(out, "  %s\n", c.ID)
		for line := range strings.Lines(c.Text) {
			fmt.Fprintf(out, "  | %s\n", strings.TrimRight(line, "\r\n"))
		}
		out.WriteByte('\n') // a failed write shows in Flush
	}
	return out.Flush()
}

// Where says a place in words, such as "page 2, lines 3-9, bytes 120-480".
func Where(p doc.Place) string {
	var parts []string
	if p.File != "" {
		parts = append(parts, p.File)
	}
	if p.Page > 0 {
		parts = append(parts, span("page", p.Page, p.LastPage))
	}
	if p.Line > 0 {
		parts = append(parts, span("line", p.Line, p.LastLine))
	}
	return strings.Join(append(parts, fmt.Sprintf("bytes %d-%d", p.From, p.To)), ", ")
}

func span(unit string, first, last int) string {
	if last <= first {
		return fmt.Sprintf("%s %d", unit, first)
	}
	return fmt.Sprintf("%ss %d-%d", unit, first, last)
}
