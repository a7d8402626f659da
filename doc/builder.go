package doc

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Builder makes a Document: blocks one after the other, each of stretches that say
// where they came from. Its zero value is ready; it is not for several goroutines at once.
//
// What it returns keeps the promises of the package whatever it was given: a block's blank
// edges are cut off, an empty block is left out, and text that is not UTF-8 is repaired.
type Builder struct {
	text    []byte
	blocks  []Block
	origins []Origin
	notes   []string
	open    bool
	first   int // the open block's first origin
}

// Begin ends the open block, if there is one, and opens another. See Block for what level and label are.
func (b *Builder) Begin(kind Kind, level int, label string) {
	b.End()
	if len(b.blocks) > 0 {
		b.text = append(b.text, "\n\n"...)
	}
	b.open, b.first = true, len(b.origins)
	b.blocks = append(b.blocks, Block{Kind: kind, Level: level, Label: label, Start: len(b.text)})
}

// Add appends text to the open block, or to a new Paragraph if none is open. The origin's Start and End need not
// be set. A stretch that continues the one before it, in the text and in the file, is joined with it.
func (b *Builder) Add(text string, from Origin) {
	if text == "" {
		return
	}
	if !b.open {
		b.Begin(Paragraph, 0, "")
	}
	if !utf8.ValidString(text) {
		text, from.Verbatim = strings.ToValidUTF8(text, "\uFFFD"), false
	}
	for from.Verbatim && len(text) > originBytes {
		cut := originBytes
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		head := from
		head.To = from.From + int64(cut)
		b.append(text[:cut], head)
		if from.Line > 0 {
			from.Line += strings.Count(text[:cut], "\n")
		}
		text, from.From = text[cut:], head.To
	}
	b.append(text, from)
}

// originBytes is how long a verbatim origin gets. The line of a passage is counted from the beginning of its origin.
const originBytes = 16 << 10

// append adds a stretch, and joins it with the one before if it can.
func (b *Builder) append(text string, from Origin) {
	from.Start = len(b.text)
	b.text = append(b.text, text...)
	from.End = len(b.text)
	if len(b.origins) > b.first {
		last := &b.origins[len(b.origins)-1]
		if last.Verbatim && from.Verbatim && last.To == from.From && from.End-last.Start <= originBytes && last.File == from.File && last.Page == from.Page {
			last.End, last.To = from.End, from.To
			return
		}
	}
	b.origins = append(b.origins, from)
}

// Len returns the bytes of the text so far.
func (b *Builder) Len() int { return len(b.text) }

// Blocks returns how many blocks there are, the open one included.
func (b *Builder) Blocks() int { return len(b.blocks) }

// Kind returns the kind of the open block, "" if none is open.
func (b *Builder) Kind() Kind {
	if !b.open {
		return ""
	}
	return b.blocks[len(b.blocks)-1].Kind
}

// AtSpace reports whether white space would be one too many: the open block has no text so far, or
// ends with white space, or none is open.
func (b *Builder) AtSpace() bool {
	if !b.open {
		return true
	}
	last, size := utf8.DecodeLastRune(b.text[b.blocks[len(b.blocks)-1].Start:])
	return size == 0 || unicode.IsSpace(last)
}

// Note adds a note to the document, once.
func (b *Builder) Note(note string) {
	if !slices.Contains(b.notes, note) {
		b.notes = append(b.notes, note)
	}
}

// End closes the open block, if there is one. White space at its end goes; at its beginning white
// space goes up to the first line that says something, and that line's indentation, but not of code.
func (b *Builder) End() {
	if !b.open {
		return
	}
	b.open = false
	block := &b.blocks[len(b.blocks)-1]
	text := b.text[block.Start:]
	head := len(text) - len(bytes.TrimLeftFunc(text, unicode.IsSpace))
	tail := len(bytes.TrimRightFunc(text, unicode.IsSpace))
	if head == len(text) {
		b.drop()
		return
	}
	if block.Kind == Code {
		head = bytes.LastIndexByte(text[:head], '\n') + 1
	}
	b.trim(block.Start+head, block.Start+tail)
	block.End = len(b.text)
}

// EndProse closes the open block as End does, and makes a block of the same kind of each
// paragraph in it: lines up to a blank one.
func (b *Builder) EndProse() {
	if !b.open {
		return
	}
	count := len(b.blocks)
	b.End()
	if len(b.blocks) < count {
		return
	}
	block := b.blocks[count-1]
	b.blocks = b.blocks[:count-1]
	start, end := -1, block.Start
	emit := func() {
		if start >= 0 {
			block.Start, block.End = start, end
			b.blocks = append(b.blocks, block)
		}
		start = -1
	}
	for at, stop := block.Start, block.End; at < stop; {
		next := stop
		if i := bytes.IndexByte(b.text[at:stop], '\n'); i >= 0 {
			next = at + i + 1
		}
		line := b.text[at:next]
		if said := bytes.TrimSpace(line); len(said) == 0 {
			emit()
		} else {
			if start < 0 {
				start = at + len(line) - len(bytes.TrimLeftFunc(line, unicode.IsSpace))
			}
			end = at + len(bytes.TrimRightFunc(line, unicode.IsSpace))
		}
		at = next
	}
	emit()
}

// drop takes back the last block, which says nothing, and the blank line before it.
func (b *Builder) drop() {
	last := len(b.blocks) - 1
	b.text, b.origins = b.text[:b.blocks[last].Start], b.origins[:b.first]
	if b.blocks = b.blocks[:last]; last > 0 {
		b.text = b.text[:b.blocks[last-1].End]
	}
}

// trim keeps only the text from start to end of the last block, at the block's own start.
func (b *Builder) trim(start, end int) {
	shift := start - b.blocks[len(b.blocks)-1].Start
	kept := b.origins[:b.first]
	for _, o := range b.origins[b.first:] {
		if o.End <= start || o.Start >= end {
			continue
		}
		if o.Verbatim {
			o = o.verbatim(b.text, max(o.Start, start), min(o.End, end))
		}
		o.Start, o.End = max(o.Start, start)-shift, min(o.End, end)-shift
		kept = append(kept, o)
	}
	b.origins = kept
	copy(b.text[start-shift:], b.text[start:end])
	b.text = b.text[:end-shift]
}

// verbatim returns the part of a verbatim origin that is text[start:end].
func (o Origin) verbatim(text []byte, start, end int) Origin {
	if o.Line > 0 {
		o.Line += bytes.Count(text[o.Start:start], newline)
	}
	o.From, o.To = o.From+int64(start-o.Start), o.From+int64(end-o.Start)
	o.Start, o.End = start, end
	return o
}

var newline = []byte{'\n'}

// Document ends the open block and returns what was built, which shares nothing with the builder. The
// builder is empty afterwards, but keeps its memory.
func (b *Builder) Document(format Format) *Document {
	b.End()
	d := &Document{
		Format: format, Text: string(b.text),
		Blocks: slices.Clone(b.blocks), Origins: slices.Clone(b.origins), Notes: b.notes,
	}
	b.text, b.blocks, b.origins, b.notes = b.text[:0], b.blocks[:0], b.origins[:0], nil
	return d
}
