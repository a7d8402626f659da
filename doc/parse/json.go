package parse

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tailscale/hujson"

	"nearside/doc"
	"nearside/fault"
)

// parseJSON reads the value that Options.Pointer names, or the whole: a list is a document for each of its
// elements, which are called by their pointers; anything else is one document. Comments and commas
// behind the last element are allowed, as in the settings of many programs; a file of JSON lines is read as that.
func parseJSON(ctx context.Context, f File, o Options, yield func(*doc.Document) error) error {
	data, err := readAll(f, o)
	if err != nil {
		return err
	}
	f.Body = bytes.NewReader(data)
	text, err := decodeAll(f, o, nil)
	if err != nil {
		return err
	}
	if err := checkJSON(f, o, text); err != nil {
		if !areLines(text.text) {
			return err
		}
		f.Body = bytes.NewReader(data)
		return parseJSONLines(ctx, f, o, yield)
	}
	at, err := follow(f, text.text, o.Pointer)
	if err != nil {
		return err
	}
	r := objectReader{format: doc.FormatJSON, o: o, text: text, note: text.note}
	if text.text[at] != '[' {
		d := r.document(o.Pointer, at, skipValue(text.text, at))
		if d == nil {
			return fault.New(fault.Invalid, "%s: it says nothing: there is no text in it", f.Name)
		}
		return yield(d)
	}
	for _, m := range members(text.text, at) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if d := r.document(o.Pointer+"/"+m.key, m.start, m.end); d != nil {
			if err := yield(d); err != nil {
				return err
			}
		}
	}
	return nil
}

// parseJSONLines reads a value on each line as a document. Lines that are no JSON are left out; the fault at
// the end says how many, and which is the first.
func parseJSONLines(ctx context.Context, f File, o Options, yield func(*doc.Document) error) error {
	w := newWindow(f, o)
	r := objectReader{format: doc.FormatJSONLines, o: o}
	var bad lineErrors
	err := w.each(ctx, func(text *decoded) (at int, err error) {
		for at < len(text.text) {
			end := lineEnd(text.text, at, len(text.text))
			if text.text[end-1] != '\n' && !w.eof {
				break
			}
			d, err := r.line(f, text, w.note, at, end)
			bad.add(err)
			if d != nil {
				if err := yield(d); err != nil {
					return at, err
				}
			}
			at = end
		}
		return at, nil
	})
	if err != nil {
		return err
	}
	return bad.err(f)
}

// areLines reports whether a text that is not JSON begins with two lines that are, as files called .json do that hold JSON lines.
func areLines(s string) bool {
	seen := 0
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if line[0] != '{' && line[0] != '[' || !json.Valid([]byte(line)) {
			return false
		}
		if seen++; seen == 2 {
			return true
		}
	}
	return false
}

// lineErrors counts the lines that could not be read.
type lineErrors struct {
	count int
	first error
}

func (l *lineErrors) add(err error) {
	if err == nil {
		return
	}
	if l.count++; l.first == nil {
		l.first = err
	}
}

func (l *lineErrors) err(f File) error {
	if l.count < 2 {
		return l.first
	}
	return fault.New(fault.Invalid, "%s: %d lines could not be read and were left out; the first: %s", f.Name, l.count, strings.TrimPrefix(l.first.Error(), f.Name+": "))
}

// objectReader makes documents of JSON values.
type objectReader struct {
	format doc.Format
	o      Options
	text   *decoded
	note   string
	b      doc.Builder
}

// line returns the document of the line text[start:end], nil if it is blank or says nothing.
func (r *objectReader) line(f File, text *decoded, note string, start, end int) (*doc.Document, error) {
	raw := text.text[start:end]
	if strings.TrimSpace(raw) == "" {
		return nil, nil
	}
	line := text.lineAt(start)
	if !json.Valid([]byte(raw)) {
		return nil, fault.New(fault.Invalid, "%s: line %d is not JSON", f.Name, line).Because(syntax(raw))
	}
	if depth := depthOf(raw); depth > r.o.Depth {
		return nil, tooDeep(f, r.o, depth)
	}
	r.text, r.note = text, note
	at := skipSpace(text.text, start)
	if r.o.Pointer != "" {
		to, err := follow(f, raw[at-start:], r.o.Pointer)
		if err != nil {
			return nil, err
		}
		at += to
	}
	return r.document(fmt.Sprintf("line %d", line), at, skipValue(text.text, at)), nil
}

// document makes the document of the value text[start:end], nil if it says nothing.
func (r *objectReader) document(key string, start, end int) *doc.Document {
	fields := []field{r.field("", start, end)}
	if r.text.text[start] == '{' {
		fields = fields[:0]
		for _, m := range members(r.text.text, start) {
			fields = append(fields, r.field(m.key, m.start, m.end))
		}
		fields = r.inner(fields, start)
	}
	d := rowDocument(&r.b, r.o.Columns, r.format, key, fields)
	if d != nil && r.note != "" {
		d.Notes = append(d.Notes, r.note)
	}
	return d
}

// inner adds the fields within an object that columns name by pointers such as "/author/name".
func (r *objectReader) inner(fields []field, start int) []field {
	c := r.o.Columns
	for _, names := range [][]string{{c.ID, c.Title}, c.Text, c.Metadata} {
		for _, name := range names {
			if !strings.HasPrefix(name, "/") {
				continue
			}
			if at, err := follow(File{}, r.text.text[start:], name); err == nil {
				fields = append(fields, r.field(name, start+at, skipValue(r.text.text, start+at)))
			}
		}
	}
	return fields
}

// field makes a field of the value text[start:end].
func (r *objectReader) field(name string, start, end int) field {
	text, raw := r.text, r.text.text[start:end]
	f := field{name: name, value: raw, at: text.place(start, end)}
	f.add = func(b *doc.Builder) { addValue(b, text, name, start, end, ", ") }
	f.alone = func(b *doc.Builder) { addValue(b, text, "", start, end, "\n\n") }
	switch raw[0] {
	case '"':
		f.value = unquote(raw)
		f.meta = f.value
	case '{', '[':
		f.apart, f.meta = true, valueOf(raw)
		if len(members(raw, 0)) == 0 {
			f.value = ""
		}
	case 'n':
		f.value = ""
	default:
		f.meta = valueOf(raw)
	}
	return f
}

// addValue appends a value: what a string says, a number as it stands, the members of an object as lines of
// "path: value", the values of a list with a separator between.
func addValue(b *doc.Builder, text *decoded, path string, start, end int, separator string) {
	switch raw := text.text[start:end]; raw[0] {
	case '"':
		addString(b, text, start, end)
	case '{', '[':
		last := ""
		for i, leaf := range leaves(nil, text.text, path, start) {
			if i > 0 && leaf.key == last {
				text.imply(b, separator, leaf.start)
			} else {
				if i > 0 {
					text.imply(b, "\n", leaf.start)
				}
				if leaf.key != "" {
					text.imply(b, leaf.key+": ", leaf.start)
				}
			}
			last = leaf.key
			addValue(b, text, "", leaf.start, leaf.end, separator)
		}
	case 'n': // null says nothing
	default:
		text.add(b, start, end)
	}
}

// leaves appends the values within the value at an offset that have none within them, called by their paths. The
// elements of a list that have no members are called as the list is.
func leaves(all []member, text, path string, at int) []member {
	for _, m := range members(text, at) {
		inner := m.key
		if path != "" {
			inner = path + "." + m.key
		}
		switch first := text[m.start]; {
		case first == '{' || first == '[':
			all = leaves(all, text, inner, m.start)
		case first == 'n':
		case text[at] == '[':
			all = append(all, member{path, m.start, m.end})
		default:
			all = append(all, member{inner, m.start, m.end})
		}
	}
	return all
}

// checkJSON makes sure of a file's syntax and depth. Comments become spaces.
func checkJSON(f File, o Options, text *decoded) error {
	if depth := depthOf(text.text); depth > o.Depth {
		return tooDeep(f, o, depth)
	}
	if json.Valid([]byte(text.text)) {
		return nil
	}
	plain, err := hujson.Standardize([]byte(text.text))
	if err != nil || len(plain) != len(text.text) || !json.Valid(plain) {
		err := syntax(text.text)
		line := 0
		if at := (*json.SyntaxError)(nil); errors.As(err, &at) {
			line = text.lineAt(int(max(at.Offset-1, 0)))
		}
		return fault.New(fault.Invalid, "%s: it is not JSON from line %d on", f.Name, line).Because(err)
	}
	text.text = string(plain)
	return nil
}

// syntax returns what is wrong with text that is not JSON.
func syntax(text string) error {
	var v json.RawMessage
	return json.Unmarshal([]byte(text), &v)
}

func tooDeep(f File, o Options, depth int) error {
	return fault.New(fault.TooLarge, "%s: it is nested %d deep, more than the limit of %d; raise the limit, or leave it out", f.Name, depth, o.Depth)
}

// follow returns the offset of the value that an RFC 6901 pointer names.
func follow(f File, text, pointer string) (int, error) {
	at := skipSpace(text, 0)
	if pointer == "" {
		return at, nil
	}
	if pointer[0] != '/' {
		return 0, fault.New(fault.Invalid, "the pointer %q does not begin with /; a JSON pointer is like /items/0/name", pointer)
	}
	for _, step := range strings.Split(pointer[1:], "/") {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		found := -1
		for _, m := range members(text, at) {
			if m.key == step {
				found = m.start
			}
		}
		if found < 0 {
			return 0, fault.New(fault.Invalid, "%s: the pointer %q leads nowhere: there is no %q on its way", f.Name, pointer, step)
		}
		at = found
	}
	return at, nil
}
