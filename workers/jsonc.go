package workers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tailscale/hujson"
)

// jsonc is JSON with comments and trailing commas; wrangler reads wrangler.json so, too.
//
// A member is added as the last of its object, on lines of its own, before the newline
// in front of the closing brace, so that a comment behind the last value stays there.
// The value before it gets a comma unless it has one; then the new one gets one, too.
// By that the text itself tells what to take out again.
type jsonc struct{}

func (jsonc) read(text []byte) (*config, error) {
	root, object, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	var inOrder []entry
	for _, m := range object.Members {
		value := m.Value.Clone()
		value.Minimize()
		inOrder = append(inOrder, entry{keyOf(m), json.RawMessage(value.Pack())})
	}
	whole := root.Clone()
	whole.Standardize()
	var top map[string]any
	if err := json.Unmarshal(whole.Pack(), &top); err != nil {
		return nil, err
	}
	return newConfig(top, inOrder), nil
}

func (jsonc) add(text []byte, name string, env []entry) ([]byte, string, error) {
	style := styleOf(text)
	_, root, err := parseJSON(text)
	if err != nil {
		return nil, "", err
	}
	if member(root, "env") == nil {
		text = style.insert(text, root, indexOfBrace(text), `"env": {`+style.newline+style.unit+`}`)
	}
	env2, start, err := environments(text)
	if err != nil {
		return nil, "", err
	}
	part, err := style.render(name, env)
	if err != nil {
		return nil, "", err
	}
	return style.insert(text, env2, start, part), part, nil
}

func (jsonc) find(text []byte, name string) (string, error) {
	env, _, err := environments(text)
	if env == nil || err != nil {
		return "", err
	}
	m := member(env, name)
	if m == nil {
		return "", nil
	}
	value := m.Value.Clone()
	value.Standardize()
	var environment map[string]any
	if err := json.Unmarshal(value.Pack(), &environment); err != nil || pluginOf(environment) == "" {
		return "", nil // no object: not nearside's
	}
	return string(text[m.Name.StartOffset:m.Value.EndOffset]), nil
}

func (jsonc) cut(text []byte, name string, alone bool) ([]byte, error) {
	env, _, err := environments(text)
	if err != nil {
		return nil, err
	}
	text = remove(text, env, name)
	if !alone {
		return text, nil
	}
	_, root, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	rest := member(root, "env").Value.Value.(*hujson.Object)
	if len(rest.Members) == 0 && len(bytes.TrimSpace(rest.AfterExtra)) == 0 {
		text = remove(text, root, "env")
	}
	return text, nil
}

func (jsonc) line(text []byte, pointer string) int {
	root, _, err := parseJSON(text)
	if err != nil {
		return 0
	}
	value := root.Find(pointer)
	if value == nil {
		return 0
	}
	return 1 + bytes.Count(text[:value.StartOffset], []byte("\n"))
}

// parseJSON returns the text as a tree whose offsets are the text's.
func parseJSON(text []byte) (hujson.Value, *hujson.Object, error) {
	root, err := hujson.Parse(withoutMark(text))
	if err != nil {
		return root, nil, err
	}
	object, ok := root.Value.(*hujson.Object)
	if !ok {
		return root, nil, fmt.Errorf("it holds no object, { … }")
	}
	return root, object, nil
}

// environments returns the object env and where it begins; nil if there is none.
func environments(text []byte) (*hujson.Object, int, error) {
	_, root, err := parseJSON(text)
	if err != nil {
		return nil, 0, err
	}
	m := member(root, "env")
	if m == nil {
		return nil, 0, nil
	}
	object, ok := m.Value.Value.(*hujson.Object)
	if !ok {
		return nil, 0, fmt.Errorf("env is no object, { … }")
	}
	return object, m.Value.StartOffset, nil
}

func keyOf(m hujson.ObjectMember) string { return m.Name.Value.(hujson.Literal).String() }

func member(object *hujson.Object, key string) *hujson.ObjectMember {
	for i := range object.Members {
		if keyOf(object.Members[i]) == key {
			return &object.Members[i]
		}
	}
	return nil
}

// indexOfBrace is where the object that is the whole text begins.
func indexOfBrace(text []byte) int {
	root, _, err := parseJSON(text)
	if err != nil {
		panic(err) // it was parsed before
	}
	return root.StartOffset
}

// style is how the author of a text lays it out.
type style struct{ newline, unit string }

func styleOf(text []byte) style {
	s := style{newlineOf(text), "  "}
	_, root, err := parseJSON(text)
	if err != nil || len(root.Members) == 0 {
		return s
	}
	before := text[:root.Members[0].Name.StartOffset]
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	if len(line) > 0 && len(bytes.TrimLeft(line, " \t")) == 0 {
		s.unit = string(line)
	}
	return s
}

// render writes the member of env that is the environment.
func (s style) render(name string, env []entry) (string, error) {
	var raw bytes.Buffer
	raw.WriteByte('{')
	for i, e := range env {
		if i > 0 {
			raw.WriteByte(',')
		}
		fmt.Fprintf(&raw, "%q:", e.key)
		encoder := json.NewEncoder(&raw)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(e.value); err != nil {
			return "", err
		}
	}
	raw.WriteByte('}')
	var laid bytes.Buffer
	if err := json.Indent(&laid, raw.Bytes(), strings.Repeat(s.unit, 2), s.unit); err != nil {
		return "", err
	}
	part := fmt.Sprintf("%q: %s", name, laid.Bytes())
	return strings.ReplaceAll(part, "\n", s.newline), nil
}

// insert returns the text with a member more in an object, which begins at start.
func (s style) insert(text []byte, object *hujson.Object, start int, member string) []byte {
	line := text[bytes.LastIndexByte(text[:start], '\n')+1:]
	indent := string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))]) + s.unit
	last, comma := start+1, "" // behind the opening brace
	if n := len(object.Members); n > 0 {
		value := object.Members[n-1].Value
		last = value.EndOffset
		if value.AfterExtra != nil { // then a comma follows
			last += len(value.AfterExtra) + 1
			member += ","
		} else {
			comma = ","
		}
	}
	at := last + lastNewline(object.AfterExtra)
	var out []byte
	out = append(out, text[:last]...)
	out = append(out, comma...)
	out = append(out, text[last:at]...)
	out = append(out, s.newline+indent+member...)
	return append(out, text[at:]...)
}

// remove returns the text without a member of an object, as it was before insert.
func remove(text []byte, object *hujson.Object, key string) []byte {
	at := 0
	for keyOf(object.Members[at]) != key {
		at++
	}
	m := object.Members[at]
	from, to := m.Name.StartOffset, m.Value.EndOffset
	if line := bytes.LastIndexByte(text[:from], '\n'); line >= 0 && len(bytes.TrimLeft(text[line+1:from], " \t")) == 0 {
		from = line
		if from > 0 && text[from-1] == '\r' {
			from--
		}
	}
	out := bytes.Clone(text[:from])
	rest := text[to:]
	switch last := at == len(object.Members)-1; {
	case !last || m.Value.AfterExtra != nil: // the comma behind it goes, what is between stays
		between := len(m.Value.AfterExtra)
		out = append(out, rest[:between]...)
		rest = rest[between+1:]
	case at > 0: // the comma before it goes
		before := object.Members[at-1].Value
		comma := before.EndOffset + len(before.AfterExtra)
		out = append(out[:comma], out[comma+1:]...)
	}
	return append(out, rest...)
}

// lastNewline returns where the last line break of what is between two values begins that
// is in no comment; 0 if there is none.
func lastNewline(extra []byte) int {
	at := 0
	for i := 0; i < len(extra); i++ {
		switch {
		case bytes.HasPrefix(extra[i:], []byte("/*")):
			i += 2 + bytes.Index(extra[i+2:], []byte("*/")) + 1
		case bytes.HasPrefix(extra[i:], []byte("//")):
			i += bytes.IndexByte(extra[i:], '\n') - 1 // such a comment ends before its line break
		case extra[i] == '\n':
			at = i
			if i > 0 && extra[i-1] == '\r' {
				at--
			}
		}
	}
	return at
}

// newlineOf returns how the lines of a text end.
func newlineOf(text []byte) string {
	if at := bytes.IndexByte(text, '\n'); at > 0 && text[at-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// withoutMark returns the text with spaces in place of a byte order mark, which the parsers refuse and wrangler does not.
func withoutMark(text []byte) []byte {
	if rest, ok := bytes.CutPrefix(text, []byte("\uFEFF")); ok {
		return append([]byte("   "), rest...)
	}
	return bytes.Clone(text)
}
