package ingest

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"nearside/doc"
	"nearside/doc/chunk"
	"nearside/fault"
)

// Limits of metadata, in bytes.
const (
	mostMetadata = 10 << 10 // of one record, as Vectorize has it
	mostFlags    = 2 << 10  // of Options.Metadata
	mostTitle    = 512
	mostHeadings = 1 << 10
)

// property is a key with its value, as JSON.
type property struct {
	key   string
	value json.RawMessage
}

// metadata is properties in the order in which they are written.
type metadata []property

// add appends a property, unless its value says nothing.
func (m *metadata) add(key string, value any) {
	switch v := value.(type) {
	case string:
		if v == "" {
			return
		}
	case int:
		if v == 0 {
			return
		}
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return // what is no JSON, such as an infinite number, is no metadata
	}
	*m = append(*m, property{key, raw})
}

// size returns the bytes of the object.
func (m metadata) size() int {
	n := 2
	for _, p := range m {
		n += len(p.key) + len(p.value) + 4
	}
	return n
}

// object writes the properties as one JSON object.
func (m metadata) object(to []byte) []byte {
	to = append(to, '{')
	for i, p := range m {
		if i > 0 {
			to = append(to, ',')
		}
		key, _ := json.Marshal(p.key) // a string
		to = append(append(append(to, key...), ':'), p.value...)
	}
	return append(to, '}')
}

// newFlags checks the metadata that every record is given.
func newFlags(given map[string]any) (metadata, error) {
	var m metadata
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if key != cleanKey(key) {
			return nil, fault.New(fault.Invalid, "metadata cannot have the key %q; keys are not empty, and have no dot, no quotation mark and no $ at the beginning", key)
		}
		if ours[key] {
			return nil, fault.New(fault.Invalid, "metadata cannot have the key %q, which says where a passage comes from; take another", key)
		}
		m.add(key, given[key])
	}
	if n := m.size(); n > mostFlags {
		return nil, fault.New(fault.Invalid, "the metadata for all records has %d bytes; it can have %d", n, mostFlags)
	}
	return m, nil
}

// ours are the keys that say where a passage comes from.
var ours = map[string]bool{
	"path": true, "source": true, "member": true, "key": true, "title": true, "headings": true, "within": true, "from": true, "to": true,
	"line": true, "last_line": true, "page": true, "last_page": true, "context": true,
}

// describer makes the metadata of the passages of one file.
type describer struct {
	source, path, member string
	flags                metadata
	note                 func(string)
}

// of returns what stands before and after that which a passage says of itself: what the
// document says, once for all of its passages.
func (d describer) of(document *doc.Document) (own metadata, said metadata) {
	own.add("path", d.path)
	own.add("source", d.source)
	own.add("member", d.member)
	own.add("key", clip(document.Key, mostTitle))
	own.add("title", clip(document.Title, mostTitle))
	for _, key := range slices.Sorted(maps.Keys(document.Metadata)) {
		clean := cleanKey(key)
		value := document.Metadata[key]
		switch {
		case clean == "" || !plain(value):
			d.note(fmt.Sprintf("%q, which the file says of itself, is neither a word, a number nor a list of words, and was left out", clip(key, 64)))
		case ours[clean] || slices.ContainsFunc(d.flags, func(p property) bool { return p.key == clean }):
		default:
			said.add(clean, value)
		}
	}
	return own, append(said, d.flags...)
}

// passage returns the metadata of a passage.
func (d describer) passage(own, said metadata, c chunk.Chunk) json.RawMessage {
	m := slices.Clone(own)
	m.add("headings", clip(strings.Join(c.Headings, " > "), mostHeadings))
	m.add("within", c.Place.File)
	m.add("from", c.Place.From)
	m.add("to", c.Place.To)
	m.add("line", c.Place.Line)
	m.add("last_line", c.Place.LastLine)
	m.add("page", c.Place.Page)
	m.add("last_page", c.Place.LastPage)
	m.add("context", len(c.Context()))
	return append(m, d.fitting(said, mostMetadata-m.size())...).object(nil)
}

// fitting leaves out properties, the longest first, until the others have at most so many bytes. Flags stay.
func (d describer) fitting(said metadata, room int) metadata {
	for said.size() > room && len(said) > len(d.flags) {
		longest := 0
		for i, p := range said[:len(said)-len(d.flags)] {
			if len(p.key)+len(p.value) > len(said[longest].key)+len(said[longest].value) {
				longest = i
			}
		}
		d.note(fmt.Sprintf("%q, which the file says of itself, was left out of passages whose metadata would be more than %d bytes", clip(said[longest].key, 64), mostMetadata))
		said = slices.Delete(slices.Clone(said), longest, longest+1)
	}
	return said
}

// plain reports whether a value is a scalar or a list of strings.
func plain(value any) bool {
	switch v := value.(type) {
	case []any:
		return !slices.ContainsFunc(v, func(one any) bool { _, ok := one.(string); return !ok })
	case []string, time.Time:
		return true
	}
	switch reflect.ValueOf(value).Kind() {
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	}
	return false
}

// cleanKey returns a key as Vectorize allows it, which may be "".
func cleanKey(key string) string {
	key = strings.ReplaceAll(strings.TrimLeft(strings.ToValidUTF8(key, "\uFFFD"), "$"), ".", "_")
	return strings.ReplaceAll(key, `"`, "")
}

// clip cuts a text to at most n bytes, between characters, and marks that it did.
func clip(text string, n int) string {
	const mark = "…"
	if len(text) <= n {
		return text
	}
	n -= len(mark)
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + mark
}
