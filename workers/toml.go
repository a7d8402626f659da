package workers

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	library "github.com/pelletier/go-toml/v2"
)

// toml is TOML. The environment is appended, as tables between two comments, by which it is found again.
type toml struct{}

func beginMark(name string) string {
	return "# nearside dev init wrote the environment " + name + ", up to the end mark; --undo takes it out."
}

func endMark(name string) string { return "# end of the environment " + name + "." }

func (toml) read(text []byte) (*config, error) {
	var top map[string]any
	if err := library.Unmarshal(withoutMark(text), &top); err != nil {
		var where *library.DecodeError
		if errors.As(err, &where) {
			row, _ := where.Position()
			return nil, fmt.Errorf("line %d: %w", row, err)
		}
		return nil, err
	}
	var inOrder []entry
	for _, key := range slices.Sorted(maps.Keys(top)) { // in which order they stand makes no difference here
		inOrder = append(inOrder, entry{key, top[key]})
	}
	return newConfig(top, inOrder), nil
}

func (toml) add(text []byte, name string, env []entry) ([]byte, string, error) {
	environment := map[string]any{}
	for _, e := range env {
		environment[e.key] = e.value
	}
	raw, err := library.Marshal(map[string]any{"env": map[string]any{name: environment}})
	if err != nil {
		return nil, "", err
	}
	tables := strings.TrimPrefix(string(raw), "[env]\n") // the file may have one
	part := beginMark(name) + "\n" + tables + endMark(name)
	newline := newlineOf(text)
	part = strings.ReplaceAll(part, "\n", newline)
	return slices.Concat(text, []byte(newline+part+newline)), part, nil
}

func (toml) find(text []byte, name string) (string, error) {
	from, to, ok := marked(text, name)
	if !ok {
		return "", nil
	}
	return string(text[from:to]), nil
}

func (toml) cut(text []byte, name string, _ bool) ([]byte, error) {
	from, to, ok := marked(text, name)
	if !ok {
		return nil, errors.New("the marks around the environment are gone")
	}
	newline := newlineOf(text)
	before, after := text[:from], text[to:]
	return slices.Concat(bytes.TrimSuffix(before, []byte(newline)), bytes.TrimPrefix(after, []byte(newline))), nil
}

// line knows how people write tables and keys, and not every way that TOML has.
func (toml) line(text []byte, pointer string) int {
	path := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	key := regexp.QuoteMeta(path[0])
	which, pattern := 0, `(?m)^\s*(\[`+key+`\]|`+key+`\s*[.=])`
	if len(path) > 1 {
		if n, err := strconv.Atoi(path[1]); err == nil {
			which, pattern = n, `(?m)^\s*\[\[`+key+`\]\]`
		} else {
			pattern = `(?m)^\s*\[+` + key + `\.` + regexp.QuoteMeta(path[1]) + `[.\]]`
		}
	}
	found := regexp.MustCompile(pattern).FindAllIndex(text, which+1)
	if len(found) <= which {
		return 0
	}
	at := found[which][0]
	at += len(text[at:]) - len(bytes.TrimLeft(text[at:], " \t\r\n"))
	return 1 + bytes.Count(text[:at], []byte("\n"))
}

// marked returns where the environment stands with its marks.
func marked(text []byte, name string) (from, to int, ok bool) {
	from = bytes.Index(text, []byte(beginMark(name)))
	if from < 0 {
		return 0, 0, false
	}
	end := []byte(endMark(name))
	length := bytes.Index(text[from:], end)
	if length < 0 {
		return 0, 0, false
	}
	return from, from + length + len(end), true
}
