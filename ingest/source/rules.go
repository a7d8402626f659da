package source

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nearside/fault"
	"nearside/ingest/source/ignore"
)

// ignoreFiles are the names of the files that say what is left out. What an earlier one says wins over a later
// one, at whatever level it stands; of one name the deeper file wins.
var ignoreFiles = []string{".nearsideignore", ".ignore", ".gitignore"}

// maxIgnoreFile is how large such a file may be, in bytes.
const maxIgnoreFile = 1 << 20

// controlled are the names of version control's own folders, which no option hands out.
var controlled = []string{".git", ".hg", ".svn", ".bzr", ".jj", ".pijul", "_darcs", "CVS"}

// rules are those of a folder and of the folders it is in.
type rules struct {
	up     *rules
	base   string            // paths that they decide on begin with it: "guide/"
	before string            // of a folder above the source's own: what stands before paths
	files  []ignore.Patterns // by ignoreFiles; one more, of a repository's own list, may follow
}

// ignored reports whether a path is left out.
func (r *rules) ignored(path string, isFolder bool) bool {
	for file := range len(ignoreFiles) + 1 {
		for at := r; at != nil; at = at.up {
			if file >= len(at.files) {
				continue
			}
			if v := at.files[file].Match(at.before+path[len(at.base):], isFolder); v != ignore.Silent {
				return v == ignore.Ignore
			}
		}
	}
	return false
}

// below returns the rules within a folder that has some of the ignoreFiles, which read reads.
func (r *rules) below(base string, has []string, read func(name string) ([]byte, error)) (*rules, error) {
	if len(has) == 0 {
		return r, nil
	}
	next := &rules{up: r, base: base, files: make([]ignore.Patterns, len(ignoreFiles))}
	for i, name := range ignoreFiles {
		if !slices.Contains(has, name) {
			continue
		}
		data, err := read(name)
		if err != nil {
			return nil, err
		}
		next.files[i] = ignore.Parse(data)
	}
	return next, nil
}

// rulesAbove returns the rules of the repository that a folder is part of, from above it. A folder in no repository has none.
func rulesAbove(dir string) (*rules, error) {
	top := repository(dir)
	if top == "" {
		return nil, nil
	}
	inside, err := filepath.Rel(top, dir)
	if err != nil {
		return nil, err
	}
	names := strings.Split(filepath.ToSlash(inside), "/")
	if inside == "." {
		names = nil
	}
	own, err := readIgnore(os.OpenFile(filepath.Join(top, ".git", "info", "exclude"), readFlags, 0))
	if err != nil {
		return nil, err
	}
	r := &rules{before: before(names), files: make([]ignore.Patterns, len(ignoreFiles)+1)}
	r.files[len(ignoreFiles)] = ignore.Parse(own)
	for at := top; len(names) > 0; at, names = filepath.Join(at, names[0]), names[1:] {
		next, err := r.below("", ignoreFiles, func(name string) ([]byte, error) {
			return readIgnore(os.OpenFile(filepath.Join(at, name), readFlags, 0))
		})
		if err != nil {
			return nil, err
		}
		next.before = before(names)
		r = next
	}
	return r, nil
}

// before is what stands before a path, given the folders that it is in.
func before(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return strings.Join(names, "/") + "/"
}

// repository returns the folder, dir or one that it is in, that has a repository; "" if none has.
func repository(dir string) string {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

// readIgnore reads an ignore file that was opened; what is not there, or no file, has no rules. One that cannot be read is
// an error: it may leave out what must not be shown.
func readIgnore(f *os.File, err error) ([]byte, error) {
	if errors.Is(err, fs.ErrNotExist) || isNoFolder(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() // it is only read
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxIgnoreFile+1))
	if err == nil && len(data) > maxIgnoreFile {
		err = fault.New(fault.TooLarge, "%s is larger than %d bytes, the limit for a list of what is left out; shorten it", filepath.Base(f.Name()), maxIgnoreFile)
	}
	return data, err
}
