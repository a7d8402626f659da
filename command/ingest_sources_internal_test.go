package command

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// sourcesOf returns the names of what a command line names.
func sourcesOf(t *testing.T, args ...string) (names []string, f *sourceFlags, err error) {
	t.Helper()
	f = &sourceFlags{}
	cmd := &cobra.Command{Use: "x", RunE: func(cmd *cobra.Command, args []string) error {
		all, err := f.sources(cmd, args, nil)
		if err != nil {
			return err
		}
		for _, s := range all {
			names = append(names, s.Name())
		}
		return nil
	}, SilenceErrors: true, SilenceUsage: true}
	f.register(cmd.Flags())
	cmd.SetArgs(append([]string{}, args...)) // nil would be the arguments of the test
	return names, f, cmd.Execute()
}

func TestArgumentsNameSources(t *testing.T) {
	dir := t.TempDir()
	list := filepath.Join(dir, "list")
	if err := os.WriteFile(list, []byte("https://b.test/y\nhttps://a.test/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	slash := filepath.ToSlash(dir)
	for _, c := range []struct {
		args, want []string
		fails      string
	}{
		{[]string{dir, list}, []string{"file://" + slash, "file://" + slash + "/list"}, ""},
		{[]string{"-"}, []string{standardInput}, ""},
		{[]string{"-", "--source", "notes.md"}, []string{"notes.md"}, ""},
		{[]string{"HTTPS://Example.com/a#b"}, []string{"https://example.com/a"}, ""},
		{[]string{"--urls", list}, []string{"urls:" + slash + "/list"}, ""},
		{[]string{"--sitemap", "https://a.test/sitemap.xml", dir, "--source", ""}, []string{"file://" + slash, "https://a.test/sitemap.xml"}, ""},
		{nil, nil, "nothing to load"},
		{[]string{dir, list, "--source", "x"}, nil, "--source x"},
		{[]string{dir, dir}, nil, "twice"},
		{[]string{filepath.Join(dir, "none")}, nil, "cannot be read"},
		{[]string{"--urls", filepath.Join(dir, "none")}, nil, "cannot be read"},
		{[]string{dir, "--max-file-size", "large"}, nil, "--max-file-size large"},
		{[]string{dir, "--allow-host", "https://x/"}, nil, "is no host"},
		{[]string{"http://u:p@a/"}, nil, "password"},
	} {
		got, _, err := sourcesOf(t, c.args...)
		if c.fails == "" && (err != nil || !slices.Equal(got, c.want)) || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
			t.Errorf("%q: %q, %v; want %q %s", c.args, got, err, c.want, c.fails)
		}
	}
}

func TestSizesAndWhatCanBeWatched(t *testing.T) {
	_, f, err := sourcesOf(t, t.TempDir(), "--max-file-size", "2GiB", "--max-unpacked", "3KB", "--include", "*.md", "--include", "a,b")
	if err != nil || f.MaxFileSize != 2<<30 || f.Unpack.Expanded != 3000 || len(f.Include) != 2 {
		t.Errorf("%+v, %v", f, err)
	}
	if got, err := f.watched([]string{"a", "b"}); err != nil || len(got) != 2 {
		t.Error(got, err)
	}
	for _, arg := range []string{"-", "https://a/"} {
		if _, err := f.watched([]string{arg}); err == nil {
			t.Errorf("%s is watched", arg)
		}
	}
}
