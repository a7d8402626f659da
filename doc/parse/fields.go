package parse

import (
	"slices"
	"strings"

	"nearside/doc"
	"nearside/fault"
)

// field is a named value of a row or an object.
type field struct {
	name  string
	value string             // as text
	meta  any                // as metadata; nil = value
	at    doc.Origin         // where the value is
	add   func(*doc.Builder) // appends the value to the open block; nil = value, of at
	apart bool               // it is a block of its own where all fields are text; add says its name
	alone func(*doc.Builder) // appends the value where it alone is text; nil = add
}

// textNames are the fields that are taken for a text if none was named, the best first.
var textNames = []string{"text", "body", "content"}

// rowDocument makes a document of the fields of a row or an object, as columns say which is what; nil if
// they have no text. A title stands for a text that is not there. The key stands unless one of the fields is the id.
func rowDocument(b *doc.Builder, c Columns, format doc.Format, key string, fields []field) *doc.Document {
	fields = slices.Clone(fields)
	d := doc.Document{Key: key}
	if id := take(&fields, c.ID); id != nil && id.value != "" {
		d.Key = id.value
	}
	title := c.Title
	if title == "" {
		title = "title"
	}
	called := take(&fields, title)
	if called != nil {
		d.Title = called.value
	}
	named := takeText(&fields, c)
	var kept []field
	for i := range fields {
		if c.Metadata == nil || slices.ContainsFunc(c.Metadata, func(name string) bool { return sameName(name, fields[i].name) }) {
			kept = append(kept, fields[i])
		}
	}
	switch {
	case named != nil:
		for _, f := range named {
			b.Begin(doc.Paragraph, 0, "")
			if f.alone != nil {
				f.alone(b)
			} else {
				f.appendTo(b)
			}
			b.EndProse()
		}
	case c.Metadata == nil:
		addNamed(b, kept)
		kept = nil
	default:
		addNamed(b, slices.DeleteFunc(fields, func(f field) bool {
			return slices.ContainsFunc(kept, func(k field) bool { return k.name == f.name })
		}))
	}
	if b.Blocks() == 0 && called != nil {
		called.appendTo(b)
	}
	made := b.Document(format)
	if len(made.Blocks) == 0 {
		return nil
	}
	made.Key, made.Title, made.Metadata = d.Key, d.Title, metadata(kept)
	return made
}

// takeText takes the fields that are the text: those that were named, or one by the usual names; nil = none is.
func takeText(fields *[]field, c Columns) []field {
	named := []field{}
	for _, name := range c.Text {
		if f := take(fields, name); f != nil {
			named = append(named, *f)
		}
	}
	if c.Text != nil {
		return named
	}
	for _, name := range textNames {
		if f := take(fields, name); f != nil {
			return []field{*f}
		}
	}
	return nil
}

// addNamed adds fields as lines of "name: value"; those that stand apart are a block each.
func addNamed(b *doc.Builder, fields []field) {
	open := false
	for _, f := range fields {
		if strings.TrimSpace(f.value) == "" {
			continue
		}
		place := placeOf(f.at)
		if !open || f.apart {
			b.EndProse()
			b.Begin(doc.Paragraph, 0, "")
		} else {
			b.Add("\n", place)
		}
		if f.name != "" && !f.apart {
			b.Add(f.name+": ", place)
		}
		f.appendTo(b)
		open = !f.apart
	}
	b.EndProse()
}

func (f field) appendTo(b *doc.Builder) {
	if f.add != nil {
		f.add(b)
	} else {
		b.Add(f.value, f.at)
	}
}

// take removes the field of a name and returns it, nil if there is none.
func take(fields *[]field, name string) *field {
	if name == "" {
		return nil
	}
	i := slices.IndexFunc(*fields, func(f field) bool { return f.name == name })
	if i < 0 {
		i = slices.IndexFunc(*fields, func(f field) bool { return sameName(f.name, name) })
	}
	if i < 0 {
		return nil
	}
	f := (*fields)[i]
	*fields = slices.Delete(*fields, i, i+1)
	return &f
}

func sameName(a, b string) bool { return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b)) }

func metadata(fields []field) map[string]any {
	var all map[string]any
	for _, f := range fields {
		value := f.meta
		if value == nil {
			if f.value == "" {
				continue
			}
			value = f.value
		}
		if all == nil {
			all = map[string]any{}
		}
		all[f.name] = value
	}
	return all
}

// checkColumns refuses columns that a table's header does not have.
func checkColumns(f File, c Columns, header []string) error {
	wanted := slices.Concat([]string{c.ID, c.Title}, c.Text, c.Metadata)
	for _, name := range wanted {
		if name != "" && !slices.ContainsFunc(header, func(h string) bool { return sameName(h, name) }) {
			return fault.New(fault.Invalid, "%s: it has no column %q; it has %s", f.Name, name, strings.Join(quoted(header), ", "))
		}
	}
	return nil
}

func quoted(names []string) []string {
	var all []string
	for i, name := range names {
		if i == 20 {
			return append(all, "…")
		}
		all = append(all, `"`+name+`"`)
	}
	return all
}
