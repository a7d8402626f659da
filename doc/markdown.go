package doc

import (
	"fmt"
	"strings"
)

// Markdown returns a document as Markdown: its blocks with the marks that say what they are. The text between the marks is the
// document's own, so that what looks like a mark in it stays one.
func Markdown(d *Document) string {
	var out strings.Builder
	for i, b := range d.Blocks {
		if i > 0 {
			out.WriteString("\n")
			if b.Kind != Item || d.Blocks[i-1].Kind != Item {
				out.WriteString("\n")
			}
		}
		writeBlock(&out, b, d.Text[b.Start:b.End])
	}
	return out.String()
}

func writeBlock(out *strings.Builder, b Block, text string) {
	switch b.Kind {
	case Heading:
		out.WriteString(strings.Repeat("#", b.Level) + " " + strings.Join(strings.Fields(text), " "))
	case Item:
		mark := "- "
		if b.Label != "" {
			mark = b.Label + " "
		}
		indent := strings.Repeat("  ", b.Level-1)
		out.WriteString(indent + mark + strings.ReplaceAll(text, "\n", "\n"+indent+strings.Repeat(" ", len(mark))))
	case Code:
		fence := fenceFor(text)
		fmt.Fprintf(out, "%s%s\n%s\n%s", fence, language(b.Label), text, fence)
	case Quote:
		out.WriteString("> " + strings.ReplaceAll(text, "\n", "\n> "))
	default:
		out.WriteString(text)
	}
}

// language returns a code block's label if it can stand behind a fence: the name of a language, not of a definition.
func language(label string) string {
	if strings.ContainsAny(label, " `\n") {
		return ""
	}
	return label
}

// fenceFor returns a fence longer than any in the text.
func fenceFor(text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence
}
