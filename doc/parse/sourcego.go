package parse

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"strings"
)

// goCuts cuts Go by its declarations; nil if it is not valid Go.
func goCuts(s string) []cut {
	fset := token.NewFileSet()
	file, err := goparser.ParseFile(fset, "", s, goparser.ParseComments|goparser.SkipObjectResolution)
	if err != nil {
		return nil
	}
	at := func(pos token.Pos) int { return fset.PositionFor(pos, false).Offset }
	var all []cut
	end := 0
	for _, d := range file.Decls {
		label, comment := declares(d)
		if label == "" {
			continue
		}
		start := at(d.Pos())
		if comment != nil {
			start = at(comment.Pos())
		}
		if start > end {
			all = append(all, cut{end, start, ""})
		}
		end = lineEnd(s, at(d.End()), len(s))
		all = append(all, cut{start, end, label})
	}
	if end < len(s) {
		all = append(all, cut{end, len(s), ""})
	}
	return all
}

// declares returns what a declaration declares, "" for imports, and its comment.
func declares(d ast.Decl) (label string, comment *ast.CommentGroup) {
	if f, ok := d.(*ast.FuncDecl); ok {
		return "func " + receiver(f) + f.Name.Name, f.Doc
	}
	g, ok := d.(*ast.GenDecl)
	if !ok || g.Tok == token.IMPORT {
		return "", nil
	}
	var names []string
	for _, spec := range g.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			names = append(names, spec.Name.Name)
		case *ast.ValueSpec:
			for _, n := range spec.Names {
				names = append(names, n.Name)
			}
		}
	}
	if len(names) > 4 {
		names = append(names[:3], "…")
	}
	return g.Tok.String() + " " + strings.Join(names, ", "), g.Doc
}

// receiver returns the type of a method's receiver with a dot, "" for a function.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return ""
	}
	t := f.Recv.List[0].Type
	for {
		switch of := t.(type) {
		case *ast.StarExpr:
			t = of.X
		case *ast.IndexExpr:
			t = of.X
		case *ast.IndexListExpr:
			t = of.X
		case *ast.ParenExpr:
			t = of.X
		case *ast.Ident:
			return of.Name + "."
		default:
			return ""
		}
	}
}
