package source_test

import (
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"nearside/fault"
	"nearside/ingest/source"
)

func TestWhatIsReadOnceIsReadAsItComes(t *testing.T) {
	in := items(t, source.Reader("notes.md", strings.NewReader("# it"), source.Options{}))
	if len(in) != 1 || in[0].Path != "notes.md" || in[0].Size != -1 || in[0].Version == "" {
		t.Fatalf("items %+v", in)
	}
	wants(t, "files", contents(t, in[0]), ": notes.md: # it")
	wants(t, "again", contents(t, in[0]), "! notes.md was read")
	wants(t, "an archive", contents(t, items(t, source.Reader("-", strings.NewReader(gzipOf(t, tarOf(t, pair{"a", "1"}))), source.Options{}))[0]), "a: a: 1")
	wants(t, "a zip archive", contents(t, items(t, source.Reader("-", strings.NewReader(zipOf(t, pair{"a", "1"})), source.Options{}))[0]), "a: a: 1")
}

func TestWhatIsNamedIsKeptAndCompared(t *testing.T) {
	for _, says := range []string{"short", strings.Repeat("long ", 1<<20)} {
		src := source.Reader("notes.txt", strings.NewReader(says), source.Options{Name: "notes"})
		item := items(t, src)[0]
		if src.Name() != "notes" || item.Version != "" {
			t.Errorf("name %q, version %q", src.Name(), item.Version)
		}
		c, err := item.Open(t.Context())
		must(t, err)
		first, err := c.Digest(t.Context())
		must(t, err)
		for range 2 {
			files, err := filesOf(t.Context(), c)
			must(t, err)
			if len(files) != 1 || files[0] != ": notes.txt: "+says {
				t.Errorf("%.100q", files)
			}
		}
		second, err := c.Digest(t.Context())
		if first != second || len(first) != 64 || err != nil || c.Changed() != nil || c.Close() != nil {
			t.Errorf("digests %q, %q: %v", first, second, err)
		}
	}
}

// A disk that fails is not an archive that is damaged.
func TestAFailingDiskIsNamed(t *testing.T) {
	broken := iotest.ErrReader(&fs.PathError{Op: "read", Path: "/mnt/x", Err: syscall.EIO})
	for what, r := range map[string]io.Reader{"at once": broken, "later": io.MultiReader(strings.NewReader(gzipOf(t, strings.Repeat("x", 9))[:20]), broken)} {
		got := contents(t, items(t, source.Reader("notes.md", r, source.Options{}))[0])
		if len(got) != 1 || !strings.Contains(got[0], "cannot be read: input/output error") {
			t.Errorf("%s: %q", what, got)
		}
	}
}

func TestWhatIsNamedIsWithinTheLimit(t *testing.T) {
	src := source.Reader("x", io.LimitReader(strings.NewReader(strings.Repeat("x", 100)), 100), source.Options{Name: "x", MaxFileSize: 99})
	if _, err := items(t, src)[0].Open(t.Context()); !fault.Is(err, fault.TooLarge) {
		t.Errorf("opened: %v", err)
	}
}
