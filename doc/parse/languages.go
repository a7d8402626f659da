package parse

import (
	"regexp"
	"strings"
)

// language is how definitions look in a language. Rules go by lines, and trust indentation: code that people
// keep is indented. What they miss becomes part of the definition before; nothing is lost.
type language struct {
	name         string
	endings      []string
	interpreters []string
	rules        []rule
	comments     []string // prefixes of lines that are comments
	attributes   []string // prefixes of lines that belong to the definition below, such as decorators
	long         string   // the mark of strings of many lines
	ends         []string // words that close a definition
}

// rule is a pattern of a line that defines something: its first group is the keyword, its last the name.
type rule struct {
	pattern   *regexp.Regexp
	keyword   string // if the pattern has only one group
	container bool   // definitions within have a name of their own
}

// definition is what a line defines.
type definition struct {
	keyword, name string
	container     bool
}

func defines(container bool, keyword, pattern string) rule {
	return rule{regexp.MustCompile(pattern), keyword, container}
}

// notNames are words before a parenthesis that are no function's name.
var notNames = words(`if for while switch catch return else new throw do foreach using lock fixed sizeof typeof await yield with function elif
	defined try synchronized case delete and or not super this base echo print`)

// statements are words before a name and a parenthesis that define nothing.
var statements = words("return else throw new case delete await yield goto")

func words(s string) map[string]bool {
	all := map[string]bool{}
	for _, word := range strings.Fields(s) {
		all[word] = true
	}
	return all
}

// The parts of languages whose blocks are in braces.
const (
	javaWords = `(?:(?:public|private|protected|internal|static|final|abstract|sealed|non-sealed|synchronized|native|default|override|async|virtual|unsafe|extern|readonly|partial|strictfp|new)\s+)*`
	// A type, then a name, then parameters.
	typedFunction = `^\s*` + javaWords + `(?:<[^>]+>\s+)?[A-Za-z_][\w.<>\[\],?*&: ]*[\s*&]+([A-Za-z_~]\w*)\s*` + parameters
	constructor   = `^\s+(?:(?:public|private|protected|internal)\s+)+([A-Z]\w*)\s*` + parameters
	parameters    = `\((?:[^;]*|[^;{]*\)[^;{]*\{.*)$` // what a call has not: no semicolon, or one in braces only
)

var slashes = []string{"//", "/*", "*", "*/"}

// languages are the languages whose definitions are known.
var languages = []*language{
	{name: "go", endings: []string{".go"}, comments: slashes, long: "`", rules: []rule{
		defines(false, "", `^(func|type|var|const)\s+(?:\([^)]*\)\s*)?(\w+)`),
	}},
	{name: "python", endings: []string{".py", ".pyi", ".pyw"}, interpreters: []string{"python", "pypy"}, comments: []string{"#"}, attributes: []string{"@"}, long: `"""`, rules: []rule{
		defines(false, "def", `^\s*(?:async\s+)?def\s+(\w+)`),
		defines(true, "class", `^\s*class\s+(\w+)`),
	}},
	{name: "javascript", endings: []string{".js", ".mjs", ".cjs", ".jsx"}, interpreters: []string{"node", "deno", "bun"}, comments: slashes, attributes: []string{"@"}, long: "`", rules: scriptRules},
	{name: "typescript", endings: []string{".ts", ".mts", ".cts", ".tsx"}, comments: slashes, attributes: []string{"@"}, long: "`", rules: scriptRules},
	{name: "rust", endings: []string{".rs"}, comments: slashes, attributes: []string{"#[", "#!["}, rules: []rule{
		defines(false, "", `^\s*(?:pub(?:\([^)]*\))?\s+)?(?:default\s+|const\s+|async\s+|unsafe\s+|extern\s+(?:"[^"]*"\s+)?)*(fn)\s+(\w+)`),
		defines(true, "", `^\s*(?:pub(?:\([^)]*\))?\s+)?(?:unsafe\s+)?(struct|enum|union|trait|mod)\s+(\w+)`),
		defines(true, "impl", `^\s*(?:unsafe\s+)?impl(?:<[^>]*>)?\s+(?:[^{]*\s+for\s+)?([\w:]+)`),
		defines(false, "", `^\s*(?:pub(?:\([^)]*\))?\s+)?(type|static|const)\s+(?:mut\s+)?(\w+)`),
		defines(false, "macro", `^\s*macro_rules!\s*(\w+)`),
	}},
	{name: "java", endings: []string{".java"}, comments: slashes, attributes: []string{"@"}, long: `"""`, rules: []rule{
		defines(true, "", `^\s*`+javaWords+`(class|interface|enum|record|@interface)\s+(\w+)`),
		defines(false, "method", typedFunction),
		defines(false, "method", constructor),
	}},
	{name: "c#", endings: []string{".cs"}, comments: slashes, attributes: []string{"["}, long: `"""`, rules: []rule{
		defines(true, "", `^\s*`+javaWords+`(class|interface|enum|record|struct|namespace)\s+([\w.]+)`),
		defines(false, "method", typedFunction),
		defines(false, "method", constructor),
	}},
	{name: "c", endings: []string{".c", ".h"}, comments: slashes, rules: cRules},
	{name: "c++", endings: []string{".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx", ".ino"}, comments: slashes, attributes: []string{"template"}, rules: cRules},
	{name: "ruby", endings: []string{".rb", ".rake"}, interpreters: []string{"ruby"}, comments: []string{"#"}, ends: []string{"end"}, rules: []rule{
		defines(false, "def", `^\s*(?:private\s+|public\s+|protected\s+)?def\s+([\w.]+[?!=]?)`),
		defines(true, "", `^\s*(class|module)\s+([\w:]+)`),
	}},
	{name: "php", endings: []string{".php"}, interpreters: []string{"php"}, comments: append([]string{"#"}, slashes...), attributes: []string{"#["}, rules: []rule{
		defines(true, "", `^\s*(?:(?:abstract|final|readonly)\s+)*(class|interface|trait|enum)\s+(\w+)`),
		defines(false, "", `^\s*(?:(?:abstract|final|public|private|protected|static)\s+)*(function)\s+&?\s*(\w+)`),
	}},
	{name: "shell", endings: []string{".sh", ".bash", ".zsh", ".ksh"}, interpreters: []string{"sh", "bash", "zsh", "dash", "ksh"}, comments: []string{"#"}, ends: []string{"fi", "done", "esac"}, rules: []rule{
		defines(false, "function", `^\s*function\s+([\w:.-]+)`),
		defines(false, "function", `^\s*([\w:.-]+)\s*\(\)`),
	}},
}

var scriptRules = []rule{
	defines(false, "", `^\s*(?:export\s+)?(?:default\s+)?(?:declare\s+)?(?:async\s+)?(function)\s*\*?\s*([\w$]+)`),
	defines(true, "", `^\s*(?:export\s+)?(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(class|namespace|module)\s+([\w$.]+)`),
	defines(false, "", `^\s*(?:export\s+)?(?:default\s+)?(?:declare\s+)?(?:const\s+)?(interface|type|enum)\s+([\w$]+)`),
	defines(false, "function", `^\s*(?:export\s+)?(?:const|let|var)\s+([\w$]+)\s*(?::[^=]+)?=\s*(?:async\s*)?(?:function\b|\([^)]*\)\s*(?::[^=]+)?=>|[\w$]+\s*=>)`),
	defines(false, "function", `^(?:module\.)?exports\.([\w$]+)\s*=\s*(?:async\s*)?(?:function\b|\()`),
	defines(false, "function", `^([\w$]+(?:\.[\w$]+)+)\s*=\s*(?:async\s+)?function\b`),
	defines(false, "method", `^\s+(?:(?:public|private|protected|static|async|get|set|readonly|override|abstract)\s+|\*\s*)*([\w$#]+)\s*(?:<[^>]*>)?\([^;]*\)?\s*(?::[^;=]+)?\{\s*$`),
}

var cRules = []rule{
	defines(true, "", `^\s*(?:typedef\s+)?(class|namespace)\s+(?:[A-Z_]+\s+)?(\w+)[^;]*$`),
	defines(false, "", `^(?:typedef\s+)?(struct|enum|union)\s+(?:class\s+)?(\w+)\s*(?::[^;]*)?\{?\s*$`),
	defines(false, "macro", `^#\s*define\s+(\w+)\(`),
	defines(false, "function", `^(?:[A-Za-z_][\w<>,:*&\[\] ]*[\s*&]+)?((?:\w+::)*~?[A-Za-z_]\w*)\s*`+parameters),
	defines(false, "function", `^\s+(?:(?:virtual|static|inline|explicit|constexpr)\s+)*[A-Za-z_][\w<>,:*& ]*[\s*&]+(~?[A-Za-z_]\w*)\s*\([^;{]*\{.*$`),
}

// definition returns what a line defines, nil if nothing.
func (l *language) definition(line string) *definition {
	if len(line) > 1000 { // made by a program, not by people
		return nil
	}
	for _, r := range l.rules {
		groups := r.pattern.FindStringSubmatch(line)
		if groups == nil {
			continue
		}
		name := groups[len(groups)-1]
		if notNames[name] || statements[firstWord(line)] {
			continue
		}
		d := &definition{keyword: r.keyword, name: name, container: r.container}
		if len(groups) > 2 {
			d.keyword = groups[1]
		}
		return d
	}
	return nil
}

func firstWord(line string) string {
	line = strings.TrimSpace(line)
	end := strings.IndexFunc(line, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_' })
	if end < 0 {
		return line
	}
	return line[:end]
}

func (l *language) isComment(said string) bool { return hasAnyPrefix(said, l.comments) }

func (l *language) isAttribute(said string) bool {
	return hasAnyPrefix(said, l.attributes) && !hasAnyPrefix(said, []string{"@interface"})
}

// closes reports whether a line only closes what was begun before.
func (l *language) closes(said string) bool {
	for _, word := range l.ends {
		if firstWord(said) == word {
			return true
		}
	}
	return false
}

func hasAnyPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// opens returns the mark that ends what a line begins and does not end: a comment, or a string of many lines; "" if there is none.
func (l *language) opens(said string) string {
	if l.isSlashed() {
		if i := strings.LastIndex(said, "/*"); i >= 0 && !strings.Contains(said[i:], "*/") && (i == 0 || strings.HasPrefix(said, "/*")) {
			return "*/"
		}
	}
	if l.long != "" && strings.Count(said, l.long)%2 == 1 {
		return l.long
	}
	return ""
}

func (l *language) isSlashed() bool { return len(l.comments) > 1 }
