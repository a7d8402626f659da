package source

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// follow returns where a link leads, and whether it is followed. With FollowLinks all are. Without, a link is followed that stays within the
// folder and is the only way to what it leads to: a file that is handed out under its own name is not handed out twice.
func (w *walk) follow(p place, isFolder bool) (string, bool) {
	if w.FollowLinks {
		return p.at, true
	}
	full, err := filepath.EvalSymlinks(w.full(p))
	if err != nil {
		return "", false // it leads nowhere, or in a circle
	}
	inside, err := filepath.Rel(w.real, full)
	if err != nil || !filepath.IsLocal(inside) {
		return "", false
	}
	target := filepath.ToSlash(inside)
	names := strings.Split(target, "/")
	if slices.ContainsFunc(names, func(name string) bool { return slices.Contains(controlled, name) }) {
		return "", false
	}
	return target, !w.reaches(names, isFolder)
}

// reaches reports whether the walk comes to a place, given by the names on the way, without links.
func (w *walk) reaches(names []string, isFolder bool) bool {
	r, included, p := w.above, w.include.Empty(), place{at: "."}
	for i, name := range names {
		if name == "." {
			return true // the folder as a whole
		}
		if !w.shown(name) {
			return false
		}
		var err error
		if !w.NoIgnore {
			r, err = w.rules(p, r, ignoreFiles)
		}
		if err != nil {
			return true // the folder is a problem when the walk comes to it
		}
		p = p.in(name)
		folder := isFolder || i+1 < len(names)
		if w.leftOut(p.path, folder, r) {
			return false
		}
		included = w.includes(p.path, folder, included)
	}
	return isFolder || included
}

// isNoFolder reports whether an error is that of a path through something that is no folder.
func isNoFolder(err error) bool { return errors.Is(err, syscall.ENOTDIR) }
