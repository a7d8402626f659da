package parse

import (
	"context"
	"fmt"
	"strings"

	"nearside/doc"
)

// nestedLine returns the first line with more marks of quotes and lists at its beginning than depth, 0 if none has.
func nestedLine(s string, depth int) int {
	number := 0
	for line := range strings.Lines(s) {
		number++
		marks := 0
		for i := 0; i < len(line) && strings.IndexByte("> \t-+*", line[i]) >= 0; i++ {
			if line[i] == '>' || i+1 < len(line) && line[i+1] == ' ' && line[i] != ' ' {
				marks++
			}
		}
		if marks > depth {
			return number
		}
	}
	return 0
}

// maxBrackets is how many square brackets a paragraph of Markdown may open. The time that goldmark takes for them grows
// with their square: for 4,000 it is below a second, for 30,000 half a minute.
const maxBrackets = 4000

// bracketedLine returns the first line of a paragraph that opens more than maxBrackets, 0 if none does.
func bracketedLine(s string) int {
	number, brackets, first := 0, 0, 1
	for line := range strings.Lines(s) {
		if number++; strings.TrimSpace(line) == "" {
			brackets, first = 0, number+1
		}
		if brackets += strings.Count(line, "["); brackets > maxBrackets {
			return first
		}
	}
	return 0
}

// asText reads Markdown that would take too long as text.
func asText(ctx context.Context, f File, o Options, line int, yield func(*doc.Document) error) error {
	note := fmt.Sprintf("the paragraph on line %d opens more than %d brackets: it was read as text, not as Markdown", line, maxBrackets)
	return parseText(ctx, f, o, func(d *doc.Document) error {
		d.Notes = append(d.Notes, note)
		return yield(d)
	})
}
