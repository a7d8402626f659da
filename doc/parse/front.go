package parse

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/pelletier/go-toml/v2"
)

// frontBytes is how long front matter may be. More is hardly what a file says of itself.
const frontBytes = 64 << 10

// maxAliases is how often YAML may name what stands elsewhere in it. A few lists of nine aliases each, of one another, are
// hundreds of millions of values.
const maxAliases = 10

// maxNesting is how deep lists and mappings in brackets may be nested: the time that reading them takes grows with its square.
const maxNesting = 50

// front is the front matter of a file: YAML between lines of ---, or TOML between lines of +++.
type front struct {
	mark string // "" = there is none
	text string
	end  int // where the rest of the file begins
}

// cutFront finds the front matter of a text.
func cutFront(s string) front {
	first := lineEnd(s, 0, len(s))
	mark := strings.TrimRight(s[:first], " \t\r\n")
	if mark != "---" && mark != "+++" {
		return front{}
	}
	for at := first; at < len(s) && at < frontBytes; {
		next := lineEnd(s, at, len(s))
		line := strings.TrimRight(s[at:next], " \t\r\n")
		if line == mark || mark == "---" && line == "..." {
			return front{mark, s[first:at], next}
		}
		if line == "" && at == first { // a rule with a blank line below is a rule
			return front{}
		}
		at = next
	}
	return front{}
}

// read returns what front matter says, or a note of why it was left out.
func (f front) read() (meta map[string]any, note string) {
	defer func() {
		if r := recover(); r != nil {
			meta, note = nil, fmt.Sprintf("its front matter was left out: %v", r)
		}
	}()
	if deep := nesting(f.text); deep > maxNesting {
		return nil, fmt.Sprintf("its front matter was left out: it is nested %d deep, more than %d", deep, maxNesting)
	}
	var err error
	switch f.mark {
	case "---":
		if strings.Count(f.text, "*") > maxAliases && strings.Contains(f.text, "&") {
			return nil, "its front matter was left out: it repeats itself by too many aliases"
		}
		err = yaml.Unmarshal([]byte(f.text), &meta)
	case "+++":
		d := toml.NewDecoder(bytes.NewReader([]byte(f.text)))
		err = d.Decode(&meta)
	}
	if err != nil {
		reason, _, _ := strings.Cut(err.Error(), "\n")
		return nil, "its front matter was left out: " + reason
	}
	if len(meta) == 0 {
		return nil, ""
	}
	return meta, ""
}

// nesting returns how deep brackets are nested.
func nesting(s string) int {
	depth, deepest := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ']', '}':
			depth--
		}
	}
	return deepest
}
