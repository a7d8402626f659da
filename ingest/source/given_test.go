package source_test

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nearside/ingest"
	"nearside/ingest/source"
)

func TestGivenFilesComeUnderTheirOwnNamesInOrder(t *testing.T) {
	dir := t.TempDir()
	at := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	s := source.Given("files", []source.GivenFile{
		{Path: "b/x", MediaType: "text/markdown", At: at("0", "# B")},
		{Path: "../a.txt", Version: "v1", At: at("1", "A")},
		{Path: "gone.md", At: filepath.Join(dir, "2")},
		{Path: "large.md", At: at("3", "123456")},
	}, 5)
	var paths, contents []string
	err := s.Walk(t.Context(), func(i *ingest.Item) error {
		paths = append(paths, i.Path)
		if i.Path == "gone.md" || i.Path == "large.md" {
			if i.Problem == nil {
				t.Errorf("%s has no problem", i.Path)
			}
			return nil
		}
		if i.Path == "../a.txt" && i.Version != "v1" {
			t.Errorf("%+v", i)
		}
		c, err := i.Open(t.Context())
		if err != nil {
			return err
		}
		defer c.Close()
		return c.Files(t.Context(), func(f ingest.File) error {
			content, err := io.ReadAll(f.Body)
			contents = append(contents, f.Name+" "+f.MediaType+" "+string(content))
			return err
		})
	})
	if err != nil || s.Name() != "files" || !slices.Equal(paths, []string{"../a.txt", "b/x", "gone.md", "large.md"}) || !slices.Equal(contents, []string{"a.txt  A", "x text/markdown # B"}) {
		t.Errorf("%q, %q, %v", paths, contents, err)
	}
}
