package parse

import (
	"context"
	"path"
	"slices"
	"strings"

	"nearside/doc"
)

// parseSource reads source code by what it defines: each function, method and type is a block, with the
// comments that stand before it, and its label says what it is. Go is read by its own parser, other
// languages by the rules of languages.go. Nothing is left out, and all stands as it is in the file.
func parseSource(ctx context.Context, f File, o Options, yield func(*doc.Document) error) error {
	text, err := decodeAll(f, o, nil)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	lang := languageOfFile(f.Name, text.text)
	var b doc.Builder
	for _, c := range cuts(lang, text.text) {
		b.Begin(doc.Code, 0, c.label)
		text.add(&b, c.start, c.end)
	}
	if text.note != "" {
		b.Note(text.note)
	}
	d := b.Document(doc.FormatSource)
	if lang != nil {
		d.Metadata = map[string]any{"language": lang.name}
	}
	return yield(d)
}

// cut is a stretch of source code, and what it defines.
type cut struct {
	start, end int
	label      string
}

// cuts cuts source code into what it defines.
func cuts(lang *language, s string) []cut {
	if lang == nil {
		return []cut{{0, len(s), ""}}
	}
	if lang.name == "go" {
		if all := goCuts(s); all != nil {
			return all
		}
	}
	return lang.cuts(s)
}

// languageOfFile returns the language of a file, by its ending or by its first line; nil if it is not known.
func languageOfFile(name, s string) *language {
	ending := strings.ToLower(path.Ext(name))
	for _, l := range languages {
		if slices.Contains(l.endings, ending) {
			return l
		}
	}
	return interpreter(s[:lineEnd(s, 0, len(s))])
}

// interpreter returns the language of a script's first line, such as #!/usr/bin/env python3; nil if it is none that is known.
func interpreter(line string) *language {
	command, ok := strings.CutPrefix(line, "#!")
	if !ok {
		return nil
	}
	for _, word := range strings.Fields(command) {
		word = strings.TrimRight(path.Base(word), "0123456789.")
		for _, l := range languages {
			if slices.Contains(l.interpreters, word) {
				return l
			}
		}
	}
	return nil
}

// looksScript reports whether a file begins as a script of a language that is known.
func looksScript(head []byte, _ File) bool {
	line, _, _ := strings.Cut(string(head[:min(len(head), 200)]), "\n")
	return interpreter(line) != nil
}

func sourceEndings() []string {
	var all []string
	for _, l := range languages {
		all = append(all, l.endings...)
	}
	return all
}

// open is a definition that the rules are within.
type open struct {
	indent    int
	name      string // with those around it
	container bool
}

// cuts cuts source code by the language's rules: a line that defines something begins a stretch, with the comments right
// before it; the stretch ends where the next begins, or at a line that is not indented and follows a blank one.
func (l *language) cuts(s string) []cut {
	var all []cut
	var within []open
	begin, label := 0, ""
	next := func(at int, name string) {
		if at > begin {
			all = append(all, cut{begin, at, label})
		}
		begin, label = at, name
	}
	comment := -1 // where the comments right before this line begin
	blank, quoted := true, ""
	for at := 0; at < len(s); {
		end := lineEnd(s, at, len(s))
		line := strings.TrimRight(s[at:end], " \t\r\n")
		start := at
		at = end
		if quoted != "" {
			if strings.Count(line, quoted)%2 == 1 || quoted == "*/" && strings.Contains(line, quoted) {
				quoted = ""
			}
			continue
		}
		said := strings.TrimLeft(line, " \t")
		if said == "" {
			blank, comment = true, -1
			continue
		}
		indent := widthOf(line[:len(line)-len(said)])
		if quoted = l.opens(said); l.isComment(said) || l.isAttribute(said) {
			if comment < 0 {
				comment = start
			}
			continue
		}
		from := start
		if comment >= 0 {
			from = comment
		}
		if d := l.definition(line); d != nil && quoted == "" {
			for len(within) > 0 && within[len(within)-1].indent >= indent {
				within = within[:len(within)-1]
			}
			if len(within) == 0 || within[len(within)-1].container {
				if len(within) > 0 {
					d.name = within[len(within)-1].name + "." + d.name
				}
				within = append(within, open{indent, d.name, d.container})
				next(from, strings.TrimSpace(d.keyword+" "+d.name))
			}
		} else if indent == 0 && (blank || comment >= 0) && label != "" && !strings.ContainsAny(said[:1], "})];") && !l.closes(said) {
			within = within[:0]
			next(from, "")
		}
		blank, comment = false, -1
	}
	next(len(s), "")
	return all
}

// widthOf returns how far white space indents, a tab being four.
func widthOf(space string) int {
	return len(space) + 3*strings.Count(space, "\t")
}
