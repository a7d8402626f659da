// Package ignore decides by the rules of .gitignore files which paths are left out.
//
// Patterns are one file's rules, or those of one list of globs. Match agrees with git, byte for byte and not character for
// character: a "?" is one byte. What git does beyond one list (files at every level, their
// precedence, a folder that is left out with all that is in it) is up to who walks the folder.
//
// The time of a match is bounded by the length of the pattern times that of the path, whatever the pattern is.
package ignore

import (
	"bytes"
	"strings"
)

// Patterns are rules in their order. The zero value matches nothing.
type Patterns struct {
	rules []rule
}

// rule is one line.
type rule struct {
	glob    glob
	keep    bool // begins with "!": what it matches is not left out
	folder  bool // ends with "/": it matches folders only
	anyPath bool // has no other "/": it matches names, at any depth
}

// Verdict is what patterns say of a path.
type Verdict int

// The verdicts.
const (
	Silent Verdict = iota // no rule matches
	Ignore                // the last rule that matches leaves it out
	Keep                  // the last rule that matches is one with "!"
)

// Parse reads the rules of a file. Every file can be read: a line that is no pattern matches nothing.
func Parse(data []byte) Patterns {
	data = bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
	var p Patterns
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if r, ok := parseRule(line); ok {
			p.rules = append(p.rules, r)
		}
	}
	return p
}

// Globs makes patterns of single globs, each as a line of a file has it.
func Globs(globs []string) Patterns {
	return Parse([]byte(strings.Join(globs, "\n")))
}

// Empty reports whether there are no rules.
func (p Patterns) Empty() bool { return len(p.rules) == 0 }

// Match says what the rules say of a path, which is given without a "/" at its ends and relative to the
// folder of the rules. It does not look at the folders above the path.
func (p Patterns) Match(path string, folder bool) Verdict {
	name := path[strings.LastIndexByte(path, '/')+1:]
	for i := len(p.rules) - 1; i >= 0; i-- {
		r := &p.rules[i]
		if r.folder && !folder {
			continue
		}
		of := path
		if r.anyPath {
			of = name
		}
		if !r.glob.match(of) {
			continue
		}
		if r.keep {
			return Keep
		}
		return Ignore
	}
	return Silent
}

// parseRule reads a line without its end.
func parseRule(line string) (r rule, ok bool) {
	if strings.HasPrefix(line, "#") {
		return r, false
	}
	line = trimSpaces(line)
	if line == "" {
		return r, false
	}
	line, r.keep = strings.CutPrefix(line, "!")
	line, r.folder = strings.CutSuffix(line, "/")
	r.anyPath = !strings.Contains(line, "/")
	if !r.anyPath {
		line = strings.TrimPrefix(line, "/")
	}
	if line == "" {
		return r, false
	}
	r.glob, ok = compile(line)
	return r, ok
}

// trimSpaces removes spaces at the end, but for one that a backslash stands before.
func trimSpaces(line string) string {
	end := 0
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '\\' && i+1 == len(line):
			return line
		case line[i] == '\\':
			i++
			end = i + 1
		case line[i] != ' ':
			end = i + 1
		}
	}
	return line[:end]
}
