package llm

import (
	"errors"
	"fmt"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"nearside/fault"
)

// place is where something stands in a catalogue file.
type place struct {
	file string
	node ast.Node // nil: an empty file
}

// parse reads a file as YAML. Its place is the whole of it.
func parse(source Source) (place, error) {
	file, err := parser.ParseBytes(source.Bytes, 0)
	if err != nil {
		return place{}, place{file: source.Name}.syntaxFault(err)
	}
	whole := place{file: source.Name}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if whole.node != nil {
			return place{}, place{source.Name, doc.Body}.wrong("a second document begins here; a catalogue is one")
		}
		whole.node = doc.Body
	}
	return whole, nil
}

// syntaxFault words an error of the YAML library about what stands here. It
// mostly knows the line better.
func (p place) syntaxFault(err error) error {
	var located yaml.Error
	if errors.As(err, &located) && located.GetToken() != nil {
		return fault.New(fault.Invalid, "%s:%d: %s", p.file, located.GetToken().Position.Line, located.GetMessage())
	}
	return p.wrong("%s", err)
}

// wrong is a fault of what stands here.
func (p place) wrong(format string, args ...any) error {
	return fault.New(fault.Invalid, "%s:%d: %s", p.file, p.line(), fmt.Sprintf(format, args...))
}

func (p place) line() int {
	if t := p.token(); t != nil {
		return t.Position.Line
	}
	return 1
}

// token is where a node begins; a mapping's own token is the colon of its first key.
func (p place) token() *token.Token {
	switch node := p.node.(type) {
	case nil:
		return nil
	case ast.MapNode:
		if keys := node.MapRange(); keys.Next() {
			return keys.Key().GetToken()
		}
	}
	return p.node.GetToken()
}

// eachKey calls do for every key of a mapping.
func (p place) eachKey(do func(name string, value place) error) error {
	if p.node == nil || p.node.Type() == ast.NullType {
		return nil
	}
	mapping, ok := p.node.(ast.MapNode)
	if !ok {
		return p.wrong("here should be keys and values, such as id: name")
	}
	for keys := mapping.MapRange(); keys.Next(); {
		if err := do(keys.Key().GetToken().Value, place{p.file, keys.Value()}); err != nil {
			return err
		}
	}
	return nil
}

// items returns what a list holds.
func (p place) items() ([]place, error) {
	if p.node == nil || p.node.Type() == ast.NullType {
		return nil, nil
	}
	list, ok := p.node.(*ast.SequenceNode)
	if !ok {
		return nil, p.wrong("here should be a list")
	}
	items := make([]place, len(list.Values))
	for i, value := range list.Values {
		items[i] = place{p.file, value}
	}
	return items, nil
}

// step returns what stands under a key or at a number.
func (p place) step(to any) (found place, ok bool) {
	switch to := to.(type) {
	case string:
		// The fault of what is no mapping has nothing to add here.
		_ = p.eachKey(func(name string, value place) error {
			if name == to {
				found, ok = value, true
			}
			return nil
		})
	case int:
		items, err := p.items()
		if ok = err == nil && to < len(items); ok {
			found = items[to]
		}
	}
	return found, ok
}

// entry is what files say about one thing, the oldest first.
type entry struct {
	name   string
	places []place
}

// entries are the entries of a section, in the order in which they first came.
type entries []*entry

// merge takes over a file's entries about things of a kind, known by a key.
func (es *entries) merge(kind, key string, items []place) error {
	seen := map[string]bool{}
	for _, item := range items {
		name, ok := item.text(key)
		if !ok {
			return item.wrong("a %s needs %s %s", kind, article(key), key)
		}
		if seen[name] {
			return (&entry{places: []place{item}}).at(key).wrong("%s %q is there twice", kind, name)
		}
		seen[name] = true
		i := slices.IndexFunc(*es, func(e *entry) bool { return e.name == name })
		if i < 0 {
			*es = append(*es, &entry{name, []place{item}})
			continue
		}
		(*es)[i].add(item)
	}
	return nil
}

func article(word string) string {
	if word[0] == 'i' {
		return "an"
	}
	return "a"
}

// text returns a key's value if that is a text that is not empty.
func (p place) text(key string) (string, bool) {
	value, ok := p.step(key)
	if !ok {
		return "", false
	}
	s, ok := value.node.(*ast.StringNode)
	if !ok || s.Value == "" {
		return "", false
	}
	return s.Value, true
}

// add puts a later file's words on top. An alias and a model do not mix: either
// replaces the other whole.
func (e *entry) add(item place) {
	_, is := item.step("alias")
	_, was := e.places[0].step("alias")
	if is || was {
		e.places = nil
	}
	e.places = append(e.places, item)
}

// decode puts what the files say together.
func (e *entry) decode(into any) error {
	for _, p := range e.places {
		if err := yaml.NodeToValue(p.node, into, yaml.Strict()); err != nil {
			return p.syntaxFault(err)
		}
	}
	return nil
}

// at returns where the entry says something: in the newest file that does. What
// is said nowhere is at the beginning of the entry.
func (e *entry) at(steps ...any) place {
	newest := e.places[len(e.places)-1]
	for _, p := range slices.Backward(e.places) {
		deep, found := p, false
		for _, to := range steps {
			next, ok := deep.step(to)
			if !ok {
				break
			}
			deep, found = next, true
		}
		if found {
			return deep
		}
	}
	return newest
}

// wrong is a fault of the whole entry.
func (e *entry) wrong(format string, args ...any) error { return e.at().wrong(format, args...) }
