package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearside/ingest"
	"nearside/ingest/source"
)

// tree makes files in a new folder: a name that ends with "/" is a folder, content that begins with "-> " is a link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	grow(t, dir, files)
	return dir
}

func grow(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		full := filepath.Join(dir, name)
		parent := filepath.Dir(full)
		if strings.HasSuffix(name, "/") {
			parent = full
		}
		if err := os.MkdirAll(parent, 0o755); err != nil {
			t.Fatal(err)
		}
		if parent == full {
			continue
		}
		var err error
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, full)
		} else {
			err = os.WriteFile(full, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// folder returns a folder as a source.
func folder(t *testing.T, dir string, o source.Options) ingest.Source {
	t.Helper()
	src, err := source.Folder(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// items walks a source. The paths must be in order.
func items(t *testing.T, src ingest.Source) []*ingest.Item {
	t.Helper()
	var all []*ingest.Item
	if err := src.Walk(t.Context(), func(item *ingest.Item) error { all = append(all, item); return nil }); err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if i > 0 && all[i-1].Path >= all[i].Path {
			t.Errorf("%q comes before %q", all[i-1].Path, all[i].Path)
		}
		if (all[i].Problem == nil) != (all[i].Open != nil) {
			t.Errorf("%q can be opened or has a problem, not %v", all[i].Path, all[i].Problem)
		}
	}
	return all
}

// paths returns the paths of a source's items. That of one with a problem begins with "!".
func paths(t *testing.T, src ingest.Source) []string {
	t.Helper()
	var all []string
	for _, item := range items(t, src) {
		path := item.Path
		if item.Problem != nil {
			path = "!" + path
		}
		all = append(all, path)
	}
	return all
}

// same compares lists.
func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// contents opens an item and returns its files, each as "member: name: what it says"; a problem ends in "! why".
func contents(t *testing.T, item *ingest.Item) []string {
	t.Helper()
	if item.Problem != nil {
		return []string{"! " + item.Problem.Error()}
	}
	c, err := item.Open(t.Context())
	if err != nil {
		return []string{"! " + err.Error()}
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	all, err := filesOf(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func filesOf(ctx context.Context, c ingest.Content) ([]string, error) {
	var all []string
	err := c.Files(ctx, func(f ingest.File) error {
		if f.Problem != nil {
			all = append(all, fmt.Sprintf("%s! %v", f.Member, f.Problem))
			return nil
		}
		data, err := io.ReadAll(f.Body)
		says := strings.TrimRight(string(data), "\x00") // bombs are made of zeros
		if err != nil {
			says += "! " + err.Error()
		}
		if f.At != nil && err == nil {
			again := make([]byte, f.Size)
			if n, err := f.At.ReadAt(again, 0); !bytes.Equal(again[:n], data) || err != nil && !errors.Is(err, io.EOF) {
				says += "! at random it says something else"
			}
		}
		all = append(all, fmt.Sprintf("%s: %s: %s", f.Member, f.Name, says))
		return nil
	})
	return all, err
}

// wants checks that each of lines has its part of what is wanted.
func wants(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !strings.Contains(got[i], want[i]) {
			t.Errorf("%s:\n got %q\nwant %q", what, got, want)
			return
		}
	}
}
