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
	var err error
	switch f.mark {
	case "---":
		if strings.Count(f.text, "*") > 100 && strings.Contains(f.text, "&") {
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
