package parse

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"nearside/doc"
)

// parseText reads paragraphs: lines up to a blank one. A line with a line of equal marks
// below it is a heading, as in reStructuredText and many a README. A long text is several documents,
// each a part of about a MiB that ends with a paragraph, if there are any.
func parseText(ctx context.Context, f File, o Options, yield func(*doc.Document) error) error {
	w := newWindow(f, o)
	var b doc.Builder
	var levels underlines
	part := 0
	return w.each(ctx, func(text *decoded) (int, error) {
		read := len(text.text)
		if !w.eof {
			read = border(text.text)
		}
		addParagraphs(&b, text, read, &levels)
		if b.Blocks() == 0 {
			return read, nil
		}
		if w.note != "" {
			b.Note(w.note)
		}
		d := b.Document(doc.FormatText)
		d.Part = part
		part++
		return read, yield(d)
	})
}

// border returns where a stretch of text is best cut: behind its last paragraph, line, sentence, word or character.
// The last character is never taken: what follows may belong to it.
func border(text string) int {
	for _, mark := range []string{"\n\n", "\n\r\n", "\n", "\r", ". ", " "} {
		if at := strings.LastIndex(text[:len(text)-1], mark); at > 0 {
			return at + len(mark)
		}
	}
	_, last := utf8.DecodeLastRuneInString(text)
	return len(text) - last
}

// addParagraphs adds the paragraphs of text[:end].
func addParagraphs(b *doc.Builder, text *decoded, end int, levels *underlines) {
	for at := 0; at < end; {
		start := at
		var lines [3]string
		count := 0
		for at < end {
			next := lineEnd(text.text, at, end)
			line := text.text[at:next]
			at = next
			if strings.TrimSpace(line) == "" {
				break
			}
			if count < len(lines) {
				lines[count] = strings.TrimSpace(line)
			}
			count++
		}
		if count == 0 {
			continue
		}
		addParagraph(b, text, start, at, lines[:min(count, 3)], levels)
	}
	b.End()
}

// addParagraph adds text[start:end], whose first lines are given; if the second underlines the first,
// that is a heading, and the rest a paragraph.
func addParagraph(b *doc.Builder, text *decoded, start, end int, lines []string, levels *underlines) {
	if len(lines) > 1 && underlined(lines[0], lines[1]) {
		first := lineEnd(text.text, start, end)
		b.Begin(doc.Heading, levels.level(lines[1][0]), "")
		text.add(b, start, first)
		start = lineEnd(text.text, first, end)
	}
	b.Begin(doc.Paragraph, 0, "")
	text.add(b, start, end)
}

// lineEnd returns where the line at an offset ends, its line feed included.
func lineEnd(text string, at, end int) int {
	if i := strings.IndexByte(text[at:end], '\n'); i >= 0 {
		return at + i + 1
	}
	return end
}

// underlined reports whether a line underlines the one above: marks of one kind, about as many.
func underlined(above, line string) bool {
	width := utf8.RuneCountInString(above)
	return len(line) >= 3 && strings.Trim(line, line[:1]) == "" && strings.ContainsAny(line[:1], "=-~^\"*+#`") &&
		len(line) >= width-2 && len(line) <= width+8 && strings.IndexFunc(above, unicode.IsLetter) >= 0
}

// underlines are the marks that headings of a text are underlined with; the first that occurs is of level 1.
type underlines struct{ marks string }

func (u *underlines) level(mark byte) int {
	at := strings.IndexByte(u.marks, mark)
	if at < 0 {
		at = len(u.marks)
		u.marks += string(mark)
	}
	return min(at+1, 6)
}
