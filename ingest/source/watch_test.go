package source_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nearside/ingest/source"
)

// await fails if nothing is received within a time that is long on any machine.
func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		t.Fatalf("nobody was told: %s", what)
	}
}

func TestChangesAreTold(t *testing.T) {
	for _, polling := range []bool{false, true} {
		dir := tree(t, map[string]string{"a.md": "", "sub/b.md": "", "node_modules/c.md": "", ".gitignore": "node_modules/"})
		file := filepath.Join(t.TempDir(), "one.md")
		must(t, os.WriteFile(file, nil, 0o600))
		w, err := source.Watch(t.Context(), []string{dir, file}, source.WatchOptions{Quiet: 20 * time.Millisecond, Every: 20 * time.Millisecond, Polling: polling})
		must(t, err)
		for _, step := range []struct {
			what string
			do   func() error
		}{
			{"a file is changed", func() error { return os.WriteFile(filepath.Join(dir, "a.md"), []byte("more"), 0o600) }},
			{"a file below is made", func() error { return os.WriteFile(filepath.Join(dir, "sub/new.md"), []byte("x"), 0o600) }},
			{"a file is removed", func() error { return os.Remove(filepath.Join(dir, "sub/b.md")) }},
			{"a folder is made with a file", func() error {
				return errors.Join(os.MkdirAll(filepath.Join(dir, "x/y"), 0o755), os.WriteFile(filepath.Join(dir, "x/y/f"), nil, 0o600))
			}},
			{"a file in the new folder is changed", func() error { return os.WriteFile(filepath.Join(dir, "x/y/f"), []byte("more"), 0o600) }},
			{"a folder is renamed", func() error { return os.Rename(filepath.Join(dir, "x"), filepath.Join(dir, "z")) }},
			{"a file in it is changed", func() error { return os.WriteFile(filepath.Join(dir, "z/y/f"), []byte("more and more"), 0o600) }},
			{"what is left out is changed", func() error { return os.WriteFile(filepath.Join(dir, ".gitignore"), nil, 0o600) }},
			{"what was left out is changed", func() error { return os.WriteFile(filepath.Join(dir, "node_modules/c.md"), []byte("more"), 0o600) }},
			{"a file that is named is changed", func() error { return os.WriteFile(file, []byte("more"), 0o600) }},
		} {
			must(t, step.do())
			await(t, step.what, w.Changed)
		}
		w.Close()
		w.Close()
	}
}

// Changes that never stop are told of all the same.
func TestChangesThatGoOnAreToldInTime(t *testing.T) {
	dir := tree(t, map[string]string{"a": ""})
	w, err := source.Watch(t.Context(), []string{dir}, source.WatchOptions{Quiet: time.Hour, Longest: 50 * time.Millisecond})
	must(t, err)
	defer w.Close()
	must(t, os.WriteFile(filepath.Join(dir, "a"), []byte("x"), 0o600))
	await(t, "after the longest time", w.Changed)
}

// When the system can watch no more folders all of them are looked through, and somebody is told.
func TestFoldersThatCannotBeWatchedAreLookedThrough(t *testing.T) {
	dir := tree(t, map[string]string{"a/f": "", "b/f": "", "c/f": ""})
	var remarks []string
	o := source.WatchOptions{Quiet: 20 * time.Millisecond, Every: 20 * time.Millisecond, Remarked: func(what string) { remarks = append(remarks, what) }}
	w, err := source.Watch(t.Context(), []string{dir}, o.Limit(3))
	must(t, err)
	wants(t, "remarks", remarks, "fs.inotify.max_user_watches")
	must(t, os.WriteFile(filepath.Join(dir, "c/f"), []byte("more"), 0o600))
	await(t, "a file is changed in the last folder", w.Changed)
	w.Close()
}

func TestASwitchedLinkIsAChange(t *testing.T) {
	dir := tree(t, map[string]string{"..1/f": "1", "..2/f": "2", "..data": "-> ..1", "f": "-> ..data/f"})
	w, err := source.Watch(t.Context(), []string{dir}, source.WatchOptions{Quiet: 20 * time.Millisecond})
	must(t, err)
	defer w.Close()
	must(t, os.Symlink("..2", filepath.Join(dir, "..data_tmp")))
	must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	await(t, "the link leads elsewhere", w.Changed)
	wants(t, "what is there", contents(t, items(t, folder(t, dir, source.Options{}))[0]), ": f: 2")
}

func TestAWatchOfNothingIsAnError(t *testing.T) {
	if _, err := source.Watch(t.Context(), []string{filepath.Join(t.TempDir(), "none")}, source.WatchOptions{}); err == nil {
		t.Error("a folder that is not there is watched")
	}
}
