package workers

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"nearside/fault"
)

// Source is a file of a project's source.
type Source struct {
	Path string // from the folder of the configuration, with slashes
	Text string
}

// Bounds of what is read: a project of more is no Worker's source alone.
const (
	maxSources     = 2000
	maxSourceBytes = 1 << 20 // of one file; what is larger was put together by a program
	maxAllBytes    = 32 << 20
)

// written are the endings of files that people write Workers in.
var written = []string{".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".py", ".vue", ".svelte", ".astro"}

// aside are folders whose files no Worker runs.
var aside = []string{"node_modules", "dist", "build", "out", "coverage", "test", "tests", "__tests__", "vendor"}

// Sources reads the source beside and below the configuration, without tests, what was
// installed or built, and folders whose name begins with a dot. whole is false if there
// was more than is read.
func (f *File) Sources() (sources []Source, whole bool, err error) {
	root := filepath.Dir(f.Path)
	left := maxAllBytes
	whole = true
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || slices.Contains(aside, name)) {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() || !slices.Contains(written, filepath.Ext(name)) || strings.Contains(name, ".test.") || strings.Contains(name, ".spec.") || info.Size() > maxSourceBytes {
			return err
		}
		if left -= int(info.Size()); left < 0 || len(sources) == maxSources {
			whole = false
			return filepath.SkipAll
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, path)
		sources = append(sources, Source{filepath.ToSlash(relative), string(text)})
		return err
	})
	if err != nil {
		return nil, false, fault.New(fault.Invalid, "the source beside %s cannot be read", f.Path).Because(err)
	}
	return sources, whole, nil
}

// What is looked for in a line of source.
var (
	modelLiteral = regexp.MustCompile("[\"'`](@(?:cf|hf|nearside)/[A-Za-z0-9._/-]+)[\"'`]")
	vectorCall   = regexp.MustCompile(`\benv\s*\.\s*([A-Za-z_$][\w$]*)\s*\.\s*(?:queryById|upsert|getByIds|deleteByIds)\s*\(`)
	modelCall    = regexp.MustCompile("\\benv\\s*\\.\\s*([A-Za-z_$][\\w$]*)\\s*\\.\\s*run\\s*\\(\\s*[\"'`]@(?:cf|hf)/")
	onlyHere     = regexp.MustCompile("(?:127\\.0\\.0\\.1|localhost|\\[::1\\]):8810\\b|accounts/[^\"'\\s]+/nearside/")
)

// ModelsNamed returns the models that a source names, each with the places where it does.
func ModelsNamed(sources []Source) map[string][]string {
	named := map[string][]string{}
	for _, s := range sources {
		eachLine(s.Text, func(number int, line string) {
			for _, m := range modelLiteral.FindAllStringSubmatch(line, -1) {
				named[m[1]] = append(named[m[1]], place(s.Path, number))
			}
		})
	}
	return named
}

// comment begins a line that says nothing to a program.
var comment = regexp.MustCompile(`^\s*(//|/?\*|#)`)

// lines calls visit for each line of source that is no comment.
func (k *checker) lines(visit func(where, line string)) {
	for _, s := range k.Sources {
		eachLine(s.Text, func(number int, line string) { visit(place(s.Path, number), line) })
	}
}

func eachLine(text string, visit func(number int, line string)) {
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		if !comment.MatchString(line) {
			visit(number, line)
		}
	}
}

// checkSource looks at what the source says by itself.
func (k *checker) checkSource() {
	bound := k.bound()
	missing := map[string][]string{} // by binding
	var here []string
	k.lines(func(where, line string) {
		for _, pattern := range []*regexp.Regexp{vectorCall, modelCall} {
			for _, m := range pattern.FindAllStringSubmatch(line, -1) {
				if !bound[m[1]] {
					missing[m[1]] = append(missing[m[1]], where)
				}
			}
		}
		if onlyHere.MatchString(line) {
			here = append(here, where)
		}
	})
	for name, where := range missing {
		k.find(Breaks, "binding", where, "the source calls env."+name+", and "+k.File.base()+" binds nothing to it",
			"env."+name+" is undefined", `add a binding of this name under "vectorize" or "ai"`)
	}
	if len(here) > 0 {
		k.find(Breaks, "only-nearside", here, "the source calls nearside by its address, or a route that only nearside has",
			"neither exists there", "call the bindings, which are the same in both, or take the address from vars")
	}
}
