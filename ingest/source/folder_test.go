package source_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/fault"
	"nearside/ingest"
	"nearside/ingest/source"
)

func TestItemsComeInTheOrderOfTheirPathsBytes(t *testing.T) {
	dir := tree(t, map[string]string{"a/b": "", "a-b": "", "a.md": "", "a/c/d": "", "a0": "", "Z": "", "é": "", "empty/": ""})
	same(t, "paths", paths(t, folder(t, dir, source.Options{})), "Z", "a-b", "a.md", "a/b", "a/c/d", "a0", "é")
}

func TestNamesThatAreNotUTF8AreEscapedAndOpened(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "caf\xe9.txt"), []byte("old"), 0o600); err != nil {
		t.Skipf("no such names in this file system: %v", err)
	}
	grow(t, dir, map[string]string{"caf%E9.txt": "other", "b\xff/x": "in"})
	all := items(t, folder(t, dir, source.Options{}))
	var got []string
	for _, item := range all {
		got = append(got, item.Path+" "+strings.Join(contents(t, item), ""))
	}
	same(t, "items", got, "b%FF/x : x: in", "caf%25E9.txt : caf%25E9.txt: other", "caf%E9.txt : caf%E9.txt: old")
}

func TestHiddenAndControlledFilesAreLeftOut(t *testing.T) {
	dir := tree(t, map[string]string{"a": "", ".b": "", ".c/d": "", ".git/config": "", "x/.git": "gitdir: ..", "x/CVS/Root": "", "x/.hg/y": ""})
	same(t, "usually", paths(t, folder(t, dir, source.Options{})), "a")
	same(t, "hidden ones too", paths(t, folder(t, dir, source.Options{Hidden: true, NoIgnore: true})), ".b", ".c/d", "a")
}

func TestIgnoreFilesHavePrecedence(t *testing.T) {
	dir := tree(t, map[string]string{
		".gitignore": "*.log\nbuild/\n!build/keep\n", "a.log": "", "build/keep": "", "b.txt": "",
		"sub/.gitignore": "!b.log\n", "sub/b.log": "", "sub/c.log": "",
		".ignore": "*.tmp\n!d.log", "sub/d.log": "", "sub/e.tmp": "",
		"sub/.nearsideignore": "!e.tmp\n/b.txt", "sub/b.txt": "",
		"sub/deep/.gitignore": "!e.tmp", "sub/deep/.ignore": "d.log", "sub/deep/d.log": "", "sub/deep/e.tmp": "",
	})
	same(t, "heeded", paths(t, folder(t, dir, source.Options{})), "b.txt", "sub/b.log", "sub/d.log", "sub/deep/e.tmp", "sub/e.tmp")
	if n := len(paths(t, folder(t, dir, source.Options{NoIgnore: true}))); n != 10 {
		t.Errorf("%d files without ignore files, want 10", n)
	}
	same(t, "taken back by a glob", paths(t, folder(t, dir, source.Options{Exclude: []string{"sub/", "!build/"}})), "b.txt", "build/keep")
}

func TestTheRulesOfTheRepositoryAboveHold(t *testing.T) {
	dir := tree(t, map[string]string{
		".git/info/exclude": "*.secret", ".gitignore": "docs/_build/\n/top", "docs/.gitignore": "man/draft*",
		"docs/man/a.md": "", "docs/man/draft1": "", "docs/man/_build/x": "", "docs/_build/y": "", "docs/man/b.secret": "", "docs/man/top": "",
	})
	same(t, "docs", paths(t, folder(t, filepath.Join(dir, "docs"), source.Options{})), "man/_build/x", "man/a.md", "man/top")
	same(t, "docs/man", paths(t, folder(t, filepath.Join(dir, "docs/man"), source.Options{})), "_build/x", "a.md", "top")
	same(t, "a folder that is left out, but named", paths(t, folder(t, filepath.Join(dir, "docs/_build"), source.Options{})), "y")
}

func TestGlobsIncludeAndExclude(t *testing.T) {
	dir := tree(t, map[string]string{"a.md": "", "b.txt": "", "docs/c.md": "", "docs/d.txt": "", "docs/old/e.md": "", "x/docs/f.txt": ""})
	for _, c := range []struct {
		include, exclude, want string
	}{
		{"*.md", "", "a.md docs/c.md docs/old/e.md"},
		{"/*.md", "", "a.md"},
		{"docs/", "", "docs/c.md docs/d.txt docs/old/e.md x/docs/f.txt"},
		{"/docs/**", "old/", "docs/c.md docs/d.txt"},
		{"docs/ !old/", "", "docs/c.md docs/d.txt x/docs/f.txt"},
		{"", "*.txt", "a.md docs/c.md docs/old/e.md"},
		{"", "*.txt !d.txt", "a.md docs/c.md docs/d.txt docs/old/e.md"},
		{"**/docs/**/*.txt", "", "docs/d.txt x/docs/f.txt"},
		{"nothing", "", ""},
	} {
		got := paths(t, folder(t, dir, source.Options{Include: strings.Fields(c.include), Exclude: strings.Fields(c.exclude)}))
		same(t, fmt.Sprintf("include %q, exclude %q", c.include, c.exclude), got, strings.Fields(c.want)...)
	}
}

func TestLinksDoNotLeadOutAndNothingComesTwice(t *testing.T) {
	out := tree(t, map[string]string{"secret": "no", "sub/s": ""})
	dir := tree(t, map[string]string{
		"a.md": "a", "again.md": "-> a.md", "out": "-> " + out + "/secret", "outdir": "-> " + out, "up": "-> ../..", "gone": "-> nowhere", "circle": "-> circle",
		"self": "-> .", "d/x": "x", "d2": "-> d",
		"..data": "-> ..v1", "..v1/conf.md": "conf", "conf.md": "-> ..data/conf.md", // as Kubernetes mounts what it configures
		".git/annex": "kept", "annexed": "-> .git/annex",
	})
	all := items(t, folder(t, dir, source.Options{}))
	var got []string
	for _, item := range all {
		got = append(got, item.Path+strings.Join(contents(t, item), ""))
	}
	same(t, "items", got, "a.md: a.md: a", "conf.md: conf.md: conf", "d/x: x: x")
	same(t, "all links", paths(t, folder(t, dir, source.Options{FollowLinks: true, Exclude: []string{"up", "outdir/sub"}})),
		"a.md", "again.md", "annexed", "!circle", "conf.md", "d/x", "d2/x", "!gone", "out", "outdir/secret", "!self/")
}

func TestALinkPutInTheWayIsNotFollowedOut(t *testing.T) {
	out := tree(t, map[string]string{"f": "secret"})
	dir := tree(t, map[string]string{"d/f": "plain", "g": "plain"})
	all := items(t, folder(t, dir, source.Options{}))
	if err := os.RemoveAll(filepath.Join(dir, "d")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "g")); err != nil {
		t.Fatal(err)
	}
	grow(t, dir, map[string]string{"d": "-> " + out, "g": "-> " + out + "/f"})
	for _, item := range all {
		if got := strings.Join(contents(t, item), ""); !strings.HasPrefix(got, "! ") {
			t.Errorf("%s: %q", item.Path, got)
		}
	}
}

func TestAFileOverTheLimitIsAProblemWithBothSizes(t *testing.T) {
	dir := tree(t, map[string]string{"small": "1234", "large": strings.Repeat("x", 2048)})
	all := items(t, folder(t, dir, source.Options{MaxFileSize: 1024}))
	if p := all[0].Problem; !fault.Is(p, fault.TooLarge) || !strings.Contains(p.Error(), "2.0 KiB") || !strings.Contains(p.Error(), "1.0 KiB") {
		t.Errorf("problem %v", p)
	}
	same(t, "the other", contents(t, all[1]), ": small: 1234")
}

func TestAChangeWhileReadingIsSeen(t *testing.T) {
	change := map[string]func(path string) error{
		"changed":  func(path string) error { return os.WriteFile(path, []byte("longer than before"), 0o600) },
		"removed":  os.Remove,
		"replaced": func(path string) error { return os.Rename(path+".new", path) },
	}
	for what, do := range change {
		dir := tree(t, map[string]string{"f": "before", "f.new": "before"})
		item := items(t, folder(t, dir, source.Options{Include: []string{"/f"}}))[0]
		c, err := item.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		first, err := c.Digest(t.Context())
		if err != nil || c.Changed() != nil {
			t.Fatal(err, c.Changed())
		}
		if err := do(filepath.Join(dir, "f")); err != nil {
			t.Fatal(err)
		}
		if err := c.Changed(); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
		second, err := c.Digest(t.Context())
		if what != "changed" && (first != second || len(first) != 64 || err != nil) {
			t.Errorf("%s: the opened file has digest %s, then %s: %v", what, first, second, err)
		}
	}
}

func TestAFolderThatIsGoneIsAnErrorAndAFileThatIsGoneIsNot(t *testing.T) {
	dir := tree(t, map[string]string{"d/": "", "f": ""})
	d := folder(t, filepath.Join(dir, "d"), source.Options{})
	f, err := source.Path(filepath.Join(dir, "f"), source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the file", paths(t, f), "f")
	if err := errors.Join(os.Remove(filepath.Join(dir, "d")), os.Remove(filepath.Join(dir, "f"))); err != nil {
		t.Fatal(err)
	}
	if err := d.Walk(t.Context(), func(*ingest.Item) error { return nil }); !fault.Is(err, fault.NotFound) {
		t.Errorf("the folder: %v", err)
	}
	same(t, "the file, gone", paths(t, f))
	if _, err := source.Path(filepath.Join(dir, "f"), source.Options{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("named: %v", err)
	}
}

func TestAWalkEndsWithItsContextAndWithYield(t *testing.T) {
	dir := tree(t, map[string]string{"a": "", "b": ""})
	enough := errors.New("enough")
	if err := folder(t, dir, source.Options{}).Walk(t.Context(), func(*ingest.Item) error { return enough }); err != enough {
		t.Errorf("yield's error came back as %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := folder(t, dir, source.Options{}).Walk(ctx, func(*ingest.Item) error { n++; cancel(); return nil })
	if !errors.Is(err, context.Canceled) || n != 1 {
		t.Errorf("%d items, then %v", n, err)
	}
}

func TestAnIgnoreFileThatCannotBeReadHidesItsFolder(t *testing.T) {
	dir := tree(t, map[string]string{"a": "", "d/x": "", "d/.gitignore": strings.Repeat("# long\n", 200_000), "e/.gitignore/": "", "e/y": ""})
	same(t, "paths", paths(t, folder(t, dir, source.Options{})), "a", "!d/", "e/y")
}

func TestNamesSayWhereASourceIs(t *testing.T) {
	dir := tree(t, map[string]string{"f": ""})
	if got := folder(t, dir, source.Options{}).Name(); got != "file://"+filepath.ToSlash(dir) {
		t.Errorf("name %q", got)
	}
	if got := folder(t, dir, source.Options{Name: "docs"}).Name(); got != "docs" {
		t.Errorf("name %q", got)
	}
}
