package main_test

import (
	"bufio"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The house rules that a machine judges well. Each test names the rule it
// keeps; CONTRIBUTING.md says why the rules are what they are.

// arrows lists, for each package folder, the folders of nearside it may import.
// A folder stands for everything below it unless a longer entry exists.
var arrows = map[string][]string{
	"":                  {"command"},
	"client":            {"fault"},
	"bulk":              {},
	"catalog":           {"disk", "fault"},
	"catalog/manifest":  {"disk", "fault"},
	"command":           {"*"},
	"disk":              {"disk", "fault"},
	"doc":               {},
	"doc/chunk":         {"doc", "fault"},
	"doc/convert":       {"doc", "fault"},
	"doc/parse":         {"doc", "fault"},
	"edge":              {"disk", "fault"},
	"embed":             {"disk", "embed", "fault"},
	"fault":             {},
	"index":             {"fault", "index/filter"},
	"index/filter":      {"fault"},
	"index/fuse":        {},
	"index/indextest":   {"fault", "index", "index/filter"},
	"index/keyword":     {"disk", "fault"},
	"index/local":       {"disk", "fault", "index", "index/filter", "index/local"},
	"index/local/quant": {"fault", "index", "index/local/vek"},
	"index/local/vek":   {},
	"ingest":            {"doc", "fault"},
	"ingest/bookmark":   {"disk", "fault"},
	"ingest/move":       {"client", "fault", "ingest/bookmark", "ingest/rows", "ingest/vecfile"},
	"ingest/remote":     {"client", "doc", "embed", "fault", "ingest"},
	"ingest/rows":       {"bulk", "client", "fault", "ingest", "ingest/bookmark", "ingest/vecfile", "numjson"},
	"ingest/source":     {"doc", "fault", "ingest"},
	"ingest/vecfile":    {"fault", "numjson"},
	"jobs":              {"disk", "fault", "llm/neuron"},
	"llm":               {"embed", "fault", "llm"},
	"llm/batch":         {"disk", "fault", "llm"},
	"llm/gateway":       {"disk", "fault", "llm/neuron"},
	"llm/finetune":      {"disk", "fault"},
	"llm/neuron":        {"disk", "fault", "llm/neuron"},
	"measure":           {"embed", "fault", "index"},
	"measure/ann":       {"disk", "fault", "index"},
	"measure/router":    {"disk", "fault", "llm/neuron"},
	"numjson":           {},
	"rag":               {"catalog", "doc", "embed", "fault", "index", "ingest", "jobs", "llm", "vectorize"},
	"server":            {"bulk", "catalog", "doc", "edge", "embed", "fault", "index", "jobs", "llm", "numjson", "rag", "vectorize", "workers/traffic"},
	"vectorize":         {"catalog", "fault", "index"},
	"web":               {},
	"workers":           {"fault", "llm/neuron", "workers/traffic"},
	"workers/traffic":   {"disk"},
}

// homes says which folder alone may import a library, directly.
var homes = map[string]string{
	"github.com/blevesearch":        "index/keyword",
	"github.com/gofiber/fiber":      "server",
	"github.com/valyala/fasthttp":   "server",
	"github.com/ncruces/go-sqlite3": "disk",
	"github.com/spf13/cobra":        "command",
	"golang.org/x/sys/cpu":          "index/local/vek embed/bert",
}

func TestImportsPointOneWay(t *testing.T) {
	for _, p := range listPackages(t) {
		from := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, "nearside"), "/")
		allowed, ok := longest(arrows, from)
		if !ok {
			t.Errorf("package %q has no entry in arrows: say what it may import", from)
			continue
		}
		for _, path := range p.Imports {
			if to, ours := strings.CutPrefix(path, "nearside/"); ours {
				if !within(allowed, to) {
					t.Errorf("%s imports %s; it may import only %v", p.ImportPath, path, allowed)
				}
				continue
			}
			for library, home := range homes {
				if strings.HasPrefix(path, library) && !within(strings.Fields(home), from) {
					t.Errorf("%s imports %s, whose only home is %s", p.ImportPath, path, home)
				}
			}
		}
	}
}

func TestExportedNamesAndPackagesAreDocumented(t *testing.T) {
	documented := map[string]bool{}
	walkGo(t, func(path string, _ *token.FileSet, file *ast.File) {
		dir := filepath.Dir(path)
		documented[dir] = documented[dir] || file.Doc.Text() != ""
		for _, d := range file.Decls {
			for _, name := range undocumented(d) {
				t.Errorf("%s: exported %s has no doc comment", path, name)
			}
		}
	})
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package in %s has no package comment", dir)
		}
	}
}

// calls that only the named folders may make, and what to use instead.
var forbidden = []struct {
	call    string
	homes   []string
	instead string
}{
	{"os.Getenv", []string{"command"}, "a field of the package's options, filled by command"},
	{"os.LookupEnv", []string{"command"}, "a field of the package's options, filled by command"},
	{"time.Sleep", nil, "a timer and a context"},
	{"os.Create", []string{"disk"}, "package disk"},
	{"os.WriteFile", []string{"disk"}, "package disk"},
	{"os.Rename", []string{"disk"}, "package disk"},
	{"log.Printf", nil, "log/slog"},
	{"fmt.Println", nil, "the writer the caller passed"},
}

func TestForbiddenCallsStayInTheirHomes(t *testing.T) {
	walkGo(t, func(path string, fset *token.FileSet, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s: naked go statement; start it with sync.WaitGroup.Go, so that somebody waits for it", fset.Position(g.Pos()))
			}
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if !ok {
				return true
			}
			for _, f := range forbidden {
				if pkg.Name+"."+sel.Sel.Name == f.call && !within(f.homes, filepath.ToSlash(filepath.Dir(path))) {
					t.Errorf("%s: %s; use %s", fset.Position(sel.Pos()), f.call, f.instead)
				}
			}
			return true
		})
	})
}

// unfinished matches what a finished program does not say.
var unfinished = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b|not (yet )?implemented`)

func TestNothingIsLeftUnfinished(t *testing.T) {
	walkGo(t, func(path string, fset *token.FileSet, file *ast.File) {
		for _, group := range file.Comments {
			if m := unfinished.FindString(group.Text()); m != "" {
				t.Errorf("%s: %q in a comment", fset.Position(group.Pos()), m)
			}
		}
	})
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

// listPackages asks the go command for every package of the module and its direct imports.
func listPackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []goPackage
	for dec := json.NewDecoder(bufio.NewReader(strings.NewReader(string(out)))); ; {
		var p goPackage
		if err := dec.Decode(&p); err == io.EOF {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// walkGo parses every Go file that is part of the program (tests and test data are not).
func walkGo(t *testing.T, visit func(path string, fset *token.FileSet, file *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || d.Name() == "dist" || (d.Name() != "." && strings.HasPrefix(d.Name(), "."))) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		visit(path, fset, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// undocumented returns the exported names that a declaration introduces without a comment.
// A comment on a group of constants or variables covers its members; a type needs its own.
func undocumented(d ast.Decl) []string {
	var names []string
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc.Text() == "" && exportedReceiver(d) {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && s.Doc.Text() == "" && d.Doc.Text() == "" {
					names = append(names, s.Name.Name)
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.IsExported() && s.Doc.Text() == "" && s.Comment.Text() == "" && d.Doc.Text() == "" {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}

// exportedReceiver reports whether a function is a method of an exported type, or no method.
func exportedReceiver(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	exported := false
	ast.Inspect(f.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			exported = exported || id.IsExported()
		}
		return true
	})
	return exported
}

// longest returns the entry of m whose key is the longest folder that holds path.
func longest(m map[string][]string, path string) ([]string, bool) {
	for dir := path; ; {
		if v, ok := m[dir]; ok {
			return v, true
		}
		cut := strings.LastIndexByte(dir, '/')
		if cut < 0 {
			return nil, false
		}
		dir = dir[:cut]
	}
}

// within reports whether path is one of the folders or lies below one; "*" is every folder.
func within(folders []string, path string) bool {
	return slices.ContainsFunc(folders, func(dir string) bool {
		return dir == "*" || dir == path || strings.HasPrefix(path, dir+"/")
	})
}
