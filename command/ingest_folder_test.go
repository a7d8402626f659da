package command_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var folderSeed = flag.Uint64("folderseed", 1, "seed of the folders of chance that are loaded, of their edits, and of kills")

// folder is a directory with files of chance, of many formats, for tests that change and load it. No two
// sentences in it are the same, whatever becomes of its files.
type folder struct {
	t      *testing.T
	dir    string
	random *rand.Rand
	said   int // sentences
	made   int // files and directories
}

func newFolder(t *testing.T, random *rand.Rand, files int) *folder {
	t.Helper()
	f := &folder{t: t, dir: t.TempDir(), random: random}
	for range files {
		f.create()
	}
	return f
}

var someWords = strings.Fields(`lamp oil tower keeper harbour fog signal rope storm coast night boat anchor tide winter glass wick valve pilot buoy
	Küste 灯台 маяк φάρος café naïve`)

// sentence says something that was not said before.
func (f *folder) sentence() string {
	f.said++
	words := make([]string, 4+f.random.IntN(12))
	for i := range words {
		words[i] = someWords[f.random.IntN(len(someWords))]
	}
	return fmt.Sprintf("The %s of note%06d.", strings.Join(words, " "), f.said)
}

func (f *folder) paragraph() string {
	all := make([]string, 1+f.random.IntN(6))
	for i := range all {
		all[i] = f.sentence()
	}
	return strings.Join(all, " ")
}

// repeat joins what say returns, n to n+more times.
func (f *folder) repeat(n, more int, say func() string) string {
	var b strings.Builder
	for range n + f.random.IntN(more+1) {
		b.WriteString(say())
	}
	return b.String()
}

// fileKind is a kind of files, with what a new one holds.
type fileKind struct {
	ending  string
	content func(f *folder) []byte
}

// kindsOfFiles are what a folder has.
var kindsOfFiles = []fileKind{
	{".md", func(f *folder) []byte { return []byte(f.markdown()) }},
	{".MD", func(f *folder) []byte { return []byte("# " + f.sentence() + "\r\n\r\n" + f.paragraph() + "\r\n") }},
	{".txt", func(f *folder) []byte { return []byte(f.repeat(1, 8, func() string { return f.paragraph() + "\n\n" })) }},
	{".html", func(f *folder) []byte {
		return []byte("<!DOCTYPE html><html><title>" + f.sentence() + "</title><body><h1>" + f.sentence() + "</h1>" +
			f.repeat(1, 5, func() string { return "<p>" + f.paragraph() + "&amp;</p>\n" }) + "</body></html>")
	}},
	{".csv", func(f *folder) []byte {
		return []byte("name,remark\n" + f.repeat(1, 9, func() string { return fmt.Sprintf("%q,%q\n", f.sentence(), f.sentence()) }))
	}},
	{".jsonl", func(f *folder) []byte {
		return []byte(f.repeat(1, 6, func() string { return fmt.Sprintf("{\"title\": %q, \"note\": %q}\n", f.sentence(), f.paragraph()) }))
	}},
	{".json", func(f *folder) []byte {
		return fmt.Appendf(nil, "{\"a\": %q, \"list\": [%q, %q]}", f.sentence(), f.paragraph(), f.paragraph())
	}},
	{".go", func(f *folder) []byte {
		return []byte("package p\n\n" + f.repeat(1, 4, func() string {
			return fmt.Sprintf("// F%d: %s\nfunc F%d() string {\n\treturn %q\n}\n\n", f.said, f.sentence(), f.said, f.sentence())
		}))
	}},
	{".txt.gz", func(f *folder) []byte { return packed(f.paragraph() + "\n\n" + f.paragraph()) }},
	{".zip", func(f *folder) []byte {
		return zipped("in/a.md", f.markdown(), "in/b.txt", f.paragraph(), "c.csv", "x,y\n"+fmt.Sprintf("%q,%q\n", f.sentence(), f.sentence()))
	}},
	{".tar.gz", func(f *folder) []byte {
		return packed(string(tarred("t/a.txt", f.paragraph(), "t/b.md", f.markdown())))
	}},
	{".log", func(f *folder) []byte { return []byte("caf\xe9 " + f.paragraph()) }}, // not UTF-8
}

func (f *folder) markdown() string {
	return fmt.Sprintf("---\nauthor: %s\n---\n# %s\n\n", f.sentence(), f.sentence()) + f.repeat(1, 5, func() string {
		switch f.random.IntN(4) {
		case 0:
			return "## " + f.sentence() + "\n\n" + f.paragraph() + "\n\n"
		case 1:
			return "- " + f.sentence() + "\n- " + f.sentence() + "\n\n"
		case 2:
			return "| A | B |\n| --- | --- |\n| " + f.sentence() + " | " + f.sentence() + " |\n\n"
		}
		return f.paragraph() + "\n\n"
	})
}

func packed(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text)) // into memory
	_ = z.Close()
	return b.Bytes()
}

// zipped is an archive of members, given as names and contents in turn.
func zipped(list ...string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(list); i += 2 {
		w, err := z.Create(list[i])
		if err != nil {
			panic(err) // memory, and good names
		}
		_, _ = w.Write([]byte(list[i+1]))
	}
	_ = z.Close()
	return b.Bytes()
}

func tarred(list ...string) []byte {
	var b bytes.Buffer
	z := tar.NewWriter(&b)
	for i := 0; i < len(list); i += 2 {
		if err := z.WriteHeader(&tar.Header{Name: list[i], Mode: 0o600, Size: int64(len(list[i+1]))}); err != nil {
			panic(err)
		}
		_, _ = z.Write([]byte(list[i+1]))
	}
	_ = z.Close()
	return b.Bytes()
}

// files returns the paths of all files, in order, without links.
func (f *folder) files() []string {
	return f.walk(func(e os.DirEntry) bool { return e.Type().IsRegular() })
}

// folders returns the paths of all directories below the first.
func (f *folder) folders() []string { return f.walk(os.DirEntry.IsDir) }

func (f *folder) walk(is func(os.DirEntry) bool) (paths []string) {
	err := filepath.WalkDir(f.dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && path != f.dir && is(e) {
			paths = append(paths, path)
		}
		return err
	})
	f.must(err)
	return paths
}

func (f *folder) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// one is one of the files, "" if there is none.
func (f *folder) one() string {
	files := f.files()
	if len(files) == 0 {
		return ""
	}
	return files[f.random.IntN(len(files))]
}

// within is a directory of chance that is there.
func (f *folder) within() string {
	dirs := append(f.folders(), f.dir)
	return dirs[f.random.IntN(len(dirs))]
}

// name is a path that was not there before, in a directory that may be new.
func (f *folder) name(ending string) string {
	f.made++
	dir := f.within()
	if f.random.IntN(4) == 0 {
		dir = filepath.Join(dir, fmt.Sprintf("dir%d", f.made))
		f.must(os.MkdirAll(dir, 0o755))
	}
	stem := []string{"note", "a b", "über", "#1", "50%25", "-x", "日本"}[f.random.IntN(7)]
	return filepath.Join(dir, fmt.Sprintf("%s%d%s", stem, f.made, ending))
}

// create makes a file of chance, and says what it did.
func (f *folder) create() string {
	kind := kindsOfFiles[f.random.IntN(len(kindsOfFiles))]
	path := f.name(kind.ending)
	f.write(path, kind.content(f))
	return "create " + f.short(path)
}

// write writes a file, and makes it up to a day old now and then, as files mostly are.
func (f *folder) write(path string, data []byte) {
	f.must(os.WriteFile(path, data, 0o644))
	if f.random.IntN(2) == 0 {
		then := time.Now().Add(-time.Duration(f.random.IntN(24*3600)) * time.Second).Truncate(time.Second)
		f.must(os.Chtimes(path, then, then))
	}
}

// change gives a file new content of its format: some of the old text stays where there are lines.
func (f *folder) change() string {
	path := f.one()
	if path == "" {
		return f.create()
	}
	data, err := os.ReadFile(path)
	f.must(err)
	switch filepath.Ext(path) {
	case ".md", ".txt", ".log":
		parts := strings.Split(string(data), "\n\n")
		parts[f.random.IntN(len(parts))] = f.paragraph()
		if f.random.IntN(3) == 0 {
			parts = slices.Insert(parts, f.random.IntN(len(parts)+1), f.paragraph())
		}
		f.write(path, []byte(strings.Join(parts, "\n\n")))
	default:
		i := slices.IndexFunc(kindsOfFiles, func(k fileKind) bool { return strings.HasSuffix(path, k.ending) })
		if i < 0 {
			return f.create()
		}
		f.write(path, kindsOfFiles[i].content(f))
	}
	return "change " + f.short(path)
}

// remove deletes a file.
func (f *folder) remove() string {
	path := f.one()
	if path == "" {
		return f.create()
	}
	f.must(os.Remove(path))
	return "delete " + f.short(path)
}

func (f *folder) short(path string) string {
	short, err := filepath.Rel(f.dir, path)
	f.must(err)
	return short
}
